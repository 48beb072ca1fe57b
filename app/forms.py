"""In which form a question goes to the model: for a label, or for the text of one of its options."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from app.files import write_whole
from app.prompting import TEXTS, PromptLibrary
from app.settings import Form, Settings, StrictSettings
from app.tasks.answers import join_numbers, numbers_in
from app.tasks.base import Options, Reading, Task
from app.types import Answer, Choice, Completion, Message, OutputConstraint, Selection, TaskType, Texts

OWN_FORMS = "shopbench.json"
"""A checkpoint's file of the forms that it was trained in: {"forms": {"ranking": {"ask": "texts", "prior": 0.8}}}."""
CONTENT_FREE = "N/A"
"""What stands in a question's place where it asks nothing (Zhao et al., "Calibrate Before Use", ICML 2021)."""
PLAIN = Form()


class _OwnForms(StrictSettings):
    """What `OWN_FORMS` holds."""

    forms: dict[TaskType, Form] = Field(default_factory=dict)


def own_forms(folder: Path) -> dict[TaskType, Form]:
    """The forms that a checkpoint or an adapter was trained in; none where it does not say.

    Raises:
        SetupError: the file cannot be read, or holds something else.
    """
    path = folder / OWN_FORMS
    return _OwnForms.read(path).forms if path.is_file() else {}


def forms_of(settings: Settings) -> dict[TaskType, Form]:
    """The form of each task type: as the settings say, else as what answers it was trained; labels for the others.

    What answers is the type's adapter, where it has one, and the checkpoint otherwise.

    Raises:
        SetupError: as `own_forms`.
    """
    found, adapters = own_forms(Path(settings.model)), settings.engine_settings.get("adapters") or {}
    for kind, name in settings.task_adapters.items():
        found.pop(kind, None)
        found |= {one: form for one, form in own_forms(Path(adapters[name])).items() if one is kind}
    return found | settings.forms


def write_forms(folder: Path, forms: Mapping[TaskType, Form]) -> None:
    """Say, beside the weights, in which forms they were trained; nothing where that is labels throughout."""
    if forms:
        values = {kind.value: form.model_dump(exclude_defaults=True) for kind, form in sorted(forms.items())}
        write_whole(folder / OWN_FORMS, json.dumps({"forms": values}, indent=2) + "\n")


def told(forms: Mapping[TaskType, Form]) -> str:
    """The forms in a line, for what answers depend on."""
    listed = [
        f"{kind.value}: {form.ask}, prior {form.prior}, orders {form.orders}" for kind, form in sorted(forms.items())
    ]
    return "; ".join(listed) or "labels"


def conversation(prompts: PromptLibrary, task: Task, reading: Reading, text: str) -> tuple[Message, ...]:
    """The messages that ask for a label or a text of the model's own; `text` is the question, stripped and cut to fit.

    Serving and training ask alike.
    """
    return prompts.render(task.type, {"question": text, **reading.variables})


