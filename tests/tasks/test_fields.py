import pytest

from app.tasks.prompt import FieldKind, dissect, find_fields


def test_fields_run_to_the_next_label() -> None:
    prompt = "Extract the phrase.\nReview: Soft.\nAnd warm: very.\nAspect: touch\nOutput: "
    assert [(field.label, field.kind, field.text) for field in find_fields(prompt)] == [
        ("review", FieldKind.PROSE, "Soft.\nAnd warm: very."),
        ("aspect", FieldKind.LINE, "touch"),
        ("output", FieldKind.OUTPUT, ""),
    ]


def test_a_line_ends_with_its_line_and_may_follow_its_label() -> None:
    fields = find_fields("Query:\n red mug\nSelect one.\n")
    assert [(field.label, field.text) for field in fields] == [("query", "red mug")]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Instruction：do", FieldKind.INSTRUCTION),
        ("Product List: ", FieldKind.LIST),
        ("Product A: mug", FieldKind.LINE),
        ("Customer review: fine", FieldKind.PROSE),
        ("Action Sequence:", FieldKind.PROSE),
        ("Output (answer in three comma-separated numbers):", FieldKind.OUTPUT),
        ("  Your answer:", FieldKind.OUTPUT),
        ("**Title:** mug", FieldKind.LINE),
    ],
)
def test_kinds(line: str, kind: FieldKind) -> None:
    assert [field.kind for field in find_fields(line)] == [kind]


@pytest.mark.parametrize(
    ("prompt", "label", "text"),
    [
        ("Search term - usb lamp\nWhich colour?", "search term", "usb lamp"),
        ("Query = usb lamp\nOutput =", "query", "usb lamp"),
        ("Find the colour. Title: Red lamp, LED. Output the word.", "title", "Red lamp, LED."),
        ("### Text\nA red lamp.\n### Colour", "text", "A red lamp."),
        ("German query: rote lampe", "german query", "rote lampe"),
        ("Find the phrase.\nReview: Too dim. Fine shade.\nPhrase:", "review", "Too dim. Fine shade."),
    ],
)
def test_labels_in_many_forms(prompt: str, label: str, text: str) -> None:
    found = next(field for field in dissect(prompt).fields if field.text)
    assert (found.label, found.text) == (label, text)
    assert prompt[found.start : found.end] == text


def test_a_verb_before_a_noun_is_an_instruction() -> None:
    assert find_fields("Translate this title: lamp") == ()


@pytest.mark.parametrize("cue", ["Key phrase:", "Brand :", "Load capacity (kg):"])
def test_the_last_words_before_a_colon_wait_for_the_answer(cue: str) -> None:
    parts = dissect(f"Find it.\nQuery: lamp\n{cue}\n")
    assert parts.cue == cue.rstrip(": ").lower()


def test_unknown_labels_are_text() -> None:
    assert find_fields("Pros: light\nIt costs: a lot\nno label") == ()
