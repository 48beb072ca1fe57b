import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.sources.reading import (
    find_tables,
    joined,
    language_of,
    last_list,
    parse_hub_name,
    read_table,
    without,
)
from app.errors import InputError, SetupError
from tests.data.sources.files import write_array, write_csv, write_lines, write_parquet

ROWS = [{"title": "red lamp", "count": 2}, {"title": 'blue, "big"\nlamp', "count": 30}]


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_lines, "a.jsonl"),
        (write_lines, "a.json"),
        (write_array, "a.json"),
        (write_csv, "a.csv"),
        (write_parquet, "a.parquet"),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, write: object, name: str) -> None:
    assert callable(write)
    path = write(tmp_path / name, ROWS)

    rows = list(read_table(path, ("title", "count")))

    assert [(row.text("title"), row.whole("count")) for row in rows] == [("red lamp", 2), ('blue, "big"\nlamp', 30)]
    assert all(str(path) in row.place for row in rows)


def test_compressed_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(write_lines(tmp_path / "a.jsonl", ROWS).read_bytes()))

    assert [row.text("title") for row in read_table(path, ("title",))] == [row["title"] for row in ROWS]


@pytest.mark.parametrize(
    ("write", "name"), [(write_lines, "a.jsonl"), (write_csv, "a.csv"), (write_parquet, "a.parquet")]
)
def test_a_field_that_is_not_there_is_named_with_what_is(tmp_path: Path, write: object, name: str) -> None:
    assert callable(write)
    path = write(tmp_path / name, ROWS)

    with pytest.raises(InputError) as told:
        next(read_table(path, ("title", "price")))

    message = str(told.value)
    assert str(path) in message
    assert "no field 'price'" in message
    assert "found 'title', 'count'" in message
    assert "\n" not in message


def test_a_later_row_is_told_by_its_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"title": "lamp"}, {"name": "rug"}])
    rows = read_table(path, ("title",))
    next(rows)

    with pytest.raises(InputError, match=r"a\.jsonl, line 2: no field 'title'; found 'name'"):
        next(rows).text("title")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"title": "lamp"}\n{"title": \n', "line 2 is not JSON"),
        ("a.json", '[{"title": "lamp"}, {"title": ', "line 1, row 2 is not JSON"),
        ("a.json", '["lamp"]', "line 1 is not a JSON object"),
        ("a.csv", "title,count\nlamp\n", "line 2 has 1 cells for 2 columns"),
        ("a.parquet", "not parquet", "is not a Parquet file"),
        ("a.jsonl", "", "is empty: it holds no row"),
        ("a.xlsx", "lamp", "'.xlsx' says nothing"),
    ],
)
def test_a_broken_file_gives_one_line(tmp_path: Path, name: str, content: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=told) as error:
        list(read_table(path, ("title",)))

    assert "\n" not in str(error.value)


def test_numbers_are_told_from_texts(tmp_path: Path) -> None:
    row = next(read_table(write_lines(tmp_path / "a.jsonl", [{"n": "many", "t": 3, "l": "['a', 'b']"}]), ("n",)))

    assert row.texts("l") == ("a", "b")
    with pytest.raises(InputError, match="'n' must be a number, found 'many'"):
        row.number("n")
    with pytest.raises(InputError, match="'t' must be text, found 3"):
        row.text("t")


def test_files_are_found_by_stem_in_any_kind(tmp_path: Path) -> None:
    write_csv(tmp_path / "sessions_train.csv", ROWS)
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")

    assert find_tables(tmp_path, "sessions_train") == [tmp_path / "sessions_train.csv"]
    with pytest.raises(InputError, match=r"no products_train\.\* in"):
        find_tables(tmp_path, "products_train")


def test_names_on_the_hub() -> None:
    assert parse_hub_name("hf:owner/name") == ("owner/name", "", "")
    assert parse_hub_name("hf:owner/name:main:test") == ("owner/name", "main", "test")
    with pytest.raises(SetupError, match="hf:owner/name"):
        parse_hub_name("hf:")


