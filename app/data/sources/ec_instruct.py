"""ECInstruct: ten e-commerce tasks as instruction, input, options and output.

Schema: `split`, `task`, `setting`, `instruction`, `input`, `options`, `output`, one JSON array (dataset.json) or the
hub's "NingLab/ECInstruct", as the set's own programs read it (ninglab/eCeLLM, inference.py and data_processing/).
Input is an object in text, a Python list in text, or plain text; options are a list in text, lettered from A.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.data.sources.reading import RawRow, find_tables, read_table
from app.tasks.answers import literal

FIELDS = ("split", "task", "setting", "instruction", "input", "options", "output")
SETTING = "IND_Diverse_Instruction"
"""The other settings repeat its rows in other words."""
TASKS = (
    "Attribute_Value_Extraction", "Product_Relation_Prediction", "Product_Matching", "Sentiment_Analysis",
    "Sequential_Recommendation", "Multiclass_Product_Classification", "Product_Substitute_Identification",
    "Query_Product_Rank", "Answerability_Prediction", "Answer_Generation",
)  # fmt: skip
_SPELLINGS = {
    "Product_Relation_Predicition": "Product_Relation_Prediction",
    "Product_Substitue_Identification": "Product_Substitute_Identification",
    "Query_Product_Ranking": "Query_Product_Rank",
}
"""As the set's own programs also write them."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A row with its parts read."""

    task: str
    """One of `TASKS`."""
    text: str
    """The input where it is plain text, else empty."""
    fields: Mapping[str, object]
    """The input where it is an object, by field without the colon some names end in."""
    listed: tuple[str, ...]
    """The input where it is a list, without "1st: "."""
    options: tuple[str, ...]
    """Without their letters, in order."""
    output: str

    def field(self, name: str) -> str:
        """A field of the input as text; lists joined by spaces; empty where it is absent."""
        value = self.fields.get(name, "")
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    @property
    def letter(self) -> int:
        """The option that the output names, from 0; -1 where it names none."""
        first = self.output.strip()[:1]
        place = ord(first) - ord("A") if first.isascii() and first.isupper() else -1
        return place if place < len(self.options) else -1


def read_ec_instruct(folder: Path, faults: Counter[str]) -> Iterator[Exercise]:
    """The training rows of the set's own setting, from a folder or one file.

    Raises:
        InputError: a file has another schema.
    """
    for path in find_tables(folder, "dataset*", "train*"):
        for row in read_table(path, FIELDS):
            task = _SPELLINGS.get(row.text("task"), row.text("task"))
            if task not in TASKS:
                raise row.wrong("task", f"one of {', '.join(TASKS)}", task)
            if row.text("split") != "train":
                faults["ECInstruct: not of the training split, left out"] += 1
            elif row.text("setting") != SETTING:
                faults[f"ECInstruct: not of the setting {SETTING}, left out"] += 1
            else:
                yield _exercise(task, row)


def _exercise(task: str, row: RawRow) -> Exercise:
    given = row.values["input"]
    value = _value(given) if isinstance(given, str) else given
    options = row.values["options"]
    listed = _value(options) if isinstance(options, str) and options.strip() else options or None
    if not isinstance(listed, list | tuple | None):
        raise row.wrong("options", "a list or null", options)
    return Exercise(
        task=task,
        text=str(given) if not isinstance(value, dict | list | tuple) else "",
        fields={str(key).rstrip(": "): one for key, one in value.items()} if isinstance(value, dict) else {},
        listed=tuple(_unlabelled(one) for one in value) if isinstance(value, list | tuple) else (),
        options=tuple(_unlabelled(one) for one in listed or ()),
        output=row.text("output").strip(),
    )


def _value(text: str) -> object:
    """What a text is written for: JSON, else a Python literal, else itself."""
    stripped = text.strip()
    if stripped[:1] not in {"{", "["}:
        return text
    try:
        value: object = json.loads(stripped)
    except ValueError:
        value = literal(stripped)
    return text if value is None else value


def _unlabelled(entry: object) -> str:
    """An entry without its label ("A: ", "3rd: ")."""
    label, colon, rest = str(entry).partition(": ")
    return rest.strip() if colon and len(label) <= len("100th") and " " not in label else str(entry).strip()
