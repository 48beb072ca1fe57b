from string import ascii_lowercase, ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.lists import find_letters, find_lists, principal


def entries(prompt: str) -> list[tuple[int, str]]:
    found = principal(find_lists(prompt))
    return [(entry.number, entry.text) for entry in found.entries] if found else []


@pytest.mark.parametrize("form", ["{}. {}", "{}) {}", "[{}] {}", "({}) {}", "{}: {}", "{}.{}", "({}){}", "{} - {}"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_usual_form(form: str, first: int, end: str) -> None:
    words = ["red mug", "tea pot", "tray"]
    prompt = f"Pick one.{end}" + end.join(form.format(n, w) for n, w in enumerate(words, first)) + f"{end}Answer:"
    assert entries(prompt) == list(enumerate(words, first))


def test_first_entry_on_the_line_of_its_label() -> None:
    assert entries("Products: 0. mug\n1. pot\n2. tray\nOutput:") == [(0, "mug"), (1, "pot"), (2, "tray")]


def test_a_gap_of_one_is_part_of_the_list() -> None:
    assert [number for number, _ in entries("0. buys\n1. views\n3. alike\nAnswer:")] == [0, 1, 3]


def test_a_gap_of_two_is_not() -> None:
    assert entries("0. buys\n1. views\n4. alike\nAnswer:") == [(0, "buys"), (1, "views")]


def test_numbers_inside_entries_are_text() -> None:
    prompt = "Which?\n1. 2.5 mm\n2. 3. generation\n3. 10 cm\nAnswer:"
    assert entries(prompt) == [(1, "2.5 mm"), (2, "3. generation"), (3, "10 cm")]


def test_measures_and_times_at_the_start_of_a_line_are_no_labels() -> None:
    assert entries("Notes\n1.5 litres\n2.5 litres\nOpen\n1:30 pm\n2:30 pm") == []


def test_entries_set_tightly_may_begin_with_a_digit() -> None:
    assert entries("1.mug\n2.4 cups\n3.tray") == [(1, "mug"), (2, "4 cups"), (3, "tray")]
    assert entries("1.mug\n3.5 cups\n2.tray") == [(1, "mug\n3.5 cups"), (2, "tray")]
    assert entries("(1)4 cups\n(2)6 cups") == [(1, "4 cups"), (2, "6 cups")]


def test_a_measure_at_the_start_of_a_line_is_part_of_the_entry_above() -> None:
    assert entries("1. mug\n2.5 cm high\n2. pot") == [(1, "mug\n2.5 cm high"), (2, "pot")]


def test_a_list_within_a_line_counts_where_no_other_does() -> None:
    assert entries("Rain proof? Options: 0. yes 1. no 2. unknown\nAnswer:") == [(0, "yes"), (1, "no"), (2, "unknown")]
    assert [n for n, _ in entries("Buy 0. a 1. b 2. c now?\n1. x\n2. y")] == [1, 2]
    assert entries("Rain proof? (0)yes (1)no (2)unknown\nAnswer:") == [(0, "yes"), (1, "no"), (2, "unknown")]
    assert entries("It has 1) a lid 2) a handle.") == [], "two are a remark"


def test_entries_may_run_over_lines() -> None:
    assert entries("0. soft\nand warm\n1. hard\n\nAnswer:") == [(0, "soft\nand warm"), (1, "hard")]


def test_rules_after_the_list_are_not_its_last_entry() -> None:
    assert entries("Product List:\n1. mug\n2. pot\nYou should output numbers.\nOutput:")[-1] == (2, "pot")


def test_the_announced_list_goes_before_a_longer_one() -> None:
    prompt = "Review: my steps\n1. a\n2. b\n3. c\nAspect List:\n1. price\n2. smell\nOutput:"
    assert entries(prompt) == [(1, "price"), (2, "smell")]


def test_nothing_listed() -> None:
    assert find_lists("A sentence with 1. one number.") == ()
    assert principal(()) is None


def lettered(prompt: str) -> list[tuple[str, str]]:
    found = find_letters(prompt)
    return [(entry.label, entry.text) for entry in found.entries] if found else []


LETTERS = [
    "{}. ",
    "{}) ",
    "({}) ",
    "[{}] ",
    "{}: ",
    "{} - ",
    "{}.",
    "({})",
    "Option {}: ",
    "- {}. ",
    "**{}.** ",
    "{}、",
]


@pytest.mark.parametrize("form", LETTERS)
@pytest.mark.parametrize("alphabet", [ascii_uppercase, ascii_lowercase])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_letters_from_a_to_z_in_every_usual_form(form: str, alphabet: str, end: str) -> None:
    texts = [f"item {letter}" for letter in alphabet]
    listed = end.join(form.format(letter) + text for letter, text in zip(alphabet, texts, strict=True))
    assert lettered(f"Which?{end}{listed}{end}Answer:") == list(zip(alphabet, texts, strict=True))


@pytest.mark.parametrize("form", ["Option {}: ", "- {}. ", "* {}) ", "Product {}: "])
def test_what_leads_to_a_number_is_no_part_of_the_entry_before(form: str) -> None:
    assert entries("Pick.\n" + "\n".join(form.format(n) + "mug" for n in (1, 2, 3))) == [(n, "mug") for n in (1, 2, 3)]


def test_letters_are_a_list_only_one_after_the_other() -> None:
    assert lettered("A good mug.\nNo more.") == []
    assert lettered("A. mug\nC. pot\nD. tray") == []
    assert [label for label, _ in lettered("A. mug\nB. pot\nD. lid")] == ["A", "B"]
    assert lettered("A. mug\nB. pot\nC. tray\nWhich?\na) red\nb) blue") == [("a", "red"), ("b", "blue")]
    assert lettered("Which? (A) linen (B) fleece (C) silk. Answer:")[-1] == ("C", "silk.")


@given(st.text(alphabet="019.)([ \nab:", max_size=150))
def test_entries_are_where_they_say(prompt: str) -> None:
    for found in find_lists(prompt):
        assert found.numbers[0] in (0, 1)
        assert list(found.numbers) == sorted(set(found.numbers))
        for entry in found.entries:
            assert found.start <= entry.line_start <= entry.start <= entry.end <= found.end <= len(prompt)
            assert prompt[entry.start : entry.end].strip() == entry.text


@given(
    st.lists(st.text(alphabet="abc de,", min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=20),
    st.integers(0, 1),
)
def test_what_is_listed_is_read_back(words: list[str], first: int) -> None:
    prompt = "Select.\n" + "\n".join(f"{n}. {w}" for n, w in enumerate(words, first)) + "\nOutput:"
    assert entries(prompt) == [(n, w.strip()) for n, w in enumerate(words, first)]


@pytest.mark.parametrize("form", ["{} | {}", "{} => {}", "{} -> {}"])
def test_bars_and_arrows(form: str) -> None:
    prompt = "\n".join(form.format(number, word) for number, word in enumerate(("lamp", "rug", "mug"), 1))
    assert [found.numbers for found in find_lists(f"Pick.\n{prompt}\nOutput:")] == [(1, 2, 3)]


def test_options_in_one_line_after_a_list_of_facts() -> None:
    found = find_lists("1. Height: 3 cm\n2. Width: 2 cm\nWhich? Options: 0. 6 1. 60 2. 0.6 3. 600\nAnswer:")
    assert [one.numbers for one in found] == [(1, 2), (0, 1, 2, 3)]


def test_a_line_with_two_labelled_lists_is_read_once() -> None:
    first, second = find_lists("Products: 0. mug 1. pot Options: 0. a 1. b 2. c")
    assert first.numbers == (0, 1)
    assert second.numbers == (0, 1, 2)


def test_the_last_entry_ends_where_the_next_list_begins() -> None:
    first, second = find_lists("1. mug\nred\n2. pot\n1. a\n2. b\n")
    assert first.entries[-1].text == "pot"
    assert second.numbers == (1, 2)
