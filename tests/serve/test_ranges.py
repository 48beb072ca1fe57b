import pytest

from tests.serve.calls import app_of, call, problem


@pytest.mark.parametrize("given", ["lines=1-2", "bytes", "bytes=9-2", "bytes=x"])
def test_a_range_that_cannot_be_read_is_a_problem(given: str) -> None:
    problem(call(app_of(), "GET", "/favicon.svg", headers={"range": given}), 400, "bad_request")


def test_a_range_beyond_the_end_is_a_problem_that_tells_the_end() -> None:
    whole = call(app_of(), "GET", "/favicon.svg")
    refused = call(app_of(), "GET", "/favicon.svg", headers={"range": "bytes=999999-"})
    problem(refused, 416, "no_such_range")
    assert refused.headers["content-range"] == f"bytes */{len(whole.content)}"


def test_ranges_and_other_refusals_stay_as_they_are() -> None:
    part = call(app_of(), "GET", "/favicon.svg", headers={"range": "bytes=0-3"})
    assert (part.status_code, len(part.content)) == (206, 4)
    problem(call(app_of(), "GET", "/nothing", headers={"range": "bytes=0-3"}), 404, "no_such_path")
