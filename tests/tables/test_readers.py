"""One reader: the same rows from every kind of file, and one way to say what is wrong with one."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tables import readers
from app.tables.readers import count_rows, kind_of, read_raw, strict, tables_in

ROWS = [
    {"prompt": "red lamp", "note": "2"},
    {"prompt": 'blue, "big"\nlamp 日本', "note": ""},
    {"prompt": "c", "note": "x"},
]


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in rows).encode()


def as_array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


KINDS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "a.jsonl": as_lines,
    "a.json": as_array,
    "array.jsonl": as_array,
    "spread.json": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows).encode(),
    "A.CSV": as_csv,
    "a.tsv": lambda rows: as_csv(rows, "\t"),
    "semicolons.csv": lambda rows: as_csv(rows, ";"),
    "a.parquet": as_parquet,
}


@pytest.mark.parametrize("packed", ["", ".gz", ".GZ"])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str, packed: str) -> None:
    path = tmp_path / f"{name}{packed}"
    content = KINDS[name](ROWS)
    path.write_bytes(gzip.compress(content) if packed else content)

    rows = list(strict(read_raw(path), path))

    assert [row.values for row in rows] == ROWS
    assert [row.index for row in rows] == [0, 1, 2]
    assert all(row.place == f"{path}, {row.where}" for row in rows)
    assert count_rows(path) == 3


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_comes_from_standard_input(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress(KINDS[name](ROWS))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    kind = kind_of(Path(name))
    assert [row.values for row in read_raw(Path("-"), kind)] == ROWS


def test_a_line_of_text_is_a_question(tmp_path: Path) -> None:
    path = tmp_path / "asked.txt"
    path.write_text("Name a lamp, please.\n\n  Why [so]? \n", encoding="utf-8-sig")
    assert [row.values["prompt"] for row in read_raw(path)] == ["Name a lamp, please.", "Why [so]?"]
    path.write_text('{"prompt": "x"}\n')
    assert [row.values for row in read_raw(path)] == [{"prompt": "x"}]


@pytest.mark.parametrize("name", KINDS)
def test_a_gzip_file_that_breaks_off_is_an_error_wherever_it_does(tmp_path: Path, name: str) -> None:
    whole = gzip.compress(KINDS[name](ROWS * 200))
    path = tmp_path / f"{name}.gz"
    for end in (11, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"is not a whole gzip file"):
            list(read_raw(path))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", '{"prompt": "x"}\n'.encode("utf-16"), "UTF-16"),
        ("a.jsonl", '{"prompt": "x"}\n'.encode("utf-16-le"), "UTF-16"),
        ("a.csv", "prompt,flag\nx,1\n".encode("utf-16"), "UTF-16"),
        ("a.txt", "Name a lamp.\n".encode("utf-16-be"), "UTF-16"),
        ("a.csv", b"PK\x03\x04....", "Excel"),
        ("a.jsonl", b"(\xb5/\xfd....", "zstd"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.jsonl", b"<!doctype html>\n", "a web page"),
        ("a.jsonl", b"prompt,is_multiple_choice\nx,1\n", "seems to be CSV"),
        ("a.json", b"Name a lamp.\nName a rug.\n", "seems to be plain text"),
        ("a.csv", b'{"prompt": "x, y"}\n', "seems to be JSON"),
        ("a.jsonl", b"PAR1....", "seems to be Parquet"),
        ("a.parquet", b'{"prompt": "x"}', "is not a Parquet file"),
    ],
)
def test_what_is_another_kind_of_file_is_said_to_be_it(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as told:
        list(read_raw(tmp_path / name))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "content", "where", "code"),
    [
        ("a.jsonl", b'{"a": 1}\n\n{\n{"a": 2}\n', "line 3", "invalid_json"),
        ("a.jsonl", b'{"a": 1}\n"text"\n{"a": 2}\n', "line 2", "invalid_row"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n{"a": 2}\n', "line 2", "invalid_text"),
        ("a.json", b'[{"a": 1},\n 7,\n{"a": 2}]', "line 2, row 2", "invalid_row"),
        ("a.csv", b'a,b\n"1\n",x\n\n2\n3,y\n', "line 5", "invalid_row"),
        ("a.csv", b"a,b\n1,x\n2,caf\xe9\n3,y\n", "line 3", "invalid_text"),
        ("a.txt", b"one\ntwo \xe9\nthree\n", "line 2", "invalid_text"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, name: str, content: bytes, where: str, code: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    first, bad, last = read_raw(path)
    assert (first.fault, last.fault) == (None, None)
    assert bad.fault is not None
    assert (bad.where, bad.fault.code, bad.index, last.index) == (where, code, 1, 2)
    with pytest.raises(InputError, match=f"{name}, {where}"):
        list(strict(read_raw(path), path))


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=30)), max_size=8), st.integers(0, 2)
)
def test_arrays_are_read_piece_by_piece(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int
) -> None:
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(json.dumps(rows, indent=indent or None))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "_CHUNK", 4)
        found = list(read_raw(path))
    assert [row.values for row in found] == rows
    lines = path.read_text().split("\n")
    assert all(
        lines[int(row.where.split(",")[0].removeprefix("line ")) - 1].lstrip(" [").startswith("{") for row in found
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1},\n{"a" 2},\n{"a": 3}]', "line 2, row 2 is not JSON: Expecting ':' delimiter"),
        ('[{"a": 1},\n{"a": 2}', "line 2, row 3 is not JSON: the JSON array is not closed"),
        ('[{"a": 1}]\n[{"a": 2}]', "something follows the JSON array"),
        ("[" + '{"a": ' * 100_000, "nested too deeply"),
    ],
)
def test_an_array_that_is_broken_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=says):
        list(read_raw(tmp_path / "a.json"))


def test_two_columns_of_one_name_are_refused_and_columns_without_one_are_nobodys(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(InputError, match="two columns 'a'"):
        list(read_raw(tmp_path / "a.csv"))
    (tmp_path / "a.csv").write_text(", b ,,\n1,2,,\n")
    assert [row.values for row in read_raw(tmp_path / "a.csv")] == [{"b": "2"}]
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns 'a'"):
        list(read_raw(tmp_path / "a.parquet"))


def test_hidden_files_and_what_archives_add_are_no_tables(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b/c.CSV.GZ", ".a.jsonl", ".cache/a.csv", "__MACOSX/a.csv", "b/._c.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert tables_in(tmp_path, "**/*") == [tmp_path / "a.jsonl", tmp_path / "b" / "c.CSV.GZ"]
