"""Pages: static files of this package, the project's own sample questions, and Swagger UI."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, JSONResponse, Response

from app.routing import route
from app.rows import read_rows
from app.settings import ROOT

STATIC = Path(__file__).parent / "static"
SAMPLE = ROOT / "data" / "sample.jsonl"
FILES = {"/": STATIC / "index.html"} | {
    f"/{name}": STATIC / name for name in ("playground.css", "playground.js", "small-file.js", "favicon.svg")
}
SWAGGER_UI = Path(str(files("fastapi_offline"))) / "static"
SWAGGER_FILES = {
    "/docs": STATIC / "docs.html",
    "/docs/start.js": STATIC / "docs.js",
    "/docs/swagger-ui-bundle.js": SWAGGER_UI / "swagger-ui-bundle.js",
    "/docs/swagger-ui.css": SWAGGER_UI / "swagger-ui.css",
}


def pages_router() -> APIRouter:
    """The routes, which are no part of the interface for programs. Swagger UI needs a key once keys are set."""
    router = APIRouter(include_in_schema=False)
    questions = _samples()

    def serve_file(path: str, file: Path, methods: list[str]) -> None:
        @router.api_route(path, methods=methods)
        async def page() -> Response:
            return FileResponse(file, headers={"Cache-Control": "no-cache"})

    for path, file in FILES.items():
        serve_file(path, file, ["GET", "HEAD"])
    for path, file in SWAGGER_FILES.items():
        serve_file(path, file, ["GET"])

    @router.api_route("/samples.json", methods=["GET", "HEAD"])
    async def samples() -> Response:
        return JSONResponse(questions)

    return router


def _samples() -> list[dict[str, Any]]:
    """The project's sample questions; none where the server runs without its checkout."""
    if not SAMPLE.exists():
        return []
    questions = [row.question for row in read_rows(SAMPLE) if row.question is not None]
    return [
        {
            "id": question.id,
            "prompt": question.prompt,
            "is_multiple_choice": question.is_multiple_choice,
            "task_type": route(question).type,
        }
        for question in questions
    ]
