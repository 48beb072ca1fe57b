"""One batch on its way from `validating` to its end. Whatever stops the server, the next one goes on from here."""

import asyncio
import hashlib
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from openai.types import BatchError, BatchRequestCounts

from app.database import remove_database
from app.errors import EngineError, InputError, SetupError
from app.jobs.identity import Identity, differences
from app.jobs.store import SYNC_SECONDS, Reply, Store, UnreadableStoreError
from app.openai.batches import PREDICT
from app.serve.batches.asking import Asked, Share, refused, reply_to
from app.serve.batches.files import Files
from app.serve.batches.lines import Line, check, read, write_results
from app.serve.batches.state import Entry, Kind, Record, State
from app.serve.predict import ENGINE_FAILED
from app.serve.problems import REQUEST_ID, ProblemError
from app.serve.service import Service

T = TypeVar("T")
CHUNK = 64
"""Lines that are read at a time."""
ATTEMPTS = 3
"""How often a line is asked while the engine fails and lives on."""
RETRY_AFTER = 1.0
"""Seconds between them."""
MOST_DEATHS = 3
"""A line is asked no more after so many deaths of the engine with it."""
COUNTED_AFTER = 5.0
"""Seconds until a death of the engine counts: if the server ends meanwhile, both were told to, and no line is why."""
AGAIN_AFTER = 10.0
"""Seconds until a batch goes on that the disk has stopped."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why lines may be left without a reply: the batch's status then, code and message of such a line.

    `error` is what the batch itself says, where that status is `failed`.
    """

    status: str
    code: str
    message: str
    error: str = ""


