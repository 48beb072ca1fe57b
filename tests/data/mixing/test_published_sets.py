"""The published data sets, where they are at hand: nothing of the development set may come through."""

from pathlib import Path

import pytest

from app.data.mixing.build import build_mixture
from app.data.mixing.mixture import MixtureSettings, SourceSettings
from app.data.mixing.text import normal
from app.evaluation.datasets.reading import read_dataset
from tests.data.mixing.rows import Unwatched

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published data sets are not in {SHARED}")
def test_rows_of_published_sets_are_clean_and_hold_nothing_of_the_development_set(tmp_path: Path) -> None:
    development = SHARED / "development.json"
    settings = MixtureSettings(
        data=SHARED,
        sources={name: SourceSettings(rows=12) for name in ("EC-Guide", "IntentionQA")},
        evaluation_files=(development,),
    )
    manifest = build_mixture(settings, tmp_path / "mixture", Unwatched())

    asked = {normal(sample.question.prompt) for sample in read_dataset(development).samples}
    rows = [sample for file in manifest.outputs for sample in read_dataset(tmp_path / "mixture" / file).samples]
    assert len(rows) > 200
    assert not asked & {normal(sample.question.prompt) for sample in rows}
    assert manifest.evaluation_prompts == {str(development): len(asked)}
    assert {source.licence for source in manifest.sources.values()} == {"Apache-2.0", "MIT"}
    assert all(task.read == sum(task.dropped.values()) + sum(task.clean.values()) for task in manifest.tasks.values())
