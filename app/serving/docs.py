"""The interactive page of the interface at `/docs`: Swagger UI from an installed package, nothing from elsewhere."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from app.serving.playground import STATIC

SWAGGER_UI = Path(str(files("fastapi_offline"))) / "static"
FILES = {
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

    for path, file in FILES.items():
        serve_file(path, file)
    return router
