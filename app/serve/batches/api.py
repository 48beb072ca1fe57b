"""OpenAI-compatible routes: `/v1/files` and `/v1/batches`."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request, UploadFile
from fastapi.routing import APIRoute
from openai.types import Batch, FileDeleted, FileObject
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse, JSONResponse, Response

from app.openai.batches import LONGEST_LIFE, SHORTEST_LIFE, BatchRequest
from app.openai.wire import ShortText
from app.serve.batches.service import Batches
from app.serve.problems import problem_responses
from app.serve.service import Service, reading_route

JSON_LINES = "application/jsonl"
FORM_BYTES = 4096
"""More than a form takes around its file: what would fit is not refused early."""
Name = Annotated[str, Path(max_length=256)]
After = Annotated[ShortText | None, Query(description="The last one of the page before.")]


class UploadForm(BaseModel):
    """A file and what it is for."""

    model_config = ConfigDict(extra="forbid")

    purpose: Literal["batch"]
    file: UploadFile = Field(description="JSON lines: `custom_id`, `method`, `url` and `body` each.")
    expires_anchor: Literal["created_at"] | None = Field(None, alias="expires_after[anchor]")
    expires_seconds: int | None = Field(None, alias="expires_after[seconds]", ge=SHORTEST_LIFE, le=LONGEST_LIFE)


class _List(BaseModel):
    object: Literal["list"] = "list"
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None


class FileList(_List):
    """Files, in order of creation."""

    data: list[FileObject]


class BatchList(_List):
    """Batches, the latest first."""

    data: list[Batch]


def batch_router(batches: Batches, service: Service) -> APIRouter:
    """The routes. Those that only read wait for the disk in a thread of FastAPI's."""
    responses = problem_responses(401, 403, 422)
    router = APIRouter(tags=["OpenAI-compatible"], responses=responses, route_class=reading_route(service))
    uploads = APIRouter(route_class=_upload_route(batches))

    @uploads.post(
        "/v1/files",
        summary="Upload a file of requests",
        response_model=FileObject,
        responses=problem_responses(400, 408, 413, 415, 507),
    )
    async def upload(form: Annotated[UploadForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
        """JSON lines as of OpenAI's batch interface: `custom_id`, `method` (POST), `url` and `body`."""
        return _json(await batches.files.upload(_owner(request), form.file, form.expires_seconds))

    router.include_router(uploads)

    @router.get("/v1/files", summary="List files", response_model=FileList, responses=problem_responses(404))
    def files(
        request: Request,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
        order: Literal["asc", "desc"] = "desc",
        purpose: Literal["batch", "batch_output"] | None = None,
    ) -> Response:
        """The files of this key."""
        found, more = batches.files.page(_owner(request), after, limit, order, purpose)
        return _json(FileList(data=found, has_more=more, **_ends(found)))

    @router.get(
        "/v1/files/{name}", summary="Tell of a file", response_model=FileObject, responses=problem_responses(404)
    )
    def file(name: Name, request: Request) -> Response:
        """One of the above."""
        return _json(batches.files.find(_owner(request), name))

    @router.get(
        "/v1/files/{name}/content",
        summary="Download a file",
        response_class=Response,
        responses={
            **problem_responses(400, 404, 416),
            200: {"description": "The file.", "content": {JSON_LINES: {"schema": {"type": "string"}}}},
        },
    )
    def content(name: Name, request: Request) -> Response:
        """What stands in a file."""
        return FileResponse(batches.files.content(_owner(request), name), media_type=JSON_LINES)

    @router.delete(
        "/v1/files/{name}",
        summary="Delete a file",
        response_model=FileDeleted,
        responses=problem_responses(404, 409, 507),
    )
    async def delete(name: Name, request: Request) -> Response:
        """A file that a batch still reads stays."""
        await batches.files.delete(_owner(request), name)
        return _json(FileDeleted(id=name, object="file", deleted=True))

    @router.post(
        "/v1/batches",
        summary="Answer a file of requests",
        response_model=Batch,
        responses=problem_responses(400, 404, 408, 413, 415, 429, 507),
    )
    async def create(body: BatchRequest, request: Request) -> Response:
        """The requests are answered beside the online ones, which go first."""
        return _json(await batches.create(_owner(request), body))

    @router.get("/v1/batches", summary="List batches", response_model=BatchList, responses=problem_responses(404))
    def listed(request: Request, after: After = None, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
        """The batches of this key, the latest first."""
        found, more = batches.page(_owner(request), after, limit)
        return _json(BatchList(data=found, has_more=more, **_ends(found)))

    @router.get("/v1/batches/{name}", summary="Tell of a batch", response_model=Batch, responses=problem_responses(404))
    def batch(name: Name, request: Request) -> Response:
        """How far it is, and at its end the files with answers and errors."""
        return _json(batches.find(_owner(request), name))

    @router.post(
        "/v1/batches/{name}/cancel",
        summary="Cancel a batch",
        response_model=Batch,
        responses=problem_responses(404, 409, 413, 507),
    )
    async def cancel(name: Name, request: Request) -> Response:
        """Nothing more is asked; what was answered is kept and written."""
        return _json(await batches.cancel(_owner(request), name))

    return router


def _upload_route(batches: Batches) -> type[APIRoute]:
    class UploadRoute(APIRoute):
        """Refuses what the key has no room for before the body is read: FastAPI reads it before all else."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def checked(request: Request) -> Response:
                declared = request.headers.get("content-length", "")
                if declared.isdecimal():
                    await batches.files.check_room(_owner(request), max(0, int(declared) - FORM_BYTES))
                return await handle(request)

            return checked

    return UploadRoute


def _owner(request: Request) -> str:
    owner: str = request.scope.get("shopbench.key", "")
    return owner


def _ends(found: Sequence[FileObject | Batch]) -> dict[str, Any]:
    return {"first_id": found[0].id, "last_id": found[-1].id} if found else {}


def _json(document: BaseModel) -> Response:
    return JSONResponse(document.model_dump(mode="json", exclude_none=True))
