"""A study's report from its files alone: Markdown with pictures, and one page. The same files give the same bytes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path

from markupsafe import Markup

from app.files import write_whole
from app.report.page import pages, render_page, signed
from app.studies.analysis import (
    Effect,
    Finding,
    Rung,
    Scores,
    Transfer,
    all_effects,
    mixed_model,
    rungs,
    transfer,
)
from app.studies.plan import Ladder, cells_of
from app.studies.pool import GENERAL, SEEN
from app.studies.results import Results

COLOURS = ("#00619c", "#a8481c", "#2f7d4f", "#7a4fa3", "#8a6d00", "#5a6472")
PAGE, TEXT = "report.html", "README.md"

CLAIMS = {
    "capabilities, equal rows": "Adding capabilities helps, with as many rows in all",
    "capabilities, growing rows": "Adding capabilities helps, each with rows of its own",
    "sub-tasks, equal rows": "Adding tasks within capabilities helps, with as many rows in all",
    "sub-tasks, growing rows": "Adding tasks within capabilities helps, each with rows of its own",
    "capabilities, equal rows, times rank": "A higher rank amplifies what capabilities bring",
    "sub-tasks, equal rows, times rank": "A higher rank amplifies what tasks bring",
    "several adapters, averaged, against one": "Several adapters, averaged, beat one of as many parameters",
    "several adapters, gated, against one": "Several adapters, gated, beat one of as many parameters",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that can be true, and what decides about it."""

    text: str
    effect: Effect
    why: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a picture, with the ends of its bar."""

    at: float
    """0 to 1."""
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one name."""

    name: str
    points: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page: pictures with what they show."""

    id: str
    title: str
    pictures: Sequence[Markup]
    caption: str


def write_report(folder: Path) -> list[Path]:
    """Write the report into the folder of the results; the files that were written.

    Raises:
        InputError: the folder holds no study, or a file of it is of another version.
        SetupError: the folder cannot be written to.
    """
    results = Results(folder)
    about = results.about()
    planned = cells_of(about.grid)
    scores = Scores(about, {cell.name: results.read(cell) for cell in planned if results.done(cell)})
    effects = all_effects(scores)
    levels = rungs(scores)
    pictures = _pictures(scores, effects, levels)
    base = scores.cells.get("base")
    claims = [Claim(text, found, why(found)) for name, text in CLAIMS.items() for found in _primary(effects, name)]
    values = {
        "about": about,
        "claims": claims,
        "summary": summary(claims),
        "effects": effects,
        "tested": sum(one.p_value is not None for one in effects),
        "rest": [line for claim in claims if (line := missing(claim))],
        "planned": len(planned),
        "done": len(scores.cells),
        "unfinished": len(planned) - len(scores.cells),
    }
    written = []
    for listed in pictures.values():
        for name, _, picture in listed:
            written.append(folder / name)
            write_whole(folder / name, picture)
    text = (
        pages()
        .get_template("study.md.j2")
        .render(
            values,
            pictures={part: [(name, title) for name, title, _ in listed] for part, listed in pictures.items()},
            models=[found for ladder in LADDERS if (found := mixed_model(scores, ladder))],
            rungs=levels,
            counts=Counter(one.stratum for one in about.questions),
            base=base.groups[SEEN].score if base else None,
            base_loss=base.text_loss if base else None,
            base_general=base.groups[GENERAL].score if base else None,
        )
    )
    page = render_page(
        "study.html.j2",
        data=None,
        **values,
        parts=[
            Part(part, title, [Markup(picture) for _, _, picture in pictures[part]], caption)  # noqa: S704 - made here
            for part, title, caption in PARTS
        ],
    )
    write_whole(folder / TEXT, text)
    write_whole(folder / PAGE, page)
    return [*written, folder / TEXT, folder / PAGE]


LADDERS: tuple[Ladder, ...] = ("capabilities", "sub-tasks")
PARTS = (
    ("ladders", "The ladders", "Means over seeds and orders; bars span the cells."),
    ("ranks", "Capacity", "What a step of diversity brings, by rank, with 95 % intervals over tasks and seeds."),
    ("transfer", "Transfer", "Gains over the base; bold where the 95 % interval leaves nought out."),
    ("forgetting", "Forgetting", "Plain English and general questions that have nothing to do with shopping."),
    ("cost", "Cost and gain", "Each level of each ladder by the tokens that it was trained on."),
)


def _primary(effects: Iterable[Effect], name: str) -> list[Effect]:
    return [one for one in effects if one.primary and one.name == name]


def why(effect: Effect) -> str:
    """A finding in a sentence."""
    if effect.estimate is None:
        return "The cells that it takes are not there yet."
    if effect.low is None or effect.high is None or effect.adjusted is None:
        return f"{signed(effect.estimate)} for {effect.unit}, from one seed alone: how much seeds differ is not known."
    told = f"{signed(effect.estimate)} for {effect.unit} (95 % interval {signed(effect.low)} to {signed(effect.high)})"
    match effect.finding:
        case Finding.SUPPORTED:
            return f"{told}, above nought beyond chance."
        case Finding.NOT_SUPPORTED if effect.adjusted <= 0.05:
            return f"{told}, below nought beyond chance: the opposite of the claim."
        case Finding.NOT_SUPPORTED:
            return f"{told}: whatever there is, is less than {effect.worthwhile:.4f}."
    return f"{told}: neither nought nor {effect.worthwhile:.4f} can be ruled out."


def summary(claims: Sequence[Claim]) -> str:
    """How many claims came out how."""
    counts = Counter(claim.effect.finding for claim in claims)
    listed = ", ".join(f"{counts[finding]} {finding.value}" for finding in Finding if counts[finding])
    return f"Of {len(claims)} claims: {listed}."


def missing(claim: Claim) -> str:
    """What it would take to decide about a claim; nothing where it is decided."""
    effect = claim.effect
    if effect.finding is not Finding.CANNOT_TELL:
        return ""
    if effect.smallest is None:
        return f"{claim.text}: at least two seeds of its cells."
    times = ceil((effect.smallest / effect.worthwhile) ** 2)
    if times <= 1:
        return f"{claim.text}: more seeds, since the adjustment for all effects decides."
    return (
        f"{claim.text}: with {times} times as many tasks and seeds, what is worth having ({effect.worthwhile:.4f}) "
        "would be found four times in five. That is this file with more 'seeds' and a larger 'test', on a GPU."
    )


Pictures = dict[str, list[tuple[str, str, str]]]
"""By section: file, title and picture."""


def _pictures(scores: Scores, effects: Sequence[Effect], levels: Sequence[Rung]) -> Pictures:
    found: Pictures = {part: [] for part, _, _ in PARTS}

    def draw(part: str, name: str, title: str, plot: Plot) -> None:
        if any(one.points for one in plot.series):
            found[part].append((f"{name}.svg", title, render_plot(title, plot)))

    for ladder in LADDERS:
        own = [rung for rung in levels if rung.ladder == ladder]
        equal = [rung for rung in own if rung.arm == "equal"]
        draw("ladders", f"ladder-{ladder}", f"Score by {ladder}", _by_level(own, lambda rung: rung.score, bars=True))
        draw("ranks", f"slopes-{ladder}", f"What a step of {ladder} brings", _slopes(scores, effects, ladder))
        title = f"Nats a token of plain English by {ladder}"
        draw("forgetting", f"english-{ladder}", title, _by_level(equal, lambda rung: rung.text_loss))
        title = f"General questions right by {ladder}"
        draw("forgetting", f"general-{ladder}", title, _by_level(equal, lambda rung: rung.general))
    matrix = transfer(scores)
    if matrix:
        found["transfer"].append(("transfer.svg", "What a capability brings in another", _heat(matrix)))
    draw("cost", "cost", "Score by tokens trained on", _costs(levels))
    return found


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of series over an axis."""

    series: Sequence[Series]
    axis: str
    ticks: Sequence[tuple[float, str]]
    joined: bool = True
    """Whether a line goes through the points of a series."""