@dataclass(frozen=True, slots=True)
class Asking:
    """How one question is asked in its form.

    Texts: the question without its options is asked, and each option is worth the log-probability of its text, less
    `prior` times that of the same text where nothing was asked: what it would be worth anyway (Holtzman et al.,
    "Surface Form Competition", EMNLP 2021). Labels: `prior` times the log-probability of each label under the same
    options without content is subtracted, and log-probabilities are averaged over so many orders of the options (Zheng
    et al., "Large Language Models Are Not Robust Multiple Choice Selectors", ICLR 2024).
    """

    task: Task
    reading: Reading
    form: Form
    prompts: PromptLibrary

    @property
    def options(self) -> Options | None:
        """The options where they are what is asked for, by their texts."""
        return self.reading.options if self.form.ask == "texts" else None

    @property
    def text(self) -> str | None:
        """The question without its options, where these are asked for; None where it is asked as it stands."""
        return self.options.stem if self.options else None

    @property
    def constraint(self) -> OutputConstraint | None:
        """What the answer may be."""
        return Texts(self.options.texts) if self.options else self.reading.constraint

    @property
    def longest(self) -> int:
        """Tokens that the answer may take, at most: no token is shorter than a byte."""
        if self.options:
            return 1 + max(len(text.encode()) for text in self.options.texts)
        return self.reading.sampling.max_tokens

    def messages(self, text: str) -> tuple[Message, ...]:
        """The conversation that asks the question's text."""
        if self.options:
            return self.prompts.render(TEXTS, {"question": text})
        return conversation(self.prompts, self.task, self.reading, text)

    def targets(self, gold: object, target: str) -> tuple[str, ...]:
        """What the model is taught to write: each right option where these are asked for, the target itself otherwise.

        Of a ranking these are the options of the highest gain; a permutation says of the first only.
        """
        if self.options is None:
            return (target,)
        labels, texts = self.options.labels, self.options.texts
        gains = gold if isinstance(gold, list | tuple) and self.task.type is TaskType.RANKING else ()
        if (
            len(gains) == len(texts)
            and len(set(gains)) < len(gains)
            and all(isinstance(one, int | float) for one in gains)
        ):
            return tuple(text for text, gain in zip(texts, gains, strict=True) if gain == max(gains))
        digits = all(map(str.isdigit, labels))
        named = list(map(str, numbers_in(target, map(int, labels)))) if digits else [target] if target in labels else []
        chosen = [texts[labels.index(label)] for label in named]
        return tuple(chosen[:1] if self.task.type is TaskType.RANKING else chosen) or (target,)

    def variants(self, *, cut: bool = False) -> tuple[tuple[Message, ...], ...]:
        """The other conversations that the answer depends on; of a prompt that was cut, none in another order."""
        if self.options:
            return (self.messages(CONTENT_FREE),) if self.form.prior else ()
        options = self.reading.options
        if options is None or not isinstance(self.reading.constraint, Choice):
            return ()
        size = len(options.texts)
        others = [
            self.messages(options.rotated(shift)) for shift in range(1, 1 if cut else min(self.form.orders, size))
        ]
        free = [self.messages(options.emptied(CONTENT_FREE))] if self.form.prior else []
        return (*others, *free)

    def decide(self, completion: Completion) -> tuple[Answer, dict[str, float] | None, float | None]:
        """The answer, each label's probability, and how much of the model's probability fell on labels."""
        logprobs = completion.label_logprobs
        if self.options and logprobs is not None:
            return self._decide_texts(self.options, logprobs, completion)
        if logprobs is None:
            return self.reading.answer(completion.text), None, None
        probabilities, mass = _normalised(logprobs)
        if not completion.variants:
            return self.reading.answer(completion.text), probabilities, mass
        scores = self._corrected(logprobs, completion)
        return self.reading.answer(max(scores, key=scores.__getitem__)), _normalised(scores)[0], mass

    def _decide_texts(
        self, options: Options, logprobs: Mapping[str, float], completion: Completion
    ) -> tuple[Answer, dict[str, float] | None, None]:
        free = completion.variants[0] if completion.variants else dict.fromkeys(logprobs, 0.0)
        scores = [logprobs[text] - self.form.prior * free[text] for text in options.texts]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        labels = [options.labels[place] for place in order]
        if isinstance(self.reading.constraint, Selection):
            answer = join_numbers(map(int, labels[: self.reading.constraint.count]))
            return self.reading.answer(answer), None, None
        by_label = dict(zip(options.labels, scores, strict=True))
        return self.reading.answer(labels[0]), _normalised(by_label)[0], None

    def _corrected(self, logprobs: Mapping[str, float], completion: Completion) -> dict[str, float]:
        """Each label's log-probability, averaged over the orders of the options, less the share of its prior."""
        orders = [logprobs, *completion.variants]
        free = _log_shares(orders.pop()) if self.form.prior else dict.fromkeys(logprobs, 0.0)
        labels, size = list(logprobs), len(logprobs)
        found = [_log_shares(order) for order in orders]
        return {
            label: math.fsum(
                # In an order rotated by so many places, the option stands that far ahead.
                order[at] - self.form.prior * free[at]
                for shift, order in enumerate(found)
                for at in (labels[(place - shift) % size],)
            )
            / len(found)
            for place, label in enumerate(labels)
        }


def _log_shares(logprobs: Mapping[str, float]) -> dict[str, float]:
    return {label: math.log(max(share, 1e-30)) for label, share in _normalised(logprobs)[0].items()}


def _normalised(logprobs: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Probabilities normalised over the labels, and their sum before."""
    top = max(logprobs.values())
    weights = {label: math.exp(value - top) for label, value in logprobs.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}, min(1.0, math.exp(top) * total)
