from pathlib import Path

from app.jobs.store import Store
from app.serve.batches.asking import MOST_DEATHS, Suspects


def test_deaths_are_counted_over_restarts(tmp_path: Path) -> None:
    for deaths in range(1, MOST_DEATHS + 1):
        with Store(tmp_path / "batch.journal") as store:
            store.begin({"model revision": "1"})
            suspects = Suspects(store)
            assert not suspects.convicted("a")
            suspects.add(["a"] if deaths > 1 else ["a", "b"])
    with Store(tmp_path / "batch.journal") as store:
        suspects = Suspects(store)
    assert suspects.convicted("a")
    assert "b" in suspects
    assert not suspects.convicted("b")
    assert "c" not in suspects
    assert not suspects.convicted("c")
