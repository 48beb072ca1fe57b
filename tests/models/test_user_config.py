"""The competition's interface, with the embedded checkpoint, from a working directory that is not ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

from app.settings import ROOT

# What the evaluator does, in a process of its own: import by name, no arguments, prompts only.
SCRIPT = """
import json, sys
from models.user_config import UserModel

model = UserModel()
batches = json.load(sys.stdin)
print(json.dumps({
    "size": model.get_batch_size(),
    "answers": [model.batch_predict({"prompt": prompts}, flag) for prompts, flag in batches],
}))
"""


def ask(batches: list[tuple[list[str], bool]], cwd: Path, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(batches),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_mixed_batch_is_answered_in_order_from_any_folder(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (ROOT / "data" / "sample.jsonl").read_text().splitlines()]
    choices = [row["input_field"] for row in rows if row["is_multiple_choice"]]
    others = [row["input_field"] for row in rows if not row["is_multiple_choice"]]
    told = ask([(choices, True), (others, False), ([], False), ([""], True)], tmp_path, AICROWD_RUN_SEED="7")
    answers = told["answers"]
    assert isinstance(answers, list)
    assert isinstance(told["size"], int)
    assert 1 <= told["size"] <= 16
    assert [len(part) for part in answers] == [len(choices), len(others), 0, 1]
    assert all(isinstance(text, str) and text.strip() for part in answers for text in part)
    assert all(text[0].isdigit() for text in answers[0])
    by_id = dict(zip([row["id"] for row in rows if not row["is_multiple_choice"]], answers[1], strict=True))
    for identity in ("rank-1", "rank-2"):
        assert sorted(by_id[identity].split(",")) == ["1", "2", "3", "4", "5"]
    assert len(set(by_id["retr-1"].split(","))) == 3
    assert by_id["ner-1"].split(", ")[0] in "torvex cordless screwdriver with case"


def test_a_config_of_ones_own_is_named_by_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(f"engine: transformers\nmodel: {ROOT / 'tests' / 'fixtures' / 'mini'}\n")
    told = ask([(["Pick one.\n0. pen\n1. cup\nAnswer:"], True)], tmp_path, SHOPBENCH_CONFIG=str(config))
    assert told["answers"] in ([["0"]], [["1"]])
