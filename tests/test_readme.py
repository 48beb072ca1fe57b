"""What README.md says of the project is true: its links, its commands."""

import re

import pytest
from typer.main import get_command

from app.cli.main import cli
from app.settings import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"\bshopbench ([a-z]+)", README))
    commands = set(getattr(get_command(cli), "commands", {}))
    assert named >= {"predict", "route", "evaluate", "compare", "serve"}
    assert named <= commands