def _places(values: Iterable[float]) -> dict[float, float]:
    """Each value's place on an axis that holds all of them."""
    known = sorted(set(values))
    if len(known) < 2:
        return dict.fromkeys(known, 0.5)
    return {value: 0.04 + 0.92 * (value - known[0]) / (known[-1] - known[0]) for value in known}


def _by_level(levels: Sequence[Rung], of: Callable[[Rung], float], *, bars: bool = False) -> Plot:
    """A series for each rank (and arm) over the levels of one ladder."""
    places = _places(rung.level for rung in levels)
    groups: defaultdict[tuple[str, int], list[Mark]] = defaultdict(list)
    for rung in levels:
        ends = (rung.low, rung.high) if bars else (None, None)
        groups[rung.arm, rung.rank].append(Mark(places[rung.level], of(rung), *ends))
    several = len({arm for arm, _ in groups}) > 1
    series = [
        Series(f"rank {rank}, {arm}" if several else f"rank {rank}", marks)
        for (arm, rank), marks in sorted(groups.items())
    ]
    of_tasks = any(rung.ladder == "sub-tasks" for rung in levels)
    axis = "share of each capability's tasks" if of_tasks else "capabilities"
    return Plot(series, axis, [(place, f"{level:g}") for level, place in places.items()])


