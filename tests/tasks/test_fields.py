import pytest

from app.tasks.fields import FieldKind, find_fields


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


def test_unknown_labels_are_text() -> None:
    assert find_fields("Pros: light\nIt costs: a lot\nno label") == ()
