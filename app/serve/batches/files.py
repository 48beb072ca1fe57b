"""Files: what clients upload for batches, and what batches leave for them."""

import asyncio
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from fastapi import UploadFile
from openai.types import FileObject

from app.serve.batches.state import Entry, Kind, Order, State, write_content
from app.serve.problems import ProblemError

log = logging.getLogger(__name__)
CHUNK = 1 << 20
NAME_CHARACTERS = 256


def storage_full() -> ProblemError:
    """507. A new one each time, as all of these: an error that is raised again keeps the frames of every time."""
    return ProblemError(507, "storage_full", "the server's disk does not take it: try again later")


def no_such_file() -> ProblemError:
    """404."""
    return ProblemError(404, "no_such_file", "there is no such file; GET /v1/files lists those of this key")


class Files:
    """Files by id. A key sees its own only; for any other there is ProblemError 404, and 507 where the disk refuses."""

    def __init__(self, state: State, contents: Path, quota: int, lifetime: int) -> None:
        """`quota` is in bytes for each owner, `lifetime` in seconds for files that name none."""
        self._state = state
        self._contents = contents
        self._quota = quota
        self._lifetime = lifetime
        self._held: Counter[str] = Counter()
        self.staying = asyncio.Lock()
        """No file is deleted by its owner while this is held."""
        self.in_use: Callable[[str], bool] = lambda _: False
        """Whether a batch still reads a file."""

    async def check_room(self, owner: str, size: int) -> None:
        """See that so many bytes more would fit now; bytes on their way count as if they were there.

        Raises:
            ProblemError: 413, the owner keeps too much already.
        """
        # Held bytes are counted first: those that are entered meanwhile count twice rather than not at all.
        wanted = self._held[owner] + size
        if await asyncio.to_thread(self._state.stored_bytes, owner) + wanted > self._quota:
            detail = f"this key keeps {self._quota} bytes at most: delete files that are no longer needed"
            raise ProblemError(413, "too_many_bytes", detail)

    @asynccontextmanager
    async def hold_room(self, owner: str, size: int) -> AsyncIterator[None]:
        """Hold room until a file is entered, as far as `check_room` allows."""
        self._held[owner] += size
        try:
            await self.check_room(owner, 0)
            yield
        finally:
            self._held[owner] -= size

    async def upload(self, owner: str, file: UploadFile, seconds: int | None) -> FileObject:
        """Keep a file for a batch; `seconds` is how long.

        Raises:
            ProblemError: 422, it is empty; 413, the owner keeps too much already.
        """
        size = file.size or 0
        if size == 0:
            raise ProblemError(422, "invalid_request", "file: it is empty")
        name = f"file-{secrets.token_hex(16)}"
        made = self.describe(name, size, (file.filename or "upload.jsonl")[:NAME_CHARACTERS], "batch", seconds)
        entry = Entry(Kind.FILE, name, owner, made.model_dump(mode="json"))
        try:
            async with self.hold_room(owner, size):
                await asyncio.to_thread(self._enter, entry, file.file)
        except OSError as error:
            raise storage_full() from error
        return made

    def describe(self, name: str, size: int, filename: str, purpose: str, seconds: int | None = None) -> FileObject:
        """A file as the interface shows it."""
        now = int(time.time())
        return FileObject.model_validate(
            {
                "id": name,
                "bytes": size,
                "created_at": now,
                "expires_at": now + (seconds or self._lifetime),
                "filename": filename,
                "object": "file",
                "purpose": purpose,
                "status": "processed",
            }
        )

    def find(self, owner: str, name: str) -> FileObject:
        """One file."""
        entry = self._state.find(Kind.FILE, name, owner)
        if entry is None:
            raise no_such_file()
        return FileObject.model_validate(entry.document)

    def page(
        self, owner: str, after: str | None, limit: int, order: Order, purpose: str | None
    ) -> tuple[list[FileObject], bool]:
        """Some files, and whether there are more."""
        before = None
        if after is not None and (before := self._state.find(Kind.FILE, after, owner)) is None:
            raise no_such_file()
        entries, more = self._state.page(Kind.FILE, owner, before, limit, order, purpose)
        return [FileObject.model_validate(entry.document) for entry in entries], more

    def content(self, owner: str, name: str) -> Path:
        """Where the content of a file lies."""
        self.find(owner, name)
        path = self._contents / name
        if not path.is_file():
            raise no_such_file()
        return path

    async def delete(self, owner: str, name: str) -> None:
        """Delete a file.

        Raises:
            ProblemError: 409, a batch still reads it.
        """
        async with self.staying:
            await asyncio.to_thread(self.find, owner, name)
            if self.in_use(name):
                raise ProblemError(409, "file_in_use", "a batch is still reading this file: cancel the batch first")
            try:
                await asyncio.to_thread(self._remove, name)
            except OSError as error:
                raise storage_full() from error

    def sweep(self) -> None:
        """Delete files whose time is over. One that the disk does not let go stays until the next time."""
        for entry in self._state.outdated():
            if self.in_use(entry.id):
                continue
            try:
                self._remove(entry.id)
            except OSError as error:
                log.warning("a file whose time is over stays", extra={"file": entry.id, "reason": str(error)})

    def _enter(self, entry: Entry, source: BinaryIO) -> None:
        try:
            with write_content(self._contents / entry.id) as target:
                shutil.copyfileobj(source, target, CHUNK)
            self._state.put(entry)
        except OSError:
            (self._contents / entry.id).unlink(missing_ok=True)
            raise

    def _remove(self, name: str) -> None:
        content = self._contents / name
        try:
            self._state.remove(name)
        except OSError:
            # A full disk: without the content there is room again to write that the file is gone.
            content.unlink(missing_ok=True)
            self._state.remove(name)
        content.unlink(missing_ok=True)
