from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.tasks.prompt import find_quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Find 'size' in 'Mug 300 ml'.", ["size", "Mug 300 ml"]),
        ("in the title 'Men's Girls' Shoes', find the 'TYPE'.", ["Men's Girls' Shoes", "TYPE"]),
        ("the title 'Monitor 38\"/39\" stand', find 'SIZE'.", ['Monitor 38"/39" stand', "SIZE"]),
        ("Look at 'Chain 6'', gold' and 'Ring'.", ["Chain 6'', gold", "Ring"]),
        ("the title 'Walk 'n Ride - Trike', find 'TYPE'", ["Walk 'n Ride - Trike", "TYPE"]),
        ("for \"Candle 'Forest', 200 g\" only", ["Candle 'Forest', 200 g"]),
        ("“Tasse” und „Kanne“ und 「カップ」", ["Tasse", "Kanne", "カップ"]),
        ("it's the dog's bed", []),
        ("a 5' by 7' rug", []),
        ("'one\ntwo'", []),
    ],
)
def test_titles_with_marks_of_their_own(text: str, expected: list[str]) -> None:
    assert [span.text for span in find_quoted(text)] == expected


@given(st.text(alphabet="ab '\"“”\n,.`", max_size=120))
@example("`“`.”")
def test_spans_are_where_they_say_in_order_and_apart(text: str) -> None:
    spans = find_quoted(text)
    assert all(text[span.start : span.end] == span.text and span.text for span in spans)
    assert all(before.end < after.start for before, after in pairwise(spans))
