import random

from hypothesis import given
from hypothesis import strategies as st

from app.training.pretraining.listing import find_entries, permute, unnumbered

TEXTS = st.lists(st.from_regex(r"[a-z]{1,8}( [a-z]{1,8})?", fullmatch=True), min_size=2, max_size=15, unique=True)


def listed(texts: list[str], first: int, gap: str = " ") -> str:
    lines = "\n".join(f"{first + place}.{gap}{text}" for place, text in enumerate(texts))
    return f"Pick one of these for 'tea'.\n{lines}\nOutput:"


@given(TEXTS, st.sampled_from([0, 1]), st.sampled_from([" ", ""]))
def test_finds_every_entry_with_its_number_and_text(texts: list[str], first: int, gap: str) -> None:
    prompt = listed(texts, first, gap)
    entries = find_entries(prompt)
    assert [prompt[slice(*entry.text)] for entry in entries] == texts
    assert [entry.number for entry in entries] == list(range(first, first + len(texts)))


@given(TEXTS, st.sampled_from([0, 1]), st.data(), st.integers(0, 99))
def test_permuting_keeps_the_entries_and_follows_the_gold(
    texts: list[str], first: int, data: st.DataObject, seed: int
) -> None:
    gold = data.draw(st.lists(st.integers(first, first + len(texts) - 1), min_size=1, max_size=3, unique=True))
    prompt, moved = permute(listed(texts, first), gold, random.Random(seed))
    found = {entry.number: prompt[slice(*entry.text)] for entry in find_entries(prompt)}
    assert sorted(found.values()) == sorted(texts)
    assert {found[number] for number in moved} == {texts[number - first] for number in gold}
    assert prompt.endswith("\nOutput:")


def test_a_list_may_open_behind_a_colon_and_hold_decimals() -> None:
    prompt = "Choose.\nProducts: 0. Cable 2.5 m\n1. Rope: 10. class\n2. Wire"
    assert [prompt[slice(*entry.text)] for entry in find_entries(prompt)] == ["Cable 2.5 m", "Rope: 10. class", "Wire"]


def test_a_line_loses_its_number_and_nothing_else() -> None:
    assert unnumbered("12. Rope 1. class") == "Rope 1. class"
    assert unnumbered("Cable 2.5 m") == "Cable 2.5 m"


def test_gold_outside_the_list_leaves_the_prompt_alone() -> None:
    prompt = listed(["a", "b"], 0)
    assert permute(prompt, [7], random.Random(0)) == (prompt, [7])
