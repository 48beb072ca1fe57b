"""A page as one file: template, style, script and data together, closed to anything from outside."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.evaluation.schema import ChatMessage, Interval, SampleResult
from app.files import encodable
from app.report.charts import duration

_SYNTAX = re.compile(r"[<>&\x7f\u2028\u2029\ud800-\udfff]")


def embedded_json(value: object) -> Markup:
    """JSON that is safe as the text of a script element.

    Characters that HTML or old JavaScript could read as their own syntax stand only inside JSON strings and are
    written as escapes there, so the value stays the same. So are halves of surrogate pairs, which UTF-8 cannot carry.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON has no word for.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(_SYNTAX.sub(lambda found: f"\\u{ord(found[0]):04x}", text))  # noqa: S704 - every character of HTML syntax has just been escaped


@dataclass(slots=True)
class TextPool:
    """Each distinct text once; rows hold its place in `texts`."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str | None) -> int | None:
        """The text's index, the same for the same text; None for None."""
        if text is None:
            return None
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


def table(
    kind: str, rows: Iterable[Mapping[str, object]], text_fields: Sequence[str], value_fields: Sequence[str]
) -> dict[str, object]:
    """Rows as arrays: first the text fields, as places in the pool, then the others as they are.

    `kind` tells the page's script which columns and details to show.
    """
    pool = TextPool()
    packed = []
    for row in rows:
        places = [pool.place(_text(row[name])) for name in text_fields]
        values = (row[name] for name in value_fields)
        packed.append([*places, *(one.pack(pool) if isinstance(one, Rendered) else one for one in values)])
    return {"kind": kind, "textFields": list(text_fields), "valueFields": list(value_fields)} | {
        "texts": pool.texts,
        "rows": packed,
    }


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered conversation, the question in it not stored a second time."""

    messages: Sequence[ChatMessage]
    question: str

    def pack(self, pool: TextPool) -> list[list[int | None]]:
        """Each message as role and text; or, where it holds the question, role, text before, ends cut off, text after.

        The ends cut off are the characters of white space that the template took from the question's start and end.
        """
        return [self._pack(message, pool) for message in self.messages]

    def _pack(self, message: ChatMessage, pool: TextPool) -> list[int | None]:
        role = pool.place(message.role)
        for question in (self.question, self.question.strip()):
            before, found, after = message.content.partition(question) if question else ("", "", "")
            if found:
                start = self.question.index(question)
                end = len(self.question) - start - len(question)
                return [role, pool.place(before), start, end, pool.place(after)]
        return [role, pool.place(message.content)]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"a text field holds a {type(value).__name__}")


SAMPLE_TEXTS = (
    "id", "task_name", "task_type", "track", "metric", "prompt", "raw", "answer", "parsed", "gold",
    "not_scored_reason", "outcome", "routed_type", "error",
)  # fmt: skip
SAMPLE_VALUES = (
    "rendered", "score", "counts", "route_right", "label_probs", "label_mass", "seconds", "output_characters",
    "output_tokens", "missing",
)  # fmt: skip


def sample_table(samples: Iterable[SampleResult]) -> dict[str, object]:
    """Everything the page shows of the samples. Parsed and gold values become text, so that no number is rounded."""
    return table("report", map(_sample_row, samples), SAMPLE_TEXTS, SAMPLE_VALUES)


def _sample_row(sample: SampleResult) -> dict[str, object]:
    row = {name: getattr(sample, name) for name in (*SAMPLE_TEXTS, *SAMPLE_VALUES)}
    return row | {
        "parsed": readable(sample.parsed),
        "gold": readable(sample.gold),
        "rendered": Rendered(sample.rendered, sample.prompt) if sample.rendered else None,
        "score": rounded(sample.score),
        "label_probs": {label: rounded(share) for label, share in sample.label_probs.items()}
        if sample.label_probs
        else None,
        "label_mass": rounded(sample.label_mass),
        "seconds": rounded(sample.seconds),
    }


def readable(value: object) -> str:
    """A parsed answer or gold label as JSON, a plain string as itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rounded(value: float | None) -> float | None:
    """Six decimals: more than a page shows, and half the bytes."""
    return None if value is None else round(value, 6)


PAGES = Path(__file__).resolve().parent / "pages"


def render_page(template: str, data: object, **values: object) -> str:
    """Render a template of `pages/` with style, script and `data` (as JSON) in place.

    The page's own policy lets a browser run only this script and use only this style, and load nothing: text from
    a model or a data set stays text even if some part of the page should fail to escape it.
    """
    style = (PAGES / "page.css").read_text(encoding="utf-8")
    script = (PAGES / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (
        pages()
        .get_template(template)
        .render(
            values,
            style=Markup(style),  # noqa: S704 - the project's own file
            script=Markup(script),  # noqa: S704 - the project's own file
            policy=policy,
            data=embedded_json(data),
        )
    )
    return encodable(page)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was scored at a setting, such as the share of one model in a mixture of two."""

    at: float
    """0 to 1."""
    score: float
    interval: Interval | None = None


def render_curve(points: Sequence[CurvePoint], chosen: float, *, title: str, axis: str, below: str) -> str:
    """A picture of its own, as SVG: scores over `axis` with their intervals, the chosen setting ringed.

    `below` is a line that explains the axis. The scores' axis spans all intervals, with a little room.
    """
    ends = [point.score for point in points]
    ends += [end for point in points if point.interval for end in (point.interval.low, point.interval.high)]
    room = max(0.02, 0.08 * (max(ends) - min(ends)))
    template = pages().get_template("curve.svg.j2")
    return (
        template.render(
            points=points,
            chosen=chosen,
            low=max(0.0, min(ends) - room),
            high=min(1.0, max(ends) + room),
            name=f"{title.partition(',')[0]}; {chosen:g} is chosen",
            title=title,
            axis=axis,
            below=below,
        )
        + "\n"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def pages() -> Environment:
    """The templates of `pages/`, with the filters by which they write figures, times and names."""
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "score": score,
        "signed": signed,
        "percent": percent,
        "p_value": p_value,
        "duration": duration,
        "moment": moment,
        "words": words,
        "fragment": fragment,
        "thousands": lambda number: f"{number:,}",
    }
    return environment


def score(value: float | None) -> str:
    """Three decimals, or a dash where there is no figure."""
    return "–" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Three decimals with a sign; a difference of nothing has none."""
    if value is None:
        return "–"
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text.replace("-", "−")


def percent(value: float) -> str:
    """A position in a plot: a fraction as a CSS percentage, held between 0 and 100."""
    return f"{100 * min(max(value, 0.0), 1.0):.2f}%"


def p_value(value: float | None) -> str:
    """Two significant figures, and never 0."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def moment(value: datetime) -> str:
    """Day and minute in UTC; a time without a zone is taken as UTC."""
    utc = value.astimezone(UTC) if value.tzinfo else value
    return f"{utc:%-d %B %Y, %H:%M} UTC"


def words(name: str) -> str:
    """A name from the data as people write it: "named_entity_recognition" -> "named entity recognition"."""
    return name.replace("_", " ")


def fragment(name: str) -> str:
    """A name as a value in an address after its hash."""
    return quote(name, safe="", errors="replace")
