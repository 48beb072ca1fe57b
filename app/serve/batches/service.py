"""All batches of a server: taken in, gone on with after a restart, cancelled, forgotten in time."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openai.types import Batch

from app.jobs.identity import Identity
from app.openai.batches import BatchRequest
from app.process import parse_duration
from app.serve.batches.asking import Share
from app.serve.batches.files import Files, storage_full
from app.serve.batches.run import Run, Tools
from app.serve.batches.state import ENDED, Entry, Kind, State, keep_only
from app.serve.problems import ProblemError
from app.serve.service import Service

log = logging.getLogger(__name__)
SWEEP_EVERY = 600.0


class Batches:
    """Batches and the files that they read and write, in one folder.

    A key sees its own only; for any other there is ProblemError 404. Where the disk refuses, it is 507.
    """

    def __init__(self, service: Service, folder: Path, identity: Callable[[bool], Identity]) -> None:
        """`identity` tells what all answers depend on, to questions or not: no other model goes on with a batch."""
        self._service = service
        self._settings = service.settings
        self._folder = folder
        self._identity = identity
        self._share = Share(self._settings.batch_concurrency, service.admission)
        self._runs: dict[str, Run] = {}
        self._now: Tools | None = None
        """What there is between `start` and `close`."""
        self._tasks: set[asyncio.Task[None]] = set()
        service.metrics.watch("batches", "Batches that are not at their end.", lambda: len(self._runs))
        service.metrics.watch("batch_requests", "Requests of batches in the engine.", lambda: self._share.in_use)

    @property
    def files(self) -> Files:
        """The files."""
        return self._opened.files

    def start(self) -> None:
        """Open the folder and go on with what is not at its end.

        Raises:
            SetupError: the folder cannot be used, or another server uses it.
        """
        state = State(self._folder)
        contents, journals = self._folder / "contents", self._folder / "journals"
        for folder in (contents, journals):
            folder.mkdir(exist_ok=True, mode=0o700)
        known = {entry.id for entry in state.every(Kind.FILE)}
        files = Files(state, contents, self._settings.max_stored_bytes, self._settings.file_lifetime)
        files.in_use = self._reads
        disk = ThreadPoolExecutor(1, thread_name_prefix="batch-disk")
        self._now = Tools(self._service, state, contents, files, journals, self._share, self._identity, disk)
        for entry in state.every(Kind.BATCH):
            if entry.document["status"] not in ENDED:
                self._work(self._bring_to_end(self._begin(entry)))
        keep_only(contents, known.__contains__)
        keep_only(journals, lambda name: name.partition(".")[0] in self._runs)
        self._work(self._sweep())

    async def close(self) -> None:
        """Stop where things stand; another start goes on from here."""
        if self._now is None:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._now.disk.shutdown()
        self._now.state.close()
        self._runs.clear()
        self._now = None

    async def create(self, owner: str, request: BatchRequest) -> Batch:
        """Take a batch in.

        Raises:
            ProblemError: 413, the owner keeps too much already; 422, it is no input file; 429, this key has enough.
        """
        await self.files.check_room(owner, 0)
        async with self.files.staying:
            file = await asyncio.to_thread(self.files.find, owner, request.input_file_id)
            if file.purpose != "batch":
                detail = "input_file_id: this file was not uploaded with purpose 'batch'"
                raise ProblemError(422, "invalid_request", detail)
            most = self._settings.max_batches
            if sum(run.record.owner == owner and not run.record.ended for run in self._runs.values()) >= most:
                detail = f"this key has {most} batches under way: wait for one of them, or cancel one"
                raise ProblemError(429, "too_many_batches", detail, headers={"Retry-After": "60"})
            name = f"batch_{secrets.token_hex(16)}"
            entry = Entry(Kind.BATCH, name, owner, _document(name, request))
            # From here on the file is in use.
            run = self._begin(entry)
        try:
            await asyncio.to_thread(self._opened.state.put, entry)
        except OSError as error:
            del self._runs[name]
            raise storage_full() from error
        self._work(self._bring_to_end(run))
        return run.record.document

    def find(self, owner: str, name: str) -> Batch:
        """A batch as it stands. May wait for the disk."""
        # Looked up before it is read: a batch that ends in between is read at its end.
        run = self._runs.get(name)
        entry = self._entry(owner, name)
        return _as_it_stands(entry, run)

    def page(self, owner: str, after: str | None, limit: int) -> tuple[list[Batch], bool]:
        """Some batches, the latest first, and whether there are more. May wait for the disk."""
        runs = dict(self._runs)
        before = None if after is None else self._entry(owner, after)
        entries, more = self._opened.state.page(Kind.BATCH, owner, before, limit)
        return [_as_it_stands(entry, runs.get(entry.id)) for entry in entries], more

    async def cancel(self, owner: str, name: str) -> Batch:
        """Ask nothing more for a batch.

        Raises:
            ProblemError: 409, it is at its end.
        """
        await asyncio.to_thread(self._entry, owner, name)
        run = self._runs.get(name)
        try:
            if run is not None and await run.cancel():
                return run.record.document
        except OSError as error:
            raise storage_full() from error
        status = (await asyncio.to_thread(self.find, owner, name)).status
        raise ProblemError(409, "batch_ended", f"a batch that is {status} cannot be cancelled")

    @property
    def _opened(self) -> Tools:
        if self._now is None:
            raise ProblemError(503, "not_ready", "the server is starting or shutting down")
        return self._now

    def _entry(self, owner: str, name: str) -> Entry:
        entry = self._opened.state.find(Kind.BATCH, name, owner)
        if entry is None:
            raise ProblemError(404, "no_such_batch", "there is no such batch; GET /v1/batches lists those of this key")
        return entry

    def _reads(self, file: str) -> bool:
        # A copy: sweeping asks from another thread.
        return any(
            run.record.document.input_file_id == file and not run.record.ended for run in list(self._runs.values())
        )

    def _begin(self, entry: Entry) -> Run:
        run = self._runs[entry.id] = Run(entry, self._opened)
        return run

    def _work(self, work: Any) -> None:  # noqa: ANN401  # any coroutine
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("unexpected error in a batch, which goes on at the next start", exc_info=error)

    async def _bring_to_end(self, run: Run) -> None:
        try:
            await run.work()
        finally:
            if run.record.ended:
                self._runs.pop(run.record.document.id, None)

    async def _sweep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.files.sweep)
                await asyncio.to_thread(self._forget)
            except OSError as error:
                log.warning("cannot delete what is out of date", extra={"reason": str(error)})
            await asyncio.sleep(SWEEP_EVERY)

    def _forget(self) -> None:
        """Batches go when their files are gone."""
        before = time.time() - self._settings.file_lifetime
        for entry in self._opened.state.every(Kind.BATCH):
            if entry.id not in self._runs and (entry.document["expires_at"] or 0) < before:
                self._opened.state.remove(entry.id)


def _as_it_stands(entry: Entry, run: Run | None) -> Batch:
    return run.record.document if run is not None else Batch.model_validate(entry.document)


def _document(name: str, request: BatchRequest) -> dict[str, Any]:
    now = int(time.time())
    document: dict[str, Any] = request.model_dump(exclude={"output_expires_after"}) | {
        "id": name,
        "object": "batch",
        "status": "validating",
        "created_at": now,
        "expires_at": now + int(max(1, parse_duration(request.completion_window))),
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    }
    if request.output_expires_after is not None:
        document["output_expires_after"] = request.output_expires_after.seconds
    return Batch.model_validate(document).model_dump(mode="json")
