import pytest

from app.errors import SetupError
from app.jobs.ray.cluster import Machine, Replicas, connected, plan_replicas

EIGHT_GPUS = Machine(cpus=96, gpus=8)
NO_GPU = Machine(cpus=16, gpus=0)


def test_without_gpus_there_is_one_replica_a_machine_with_its_threads() -> None:
    assert plan_replicas([NO_GPU, NO_GPU], None, 1) == Replicas(2, 0, 16)
    assert plan_replicas([NO_GPU, Machine(4, 0)], None, 1) == Replicas(2, 0, 4)
    assert plan_replicas([NO_GPU], 4, 1) == Replicas(4, 0, 4)


def test_a_machine_that_takes_no_work_gets_no_replica() -> None:
    assert plan_replicas([Machine(0, 0), NO_GPU], None, 1) == Replicas(1, 0, 16)


@pytest.mark.parametrize(("each", "count"), [(1, 16), (2, 8), (3, 4), (4, 4), (8, 2)])
def test_replicas_fill_the_gpus_of_each_machine(each: int, count: int) -> None:
    assert plan_replicas([EIGHT_GPUS, EIGHT_GPUS, NO_GPU], None, each) == Replicas(count, each, 1)


def test_fewer_replicas_than_fit_may_be_asked_for() -> None:
    assert plan_replicas([EIGHT_GPUS], 3, 2).count == 3


def test_what_does_not_fit_is_refused_with_what_does() -> None:
    with pytest.raises(SetupError, match="takes 16 GPUs .* no machine has more than 8"):
        plan_replicas([EIGHT_GPUS, EIGHT_GPUS], None, 16)
    with pytest.raises(SetupError, match="room for 4"):
        plan_replicas([EIGHT_GPUS], 5, 2)


@pytest.mark.parametrize(
    ("fault", "address", "says"),
    [
        (Exception("The node timed out during startup.\nSee the logs."), None, "Ray cannot start here: The node timed"),
        (ConnectionError("nobody there"), "host:6379", "no Ray cluster answers at host:6379: nobody there; start one"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_one_line(
    fault: Exception, address: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise fault

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(SetupError, match=says) as refused, connected(address):
        pass
    assert "\n" not in str(refused.value)


def test_a_fault_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise TypeError("a wrong name")

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(TypeError), connected(None):
        pass
