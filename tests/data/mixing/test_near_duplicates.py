from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.duplicates import NearDuplicates, RowContent
from app.data.mixing.mixture import NearDuplicateSettings
from app.data.mixing.text import fingerprint

SETTINGS = NearDuplicateSettings(threshold=0.8)
shingles = st.frozensets(st.integers(0, 2**32 - 1), min_size=5, max_size=60)


def content(prompt: frozenset[int], answer: int = 1, text: frozenset[int] = frozenset()) -> RowContent:
    return RowContent(prompt, answer, text)


@given(shingles)
def test_the_same_content_with_the_same_answer_is_admitted_once(prompt: frozenset[int]) -> None:
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(prompt))
    assert not seen.admit(content(prompt))
    assert seen.admit(content(prompt, answer=2))


@given(st.lists(shingles, max_size=8))
def test_no_two_that_are_refused_for_less_than_the_threshold(prompts: list[frozenset[int]]) -> None:
    seen = NearDuplicates(SETTINGS)
    admitted: list[frozenset[int]] = []
    for prompt in prompts:
        if seen.admit(content(prompt)):
            admitted.append(prompt)
        else:
            assert any(len(prompt & other) / len(prompt | other) >= SETTINGS.threshold for other in admitted)


def test_one_word_more_in_a_long_text_is_near_and_another_half_is_not() -> None:
    words = [f"word{n}" for n in range(60)]
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(fingerprint(" ".join(words)).shingles))
    assert not seen.admit(content(fingerprint(" ".join([*words, "more"])).shingles))
    assert seen.admit(content(fingerprint(" ".join([*words[:30], *(f"other{n}" for n in range(30))])).shingles))


def test_free_texts_that_say_something_else_are_no_duplicates() -> None:
    prompt = fingerprint(" ".join(f"word{n}" for n in range(40))).shingles
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(prompt, text=fingerprint("a blue gown of velvet with lace").shingles))
    assert seen.admit(content(prompt, text=fingerprint("shoes with straps").shingles))
    assert not seen.admit(content(prompt, text=fingerprint("a blue gown of velvet with lace trim").shingles))


def test_what_has_no_content_is_kept() -> None:
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(frozenset()))
    assert seen.admit(content(frozenset()))
