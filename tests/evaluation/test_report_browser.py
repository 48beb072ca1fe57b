"""The pages in a real browser: Chromium, driven by selenium. Skipped, with the reason, where either is missing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.data.mixing.manifest import Manifest, render_mixture
from app.evaluation.compare import compare
from app.evaluation.evaluation import Evaluation, write_evaluation
from app.report.evaluation import render_comparison, render_report
from tests.chromium import Browser, needs_chromium, open_browser, resize
from tests.data.mixing.rows import choice
from tests.data.mixing.test_manifest import FILE, MANIFEST
from tests.evaluation.synthetic import synthetic_evaluation
from tests.evaluation.test_report import HOSTILE

pytestmark = needs_chromium
LONG = "a_very_long_name_" * 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    sides = [synthetic_evaluation(), synthetic_evaluation(better=True)]
    for name, side in zip("ab", sides, strict=True):
        write_evaluation(folder / name, side)
    base = sides[0].results[0]
    hostile = [
        base.model_copy(
            update={"id": f"hostile-{number}", "prompt": text, "answer": text, "raw": text, "rendered": None}
        )
        for number, text in enumerate(HOSTILE)
    ]
    pages = {
        "report": render_report(sides[0].report, sides[0].results),
        "hostile": render_report(sides[0].report, hostile),
        "comparison": render_comparison(compare(folder / "a", folder / "b")),
    }
    for name, side in zip(("a", LONG), sides, strict=True):
        write_evaluation(folder / name, _with_long_names(side))
    report = _with_long_names(sides[0])
    pages |= {
        "long report": render_report(report.report, report.results),
        "long comparison": render_comparison(compare(folder / "a", folder / LONG)),
        "mixture": render_mixture(MANIFEST, "own", [choice("kettle")]),
        "long mixture": render_mixture(_mixture_with_long_names(), LONG, [choice(LONG, task=LONG)]),
    }
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


def _with_long_names(side: Evaluation) -> Evaluation:
    """The evaluation with names that have no place to break: of a task, a track, a file, a model, a sample."""

    def long(name: str) -> str:
        return f"{LONG}{name}" if name in ("task2", "task5") else name

    report, (first, *others) = side.report, side.report.tracks.items()
    tracks = {name: track.model_copy(update={"tasks": list(map(long, track.tasks))}) for name, track in others}
    changes = {
        "data": f"{LONG}.jsonl",
        "tasks": {long(name): task for name, task in report.tasks.items()},
        "tracks": {first[0]: first[1].model_copy(update={"name": LONG, "tasks": list(map(long, first[1].tasks))})}
        | tracks,
        "provenance": report.provenance.model_copy(update={"model": f"/models/{LONG}"}),
        "notes": [*report.notes, LONG],
    }
    results = [
        result.model_copy(update={"id": f"{LONG}{result.id}", "task_name": long(result.task_name)})
        for result in side.results
    ]
    return replace(side, report=report.model_copy(update=changes), results=results)


def _mixture_with_long_names() -> Manifest:
    (source,), (task, *_) = MANIFEST.sources.values(), MANIFEST.tasks.values()
    changes = {"licence": LONG, "place": f"/data/{LONG}/own.json", "faults": {LONG: 4}}
    output = FILE.model_copy(
        update={"rows": 1_234_567, "bytes": 1_234_567_890, "prompt_tokens": 123_456_789, "answer_tokens": 12_345_678}
    )
    return MANIFEST.model_copy(
        update={
            "sources": {LONG: source.model_copy(update=changes)},
            "tasks": {LONG: task.model_copy(update={"dropped": {LONG: 4}})},
            "outputs": dict.fromkeys(MANIFEST.outputs, output),
            "evaluation_prompts": {f"/data/{LONG}": 7},
        }
    )


@pytest.fixture(params=["report", "comparison"])
def either(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _open(browser: Browser, folder: Path, page: str, fragment: str = "") -> None:
    browser.get("about:blank")
    browser.get((folder / f"{page}.html").as_uri() + fragment)


def _ids(browser: Browser) -> list[str]:
    found: list[str] = browser.execute_script("return [...document.querySelectorAll('.open')].map(e => e.textContent)")
    return found


def _choose(browser: Browser, name: str, value: str) -> None:
    browser.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change'))",
        name,
        value,
    )


def _count(browser: Browser) -> str:
    return str(browser.find_element("id", "count").text)


def test_pages_run_without_a_complaint(browser: Browser, folder: Path, either: str) -> None:
    _open(browser, folder, either)
    assert len(_ids(browser)) == 25
    assert browser.get_log("browser") == []


def test_filters_narrow_the_table_to_the_samples_that_match(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    results = synthetic_evaluation().results
    _choose(browser, "task", "task5")
    _choose(browser, "result", "wrong")
    expected = [result.id for result in results if result.task_name == "task5" and result.score == 0]
    assert 0 < len(expected) <= 25
    assert _ids(browser) == expected
    assert _count(browser) == f"{len(expected)} of 500 samples"
    browser.find_element("css selector", "#filters button[type=reset]").click()
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert _count(browser) == "500 samples"


def test_wrongly_read_types_can_be_found(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report", "#route=wrong")
    expected = [result.id for result in synthetic_evaluation().results if result.route_right is False]
    assert expected
    assert _ids(browser) == expected


def test_search_looks_into_questions_and_answers(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    browser.find_element("id", "q").send_keys("WOOL felt desk mat")
    browser.execute_async_script("setTimeout(arguments[0], 400)")
    matching = [
        result
        for result in synthetic_evaluation().results
        if "wool felt desk mat" in f"{result.prompt}\n{result.raw}\n{result.answer}\n{result.gold}".lower()
    ]
    assert _count(browser) == f"{len(matching)} of 500 samples"


def test_a_heading_sorts_up_then_down_then_not_at_all(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    unsorted = _ids(browser)
    heading = browser.find_element("css selector", "th[data-field=seconds]")
    by_time = sorted(synthetic_evaluation().results, key=lambda result: result.seconds or 0)
    heading.find_element("tag name", "button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert _ids(browser) == [result.id for result in by_time[:25]]
    heading.find_element("tag name", "button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert _ids(browser) == [result.id for result in by_time[:-26:-1]]
    heading.find_element("tag name", "button").click()
    assert _ids(browser) == unsorted


def test_samples_without_a_score_come_last_either_way(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    button = browser.find_element("css selector", "th[data-field=score] button")
    for _ in range(2):
        button.click()
        assert not any(name.startswith("task1-") for name in _ids(browser))


def test_pages_turn(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    results = synthetic_evaluation().results
    browser.find_element("id", "last").click()
    assert _ids(browser) == [result.id for result in results[475:]]
    assert not browser.find_element("id", "forward").is_enabled()
    browser.find_element("id", "back").click()
    assert browser.find_element("id", "page-place").text == "page 19 of 20"
    _choose(browser, "size", "200")
    assert len(_ids(browser)) == 200


def test_the_detail_opens_and_moves_with_the_keyboard(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report", "#task=task2")
    browser.execute_script("document.querySelector('.open').focus()")
    browser.switch_to.active_element.send_keys("\n")
    dialog = browser.find_element("id", "detail")
    assert dialog.is_displayed()
    first = next(result for result in synthetic_evaluation().results if result.id == "task2-000")
    assert browser.find_element("id", "detail-title").text == first.id
    shown = browser.execute_script("return [...document.querySelectorAll('#detail pre')].map(e => e.textContent)")
    assert first.rendered
    assert shown == [first.raw, first.answer, str(first.parsed), str(first.gold), *(m.content for m in first.rendered)]
    assert first.label_probs
    bars = browser.execute_script(
        "return [...document.querySelectorAll('#detail .fill')].map(e => parseFloat(e.style.width))"
    )
    assert bars == pytest.approx([100 * share for share in first.label_probs.values()], abs=0.01)
    browser.switch_to.active_element.send_keys("\ue014")  # right arrow
    assert browser.find_element("id", "detail-title").text == "task2-001"
    assert "sample=task2-001" in browser.current_url
    browser.switch_to.active_element.send_keys("\ue00c")  # escape
    assert not dialog.is_displayed()
    assert "sample=" not in browser.current_url


def test_a_link_opens_the_sample_that_it_names(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report", "#task=task12&sample=task12-007")
    assert browser.find_element("id", "detail-title").text == "task12-007"
    assert _count(browser) == "20 of 500 samples"


def test_a_tasks_name_leads_to_its_samples(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "report")
    browser.execute_script("document.querySelector('.scores a[href=\"#task=task9\"]').click()")
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert {name.split("-")[0] for name in _ids(browser)} == {"task9"}


def test_the_comparison_shows_both_answers(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "comparison", "#task=task7&change=rose")
    browser.execute_script("document.querySelector('.open').click()")
    titles = [heading.text for heading in browser.find_elements("css selector", "#detail h3")]
    assert titles == ["Answer A", "Answer B", "Gold", "Question"]


def test_hostile_text_is_shown_and_never_run(browser: Browser, folder: Path) -> None:
    _open(browser, folder, "hostile")
    title = browser.title
    for number, text in enumerate(HOSTILE):
        _open(browser, folder, "hostile", f"#sample=hostile-{number}")
        shown = browser.execute_script("return JSON.stringify(document.querySelector('#detail pre').textContent)")
        assert json.loads(shown) == text
        assert browser.execute_script("return document.querySelectorAll('main img, dialog img').length") == 0
    assert browser.title == title


def test_the_button_changes_between_light_and_dark(browser: Browser, folder: Path, either: str) -> None:
    _open(browser, folder, either)
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)
    browser.find_element("id", "theme").click()
    assert browser.execute_script(ground) != before
    browser.find_element("id", "theme").click()
    assert browser.execute_script(ground) == before


@pytest.mark.parametrize("width", [360, 390, 800, 1280])
@pytest.mark.parametrize("page", ["report", "comparison", "mixture", "long report", "long comparison", "long mixture"])
def test_nothing_is_wider_than_the_screen(browser: Browser, folder: Path, page: str, width: int) -> None:
    resize(browser, width, 800)
    _open(browser, folder, page)
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    widths = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert widths[0] == width >= widths[1]


def test_twenty_thousand_samples_stay_usable(browser: Browser, tmp_path: Path) -> None:
    evaluation = synthetic_evaluation()
    samples = [
        result.model_copy(update={"id": f"{result.id}-{copy}", "prompt": f"{result.prompt} {copy}", "rendered": None})
        for result in evaluation.results
        for copy in range(40)
    ]
    (tmp_path / "big.html").write_text(render_report(evaluation.report, samples), encoding="utf-8")
    _open(browser, tmp_path, "big")
    assert _count(browser) == "20,000 samples"
    assert len(_ids(browser)) == 25
    spent = browser.execute_script(
        "const start = performance.now(); document.querySelector('th[data-field=score] button').click();"
        "const e = document.getElementById('task'); e.value = 'task5'; e.dispatchEvent(new Event('change'));"
        "return performance.now() - start"
    )
    assert _count(browser) == "1,920 of 20,000 samples"
    # Milliseconds for a sort and a filter: 100 or so on an idle machine.
    assert spent < 10_000
