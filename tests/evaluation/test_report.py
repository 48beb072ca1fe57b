import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from app.evaluation.schema import ChatMessage, EvalReport, Provenance, SampleResult
from app.evaluation.statistics import wilson
from app.report.evaluation import above_baselines, outcome_bars, render_report, track_groups
from app.report.page import fragment, p_value, percent, signed
from tests.evaluation.synthetic import synthetic_evaluation

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "' onmouseover='document.title=1",
    "line\u2028and\u2029paragraph",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "null\x00 and \ud83d half a pair",
    "]]> &lt;b&gt; &amp;",
)


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text inside each script and style."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.text = ""
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._open = (tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[0]:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks.append((*self._open, data))
        else:
            self.text += data

    def block(self, tag: str, **attributes: str) -> str:
        return next(text for name, found, text in self.blocks if name == tag and attributes.items() <= found.items())


@pytest.fixture(scope="module")
def page() -> Page:
    evaluation = synthetic_evaluation()
    return Page(render_report(evaluation.report, evaluation.results))


def test_the_page_shows_the_overall_score_and_every_task_and_track(page: Page) -> None:
    report = synthetic_evaluation().report
    assert f"{report.overall.mean_over_tasks:.3f}" in page.text
    for name, task in report.tasks.items():
        assert name in page.text
        if task.score is not None and task.interval is not None:
            assert f"{task.score:.3f}" in page.text
            assert f"{task.interval.low:.3f}–{task.interval.high:.3f}" in page.text
    for track in report.tracks.values():
        assert track.name in page.text


def test_tasks_without_a_score_are_named_with_the_reason(page: Page) -> None:
    reason = synthetic_evaluation().report.tasks["task1"].not_scored_reason
    assert reason
    assert f"not scored: {reason}" in page.text


def test_published_scores_are_marked_as_the_hidden_test_sets(page: Page) -> None:
    labels = [attributes.get("aria-label") or "" for tag, attributes in page.tags if tag == "svg"]
    assert any("1st, NVIDIA 0.833 on the hidden test set" in label for label in labels)
    assert "Published scores, on the hidden test set" in page.text


def test_every_chart_is_named_for_readers_of_the_screen_or_left_out(page: Page) -> None:
    top = [attributes for tag, attributes in page.tags if tag == "svg" and "x" not in attributes]
    assert len(top) > 40
    for attributes in top:
        named = "aria-label" in attributes or "aria-labelledby" in attributes
        assert named == (attributes.get("role") == "img")
        assert named or attributes.get("aria-hidden") == "true"


def test_the_page_loads_nothing(page: Page) -> None:
    loading = {"src", "srcset", "data", "action", "poster", "background"}
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert not loading & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import", page.block("style"))


def test_the_policy_admits_this_script_and_style_alone(page: Page) -> None:
    policy = next(found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    script = next(text for tag, found, text in page.blocks if tag == "script" and not found)
    for kind, text in [("script", script), ("style", page.block("style"))]:
        assert f"{kind}-src 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")
    assert not any("style" in found or any(key.startswith("on") for key in found) for _, found in page.tags)


def test_a_long_prompt_stands_in_the_page_once() -> None:
    evaluation = synthetic_evaluation()

    def size(prompt: str) -> int:
        rendered = [ChatMessage(role="user", content=f"Question: {prompt.strip()} Answer:")]
        sample = evaluation.results[0].model_copy(update={"prompt": prompt, "rendered": rendered})
        return len(render_report(evaluation.report, [sample]))

    assert size("word " * 1001) - size("word ") == 5 * 1000


def _hostile(report: EvalReport, results: list[SampleResult]) -> tuple[EvalReport, list[SampleResult]]:
    everything = " ".join(HOSTILE)
    name = f"task {everything}"
    base = results[0]
    samples = [
        base.model_copy(update=dict.fromkeys(("id", "prompt", "raw", "answer", "error", "not_scored_reason"), text))
        .model_copy(update={"gold": [text], "parsed": [text], "task_name": name, "rendered": None, "score": None})
        for text in HOSTILE
    ]  # fmt: skip
    first, *_ = report.tasks.values()
    track, *_ = report.tracks.items()
    return report.model_copy(
        update={
            "data": everything,
            "notes": [everything],
            "tasks": {name: first.model_copy(update={"not_scored_reason": everything, "metric": everything})},
            "tracks": {track[0]: track[1].model_copy(update={"name": everything, "tasks": [name]})},
            "provenance": Provenance(model=everything, settings={everything: everything}),
            "scorers": {everything: everything},
            "joining": report.joining.model_copy(update={"missing": [everything], "extra": [everything]}),
        }
    ), samples


def test_hostile_text_stays_text() -> None:
    evaluation = synthetic_evaluation()
    report, samples = _hostile(evaluation.report, evaluation.results)
    html = render_report(report, samples)
    html.encode("utf-8")
    plain, attacked = Page(render_report(evaluation.report, evaluation.results)), Page(html)
    assert {tag for tag, _ in attacked.tags} <= {tag for tag, _ in plain.tags}
    assert sum(tag == "script" for tag, _ in attacked.tags) == 2
    assert not any(key.startswith("on") for _, found in attacked.tags for key in found)
    texts = json.loads(attacked.block("script", id="data"))["texts"]
    for text in HOSTILE:
        assert text in texts
    assert "{{ 7 * 7 }}" in attacked.text


def test_an_evaluation_that_knows_little_still_gives_a_page() -> None:
    evaluation = synthetic_evaluation()
    report = evaluation.report.model_copy(
        update={
            "provenance": Provenance(),
            "routing": None,
            "calibration": None,
            "published": [],
            "notes": [],
            "scorers": {},
            "outcomes": {"unknown": 2},
            "durations": evaluation.report.durations.model_copy(
                update={"batches": [], "load_seconds": None, "predict_seconds": None}
            ),
        }
    )
    unknown = dict.fromkeys(("rendered", "raw", "outcome", "routed_type", "route_right", "label_probs", "seconds"))
    samples = [result.model_copy(update=unknown) for result in evaluation.results[:2]]
    page = Page(render_report(report, samples))
    assert "model not known" in page.text
    assert "Calibration of label" not in page.text
    assert len(json.loads(page.block("script", id="data"))["rows"]) == 2


def test_tracks_stand_in_order_and_tasks_from_best_to_unscored() -> None:
    groups = track_groups(synthetic_evaluation().report)
    assert [track.number for track, _ in groups] == [1, 2, 3, 4]
    for _, tasks in groups:
        scores = [task.score for _, task in tasks]
        known = [score for score in scores if score is not None]
        assert known == sorted(known, reverse=True)
        assert scores == known + [None] * (len(scores) - len(known))


def test_above_baselines_asks_for_the_whole_interval() -> None:
    report = synthetic_evaluation().report
    above, judged = above_baselines(report)
    assert judged == 17
    perfect = report.tasks["task6"].model_copy(update={"score": 1.0, "interval": wilson(32, 32)})
    assert above_baselines(report.model_copy(update={"tasks": {"perfect": perfect}})) == (1, 1)
    alone = perfect.model_copy(update={"n": 1, "interval": None})
    assert above_baselines(report.model_copy(update={"tasks": {"alone": alone}})) == (0, 1), (
        "it counts, and is not clear"
    )
    by_hand = [
        name
        for name, task in report.tasks.items()
        if task.interval and task.interval.low > max(task.baselines.random or 0, task.baselines.majority or 0)
    ]
    assert above == len(by_hand)
    assert 0 < above < judged


def test_outcome_bars_add_up_to_the_reports_counts() -> None:
    evaluation = synthetic_evaluation()
    whole, *types = outcome_bars(evaluation.report, evaluation.results)
    assert {part.name: part.count for part in whole.segments} == evaluation.report.outcomes
    assert sum(bar.n for bar in types) == whole.n == 500


@pytest.mark.parametrize(("value", "text"), [(0.0123, "+0.012"), (-0.5, "−0.500"), (-0.0001, "0.000"), (None, "–")])
def test_differences_carry_their_sign(value: float | None, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "< 0.001"), (0.034, "0.034"), (0.5, "0.50"), (None, "–")])
def test_p_values_are_never_zero(value: float | None, text: str) -> None:
    assert p_value(value) == text


def test_positions_stay_inside_the_plot() -> None:
    assert [percent(value) for value in (-0.2, 0.5, 1.7)] == ["0.00%", "50.00%", "100.00%"]


def test_names_in_addresses_are_quoted() -> None:
    assert fragment("a b&c=\ud800") == "a%20b%26c%3D%3F"


def test_a_page_of_failures_says_so_first() -> None:
    evaluation = synthetic_evaluation()
    lost = evaluation.report.model_copy(update={"failed": {"error": 499}})
    page = Page(render_report(lost, evaluation.results))
    assert "499 of 500 samples (99.8%) have no answer of the model's own (499 error)" in page.text
    assert ("p", {"class": "note loud", "role": "alert"}) in page.tags
    few = evaluation.report.model_copy(update={"failed": {"error": 1}})
    assert ("p", {"class": "note loud", "role": "alert"}) not in Page(render_report(few, evaluation.results)).tags


def test_the_page_names_whose_labels_the_majority_knows() -> None:
    evaluation = synthetic_evaluation()
    assert "majority answer (leave-one-out)" in Page(render_report(evaluation.report, evaluation.results)).text
