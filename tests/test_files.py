import errno
import gzip
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.errors import InputError, SetupError
from app.files import (
    FolderKind,
    dump,
    open_bytes,
    real_path,
    refuse_to_replace,
    whole_file,
    whole_folder,
    write_lines,
    write_whole,
)
from app.settings import ROOT

MANIFEST = "manifest.json"
MIXTURE = FolderKind("mixture", MANIFEST)
FAULTS = [KeyboardInterrupt, SystemExit, ValueError, ConnectionResetError]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_folder(target: Path, text: str, *, overwrite: bool | None = False) -> None:
    with whole_folder(target, MIXTURE, overwrite=overwrite) as folder:
        (folder / MANIFEST).write_text(text)


def test_files_appear_whole_and_alone_with_the_folders_above_them(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_whole(path, "one")
    write_whole(path, "zwei ß")
    assert path.read_text(encoding="utf-8") == "zwei ß"
    assert names(tmp_path) == ["new", "new/a.txt"]


def test_a_text_that_cannot_be_written_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_whatever_ends_the_writing_passes_and_leaves_nothing(
    tmp_path: Path, fault: type[BaseException], name: str
) -> None:
    def write_half() -> None:
        with whole_file(tmp_path / name) as file:
            file.write(b"half")
            raise fault("mine")

    with pytest.raises(fault, match="^mine$"):
        write_half()
    assert names(tmp_path) == []


def test_a_file_that_is_not_to_be_kept_leaves_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with whole_file(tmp_path / "a", keep=lambda: False) as file:
        file.write(b"new")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_what_a_killed_run_left_under_the_name_that_is_told_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / "a.part"
    left.write_text("a long text that was left")
    with whole_file(tmp_path / "a", partial=left) as file:
        file.write(b"new")
        assert names(tmp_path) == ["a.part"]
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_the_content_is_on_the_disk_before_it_has_the_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[str, list[str]]] = []

    def record(descriptor: int) -> None:
        forced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, names(tmp_path)))

    monkeypatch.setattr(os, "fsync", record)
    write_whole(tmp_path / "a", "text")
    (partial, before), after = forced
    assert before == [partial] != ["a"]
    assert after == (tmp_path.name, ["a"])

    forced.clear()
    write_folder(tmp_path / "mixture", "one")
    manifest, made, (parent, there) = forced
    assert manifest[0] == MANIFEST
    assert manifest[1] == made[1] == sorted(["a", made[0], f"{made[0]}/{MANIFEST}"])
    assert (parent, there) == (tmp_path.name, ["a", "mixture", f"mixture/{MANIFEST}"])


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_full_disk_is_one_line_and_the_old_file_stays(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("old")
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from app.errors import SetupError\nfrom app.files import whole_file\n"
        "try:\n    with whole_file(Path(sys.argv[1])) as file:\n        file.write(os.urandom(100_000))\n"
        "except SetupError as error:\n    print(error)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    given = [sys.executable, "-c", program, str(target)]
    result = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True, preexec_fn=limit)
    assert result.stdout == f"cannot write {target}: File too large; nothing is left of it\n"
    assert names(tmp_path) == [name]
    assert target.read_text() == "old"


def test_a_place_that_cannot_be_written_to_is_named_in_the_callers_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "out"
    with pytest.raises(SetupError, match=r"^cannot write .*/file/out: .*; nothing is left of it$"):
        write_whole(below, "x")
    with pytest.raises(SetupError, match=r"^cannot write .*/file/out: .*; nothing is left of it$"):
        write_folder(below, "one")
    with pytest.raises(InputError, match="^no room for out$"):
        write_whole(below, "x", told=lambda path, _: InputError(f"no room for {path.name}"))
    with pytest.raises(FileExistsError):
        write_whole(below, "x", told=None)


@pytest.mark.parametrize("name", ["/dev/null", "."])
def test_a_name_that_is_no_plain_file_is_left_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match="no plain file"):
        write_whole(tmp_path / name, "x")
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_permissions_are_those_of_new_files(tmp_path: Path, mask: int, file_mode: int, folder_mode: int) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "a", "x")
        with whole_folder(tmp_path / "f", MIXTURE, overwrite=None) as made:
            (made / MANIFEST).touch(mode=0o600)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "f", f"f/{MANIFEST}")]
    assert modes == [file_mode, folder_mode, file_mode]


def test_a_link_stays_and_what_is_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").symlink_to("elsewhere/a")
    (tmp_path / "mixture").symlink_to("elsewhere/mixture")
    for text in ("one", "two"):
        write_whole(tmp_path / "a", text)
        write_folder(tmp_path / "mixture", text, overwrite=True)
        assert (tmp_path / "elsewhere" / "a").read_text() == text
        assert (tmp_path / "elsewhere" / "mixture" / MANIFEST).read_text() == text
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "mixture").is_symlink()
    assert len(names(tmp_path)) == 6


