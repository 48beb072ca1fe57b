import pytest

from app.errors import SetupError
from app.jobs.ray import cluster


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
    with pytest.raises(SetupError, match=says) as refused, cluster.connected(address):
        pass
    assert "\n" not in str(refused.value)


def test_a_fault_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise TypeError("a wrong name")

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(TypeError), cluster.connected(None):
        pass