def _slopes(scores: Scores, effects: Iterable[Effect], ladder: Ladder) -> Plot:
    places = _places(map(log2, scores.about.grid.ranks))
    named = {f"{ladder}, equal rows, rank {rank}": rank for rank in scores.about.grid.ranks}
    marks = [
        Mark(places[log2(named[one.name])], one.estimate, one.low, one.high)
        for one in effects
        if one.name in named and one.estimate is not None
    ]
    ticks = [(place, f"{2**doubling:g}") for doubling, place in places.items()]
    return Plot([Series("equal rows", marks)], "rank", ticks, joined=False)


def _costs(levels: Sequence[Rung]) -> Plot:
    most = max((rung.tokens for rung in levels), default=1.0)
    groups: defaultdict[tuple[str, int], list[Mark]] = defaultdict(list)
    for rung in levels:
        groups[rung.ladder, rung.rank].append(Mark(rung.tokens / most, rung.score))
    series = [Series(f"{ladder}, {rank}", marks) for (ladder, rank), marks in sorted(groups.items())]
    ticks = [(part / 4, f"{most * part / 4:,.0f}") for part in range(5)]
    return Plot(series, "tokens; series by ladder and rank", ticks, joined=False)


def render_plot(title: str, plot: Plot) -> str:
    """The plot as SVG, with a little room above and below its points and bars."""
    marks = [mark for one in plot.series for mark in one.points]
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if end is not None]
    room = max(0.002, 0.08 * (max(ends) - min(ends)))
    template = pages().get_template("series.svg.j2")
    low, high = min(ends) - room, max(ends) + room
    return template.render(title=title, plot=plot, colours=COLOURS, low=low, high=high) + "\n"


def _heat(matrix: Sequence[Transfer]) -> str:
    columns = list(dict.fromkeys(one.asked for one in matrix))
    rows = {name: [one for one in matrix if one.trained == name] for name in columns}
    template = pages().get_template("heat.svg.j2")
    return template.render(
        title="Gain over the base: trained on (rows), asked about (columns)",
        columns=columns,
        rows=[(name, cells) for name, cells in rows.items() if cells],
        largest=max(abs(one.gain) for one in matrix) or 1.0,
        below="bold: its 95 % interval leaves nought out",
    ) + "\n"  # fmt: skip
