from pathlib import Path

import pytest

from app.errors import SetupError
from app.settings import read_yaml


def test_what_a_file_holds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, zwölf]\n", encoding="utf-8")
    assert read_yaml(path, "the list") == {"a": [1, "zwölf"]}


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\xfa", b"a: 1\nb: {c: 1, c: 2}"])
def test_what_is_not_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"the list .*a\.yaml is not YAML: ") as refused:
        read_yaml(path, "the list")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"^cannot read the list .*b\.yaml: No such file or directory$"):
        read_yaml(tmp_path / "b.yaml", "the list")