def test_a_data_set_is_streamed_by_the_datasets_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_parquet(tmp_path / "set" / "data" / "train-00000.parquet", ROWS)
    write_parquet(tmp_path / "set" / "data" / "test-00000.parquet", ROWS[:1])

    rows = list(read_table(Path(f"hf:{tmp_path / 'set'}"), ("title",)))
    assert [row.text("title") for row in rows] == [row["title"] for row in ROWS]

    assert len(list(read_table(Path(f"hf:{tmp_path / 'set'}::test"), ("title",)))) == 1
    with pytest.raises(InputError, match="has the splits test, train|has the splits train, test"):
        list(read_table(Path(f"hf:{tmp_path / 'set'}::dev"), ("title",)))
    with pytest.raises(InputError, match="row 1: no field 'price'"):
        list(read_table(Path(f"hf:{tmp_path / 'set'}"), ("price",)))


def test_a_file_of_one_line_stands_for_a_data_set_on_the_hub(tmp_path: Path) -> None:
    write_lines(tmp_path / "set" / "train.jsonl", ROWS)
    (tmp_path / "dataset.hf").write_text(f"hf:{tmp_path / 'set'}\n", encoding="utf-8")

    [path] = find_tables(tmp_path, "dataset")

    assert [row.text("title") for row in read_table(path, ("title",))] == [row["title"] for row in ROWS]


def test_a_data_set_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:

    with pytest.raises(InputError, match="cannot read hf:") as error:
        list(read_table(Path(f"hf:{tmp_path / 'nowhere'}/"), ("title",)))

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Steel kettle with a lid and a filter for hard water", "en"),
        ("Wasserkocher aus Edelstahl mit Deckel und Filter", "de"),
        ("Bouilloire en acier avec couvercle pour la cuisine", "fr"),
        ("Hervidor de acero con tapa para la cocina", "es"),
        ("Bollitore in acciaio con coperchio per il tè", "it"),
        ("Teko listrik dari baja untuk dapur anda", "id"),
        ("ふた付きの電気ケトル", "ja"),
        ("不锈钢电热水壶", "zh"),
        ("XK-40 1.7 L", "en"),
        ("", "en"),
    ],
)
def test_titles_of_six_shops_are_told_apart(text: str, code: str) -> None:
    assert language_of(text) == code


WORDS = st.text("abcdefgh", min_size=1, max_size=8)


def question(entries: list[str], first: int) -> str:
    listed = "\n".join(f"{number}. {entry}" for number, entry in enumerate(entries, start=first))
    return f"Select the products that fit.\nProducts:\n{listed}\nOutput:"


@given(st.lists(WORDS, min_size=4, max_size=15), st.sampled_from([0, 1]), st.data())
def test_entries_that_are_taken_out_leave_no_gap(entries: list[str], first: int, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(first + 1, first + len(entries) - 1), max_size=len(entries) - 2))
    asked = question(entries, first)
    found = last_list(asked)
    assert found is not None

    left = [entry for number, entry in enumerate(entries, start=first) if number not in gone]

    assert without(asked, found, gone) == question(left, first)


def test_a_list_with_a_gap_is_counted_anew() -> None:
    asked = "Which holds for the 3. product?\n0. bought\n1. viewed\n3. alike\nAnswer:"
    found = last_list(asked)
    assert found is not None

    assert without(asked, found, set()) == "Which holds for the 3. product?\n0. bought\n1. viewed\n2. alike\nAnswer:"


def test_the_first_entry_stays() -> None:
    asked = question(["a", "b", "c"], 1)
    found = last_list(asked)
    assert found is not None

    with pytest.raises(ValueError, match="first entry"):
        without(asked, found, {1})


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_what_is_linked_is_joined(links: list[tuple[int, int]]) -> None:
    leader = joined(links)
    reached = {thing: {thing} for link in links for thing in link}
    for _ in reached:
        for one, other in links:
            reached[one] = reached[other] = reached[one] | reached[other]

    assert set(leader) == set(reached)
    assert all((leader[one] == leader[other]) == (other in reached[one]) for one in reached for other in reached)
