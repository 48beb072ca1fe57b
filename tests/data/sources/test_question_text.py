import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.sources.reading import last_list, renumbered, without

WORDS = st.text("abcdefgh", min_size=1, max_size=8)


def question(entries: list[str], first: int) -> str:
    listed = "\n".join(f"{number}. {entry}" for number, entry in enumerate(entries, start=first))
    return f"Select the products that fit.\nProducts:\n{listed}\nOutput:"


@settings(deadline=None, max_examples=50)
@given(st.lists(WORDS, min_size=4, max_size=15), st.sampled_from([0, 1]), st.data())
def test_entries_that_are_taken_out_leave_no_gap(entries: list[str], first: int, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(first + 1, first + len(entries) - 1), max_size=len(entries) - 2))
    asked = question(entries, first)
    found = last_list(asked)
    assert found is not None

    left = [entry for number, entry in enumerate(entries, start=first) if number not in gone]

    assert without(asked, found, gone) == question(left, first)


def test_a_list_with_a_gap_is_counted_anew() -> None:
    asked = "Which holds for the 3. product?\n0. bought\n1. viewed\n3. alike\nAnswer:"
    found = last_list(asked)
    assert found is not None

    assert renumbered(asked, found) == "Which holds for the 3. product?\n0. bought\n1. viewed\n2. alike\nAnswer:"


def test_the_first_entry_stays() -> None:
    asked = question(["a", "b", "c"], 1)
    found = last_list(asked)
    assert found is not None

    with pytest.raises(ValueError, match="first entry"):
        without(asked, found, {1})
