"""A page as one file: template, style, script and data together, closed to anything from outside."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.evaluation.charts import duration
from app.evaluation.embedding import embedded_json

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
        _environment()
        .get_template(template)
        .render(
            values,
            style=Markup(style),  # noqa: S704 - the project's own file
            script=Markup(script),  # noqa: S704 - the project's own file
            policy=policy,
            data=embedded_json(data),
        )
    )
    # Outside the JSON, half a surrogate pair, which UTF-8 cannot carry, becomes the replacement character.
    return page.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment() -> Environment:
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
