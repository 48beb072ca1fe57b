from app.jobs.ray.pipeline import Count, Tally


def test_a_call_that_is_made_again_counts_once() -> None:
    tally = Tally()
    assert not tally.settled(1, 20, 2)
    tally.settled(2, 5, 0)
    tally.settled(1, 0, 0)
    tally.settled(1, 32, 3)
    assert tally.state().count == Count(37, 3)
    tally.stop()
    assert tally.settled(2, 6, 0)


def test_the_first_version_is_everybodys() -> None:
    assert Tally().joined("2") == "2"
    assert Tally("1").joined("2") == "1"


def test_loads_that_never_end_add_up() -> None:
    tally = Tally()
    assert [tally.loading(), tally.loading()] == [1, 2]
    tally.joined("1")
    assert tally.loading() == 2


def test_calls_that_never_end_are_counted() -> None:
    tally = Tally()
    assert [tally.begin(1), tally.begin(2), tally.begin(1)] == [1, 1, 2]
    tally.ended(1)
    assert tally.begin(1) == 1


def test_the_first_fault_is_heard() -> None:
    tally = Tally()
    tally.failed("SetupError", "no weights")
    tally.failed("EngineError", "died")
    assert tally.state().fault == ("SetupError", "no weights")
