"""What holds for every format: rows in are rows out, counts agree, bad files are named."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from app.errors import InputError
from app.jobs.file_job import FileJob
from app.jobs.formats.base import Header
from app.jobs.formats.choosing import FORMATS, input_format, output_format
from app.jobs.job import Origin, Result
from app.rows import Row
from app.types import Outcome, Prediction, Question, TaskType
from tests.jobs.formats.parquet_file import write_parquet
from tests.jobs.questions import choice, line, mixed, text
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine

QUESTIONS = [*mixed(12), Question('ünï,\n"x"', 'A "quoted", long\nprompt 日本', False)]


def write_jsonl(path: Path, questions: list[Question]) -> None:
    path.write_text("".join(line(question) + "\n\n" for question in questions))


def write_csv(path: Path, questions: list[Question]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["is_multiple_choice", "input_field", "id", "note"])
        writer.writerows([question.is_multiple_choice, question.prompt, question.id, "?"] for question in questions)


def write_openai(path: Path, questions: list[Question]) -> None:
    lines = [
        {
            "custom_id": question.id,
            "method": "POST",
            "url": "/v1/predict",
            "body": {"prompt": question.prompt, "is_multiple_choice": question.is_multiple_choice},
        }
        for question in questions
    ]
    path.write_text("".join(json.dumps(value) + "\n" for value in lines))


WRITERS: dict[str, tuple[str, Callable[[Path, list[Question]], None]]] = {
    "jsonl": ("in.jsonl", write_jsonl),
    "csv": ("in.csv", write_csv),
    "parquet": ("in.parquet", write_parquet),
    "openai": ("in-batch.jsonl", write_openai),
}


def test_every_format_is_tested() -> None:
    assert set(WRITERS) == set(FORMATS) - {"text"}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_questions_come_out_as_they_went_in(tmp_path: Path, name: str) -> None:
    file_name, write = WRITERS[name]
    write(tmp_path / file_name, QUESTIONS)
    found = input_format(tmp_path / file_name, None)
    assert found.name == name
    rows = list(found.read(tmp_path / file_name))
    assert [row.number for row in rows] == list(range(len(QUESTIONS)))
    assert [row.question for row in rows] == QUESTIONS
    assert found.count(tmp_path / file_name) == len(QUESTIONS)


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: json.loads(cell) if name.startswith("label") else cell for name, cell in row.items() if cell}
            for row in csv.DictReader(file)
        ]


def read_parquet(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    for row in rows:
        row["label_probs"] = None if row["label_probs"] is None else dict(row["label_probs"])
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


READERS = {".csv": read_csv, ".parquet": read_parquet, ".jsonl": read_lines}


def read_back(path: Path) -> list[dict[str, Any]]:
    """Output rows as JSON lines would have them, whatever the format."""
    rows = READERS[path.suffix](path)
    return [row["response"]["body"] | {"id": row["custom_id"]} if "response" in row else row for row in rows]


@pytest.mark.parametrize("given", sorted(WRITERS))
@pytest.mark.parametrize("wanted", ["out.jsonl", "out.csv", "out.parquet"])
def test_every_format_can_answer_every_other(tmp_path: Path, given: str, wanted: str) -> None:
    file_name, write = WRITERS[given]
    write(tmp_path / file_name, QUESTIONS)
    write_jsonl(tmp_path / "plain.jsonl", QUESTIONS)
    answer(FileJob(tmp_path / "plain.jsonl", tmp_path / "expected.jsonl"), SteppedEngine())
    answer(FileJob(tmp_path / file_name, tmp_path / wanted), SteppedEngine())
    assert read_back(tmp_path / wanted) == read_back(tmp_path / "expected.jsonl")


@pytest.mark.parametrize("wanted", ["out.csv", "out.parquet"])
def test_errors_stand_in_their_row(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "in.jsonl").write_text(line(choice(0)) + "\n{\n" + line(text(0)) + "\n")
    answer(FileJob(tmp_path / "in.jsonl", tmp_path / wanted), SteppedEngine())
    rows = read_back(tmp_path / wanted)
    assert [row["id"] for row in rows] == ["c0", "line 2", "g0"]
    assert "error" not in rows[0]
    assert "invalid_json" in str(rows[1]["error"])
    assert "answer" not in rows[1]


@pytest.mark.parametrize("wanted", ["a.csv", "a.parquet", "a.csv.gz"])
def test_the_same_rows_make_the_same_bytes(tmp_path: Path, wanted: str) -> None:
    write_jsonl(tmp_path / "in.jsonl", QUESTIONS)
    answer(FileJob(tmp_path / "in.jsonl", tmp_path / wanted), SteppedEngine())
    answer(FileJob(tmp_path / "in.jsonl", tmp_path / f"b{wanted}"), SteppedEngine(room=3))
    assert (tmp_path / wanted).read_bytes() == (tmp_path / f"b{wanted}").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty: give rows with 'prompt'"),
        ("a.csv", b"prompt,is_multiple_choice\n", "is empty: give rows with 'prompt'"),
        ("a.csv", b"question,flag\nx,1\n", "has no column 'prompt' .or 'input_field'., but 'question', 'flag'"),
        ("a.parquet", b"PAR1 not really", "a.parquet is not a Parquet file"),
        ("a.jsonl", b"\n", "is empty: give rows with 'prompt'"),
    ],
)
def test_a_file_that_is_none_of_its_format_is_one_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        answer(FileJob(tmp_path / name, tmp_path / "out.jsonl"), SteppedEngine())
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out.jsonl.journal").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"])
def test_a_missing_file_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"cannot read .*{name}: "):
        answer(FileJob(tmp_path / name, tmp_path / "out.jsonl"), SteppedEngine())


class TestCsv:
    def rows(self, tmp_path: Path, content: bytes) -> list[Row]:
        (tmp_path / "a.csv").write_bytes(content)
        return list(FORMATS["csv"].read(tmp_path / "a.csv"))

    def test_flags_as_people_write_them(self, tmp_path: Path) -> None:
        flags = ["true", "TRUE", "1", "yes", "false", "False", "0", "no"]
        rows = self.rows(tmp_path, b"prompt,is_multiple_choice\n" + "".join(f"x,{f}\n" for f in flags).encode())
        assert [row.question.is_multiple_choice for row in rows if row.question] == [True] * 4 + [False] * 4

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (b"x,maybe", "no_flag"),
            (b"x", "invalid_row"),
            (b",1", "no_text"),
            (b"x,1,2", "invalid_row"),
            (b"\xff,1", "invalid_text"),
        ],
    )
    def test_a_bad_row_stops_nothing(self, tmp_path: Path, text: bytes, code: str) -> None:
        first, bad, last = self.rows(tmp_path, b"prompt,is_multiple_choice\na,1\n" + text + b"\n\nb,0\n")
        assert bad.failure is not None
        assert bad.failure.code == code
        assert first.question == Question("0", "a", True)
        assert last.question == Question("2", "b", False)

    def test_a_byte_order_mark_and_long_cells(self, tmp_path: Path) -> None:
        long = "word " * 60_000
        (row,) = self.rows(tmp_path, f"\ufeffid,prompt,is_multiple_choice\n7,{long},0\n".encode())
        assert row.question == Question("7", long, False)

    @pytest.mark.parametrize("good", ["good,1", '"good, too",1'])
    def test_a_stray_quotation_mark_names_its_line(self, tmp_path: Path, good: str) -> None:
        text = 'prompt,is_multiple_choice\na,1\n"Best laptop?,0\n' + f"{good}\n" * 30
        first, bad, *_ = self.rows(tmp_path, text.encode())
        assert first.question == Question("0", "a", True)
        assert bad.failure is not None
        assert bad.failure.code == "invalid_csv"
        assert "close the quotation mark that the row of line 3 opens" in bad.failure.message

    def test_a_stray_quotation_mark_takes_no_more_than_a_long_cell(self, tmp_path: Path) -> None:
        text = 'prompt,is_multiple_choice\n"Best laptop?,0\n' + f"{'word ' * 1_000},1\n" * 300
        bad, *rest = self.rows(tmp_path, text.encode())
        assert bad.failure is not None
        assert len(rest) > 80
        assert all(row.question for row in rest)

    def test_a_stray_quotation_mark_in_the_header_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="lines 1 to 2 are not CSV: unexpected end of data: close"):
            self.rows(tmp_path, b'"prompt,is_multiple_choice\na,1\n')

    def test_line_ends_in_an_answer_stay_in_its_row(self, tmp_path: Path) -> None:
        with (tmp_path / "out.csv").open("wb") as file:
            writer = FORMATS["csv"].writer(file, Header("p", "m"))
            for answer in ("one\rtwo", "one\r\ntwo", "one\ntwo"):
                prediction = Prediction("a", TaskType.GENERATION, answer, Outcome.CLEAN)
                writer.write(Result(Row(0, "a"), prediction, Origin.ASKED))
        with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as text:
            assert [row["answer"] for row in csv.DictReader(text)] == ["one\rtwo", "one\r\ntwo", "one\ntwo"]
        assert b'"\n' not in (tmp_path / "out.csv").read_bytes().splitlines(keepends=True)[0]


class TestRegistry:
    @pytest.mark.parametrize(
        ("name", "format_name"),
        [
            ("a.jsonl", "jsonl"),
            ("a.json", "jsonl"),
            ("a.csv.gz", "csv"),
            ("A.CSV", "csv"),
            ("a.pq", "parquet"),
            ("-", "jsonl"),
        ],
    )
    def test_names_say_the_format(self, name: str, format_name: str) -> None:
        assert input_format(Path(name), None).name == format_name

    def test_an_option_wins(self) -> None:
        assert input_format(Path("a.csv"), "jsonl").name == "jsonl"
        assert output_format(Path("a.jsonl"), "csv", FORMATS["openai"]).name == "csv"

    def test_a_batch_file_is_answered_by_one(self) -> None:
        assert output_format(Path("a.jsonl"), None, FORMATS["openai"]).name == "openai"
        assert output_format(Path("a.jsonl"), "jsonl", FORMATS["openai"]).name == "jsonl"
        assert output_format(Path("a.csv"), None, FORMATS["openai"]).name == "csv"

    @pytest.mark.parametrize(
        ("path", "name", "says"),
        [
            ("a.xlsx", None, "'.xlsx' says nothing; name the format with an option, one of jsonl, csv, parquet, text"),
            ("a.jsonl", "xml", "unknown format 'xml'; there are jsonl, csv, parquet, text, openai"),
        ],
    )
    def test_what_cannot_be_is_refused(self, path: str, name: str | None, says: str) -> None:
        with pytest.raises(InputError, match=says):
            input_format(Path(path), name)
