"""The page at `/`, in a real browser against the real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.serve.pages import FILES, STATIC
from tests.chromium import Browser, needs_chromium, open_browser, resize, shoot, until
from tests.serve.calls import app_of, call
from tests.serve.live_server import HEADERS, KEY, LiveServer
from tests.serve.served import serving

pytestmark = [pytest.mark.timeout(600, func_only=True)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as started:
        yield started


def visit(browser: Browser, server: LiveServer) -> None:
    resize(browser, 1200, 900)
    browser.get(server.url)
    until(browser, "document.querySelectorAll('#sample option').length > 1")


def check_no_complaints(browser: Browser) -> None:
    """Errors of scripts and violations of the Content-Security-Policy."""
    assert [line["message"] for line in browser.get_log("browser") if "401" not in line["message"]] == []


@pytest.mark.parametrize("path", FILES)
def test_the_page_is_complete_and_under_a_strict_policy(path: str) -> None:
    response = call(app_of(), "GET", path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for file in STATIC.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, file.name
        assert "https:" not in text, file.name
        assert "//cdn" not in text, file.name


def test_the_samples_are_the_projects_own() -> None:
    rows = call(app_of(), "GET", "/samples.json").json()
    assert len({row["task_type"] for row in rows}) == 5


@needs_chromium
def test_a_question_by_keyboard_alone(browser: Browser, server: LiveServer) -> None:
    from selenium.webdriver import ActionChains, Keys

    visit(browser, server)
    browser.execute_script("document.getElementById('prompt').focus()")
    text = "Which is sold by its wattage?\n0. bookmark\n1. hair dryer\nAnswer: "
    browser.execute_cdp_cmd("Input.insertText", {"text": text})
    browser.execute_script("document.getElementById('choice').checked = true")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    until(browser, "document.activeElement.id === 'key'")
    ActionChains(browser).send_keys(KEY, Keys.ENTER).perform()
    until(
        browser,
        "document.getElementById('final').textContent.length === 1 && !document.getElementById('labels').hidden",
    )
    assert browser.find_element("id", "type").text == "multiple-choice"
    assert browser.find_element("id", "why").text
    assert not browser.find_element("id", "key-form").is_displayed()
    assert browser.switch_to.active_element.get_attribute("id") == "prompt", "the focus went with the form"
    assert len(browser.find_elements("css selector", "#bars li")) == 2
    assert "hair dryer" in browser.find_element("id", "messages").get_attribute("textContent")
    assert browser.find_element("id", "status").get_attribute("textContent").startswith("Answer:")
    check_no_complaints(browser)


@needs_chromium
def test_the_samples_fill_a_table(browser: Browser, server: LiveServer) -> None:
    visit(browser, server)
    browser.execute_script(f"key = {json.dumps(KEY)}")
    browser.find_element("id", "samples").click()
    until(browser, "!document.getElementById('save').hidden")
    cells = browser.execute_script(
        "return [...document.querySelectorAll('#rows td:nth-child(4)')].map((cell) => cell.textContent)"
    )
    assert len(cells) == len(httpx.get(f"{server.url}/samples.json").json())
    assert "…" not in cells
    check_no_complaints(browser)


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    """A server with keys and a scripted engine."""
    with serving(app_of(keys=f"tests:{KEY}")) as port:
        yield f"http://127.0.0.1:{port}"


@needs_chromium
def test_a_screen_reader_hears_what_is_new_once(browser: Browser, closed: str) -> None:
    browser.get(closed)
    until(browser, "document.getElementById('health').textContent === 'ready'")
    browser.execute_script(
        "window.heard = [];"
        "const hear = (records) => heard.push(...records.map((record) => record.target.textContent));"
        "for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live], output'))"
        "  new MutationObserver(hear).observe(region, { childList: true, characterData: true, subtree: true });"
        f"key = {json.dumps(KEY)};"
    )
    browser.execute_async_script("look().then(arguments[0])")
    browser.find_element("id", "samples").click()
    until(browser, "!document.getElementById('save').hidden")
    browser.execute_script("document.getElementById('prompt').value = 'Name a colour.'")
    browser.find_element("id", "go").click()
    until(browser, "document.getElementById('status').textContent.startsWith('Answer')")
    count = len(httpx.get(f"{closed}/samples.json").json())
    heard = [text for text in browser.execute_script("return heard") if text]
    assert heard == [f"{count} of {count} answered", "Answer: some words. clean."]


@needs_chromium
def test_the_link_to_the_interface_tells_why_it_is_closed(browser: Browser, closed: str) -> None:
    browser.get(closed)
    browser.find_element("id", "docs").click()
    until(browser, "!document.getElementById('error').hidden")
    assert "needs a key" in browser.find_element("id", "error").text
    check_no_complaints(browser)


@needs_chromium
def test_the_page_and_the_interface_work_under_a_prefix(browser: Browser) -> None:
    resize(browser, 1200, 900)
    with serving(app_of(root_path="/shop")) as port:
        browser.get(f"http://127.0.0.1:{port}/shop")
        until(browser, "document.getElementById('health').textContent === 'ready'")
        browser.execute_script("document.getElementById('prompt').value = 'Name a colour.'")
        browser.find_element("id", "go").click()
        until(browser, "document.getElementById('final').textContent === 'some words'")
        browser.find_element("id", "docs").click()
        try_readyz(browser)
        assert browser.find_element("css selector", ".request-url").text.endswith(f":{port}/shop/readyz")
        check_no_complaints(browser)


@needs_chromium
def test_names_roles_and_narrow_screens(browser: Browser, server: LiveServer, tmp_path: Path) -> None:
    visit(browser, server)
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('input, textarea, select, button')]"
        ".filter((field) => !(field.labels && field.labels.length) && !field.ariaLabel && !field.textContent.trim())"
        ".map((field) => field.id)"
    )
    assert nameless == [], "fields without a name for a screen reader"
    for width in (320, 768, 1440):
        resize(browser, width, 800)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), width
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    resize(browser, 800, 800, dark=True)
    assert browser.execute_script(ground) != light
    browser.execute_script("document.getElementById('theme').click()")
    assert browser.execute_script(ground) == light
    shoot(browser, tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 5000
    check_no_complaints(browser)


def try_readyz(browser: Browser) -> None:
    """Ask for it on the page of the interface."""
    until(browser, "document.querySelector('#operations-operations-readyz_readyz_get button')")
    browser.execute_script("document.querySelector('#operations-operations-readyz_readyz_get button').click()")
    # The button is there before the operation is read; its responses are not.
    until(browser, "document.querySelector('.execute') && document.querySelector('.responses-table .response')")
    browser.execute_script("document.querySelector('.execute').click()")
    until(browser, "document.querySelector('.live-responses-table .response-col_status')")
    assert browser.find_element("css selector", ".live-responses-table tbody .response-col_status").text == "200"


@needs_chromium
def test_the_interface_can_be_tried_without_the_internet(browser: Browser, server: LiveServer, tmp_path: Path) -> None:
    resize(browser, 1200, 900)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": HEADERS})
    try:
        browser.get(f"{server.url}/docs")
        until(browser, "document.querySelectorAll('.opblock').length >= 15")
        assert "Which of these is sold by its wattage?" in httpx.get(f"{server.url}/openapi.json", headers=HEADERS).text
        try_readyz(browser)
        shoot(browser, tmp_path / "docs.png")
        check_no_complaints(browser)
    finally:
        browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
