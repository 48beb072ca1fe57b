"""The page at `/`, in a real browser against the real server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from app.serving.playground import FILES, STATIC
from tests.serving.browser import CHROMIUM, Page, browser
from tests.serving.calls import app_of, call
from tests.serving.live_server import KEY, LiveServer

pytestmark = [pytest.mark.timeout(600)]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


def visit(server: LiveServer, work: Callable[[Page], Awaitable[None]]) -> None:
    async def main() -> None:
        async with browser() as page:
            await page.size(1200, 900)
            await page.open(server.url)
            await work(page)
            complaints = [line for line in page.complaints() if "401" not in line]
            assert complaints == []

    asyncio.run(main())


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


@needs_browser
def test_a_question_by_keyboard_alone(server: LiveServer) -> None:
    async def work(page: Page) -> None:
        await page.run("document.getElementById('prompt').focus()")
        text = "Which is sold by its wattage?\n0. bookmark\n1. hair dryer\nAnswer: "
        await page.send("Input.insertText", text=text)
        await page.run("document.getElementById('choice').checked = true")
        await page.press("Enter", control=True)
        await page.until("document.activeElement.id === 'key'")
        await page.send("Input.insertText", text=KEY)
        await page.press("Enter")
        await page.until(
            "document.getElementById('final').textContent.length === 1 && !document.getElementById('labels').hidden"
        )
        assert await page.run("document.getElementById('type').textContent") == "multiple-choice"
        assert await page.run("document.getElementById('why').textContent.length") > 0
        assert await page.run("document.getElementById('key-form').hidden")
        assert await page.run("document.querySelectorAll('#bars li').length") == 2
        assert "hair dryer" in await page.run("document.getElementById('messages').textContent")
        assert (await page.run("document.getElementById('status').textContent")).startswith("Answer:")

    visit(server, work)


@needs_browser
def test_the_samples_fill_a_table(server: LiveServer) -> None:
    async def work(page: Page) -> None:
        await page.run(f"key = {json.dumps(KEY)}; document.getElementById('samples').click()")
        await page.until("!document.getElementById('save').hidden")
        cells = await page.run(
            "[...document.querySelectorAll('#rows td:nth-child(4)')].map((cell) => cell.textContent)"
        )
        assert len(cells) == len(httpx.get(f"{server.url}/samples.json").json())
        assert "…" not in cells

    visit(server, work)


@needs_browser
def test_names_roles_and_narrow_screens(server: LiveServer, tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        nameless = await page.run(
            "[...document.querySelectorAll('input, textarea, select, button')]"
            ".filter((field) => !(field.labels && field.labels.length) && "
            "!field.ariaLabel && !field.textContent.trim())"
            ".map((field) => field.id)"
        )
        assert nameless == [], "fields without a name for a screen reader"
        for width in (320, 768, 1440):
            await page.size(width, 800)
            assert await page.run("document.documentElement.scrollWidth <= innerWidth"), width
        light = await page.run("getComputedStyle(document.body).backgroundColor")
        await page.size(800, 800, dark=True)
        assert await page.run("getComputedStyle(document.body).backgroundColor") != light
        await page.run("document.getElementById('theme').click()")
        assert await page.run("getComputedStyle(document.body).backgroundColor") == light
        await page.shoot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 5000

    visit(server, work)
