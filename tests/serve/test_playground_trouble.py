"""The page at `/` where something is in the way: work under way, a stop, no server, no samples, a bad file."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.serve import pages
from app.types import GenerationRequest
from tests.chromium import Browser, needs_chromium, open_browser, resize, until
from tests.serve.calls import app_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine, first_label
from tests.serve.served import serving

pytestmark = [pytest.mark.timeout(600, func_only=True), needs_chromium]
QUICK, SLOW = "Name a quick colour.\nOutput: ", "Name a slow colour.\nOutput: "


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as started:
        resize(started, 1200, 900)
        yield started


async def never_the_slow_one(request: GenerationRequest) -> str:
    if any("slow" in message.content for message in request.messages):
        await asyncio.sleep(3600)
    return await first_label(request)


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """The address of a server that answers every question but the slow one."""
    with serving(app_of(ScriptedAsyncEngine(never_the_slow_one))) as port:
        yield f"http://127.0.0.1:{port}"


def visit(browser: Browser, page: str) -> None:
    browser.get(page)
    until(browser, "document.querySelectorAll('#sample option').length > 1")


def text_of(browser: Browser, name: str) -> str:
    text: str = browser.find_element("id", name).get_attribute("textContent")
    return text


def run_file(browser: Browser, text: str) -> None:
    """As if a file with this text had been chosen."""
    browser.execute_script(
        "const chosen = new DataTransfer();"
        "chosen.items.add(new File([arguments[0]], 'questions.jsonl'));"
        "document.getElementById('file').files = chosen.files;"
        "document.getElementById('file').dispatchEvent(new Event('change'));",
        text,
    )


def lines(*prompts: str) -> str:
    return "".join(json.dumps({"prompt": prompt, "is_multiple_choice": False}) + "\n" for prompt in prompts)


def cells(browser: Browser) -> list[Any]:
    script = "return [...document.querySelectorAll('#rows td:nth-child(4)')].map((cell) => cell.textContent)"
    found: list[Any] = browser.execute_script(script)
    return found


def press_ask_by_keys(browser: Browser, prompt: str) -> None:
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script("document.getElementById('prompt').focus()")
    browser.execute_cdp_cmd("Input.insertText", {"text": prompt})
    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()


def test_a_file_under_way_is_not_ended_by_another_question(browser: Browser, page: str) -> None:
    visit(browser, page)
    run_file(browser, lines(QUICK, SLOW))
    until(browser, "document.getElementById('progress').textContent === '1 of 2'")
    press_ask_by_keys(browser, QUICK)
    assert browser.find_element("id", "stop").is_displayed()
    assert browser.find_element("id", "empty").is_displayed(), "a question was sent"
    assert not browser.find_element("id", "samples").is_enabled()
    assert not browser.find_element("id", "file").is_enabled()
    browser.find_element("id", "stop").click()
    until(browser, "!document.getElementById('samples').disabled")
    assert "Stopped." in text_of(browser, "progress")


def test_the_cursor_stands_only_where_something_is_written(browser: Browser, page: str) -> None:
    visit(browser, page)
    press_ask_by_keys(browser, QUICK)
    until(browser, "document.getElementById('status').textContent")
    run_file(browser, lines(QUICK, SLOW))
    until(browser, "document.getElementById('progress').textContent === '1 of 2'")
    busy = "return [...document.querySelectorAll('[aria-busy=true]')].map((place) => place.id)"
    assert browser.execute_script(busy) == ["table-box"]
    cursor = "return getComputedStyle(document.getElementById('raw'), '::after').content"
    assert browser.execute_script(cursor) == "none"
    browser.find_element("id", "stop").click()
    until(browser, "document.getElementById('stop').hidden")
    assert browser.execute_script(busy) == []


def test_what_was_answered_before_a_stop_can_be_saved(browser: Browser, page: str) -> None:
    visit(browser, page)
    run_file(browser, lines(QUICK, SLOW))
    until(browser, "document.getElementById('progress').textContent === '1 of 2'")
    assert cells(browser) == ["some words", "…"]
    browser.find_element("id", "stop").click()
    until(browser, "!document.getElementById('save').hidden")
    assert cells(browser) == ["some words", "not answered"]
    assert text_of(browser, "progress") == text_of(browser, "status") == "1 of 2 answered. Stopped."
    browser.execute_script(
        "window.saved = [];"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return '#'; };"
    )
    browser.find_element("id", "save").click()
    until(browser, "saved.length")
    (row,) = browser.execute_script("return saved[0]").splitlines()
    assert json.loads(row)["answer"] == "some words"


def test_nothing_is_there_to_save_where_nothing_was_answered(browser: Browser, page: str) -> None:
    visit(browser, page)
    run_file(browser, lines(SLOW))
    until(browser, "!document.getElementById('stop').hidden")
    browser.find_element("id", "stop").click()
    until(browser, "document.getElementById('stop').hidden")
    assert cells(browser) == ["not answered"]
    assert not browser.find_element("id", "save").is_displayed()
    assert text_of(browser, "progress") == "Stopped."


def test_without_samples_their_controls_are_closed(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SAMPLE", tmp_path / "none.jsonl")
    with serving(app_of()) as port:
        browser.get(f"http://127.0.0.1:{port}")
        until(browser, "document.getElementById('empty').textContent.includes('no samples')")
        assert not browser.find_element("id", "sample").is_enabled()
        assert not browser.find_element("id", "samples").is_enabled()
        press_ask_by_keys(browser, QUICK)
        until(browser, "document.getElementById('status').textContent")
        assert not browser.find_element("id", "samples").is_enabled(), "open after a question"


def test_a_server_that_is_gone_is_told_as_that(browser: Browser) -> None:
    gone = "The server cannot be reached."
    with serving(app_of()) as port:
        visit(browser, f"http://127.0.0.1:{port}")
    for control in ("docs", "go"):
        browser.execute_script("fail(''); document.getElementById('prompt').value = 'Name a colour.'")
        browser.find_element("id", control).click()
        until(browser, "!document.getElementById('error').hidden")
        assert browser.find_element("id", "error").text == gone, control
    assert text_of(browser, "final") == "not answered"
    browser.find_element("id", "samples").click()
    until(browser, "document.getElementById('progress').textContent")
    assert text_of(browser, "progress") == gone
    assert set(cells(browser)) == {"not answered"}
    browser.execute_script("fail('')")
    browser.execute_async_script("start().then(arguments[0])")
    assert browser.find_element("id", "error").text == gone


def test_a_question_that_is_stopped_waits_for_nothing(browser: Browser, page: str) -> None:
    visit(browser, page)
    press_ask_by_keys(browser, SLOW)
    until(browser, "!document.getElementById('answer').hidden")
    assert text_of(browser, "final") == "…"
    browser.find_element("id", "stop").click()
    until(browser, "!document.getElementById('error').hidden")
    assert text_of(browser, "final") == "not answered"


@pytest.mark.parametrize("row", ["null", "7", '"words"', "[]", "{}"])
def test_a_row_that_is_no_question_is_told_by_its_number(browser: Browser, page: str, row: str) -> None:
    visit(browser, page)
    run_file(browser, f"{lines(QUICK)}{row}\n")
    until(browser, "document.getElementById('progress').textContent")
    told = "questions.jsonl: row 2: 'prompt' (text) is needed, and 'is_multiple_choice' true, false or left out"
    assert text_of(browser, "progress") == told


def test_the_users_own_text_outlives_a_look_at_the_samples(browser: Browser, page: str) -> None:
    visit(browser, page)
    browser.execute_script("document.getElementById('prompt').focus()")
    browser.execute_cdp_cmd("Input.insertText", {"text": QUICK})
    browser.find_element("id", "choice").click()
    shown = "return [document.getElementById('prompt').value, document.getElementById('choice').checked]"
    for value in ("0", "1"):
        pick = "const box = document.getElementById('sample'); box.value = arguments[0];"
        pick += "box.dispatchEvent(new Event('change'));"
        browser.execute_script(pick, value)
        assert browser.execute_script(shown)[0] != QUICK
    browser.execute_script(pick, "")
    assert browser.execute_script(shown) == [QUICK, True]


def test_the_focus_is_never_lost(browser: Browser, page: str) -> None:
    from selenium.webdriver import Keys

    visit(browser, page)
    focus = "return new Promise((done) => requestAnimationFrame(() => done(document.activeElement.id)))"
    browser.execute_script("document.getElementById('prompt').value = arguments[0]", QUICK)
    browser.find_element("id", "go").send_keys(Keys.ENTER)
    until(browser, "document.getElementById('status').textContent")
    until(browser, "!document.getElementById('go').disabled")
    assert browser.execute_script(focus) == "go"
    run_file(browser, lines(SLOW))
    until(browser, "!document.getElementById('stop').hidden")
    browser.find_element("id", "stop").send_keys(Keys.ENTER)
    until(browser, "document.getElementById('stop').hidden")
    assert browser.execute_script(focus) == "prompt"
