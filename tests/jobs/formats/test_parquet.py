from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import InputError, SetupError
from app.jobs.file_job import FileJob
from app.jobs.formats.choosing import FORMATS
from app.tables import writers
from tests.jobs.formats.parquet_file import write_parquet
from tests.jobs.questions import mixed
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine

QUESTIONS = list(mixed(13))


def test_large_parquet_files_have_several_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "GROUP_ROWS", 5)
    write_parquet(tmp_path / "in.parquet", QUESTIONS)
    answer(FileJob(tmp_path / "in.parquet", tmp_path / "out.parquet"), SteppedEngine())
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5, 5, 3]


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"question": ["x"]}, r"'prompt' \(or 'input_field'\), but 'question'"),
        ({"question": ["x"], "flag": [True]}, r"'prompt' \(or 'input_field'\), but 'question', 'flag'"),
    ],
)
def test_a_parquet_file_without_a_column_is_refused_when_it_is_counted(
    tmp_path: Path, columns: dict[str, list[object]], missing: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"a.parquet has no column {missing}: rename one"):
        FORMATS["parquet"].count(tmp_path / "a.parquet")


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", QUESTIONS)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:60] = b"\xff" * 56  # the first page; the footer stays
    (tmp_path / "a.parquet").write_bytes(bytes(data))
    with pytest.raises(InputError, match="a.parquet is damaged after row 0: ") as refused:
        list(FORMATS["parquet"].read(tmp_path / "a.parquet"))
    assert "\n" not in str(refused.value)


def test_without_pyarrow_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(SetupError, match=r"pip install 'shopbench\[parquet\]'"):
        list(FORMATS["parquet"].read(tmp_path / "a.parquet"))


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_text_that_is_not_utf8_fails_its_own_row_only(tmp_path: Path, kind: str) -> None:
    prompts = pa.array([f"Question {number}".encode() for number in range(20)], pa.binary())
    prompts = pa.concat_arrays([prompts.slice(0, 7), pa.array([b"caf\xe9"], pa.binary()), prompts.slice(8)])
    column = prompts.cast(pa.large_binary()).cast(pa.large_string(), safe=False) if kind == "large_string" else None
    if column is None:
        column = pa.Array.from_buffers(pa.string(), 20, prompts.buffers())
    if kind == "dictionary":
        column = column.dictionary_encode()
    table = pa.table({"prompt": column, "is_multiple_choice": [False] * 20})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(FORMATS["parquet"].read(tmp_path / "a.parquet"))
    assert [row.number for row in rows if row.failure is not None] == [7]
    failure = rows[7].failure
    assert failure is not None
    assert failure.code == "invalid_text"
    assert [row.question.prompt for row in rows if row.question][-1] == "Question 19"


def test_flags_may_be_numbers(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["a", "b", "c"], "is_multiple_choice": [0, 1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    first, second, third = FORMATS["parquet"].read(tmp_path / "a.parquet")
    assert first.question is not None
    assert not first.question.is_multiple_choice
    assert second.question is not None
    assert second.question.is_multiple_choice
    assert third.failure is not None
    assert third.failure.code == "no_flag"
