"""A sweep for people: a table in Markdown and a chart as SVG."""

from collections.abc import Sequence

from app.evaluation.schema import Interval
from app.training.checkpoints.sweep_point import Point

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 56
GRID_LINES = 5
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2128}.muted{fill:#5a6472}.grid{stroke:#dde1e7}"
    ".interval{stroke:#6ba6cc;stroke-width:2}.line{stroke:#00619c;stroke-width:2;fill:none}"
    ".point{fill:#00619c}.chosen{fill:#a8481c}.chosen-ring{stroke:#a8481c;stroke-width:2;fill:none}"
)


def sweep_table(points: Sequence[Point], chosen: float) -> str:
    """One row an alpha: macro score, interval, and each task type's score."""
    types = list(points[0].macro.by_type)
    lines = [
        "| alpha | macro score | 95 % interval | " + " | ".join(types) + " |",
        "|---" * (3 + len(types)) + "|",
    ]
    for point in points:
        mark = " (chosen)" if point.alpha == chosen else ""
        scores = " | ".join(f"{point.macro.by_type[name]:.4f}" for name in types)
        interval = interval_text(point.macro.interval)
        lines.append(f"| {point.alpha:g}{mark} | {point.macro.score:.4f} | {interval} | {scores} |")
    return "\n".join(lines) + "\n"


def interval_text(interval: Interval | None) -> str:
    """An interval for a table; a dash where there is none."""
    return "-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def sweep_chart(points: Sequence[Point], chosen: float, data: str) -> str:
    """Macro score over alpha with its interval; the chosen alpha is ringed."""
    low, high = _range(points)

    def x(alpha: float) -> float:
        return LEFT + alpha * (WIDTH - LEFT - RIGHT)

    def y(score: float) -> float:
        return TOP + (high - score) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text x="{LEFT}" y="22">Macro score by alpha, with 95 % intervals</text>']
    for number in range(GRID_LINES):
        score = low + (high - low) * number / (GRID_LINES - 1)
        parts.append(f'<path class="grid" d="M{LEFT} {y(score):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="muted" x="{LEFT - 8}" y="{y(score) + 4:.1f}" text-anchor="end">{score:.3f}</text>')
    for point in points:
        if (interval := point.macro.interval) is not None:
            place = f"M{x(point.alpha):.1f} {y(interval.low):.1f}V{y(interval.high):.1f}"
            parts.append(f'<path class="interval" d="{place}"/>')
        parts.append(
            f'<text class="muted" x="{x(point.alpha):.1f}" y="{HEIGHT - BOTTOM + 20}" '
            f'text-anchor="middle">{point.alpha:g}</text>'
        )
    line = "L".join(f"{x(point.alpha):.1f} {y(point.macro.score):.1f}" for point in points)
    parts.append(f'<path class="line" d="M{line}"/>')
    for point in points:
        place = f'cx="{x(point.alpha):.1f}" cy="{y(point.macro.score):.1f}"'
        told = f"<title>alpha {point.alpha:g}: {point.macro.score:.4f}</title>"
        parts.append(f'<circle class="{"chosen" if point.alpha == chosen else "point"}" {place} r="4">{told}</circle>')
        if point.alpha == chosen:
            parts.append(f'<circle class="chosen-ring" {place} r="9"/>')
    below = f"alpha: 0 is the base, 1 the tuned model; {points[0].macro.samples:,} samples of {_escaped(data)}"
    parts.append(f'<text class="muted" x="{LEFT}" y="{HEIGHT - 12}">{below}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Macro score by alpha; {chosen:g} is chosen">\n<style>{STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _range(points: Sequence[Point]) -> tuple[float, float]:
    """The scores that the axis spans: all intervals, with a little room."""
    ends = [point.macro.score for point in points]
    for point in points:
        if point.macro.interval is not None:
            ends += [point.macro.interval.low, point.macro.interval.high]
    room = max(0.02, 0.08 * (max(ends) - min(ends)))
    return max(0.0, min(ends) - room), min(1.0, max(ends) + room)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
