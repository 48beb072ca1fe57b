from pathlib import Path

import pytest

from app.errors import SetupError
from app.files import FolderKind, whole_folder

MANIFEST = "manifest.json"
MIXTURE = FolderKind("mixture", MANIFEST)


def write(target: Path, text: str, *, overwrite: bool = False) -> None:
    with whole_folder(target, MIXTURE, overwrite=overwrite) as folder:
        (folder / MANIFEST).write_text(text)


def write_half(target: Path, fault: type[BaseException]) -> None:
    with whole_folder(target, MIXTURE, overwrite=True) as folder:
        (folder / MANIFEST).write_text("half")
        raise fault


def test_the_folder_appears_with_the_folders_above_it(tmp_path: Path) -> None:
    write(tmp_path / "a" / "mixture", "one")

    assert (tmp_path / "a" / "mixture" / MANIFEST).read_text() == "one"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mixture"]


def test_a_mixture_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "mixture", "one")
    with pytest.raises(SetupError, match="--overwrite"):
        write(tmp_path / "mixture", "two")
    assert (tmp_path / "mixture" / MANIFEST).read_text() == "one"

    write(tmp_path / "mixture", "two", overwrite=True)
    assert (tmp_path / "mixture" / MANIFEST).read_text() == "two"
    assert [path.name for path in tmp_path.rglob("*")] == ["mixture", MANIFEST]


def test_what_is_no_mixture_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    (tmp_path / "file").write_text("x")

    with pytest.raises(SetupError, match="something else than a mixture"):
        write(tmp_path / "thesis", "one", overwrite=True)
    with pytest.raises(SetupError, match="is a file"):
        write(tmp_path / "file", "one", overwrite=True)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_left_after_a_fault_and_the_old_one_stays(tmp_path: Path, fault: type[BaseException]) -> None:
    write(tmp_path / "mixture", "one")
    with pytest.raises(fault):
        write_half(tmp_path / "mixture", fault)

    assert (tmp_path / "mixture" / MANIFEST).read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["mixture"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SetupError, match=r"cannot write .*mixture: .*nothing is left of it"):
        write(tmp_path / "file" / "mixture", "one")
