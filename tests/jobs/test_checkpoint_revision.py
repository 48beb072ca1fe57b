import shutil
from pathlib import Path

import pytest

from app.errors import SetupError
from app.jobs import identity
from app.jobs.identity import checkpoint_revision as revision_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(bytes(range(256)) * 400)
    (path / "README.md").write_text("card")
    return path


def test_it_follows_the_content_and_neither_place_nor_date(folder: Path) -> None:
    before = revision_of(str(folder))
    shutil.copytree(folder, folder.parent / "copy", copy_function=shutil.copyfile)
    assert revision_of(str(folder.parent / "copy")) == before
    (folder / "README.md").write_text("another card")
    assert revision_of(str(folder)) == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_changed_file_changes_it(folder: Path, name: str) -> None:
    before = revision_of(str(folder))
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(bytes(data))
    assert revision_of(str(folder)) != before


def test_names_and_the_borders_between_files_count(folder: Path) -> None:
    seen = {revision_of(str(folder))}
    (folder / "config.json").rename(folder / "other.json")
    seen.add(revision_of(str(folder)))
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text("}")
    seen.add(revision_of(str(folder)))
    (folder / "a.json").write_text("{}")
    (folder / "b.json").write_text("")
    seen.add(revision_of(str(folder)))
    assert len(seen) == 4
    (folder / "logs").mkdir()
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs")
    assert revision_of(str(folder)) in seen


def test_large_files_are_sampled_from_end_to_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "WHOLE", 10_000)
    monkeypatch.setattr(identity, "HEAD", 1_000)
    monkeypatch.setattr(identity, "BLOCK", 64)
    seen = set()
    path = folder / "model.safetensors"
    original = path.read_bytes()
    for place in (0, 999, 1_000, len(original) - 1):
        data = bytearray(original)
        data[place] ^= 1
        path.write_bytes(bytes(data))
        seen.add(revision_of(str(folder)))
    path.write_bytes(original)
    assert len(seen | {revision_of(str(folder))}) == 5


def test_a_model_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OSError("no way there")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", away)
    with pytest.raises(SetupError, match=r"no checkpoint at no-one/nothing: .*cannot be asked \(no way there\)"):
        revision_of("no-one/nothing")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: None)
    with pytest.raises(SetupError, match="no checkpoint at 'no-one/nothing': .* download"):
        revision_of("no-one/nothing")
    with pytest.raises(SetupError, match="no checkpoint at no/such/folder: put the weights there"):
        revision_of("no/such/folder")
