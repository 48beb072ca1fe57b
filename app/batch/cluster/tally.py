"""How far the replicas are, and whether they should stop: one small actor beside the run."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Count:
    """Rows that have their result, and how many of them failed."""

    rows: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What a run wants to know of its replicas; see `Tally`."""

    count: Count
    engine_version: str | None
    fault: tuple[str, str] | None


@dataclass(slots=True)
class Tally:
    """Counts by call, so that a call that is made again after its replica was killed does not count twice.

    `engine_version` is what all replicas must have; the first one says it where it is not known. `fault` is
    the class name and the message of what made a replica give up.
    """

    engine_version: str | None = None
    fault: tuple[str, str] | None = None
    stopping: bool = False
    loads: int = 0
    """Engines that began to load and are not ready: each is loading still, or took its process with it."""
    calls: dict[int, Count] = field(default_factory=dict)
    begun: dict[int, int] = field(default_factory=dict)
    """How often each call was begun that has not ended: more than once, where it took its process with it."""

    def loading(self) -> int:
        """A replica begins to load its engine; how many did that are not ready."""
        self.loads += 1
        return self.loads

    def joined(self, engine_version: str) -> str:
        """A replica is ready; the version that all have to have."""
        self.loads -= 1
        self.engine_version = self.engine_version or engine_version
        return self.engine_version

    def failed(self, kind: str, message: str) -> None:
        """A replica gives up; the first one is heard."""
        self.fault = self.fault or (kind, message)

    def begin(self, call: int) -> int:
        """A replica begins a call; how often it was begun."""
        self.begun[call] = self.begun.get(call, 0) + 1
        return self.begun[call]

    def ended(self, call: int) -> None:
        """A replica has ended a call."""
        self.begun.pop(call, None)

    def settled(self, call: int, rows: int, errors: int) -> bool:
        """A call has come so far; whether it should stop."""
        self.calls[call] = Count(rows, errors)
        return self.stopping

    def stop(self) -> None:
        """Let replicas finish what is in flight and begin nothing."""
        self.stopping = True

    def state(self) -> State:
        """All of it together."""
        rows = sum(count.rows for count in self.calls.values())
        errors = sum(count.errors for count in self.calls.values())
        return State(Count(rows, errors), self.engine_version, self.fault)
