"""Prompt templates: one folder a task type, strict variables, one fingerprint for the lot."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.errors import SetupError
from app.types import Message, TaskType

TEMPLATE = 1
"""Raised with every change after which a question may be asked in other words by the same templates: their variables,
their rendering, how a long prompt is cut. Kept answers depend on it."""
ROLES = ("system", "user")
TEXTS = "texts"
"""The folder of the templates that ask a question without its options."""
FINGERPRINT_LENGTH = 12

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@dataclass(frozen=True, slots=True)
class Template:
    """One file's text and the variables that it uses. What is wrong with it is a SetupError that names the file."""

    path: Path
    text: str
    variables: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> "Template":
        """Parse one file."""
        try:
            text = path.read_text(encoding="utf-8").strip()
            variables = meta.find_undeclared_variables(_environment.parse(text))
        except TemplateSyntaxError as error:
            raise SetupError(f"{path}, line {error.lineno}: {error.message}; mend the template") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"cannot read the template {path}: {error}; it must be UTF-8 text") from error
        return cls(path, text, frozenset(variables))

    def render(self, variables: Mapping[str, str]) -> str:
        """The text with its variables filled in."""
        self.check(variables)
        try:
            return _compiled(self.text).render(variables).strip() if self.variables else _constant(self.text)
        except TemplateError as error:
            raise SetupError(f"{self.path}: {error}; mend the template") from error

    def check(self, names: Iterable[str]) -> None:
        """Refuse, by name, variables outside `names`."""
        given = set(names)
        if unknown := sorted(self.variables - given):
            raise SetupError(
                f"{self.path}: unknown variable {', '.join(map(repr, unknown))}; "
                f"this task type provides {', '.join(map(repr, sorted(given)))}"
            )


_AS_IT_STANDS = {"user": Template(Path(), "{{ question }}", frozenset({"question"}))}


class PromptLibrary:
    """All templates of a folder, read and checked once.

    The layout is `<folder>/<task_type>/user.j2` and, beside it, an optional `system.j2`; the folder `texts` is for
    questions of any type whose options are compared by their texts, asked as they stand where it is missing. A template
    that is missing or bad, or a user template that leaves the question out, is a SetupError.
    """

    def __init__(self, folder: Path) -> None:
        self._templates = {str(name): _read_folder(folder, name) for name in TaskType}
        if (folder / TEXTS).is_dir():
            self._templates[TEXTS] = _read_folder(folder, TEXTS)
        digest = hashlib.sha256()
        for task_type, templates in sorted(self._templates.items()):
            for role, template in sorted(templates.items()):
                digest.update(f"{task_type}/{role}\0{template.text}\0".encode())
        self.fingerprint = digest.hexdigest()[:FINGERPRINT_LENGTH]

    def check(self, task_type: TaskType, names: Iterable[str]) -> None:
        """Refuse templates of this type that use a variable outside `names`, before any question is asked."""
        for template in self._templates[task_type].values():
            template.check(names)

    def render(self, task_type: TaskType | str, variables: Mapping[str, str]) -> tuple[Message, ...]:
        """The conversation that asks one question: fixed text first, so that prefixes are shared."""
        templates = self._templates.get(task_type, _AS_IT_STANDS)
        return tuple(
            Message(role, templates[role].render(variables))  # type: ignore[arg-type]  # ROLES are Message's roles
            for role in ROLES
            if role in templates
        )


@lru_cache(maxsize=64)
def _constant(text: str) -> str:
    """What a template without variables says each time."""
    return _compiled(text).render().strip()


@lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    """Compiling takes ten times as long as everything else that is done to a prompt."""
    return _environment.from_string(text)


def _read_folder(folder: Path, name: str) -> dict[str, Template]:
    paths = {role: folder / name / f"{role}.j2" for role in ROLES}
    if not paths["user"].is_file():
        raise SetupError(f"no template for {str(name)!r}: write {paths['user']}")
    templates = {role: Template.read(path) for role, path in paths.items() if path.is_file()}
    if "question" not in templates["user"].variables:
        raise SetupError(f"{paths['user']} never uses 'question': the model would not see what is asked")
    return templates
