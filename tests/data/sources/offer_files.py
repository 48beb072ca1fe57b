"""Small files of the sets on offers, questions about them and their texts in two languages, in the project's words."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

QUESTION = {
    "qid": "7",
    "question": "does the kettle switch itself off?",
    "ASIN": "K7",
    "candidate": "",
    "source": "review",
    "qa_pair_id": "70",
    "title": "Norvik Kettle, 1.7 Litres",
    "label": "0",
    "answer": "",
}
_CANDIDATES = (
    ("2", "review", "it turns off by itself as soon as the water boils.", "Yes. It turns off when the water boils."),
    ("2", "bullet", "automatic shut-off guards against boiling dry", "yes, it shuts off automatically."),
    ("2", "cqa", "yes, after 30 seconds. Question: how long does it go on boiling? ", "Yes, after 30 seconds."),
    ("1", "review", "my old one from this maker switched off.", "I'm not sure but an older one did, after 45 seconds."),
    ("0", "description", "brushed steel makes it a jewel of every kitchen.", ""),
    ("0", "review", "arrived in two days, well packed.", ""),
    ("0", "review", "the cord could be longer.", ""),
    ("0", "bullet", "holds seven large cups of tea", ""),
    ("0", "attribute", "batteries_required:  { value:false }", ""),
    ("0", "attribute", "color: value without braces", ""),
)
QUESTIONS = [
    QUESTION | {"label": label, "source": source, "candidate": candidate, "answer": answer}
    for label, source, candidate, answer in _CANDIDATES
]
EVIDENCE = [
    {
        "qid": "8",
        "ASIN": "T8",
        "qa_pair_id": "80",
        "question": "is it for camping?",
        "candidate": text,
        "label": label,
        "source": source,
        "confidence": "mid",
    }
    for label, source, text in (
        ("1", "review", "we took the tent to the mountains and slept well."),
        ("0", "review", "the bag that it comes in is too narrow."),
        ("0", "OSP", "every garden looks nicer with a pond."),
    )
]
ATTRIBUTES = [
    {"qid": "9", "qa_pair_id": "90", "question": "how heavy is the bench?", "candidate": candidate, "label": label}
    for label, candidate in (
        ("1", "item_weight:  { unit:kilograms, normalized_value:{ unit:pounds, value:44. }, value:20. }"),
        ("0", "item_package_weight:  { unit:pounds, value:47. }"),
        ("0", 'brand:  { value:"norvik" }'),
        ("0", "includes_remote:  { value:false }"),
        ("0", 'material:  { value:"oak" }; { value:"cast iron" }'),
        ("0", "warranty:  { type:[ { value:full_replacement } ] }"),
        ("0", 'color:  { standardized_values:[ "brown" ], value:"dark brown" }'),
    )
]
ANSWERED = [
    {"ASIN": "D1", "question": "is it electric?", "candidate": "is_electric:  { value:false }", "answer": answer,
     "source": "attribute"}
    for answer in ("it is electric.", "no, it is not electric.")
]  # fmt: skip
SENTENCES = [
    {"data": data, "text": text}
    for data, text in (
        (
            'seat: { height:[ { unit:inches, value:18.0 } ], material:[ { value:"oak" } ] }',
            "the oak seat is 18 inches high.",
        ),
        ("item_weight: { unit:pounds, value:44. }", "It weighs 20 kilograms."),
        ("odd: { value }", "It is odd."),
    )
]


def write_tabs(path: Path, rows: Sequence[Mapping[str, str]], separator: str = "\t") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_product_qa(folder: Path) -> None:
    write_tabs(folder / "ePQA" / "dev.csv", QUESTIONS, ",")
    write_tabs(folder / "hetPQA" / "evidence_ranking" / "dev.csv", EVIDENCE)
    write_tabs(folder / "hetPQA" / "answer_generation" / "train.csv", ANSWERED)
    write_tabs(folder / "semiPQA" / "attribute_ranking" / "dev.csv", ATTRIBUTES)
    write_tabs(folder / "semiPQA" / "data-to-text" / "train.csv", SENTENCES)


def write_offers(data: Path) -> None:
    """The folders of all of these sets below a data folder."""
    write_product_qa(data / "contextual-product-qa")
