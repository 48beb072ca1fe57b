"""An answer that is kept must be the one that would be given now: what changes it has a version, which is raised."""

import pytest

from tests.jobs import recorded_answers
from tests.jobs.recorded_answers import PLACES, VERSIONS, computed, recorded

RECORD = "python -m tests.jobs.recorded_answers"


def check(name: str) -> None:
    """Compare what one version covers with what was recorded under it."""
    known = recorded()[name]
    if known["version"] != VERSIONS[name]:
        pytest.fail(f"{name} was raised: record its answers with {RECORD}")
    now, before = computed(name), known["cases"]
    changed = sorted(case for case in now.keys() | before.keys() if now.get(case) != before.get(case))
    if changed:
        pytest.fail(
            f"what {name} covers has changed for {', '.join(changed)[:200]}: raise {name} in {PLACES[name]}, so that "
            f"kept answers are not taken for new ones, then record them with {RECORD}"
        )


@pytest.mark.parametrize("name", VERSIONS)
def test_answers_are_those_that_were_recorded_under_this_version(name: str) -> None:
    check(name)


def test_a_change_says_which_version_to_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recorded_answers.COMPUTE, "ROUTING", lambda: recorded_answers.routing() | {"mc-1": "ranking"})
    with pytest.raises(pytest.fail.Exception, match=r"has changed for mc-1: raise ROUTING in app/routing\.py"):
        check("ROUTING")


def test_a_raised_version_asks_for_new_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSIONS, "READING", 10**6)
    with pytest.raises(pytest.fail.Exception, match="READING was raised: record its answers"):
        check("READING")
