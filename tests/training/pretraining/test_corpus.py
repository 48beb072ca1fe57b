import json
from pathlib import Path

import pytest

from app.errors import InputError, SetupError
from app.training.pretraining.corpus import build_corpus
from app.training.pretraining.settings import DataSettings
from tests.training.pretraining.datasets import choice_row, write_data

SHARED = Path(__file__).parents[4] / "shared" / "data"


def settings(folder: Path, *evaluation_files: Path) -> DataSettings:
    return DataSettings(folder=folder, evaluation_files=evaluation_files, heldout_fraction=0.2)


def evaluation_file(path: Path, prompt: str) -> Path:
    path.write_text(json.dumps({"input_field": prompt}) + "\n", encoding="utf-8")
    return path


def test_the_two_parts_share_no_prompt_and_no_title(tmp_path: Path) -> None:
    corpus = build_corpus(settings(write_data(tmp_path)))
    assert corpus.train
    assert corpus.heldout
    assert not {example.prompt for example in corpus.train} & {example.prompt for example in corpus.heldout}
    titles = {example.key for example in corpus.train if example.key}
    assert not titles & {example.key for example in corpus.heldout}


def test_the_split_does_not_depend_on_the_other_rows(tmp_path: Path) -> None:
    few = build_corpus(settings(write_data(tmp_path / "few", rows=20)))
    many = build_corpus(settings(write_data(tmp_path / "many", rows=40)))
    published = {example.prompt for example in few.heldout if not example.key}
    assert published <= {example.prompt for example in many.heldout}


def test_an_evaluation_prompt_is_refused_whatever_its_spaces_and_case(tmp_path: Path) -> None:
    prompt = str(choice_row(5)["input_field"])
    file = evaluation_file(tmp_path / "evaluation.jsonl", prompt.upper().replace(" ", "  "))
    corpus = build_corpus(settings(write_data(tmp_path), file))
    assert prompt not in [example.prompt for example in corpus.train + corpus.heldout]
    assert corpus.faults["SAP multiple-choice: overlaps an evaluation file, refused"] == 1


def test_a_shared_line_of_content_is_refused_and_a_shared_instruction_is_not(tmp_path: Path) -> None:
    folder = write_data(tmp_path)
    path = folder / "EC-Guide/Generation/PE.json"
    instruction = "Please read the following review with care and say in few words what it is about."
    content = "The lantern went out on the second evening, and the seller never wrote back to me."
    rows = json.loads(path.read_text(encoding="utf-8"))
    for number, row in enumerate(rows[:10]):
        row["input_field"] = f"{instruction}\nReview: Number {number}."
    rows[0]["input_field"] = f"{instruction}\nReview: {content}"
    path.write_text(json.dumps(rows), encoding="utf-8")
    file = evaluation_file(tmp_path / "evaluation.jsonl", f"{instruction}\nReview: {content}\nAspect: light")
    corpus = build_corpus(settings(folder, file))
    assert corpus.faults["PE generation: overlaps an evaluation file, refused"] == 1


def test_a_missing_evaluation_file_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read the evaluation file"):
        build_corpus(settings(write_data(tmp_path), tmp_path / "absent.jsonl"))


def test_an_evaluation_file_without_prompts_is_an_input_error(tmp_path: Path) -> None:
    file = tmp_path / "evaluation.jsonl"
    file.write_text('{"question": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match="input_field"):
        build_corpus(settings(write_data(tmp_path), file))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published data sets in ../shared/data")
def test_the_published_data_are_read_and_the_development_set_is_refused() -> None:
    corpus = build_corpus(settings(SHARED, SHARED / "development.json"))
    assert len(corpus.train) + len(corpus.heldout) > 50_000
    assert corpus.faults["PRP multiple-choice: options 0, 1, 3 renumbered"] == 727
    assert corpus.faults["RRA retrieval: overlaps an evaluation file, refused"] == 2