CANCELLED = Cause("cancelled", "batch_cancelled", "not answered: the batch was cancelled")
EXPIRED = Cause("expired", "batch_expired", "not answered within the completion window")
BROKEN = Cause(
    "failed",
    "internal",
    "not answered: the batch met an error of the server",
    "an error of the server; its log has it under this batch's id",
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What all batches work with. Stores are used on the one thread of `disk` only."""

    service: Service
    state: State
    contents: Path
    files: Files
    journals: Path
    share: Share
    identity: Callable[[bool], Identity]
    disk: ThreadPoolExecutor


class Run:
    """The work on one batch, from where `record` says it is."""

    def __init__(self, entry: Entry, tools: Tools) -> None:
        self._tools = tools
        self.record = Record(entry, self._put)
        self._stop = asyncio.Event()
        self._faults = 0
        if self.record.cancelled:
            self._stop.set()

    async def work(self) -> None:
        """Bring the batch to its end, unless the engine fails for good or this is cancelled: then it stays as it is."""
        while not self.record.ended and self._tools.service.health.live:
            try:
                await self._check()
                if not self.record.ended:
                    await self._answer_and_finish()
            except EngineError as error:
                self._log("a batch waits for a restart", error)
            except (InputError, SetupError, OSError) as error:
                self._log("a batch waits for the disk", error)
                await asyncio.sleep(AGAIN_AFTER)
            except Exception:  # the boundary of a batch: whatever it is, the batch comes to an end
                log.exception("unexpected error in a batch", extra={"batch": self.record.document.id})
                await self._break_off()
        if self.record.ended:
            # What only the way to the end needed. A start does so too, for a server that did not come to it.
            await self._on_disk(lambda: remove_database(self._store_path))

    async def cancel(self) -> bool:
        """Ask nothing more; what was answered is kept. False where the batch is at its end already.

        Raises:
            OSError: the disk is full, or refuses otherwise; the batch goes on.
        """
        if not await self.record.cancel():
            return False
        self._stop.set()
        return True

    async def _break_off(self) -> None:
        """Ask nothing more, so that what was answered is written; where that fails too, end without."""
        self._faults += 1
        if self._faults == 1:
            return
        try:
            await self.record.fail([BatchError(code=BROKEN.code, message=BROKEN.error)])
        except Exception:  # whatever it is, entering is tried again
            log.exception("cannot enter that a batch failed", extra={"batch": self.record.document.id})
            await asyncio.sleep(AGAIN_AFTER)

    async def _check(self) -> None:
        if self.record.total > 0:
            return
        settings, endpoint = self._tools.service.settings, self.record.document.endpoint
        bounds = (settings.max_batch_requests, settings.max_body_bytes, settings.max_upload_bytes)
        total, errors = await self._on_disk(lambda: check(self._input, endpoint, *bounds))
        counts = BatchRequestCounts(total=total, completed=0, failed=0)
        if errors:
            await self.record.fail(errors, request_counts=counts)
        else:
            await self.record.advance("in_progress", request_counts=counts)

    async def _answer_and_finish(self) -> None:
        store = await self._on_disk(self._open_store)
        try:
            cause = await self._on_disk(lambda: self._obstacle(store))
            if cause is None:
                # At `finalizing` too: a machine that lost its power may have lost the last second's answers.
                await self._answer(store)
            await self._finish(store, cause)
        finally:
            await asyncio.shield(self._on_disk(store.close))

    def _obstacle(self, store: Store) -> Cause | None:
        """Why nothing more is asked; None where the store has begun and the batch goes on."""
        # Of what is not asked any more, it does not matter who would answer.
        if self.record.cancelled:
            return CANCELLED
        if self._faults:
            return BROKEN
        identity = self._tools.identity(self.record.document.endpoint == PREDICT)
        if different := differences(store.identity, identity):
            # Answers of two models must not end up in one file.
            changed = "the batch was begun with another model"
            return Cause("failed", "server_changed", f"not answered: {changed}", f"{changed}: {'; '.join(different)}")
        store.begin(identity)
        return None

    async def _answer(self, store: Store) -> None:
        """Ask until all is answered, the batch is cancelled, or its time is over."""
        left = (self.record.document.expires_at or 0) - time.time()
        if left <= 0:
            return
        asking = asyncio.create_task(self._ask_all(store))
        stopping = asyncio.create_task(self._stop.wait())
        syncing = asyncio.create_task(self._sync_often(store))
        tasks: set[asyncio.Task[Any]] = {asking, stopping, syncing}
        try:
            await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in (asking, syncing):
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sync_often(self, store: Store) -> None:
        """The last answer must not wait for the next one to be forced to the disk."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await self._on_disk(store.sync_if_due)

    async def _ask_all(self, store: Store) -> None:
        """Ask what has no reply, many lines at a time; those that the engine died with last and one by one."""
        lines = read(self._input)
        # How often the engine died with a line, by its name.
        deaths: dict[str, int] = await self._on_disk(lambda: store.note("deaths")) or {}
        self.record.recount()
        alone: list[Line] = []
        asked = Asked(self._tools.share)
        try:
            while chunk := await self._on_disk(lambda: list(itertools.islice(lines, CHUNK))):
                known = await self._on_disk(lambda: [store.find_reply(line.key(store.digest)) for line in chunk])
                for line, reply in zip(chunk, known, strict=True):
                    if reply is not None:
                        self.record.count(reply.status)
                    elif line.name in deaths:
                        alone.append(line)
                    else:
                        await asked.start(line, self._ask(line, store))
            await asked.all_ended()
            for line in alone:
                if deaths[line.name] >= MOST_DEATHS:
                    detail = f"not answered: the engine died {MOST_DEATHS} times while this line was asked"
                    await self._store(line, refused(ProblemError(503, ENGINE_FAILED, detail)), store)
                    continue
                await asked.start(line, self._ask(line, store))
                await asked.all_ended()
        except EngineError:
            await asyncio.sleep(COUNTED_AFTER)
            deaths |= {name: deaths.get(name, 0) + 1 for name in asked.unanswered}
            await self._on_disk(lambda: store.write_note("deaths", deaths))
            raise
        finally:
            await asked.cancel()

    async def _ask(self, line: Line, store: Store) -> None:
        REQUEST_ID.set(f"req_{line.name}")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = await reply_to(line, self.record.document.endpoint, self._tools.service)
                break
            except EngineError as error:
                if not self._tools.service.health.live:
                    raise
                # An engine that lives on fails by this request: the others must not wait for it.
                reply = refused(ProblemError(503, ENGINE_FAILED, f"the engine failed {attempt} times: {error}"))
                await asyncio.sleep(RETRY_AFTER)
            except Exception as error:  # the boundary of a line: whatever it is, the others get their answers
                if not self._tools.service.health.live:
                    raise EngineError("the engine died") from error
                log.exception("unexpected error", extra={"batch": self.record.document.id})
                reply = refused(ProblemError(500, "internal", "an error of the server; the log has it under this id"))
                break
        await self._store(line, reply, store)

    async def _store(self, line: Line, reply: Reply, store: Store) -> None:
        await self._on_disk(lambda: store.add_reply(line.key(store.digest), reply))
        self._tools.service.metrics.batch_line(reply.status)
        self.record.count(reply.status)

    async def _finish(self, store: Store, cause: Cause | None) -> None:
        """Write what there is. `cause` is why lines were left, where that is not their time."""
        if self.record.document.status == "in_progress":
            await self.record.advance("finalizing")
        cause = CANCELLED if self.record.cancelled else cause or EXPIRED
        lines, names, unasked = read(self._input), self._names, (cause.code, cause.message)
        written = await self._on_disk(lambda: write_results(lines, store, self._tools.contents, names, unasked))
        counts = BatchRequestCounts(total=self.record.total, completed=written.completed, failed=written.failed)
        ids = (name if written.bytes[name] else None for name in names)
        found = {**dict(zip(("output_file_id", "error_file_id"), ids, strict=True)), "request_counts": counts}
        files = self._entries(written.bytes)
        # A cancelled batch may be answered whole, and is cancelled all the same.
        status = cause.status if written.unasked or cause is CANCELLED else "completed"
        if status == "failed":
            await self.record.fail([BatchError(code=cause.code, message=cause.error)], *files, **found)
        else:
            await self.record.end(status, *files, **found)

    def _entries(self, sizes: Counter[str]) -> Iterator[Entry]:
        document = self.record.document
        seconds = (document.model_extra or {}).get("output_expires_after")
        for name, what in zip(self._names, ("output", "error"), strict=True):
            if size := sizes[name]:
                filename = f"{document.id}_{what}.jsonl"
                made = self._tools.files.describe(name, size, filename, "batch_output", seconds)
                yield Entry(Kind.FILE, name, self.record.owner, made.model_dump(mode="json"))

    @property
    def _input(self) -> Path:
        return self._tools.contents / self.record.document.input_file_id

    @property
    def _names(self) -> tuple[str, str]:
        """The same names each time, so that output which is written twice is one file."""
        texts = (f"{self.record.document.id}\0{what}".encode() for what in ("output", "errors"))
        output, errors = (hashlib.blake2b(text, digest_size=16).hexdigest() for text in texts)
        return f"file-{output}", f"file-{errors}"

    def _open_store(self) -> Store:
        try:
            return Store(self._store_path)
        except UnreadableStoreError as error:
            # All that is lost is time: the questions are in the input file.
            self._log("a batch begins again", error)
            remove_database(self._store_path)
            return Store(self._store_path)

    def _log(self, what: str, reason: Exception) -> None:
        log.warning(what, extra={"batch": self.record.document.id, "reason": str(reason)})

    @property
    def _store_path(self) -> Path:
        return self._tools.journals / f"{self.record.document.id}.journal"

    async def _put(self, *entries: Entry) -> None:
        await self._on_disk(lambda: self._tools.state.put(*entries))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._tools.disk, work)
