import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tables.raw import RawRow, flag_of, id_of


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_one_id_however_it_is_kept(number: int) -> None:
    assert {id_of(number), id_of(float(number)), id_of(str(number)), id_of(f" {number}.0 ")} == {str(number)}


@pytest.mark.parametrize(
    ("given", "identity"),
    [("a b", "a b"), (" a b\n", "a b"), ("007", "007"), ("1.10", "1.10"), ("v1.0", "v1.0"), (1e22, "1" + "0" * 22)],
)
def test_a_text_is_an_id_without_the_blanks_round_it(given: object, identity: str) -> None:
    assert id_of(given) == identity


@pytest.mark.parametrize("given", [None, "", " \t\n", float("nan")])
def test_what_is_missing_in_a_table_is_no_id(given: object) -> None:
    assert id_of(given) is None


@pytest.mark.parametrize("given", [True, 1.5, float("inf"), ["a"], {}, "\ud83d", b"a"])
def test_what_is_neither_text_nor_whole_number_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="a text or a whole number"):
        id_of(given)


@pytest.mark.parametrize(("given", "flag"), [("1.0", True), (1.0, True), (" Yes ", True), ("FALSE", False), (0, False)])
def test_flags_as_tables_and_people_write_them(given: object, flag: bool) -> None:
    assert flag_of(given) is flag


@pytest.mark.parametrize("given", ["maybe", 2, None, "", [True]])
def test_what_is_no_flag_stays(given: object) -> None:
    assert flag_of(given) is given


def test_the_first_field_that_holds_something_is_taken() -> None:
    row = RawRow("a.csv, line 2", {"prompt": None, "text": "", "input_field": "Ask."})
    assert row.filled("prompt", "text", "input_field") == "Ask."
    assert row.value("prompt", "text") == ("prompt", None)
    with pytest.raises(InputError, match="a.csv, line 2: 'prompt' must be a text that is not blank"):
        row.filled("prompt", "text")
    with pytest.raises(InputError, match="a.csv, line 2: no field 'gold'; found 'prompt', 'text', 'input_field'"):
        row.value("gold", "label")