def test_a_name_becomes_absolute_and_folders_keep_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "mount").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert real_path(Path("mount/out.jsonl")) == tmp_path / "mount" / "out.jsonl"
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("mount/out.jsonl")
    assert real_path(Path("a")) == tmp_path / "mount" / "out.jsonl"
    (tmp_path / "circle").symlink_to("circle")
    assert real_path(Path("circle")) == tmp_path / "circle"
    assert real_path(Path("-")) == Path("-")


def test_what_is_compressed_is_read_again_and_equal_content_makes_equal_files(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_lines(tmp_path / name, [{"t": "日本"}])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert (tmp_path / "a.jsonl.gz").read_bytes()[4:8] == bytes(4)  # the date
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).decode() == '{"t": "日本"}\n'
    with open_bytes(tmp_path / "a.jsonl.gz") as file:
        assert file.read().decode() == '{"t": "日本"}\n'


def test_a_gzip_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    write_whole(tmp_path / "whole.gz", "text" * 99)
    (tmp_path / "a.gz").write_bytes((tmp_path / "whole.gz").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.gz is not a whole gzip file"), open_bytes(tmp_path / "a.gz") as file:
        file.read()


def test_bytes_appear_on_standard_output_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        with whole_file(Path("-")) as output:
            output.write(b"a row\n")
            assert os.read(reading, 100) == b"a row\n"
    os.close(reading)


def test_a_reader_that_is_gone_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.RawIOBase):
        def write(self, _: object, /) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=Closed()))
    with (
        pytest.raises(SetupError, match="^cannot write -: Broken pipe; its reader is gone$"),
        whole_file(Path("-")) as output,
    ):
        output.write(b"a row\n")


def test_lines_hold_any_text(tmp_path: Path) -> None:
    assert write_lines(tmp_path / "a.jsonl", [{"t": "日本\n\ud800"}, {"t": "b"}]) == 2
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"t": "日本\\n\\ud800"}\n{"t": "b"}\n'


def test_rows_that_cannot_be_drawn_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_lines(tmp_path / "a.jsonl", ({"t": 1 // number} for number in (1, 0)))
    assert names(tmp_path) == []


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "a" / "mixture"
    write_folder(target, "one")
    with pytest.raises(SetupError, match="give --overwrite to replace it, or name another folder"):
        write_folder(target, "two")
    with pytest.raises(SetupError, match="is there: remove it, or name another folder"):
        write_folder(target, "two", overwrite=None)
    assert (target / MANIFEST).read_text() == "one"

    write_folder(target, "two", overwrite=True)
    assert (target / MANIFEST).read_text() == "two"
    assert names(tmp_path) == ["a", "a/mixture", f"a/mixture/{MANIFEST}"]


def test_an_empty_folder_may_be_replaced_and_what_is_of_another_kind_never(tmp_path: Path) -> None:
    for name in ("empty", "thesis"):
        (tmp_path / name).mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    (tmp_path / "file").write_text("x")

    write_folder(tmp_path / "empty", "one")
    with pytest.raises(SetupError, match="something else than a mixture"):
        write_folder(tmp_path / "thesis", "one", overwrite=True)
    with pytest.raises(SetupError, match="is a file"):
        write_folder(tmp_path / "file", "one", overwrite=True)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"
    refuse_to_replace(tmp_path / "none", MIXTURE, overwrite=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_left_after_a_fault_and_the_old_folder_stays(tmp_path: Path, fault: type[BaseException]) -> None:
    def write_half() -> None:
        with whole_folder(tmp_path / "mixture", MIXTURE, overwrite=True) as folder:
            (folder / MANIFEST).write_text("half")
            raise fault("mine")

    write_folder(tmp_path / "mixture", "one")
    with pytest.raises(SetupError if issubclass(fault, OSError) else fault):
        write_half()
    assert (tmp_path / "mixture" / MANIFEST).read_text() == "one"
    assert names(tmp_path) == ["mixture", f"mixture/{MANIFEST}"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, PermissionError])
def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    rename = Path.rename
    renamed: list[str] = []

    def failing(self: Path, target: Path) -> Path:
        renamed.append(self.name)
        if len(renamed) == 2:
            raise fault
        return rename(self, target)

    write_folder(tmp_path / "mixture", "one")
    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((KeyboardInterrupt, SetupError)):
        write_folder(tmp_path / "mixture", "two", overwrite=True)
    assert (tmp_path / "mixture" / MANIFEST).read_text() == "one"
    assert names(tmp_path) == ["mixture", f"mixture/{MANIFEST}"]


def test_what_is_no_number_is_null_in_every_line(tmp_path: Path) -> None:
    row = {"a": math.nan, "b": [1.5, math.inf, {"c": (-math.inf, "NaN")}], "d": math.pi}
    write_lines(tmp_path / "a.jsonl", [row])

    def refuse(word: str) -> object:
        raise ValueError(word)

    found = json.loads((tmp_path / "a.jsonl").read_text(), parse_constant=refuse)
    assert found == {"a": None, "b": [1.5, None, {"c": [None, "NaN"]}], "d": math.pi}
    assert dump({"p": Path("x"), "q": math.nan}, default=str) == '{"p": "x", "q": null}'
    assert dump({"q": [math.nan]}, indent=1) == '{\n "q": [\n  null\n ]\n}'
