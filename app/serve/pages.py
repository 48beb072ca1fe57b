"""The page at `/`: static files of this package, and the project's own sample questions."""

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
FILES = {
    "/": "index.html",
    "/playground.css": "playground.css",
    "/playground.js": "playground.js",
    "/small-file.js": "small-file.js",
    "/favicon.svg": "favicon.svg",
}


def playground_router() -> APIRouter:
    """The routes, which are no part of the interface for programs."""
    router = APIRouter(include_in_schema=False)
    questions = _samples()

    def serve_file(path: str, name: str) -> None:
        @router.api_route(path, methods=["GET", "HEAD"])
        async def file() -> Response:
            return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

    for path, name in FILES.items():
        serve_file(path, name)

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


SWAGGER_UI = Path(str(files("fastapi_offline"))) / "static"
SWAGGER_FILES = {
    "/docs": STATIC / "docs.html",
    "/docs/start.js": STATIC / "docs.js",
    "/docs/swagger-ui-bundle.js": SWAGGER_UI / "swagger-ui-bundle.js",
    "/docs/swagger-ui.css": SWAGGER_UI / "swagger-ui.css",
}


def docs_router() -> APIRouter:
    """The routes. They are closed like any other once keys are set."""
    router = APIRouter(include_in_schema=False)

    def serve_file(path: str, file: Path) -> None:
        @router.get(path)
        async def page() -> Response:
            return FileResponse(file, headers={"Cache-Control": "no-cache"})

    for path, file in SWAGGER_FILES.items():
        serve_file(path, file)
    return router
