"""What the pages say of the project is true: links, commands and options, paths."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from app.cli.main import cli
from app.settings import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/fixtures/*/README.md")]
)
NAMES = [str(page) for page in PAGES]
HISTORY = {"docs/experiments.md", "tests/fixtures/mini/README.md"}
"""What these say of files was true when it was written."""
TOP = "|".join(["app", "benchmarks", "configs", "data", "deploy", "docs", "models", "prompts", "scripts", "tests"])
ELSEWHERE = {"data/development.json", "models/weights", "app/shipped/"}
"""Put in place by users, or made by building a wheel."""
OTHER_PROGRAMS = {
    "--clients", "--format", "--hash", "--limit-concurrency", "--list-elf", "--loop", "--net", "--network",
    "--no-build-isolation", "--no-deps", "--num-cpus", "--num_processes", "--questions", "--require-hashes",
    "--rounds", "--rows", "--timeout-graceful-shutdown", "--timeout-keep-alive", "--torch-backend", "--vllm",
    "--ways", "--foreground", "--factory", "--prefill", "--decode", "--device",
}  # fmt: skip
"""Options that pages name alone and that are pip's, uv's, Docker's, uvicorn's or those of the benchmarks."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> tuple[str, list[str]]:
    """The text without its fenced blocks, and the lines of those, continued ones joined."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), lines


def commands(text: str) -> Iterator[list[str]]:
    """The words after each `shopbench` or `-m app` in blocks and inline code, up to what ends a command."""
    prose, lines = blocks(text)
    for code in [*lines, *re.findall(r"`([^`]+)`", prose)]:
        if code.startswith("docker "):  # there the word is an image
            continue
        for found in re.finditer(r"(?:^|[\s$/])(?:shopbench|-m app) (?P<words>(?!COMMAND)[^|;&<>#()]+)", f" {code}"):
            yield shlex.split(found["words"].replace("'", ""))


@cache
def refusal(*words: str) -> str:
    """What the command line says against a command or an option; nothing where it takes them."""
    for value in ([], ["VALUE"]):  # pages name options without their values too
        result = CliRunner().invoke(cli, [*words, *value, "--help"])
        if result.exit_code == 0:
            return ""
    return result.output


def options(command: Any) -> set[str]:  # noqa: ANN401  # Typer's class is private
    """All options of a command and of those below it."""
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*map(options, getattr(command, "commands", {}).values()))


def anchors(text: str) -> set[str]:
    """The names of the headings, as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", blocks(text)[0], flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    prose = re.sub(r"`[^`]*`", "", blocks(text_of(name))[0])
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one_that_the_command_line_takes(name: str) -> None:
    for words in commands(text_of(name)):
        assert not refusal(*words), shlex.join(words)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_that_stands_alone_exists(name: str) -> None:
    named = re.findall(r"`(--?[a-z][\w-]*)", blocks(text_of(name))[0])

    assert set(named) - OTHER_PROGRAMS <= options(get_command(cli)) | {"--help"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HISTORY])
def test_every_path_that_is_named_exists(name: str) -> None:
    for found in re.findall(rf"`((?:{TOP})/[\w./-]+)`", text_of(name)):
        assert (ROOT / found).exists() or found in ELSEWHERE, found
    for module in re.findall(r"(?<![\w/])app(?:\.\w+)+", text_of(name)):
        path = ROOT.joinpath(*module.split("."))
        assert any(one.exists() for one in (path, path.with_suffix(".py"), path.parent.with_suffix(".py"))), module


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("tests/")])
def test_a_page_begins_with_what_it_is_for(name: str) -> None:
    title, blank, first = text_of(name).splitlines()[:3]

    assert title.startswith("# ")
    assert not blank
    assert re.match(r"\*?\*?\w", first), "begin with a sentence"


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    held = [
        {name.removeprefix("app.") for name in layer.split(" | ")}
        for contract in contracts
        if contract["type"] == "layers"
        for layer in contract["layers"]
    ]

    table = text_of("docs/architecture.md").partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
    assert [set(re.findall(r"`(\w+)/?`", row)) for row in rows] == held


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").resolve()
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)", text_of("docs/index.md"))}

    pages = {path.resolve() for path in index.parent.rglob("*.md")} - {index}
    assert pages <= linked


def test_a_command_that_does_not_exist_is_found() -> None:
    """What the tests above stand on."""
    text = "Give `shopbench predikt a b`.\n\n```\nX=1 shopbench predict in.jsonl out.jsonl --modle m  # no\n```\n"
    first, second = commands(text)

    assert first == ["predict", "in.jsonl", "out.jsonl", "--modle", "m"]
    assert "predikt" in refusal(*second)
    assert "--modle" in refusal(*first)
    assert not refusal("predict", "in.jsonl", "out.jsonl")


def test_the_readme_stays_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12_000
