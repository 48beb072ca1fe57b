"""The instruction parts of a prompt, as opposed to its data."""

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from operator import itemgetter

from app.tasks.lists import NumberedList, find_letters, find_lists, principal
from app.tasks.words import elsewhere, example_numbers, without_examples


class FieldKind(Enum):
    """What a label announces."""

    INSTRUCTION = "instruction"
    PROSE = "prose"
    """Running text over any number of lines, up to the next label."""
    LINE = "line"
    """A name, a title or a query: one line."""
    LIST = "list"
    OUTPUT = "output"
    """The cue after which the answer is to be written."""


_VERB = (
    r"(?:extract|identify|find|locate|select|choose|pick|list|name|tag|label|mark|give|output|return|write|translate"
    r"|summari[sz]e|explain|describe|classify|rank|sort|order|rate|generate|create|suggest|rewrite|evaluate|read"
    r"|consider|see|for|from|in|of|to|which|what|is|are|best)"
)
_WHOSE = (
    r"(?:(?:the|this|following|user|customer|product|item|buyer|shopper|search|full|given|original|source) )*"
    rf"(?:(?!{_VERB} )[^\W\d_][\w'’-]* )?"
)
"""Words before a label's noun: any one adjective ("German query"), but no verb that makes it an instruction."""
_WHICH = r"(?: ?\([^()]*\))?(?: (?:[a-z]|#?\d{1,2}))?"
"""What tells labels of one kind apart: "title (German)", "review 2", "product A"."""
_NOUNS = {
    FieldKind.OUTPUT: (
        r"(?:(?:your|the|final|expected|correct|best) )?"
        r"(?:output|answer|response|result|reply|solution|ranking|selection)s?(?: ?\(.*)?"
    ),
    FieldKind.INSTRUCTION: (
        r"instructions?|tasks?|notes?|rules?|requirements?|guidelines?|(?:output |answer )?format|hints?|goal"
        r"|objective|role|system|user|prompt|important|remember|attention|request"
    ),
    FieldKind.LIST: (
        r".*\blist|products|items|candidates|candidate \w+|options|choices|aspects|(?:review )?snippets|queries"
        r"|brands|categories|statements|numbered \w+|(?:product|query|brand|answer) (?:options|candidates|choices)"
    ),
    FieldKind.PROSE: (
        rf"{_WHOSE}(?:reviews?(?: text| body)?|descriptions?|text|passage|article|paragraph|comments?|feedback|story"
        r"|context|document|details|specifications?|about(?: this item)?|bullet points?|sentence|statement|message"
        r"|conversation|dialogue|transcript|content|body|inputs?|question|inquiry|information|info|history|session"
        r"|(?:customer|reviewer|buyer|shopper|user) #?\d{1,2}|(?:kunden)?bewertung|rezension"
        r"|(?:produkt)?beschreibung|kundenfrage|frage|reseña|opinión|descripción|pregunta|avis"
        r"|commentaire|recensione|descrizione|domanda|レビュー|口コミ|説明文?|質問|评论|评价|描述|问题|ulasan|deskripsi|pertanyaan"
        rf"|(?:action|click|browsing|purchase|query|search|session|event) (?:sequence|history|session|log)){_WHICH}"
    ),
    FieldKind.LINE: (
        rf"{_WHOSE}(?:query|queries|search(?: (?:term|query|string|text|phrase))?|title|name|keywords?|aspects?|brand"
        r"|category|attribute(?: name)?|entity(?: type)?|type|headline|listing|label|utterance|string"
        r"|product(?: title| name| type| category)?|item|(?:such)?anfrage|(?:produkt)?titel|produkt|consulta"
        r"|b[uú]squeda|t[ií]tulo|producto?|requête|recherche|titre|produit|kueri|pencarian|judul|produk|titolo|ricerca|prodotto"
        rf"|クエリ|商品|标题|搜索词?|検索(?:語|キーワード)?|商品名?|タイトル|标题|商品标题|查询){_WHICH}"
    ),
}
_KINDS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _NOUNS.items()}
_SEPARATOR = r"(?:[ \t*_]*[:：]| ?=>?(?=[ \t])|[ \t][-–—](?=[ \t]))"
_LABEL = re.compile(rf"^[ \t>*#_]*(?P<label>[^\W\d_][^\n:：=\"'.?!]{{0,70}}?){_SEPARATOR}", re.MULTILINE)
"""A label opens a line. A dash or an equals sign wants space behind it."""
_HEADING = re.compile(r"^#{1,6}[ \t]*(?P<label>[^\W\d_][^\n:：]{0,40})$", re.MULTILINE)
_INLINE_LABEL = re.compile(rf"[.?!] (?P<label>[A-Z][A-Za-z ]{{1,30}}?){_SEPARATOR}")
"""A label behind a sentence opens with a capital letter."""
_CUE = re.compile(r"[ \t>*#_]*(?P<label>[^\W\d_][^\s:：=]*(?:[ \t][^\s:：=]+){0,3})[ \t*_]*[:：=]?")
_LINE_END = re.compile(r"[ \t\r]*\n")
_INLINE_KINDS = frozenset({FieldKind.PROSE, FieldKind.LINE, FieldKind.OUTPUT})


@dataclass(frozen=True, slots=True)
class Field:
    """A label and the text that belongs to it. `start` and `end` bound `text`; `line_start` the label."""

    label: str
    kind: FieldKind
    text: str
    line_start: int
    start: int
    end: int
    inline: bool = False
    """Whether the label stands inside a line, behind a sentence."""


def find_fields(prompt: str) -> tuple[Field, ...]:
    """The labelled fields, in order. A label that is not known belongs to the text around it."""
    labels = [label for match in _LABEL.finditer(prompt) if (label := _label(match))]
    labels += [label for match in _INLINE_LABEL.finditer(prompt) if (label := _label(match, inline=True))]
    if "#" in prompt:
        labels += [label for match in _HEADING.finditer(prompt) if (label := _label(match))]
    labels.sort(key=lambda label: label.start)
    cue = _cue(prompt)
    if cue and (not labels or labels[-1].line_start < cue.line_start):
        labels.append(cue)
    bounds = [*(label.line_start for label in labels[1:]), len(prompt)]
    return tuple(_field(prompt, label, end) for label, end in zip(labels, bounds, strict=False))


def _label(match: re.Match[str], *, inline: bool = False) -> Field | None:
    """A field whose text is not yet known: it is empty, at the end of the label."""
    name = " ".join(match["label"].lower().split())
    for kind, pattern in _KINDS.items():
        if pattern.fullmatch(name):
            if inline and kind not in _INLINE_KINDS:
                return None
            shares_line = inline and not _LINE_END.match(match.string, match.end())
            return Field(name, kind, "", match.start() + 2 * inline, match.end(), match.end(), shares_line)
    return None


def _cue(prompt: str) -> Field | None:
    """A few words and a colon at the very end ("Key phrase:"): whatever they are, the answer goes there."""
    end = len(prompt.rstrip())
    start = prompt.rfind("\n", 0, end) + 1
    is_heading = prompt.startswith("#", start)
    if not is_heading and not prompt.endswith((":", "：", "="), 0, end):
        return None
    sentences = (prompt.rfind(mark, start, end) for mark in (". ", "? ", "! "))
    start = max([start, *(place + 2 for place in sentences if place >= 0)])
    match = _CUE.fullmatch(prompt, start, end)
    if match is None:
        return None
    name = " ".join(match["label"].lower().split())
    return Field(name, FieldKind.OUTPUT, "", start, len(prompt), len(prompt))


def _field(prompt: str, label: Field, next_label: int) -> Field:
    end = next_label
    if label.kind is FieldKind.LINE or label.inline:
        # The end of the first line with text in it, as a label may stand on a line of its own.
        first = label.start
        while first < next_label and prompt[first].isspace():
            first += 1
        line_end = prompt.find("\n", first, next_label)
        end = next_label if line_end < 0 else line_end
    text = prompt[label.start : end]
    start = label.start + len(text) - len(text.lstrip())
    stripped = text.strip()
    return replace(label, text=stripped, start=start, end=start + len(stripped))


_ANY_MARK = re.compile("['\"`‘“「『«„]")
_PAIRS = {"‘": "’", "“": "”", "「": "」", "『": "』", "«": "»", "„": "“"}
_OPENS_AFTER = frozenset(" \t\r\n([{:：=,;-–—/、。，．")
_CLOSES_BEFORE = frozenset(" \t\r\n)]}.,;:?!：，。？！、")


@dataclass(frozen=True, slots=True)
class Quoted:
    """The text between two quotation marks; `start` and `end` are its own bounds, marks excluded."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    opens: bool
    closes: bool


def find_quoted(text: str) -> tuple[Quoted, ...]:
    """The outermost quoted spans, in order; none crosses a line. Linear in the length of `text`."""
    found: list[Quoted] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        if _ANY_MARK.search(line):
            bounds = _straight(line, "'") + _straight(line, '"') + _straight(line, "`") + _paired(line)
            found += (Quoted(offset + a, offset + b, line[a:b]) for a, b in _outermost(bounds))
        offset += len(line)
    return tuple(found)


def _straight(line: str, mark: str) -> list[tuple[int, int]]:
    """Spans between marks that look the same on both sides.

    A title may hold stray marks ("Girls' Shoes", 6''), so a mark that could close does so only where the
    next mark could open.
    """
    if line.count(mark) < 2:
        return []
    marks = _marks(line, mark)
    spans: list[tuple[int, int]] = []
    index = 0
    while index < len(marks):
        if not marks[index].opens:
            index += 1
            continue
        closing = _closing(marks, index)
        if closing is None:
            break
        spans.append((marks[index].position + 1, marks[closing].position))
        index = closing + 1
    return spans


def _marks(line: str, mark: str) -> list[_Mark]:
    marks: list[_Mark] = []
    position = line.find(mark)
    while position >= 0:
        before = line[position - 1] if position else " "
        after = line[position + 1] if position + 1 < len(line) else " "
        opens = before in _OPENS_AFTER and (not after.isspace() or before == " " == after)
        closes = after in _CLOSES_BEFORE
        if opens or closes:
            marks.append(_Mark(position, opens, closes))
        position = line.find(mark, position + 1)
    return marks


def _closing(marks: list[_Mark], opening: int) -> int | None:
    """The first closing mark after which no other closing mark comes before an opening one."""
    for index in range(opening + 1, len(marks)):
        if marks[index].closes and (index + 1 == len(marks) or marks[index + 1].opens):
            return index
    return None


def _paired(line: str) -> list[tuple[int, int]]:
    """Spans between marks that differ left and right."""
    spans: list[tuple[int, int]] = []
    if line.isascii():
        return spans
    for opening, closing in _PAIRS.items():
        start = line.find(opening)
        while start >= 0:
            end = line.find(closing, start + 1)
            if end < 0:
                break
            spans.append((start + 1, end))
            start = line.find(opening, end + 1)
    return spans


def _outermost(bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(bounds, key=lambda bound: (bound[0], -bound[1])):
        if end > start and (not kept or start > kept[-1][1]):
            kept.append((start, end))
    return kept


_ASK = re.compile(
    r"^[ \t]*[¿¡]?(?:(?:now|then|finally|based on (?:this|the above)|from the above)[,]?[ \t]+)?(?:please[ \t]+)?"
    r"(?:you (?:should|must|need to|are asked)|output|respond|answer|reply|return|select|choose|pick|rank|sort|extract"
    r"|identify|translate|summari[sz]e|write|give|list|generate|explain|provide|find|locate|which|what|sum|describe|state"
    r"|indicate|mark|recommend|decide|name|quote|copy"
    r"|welche[rsn]?|was|nenne?|gib|finde|wähle|extrahiere?|schreibe?|erkläre?|übersetze?|fasse?|beantworte?|antworte?|markiere?"
    r"|qué|cuál(?:es)?|extrae|indica|encuentra|elige|selecciona|escribe|explica|traduce|resume|responde|señala|enumera"
    r"|quel(?:le)?s?|extrais|extrayez|indique[rz]?|repère|relève|choisis|sélectionne|écris|explique|traduis|résume|réponds"
    r"|qual[ei]|che cosa|estrai|trova|scegli|scrivi|spiega|traduci|riassumi|rispondi|elenca"
    r"|apa|pilih|sebutkan|ekstrak|tulis|jelaskan|jawab)\b"
    r"|[^\n]*(?:ください|ですか|なさい|せよ|答えよ|什么[？?]|哪些|请)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.?!;])[ \t]+")
_FORBIDDEN = re.compile(r"\b(?:do not|don['’]t|never|without|no need to|(?:should|must|may|can) ?not|avoid)\b[^.;!\n]*")
_QUESTION_LABEL = re.compile(r"\b(?:question|inquiry)\b")
_WORD = re.compile(r"[^\W\d_]{2,}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_LONG = 400
_TRAILING_LINES = 4
_BLANK = " … "
"""What stands in the instructions where data was."""


_LOOKED_AT = 4_000
"""Characters at either end of the instructions that wordings are looked for in: real ones are shorter."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt taken apart."""

    prompt: str
    spans: tuple[Span, ...]
    """The stretches that are neither field nor list."""
    shown: tuple[int, ...]
    """The numbers of an answer that they show ("such as 3,1,2"); empty where they show none."""
    elsewhere: bool
    """Whether they may be in another language than English."""
    asked: str
    """Their text in lower case, white space folded, quotations blanked."""
    wanted: str
    """The same without what is forbidden ("Do not give explanations.")."""
    fields: tuple[Field, ...]
    asking: Field | None
    """The field that is itself the question, in a prompt of nothing but fields."""
    lists: tuple[NumberedList, ...]
    list: NumberedList | None
    """The list that the prompt is about."""
    lettered: NumberedList | None
    quoted: tuple[Quoted, ...]

    @property
    def cue(self) -> str:
        """The label at the end that waits for the answer ("brand"), in lower case; empty where there is none."""
        last = self.fields[-1] if self.fields else None
        return last.label if last and not last.text else ""

    def data(self, *kinds: FieldKind) -> tuple[Field, ...]:
        """The fields of these kinds that hold text and are not the question, in order."""
        return tuple(field for field in self.fields if field.kind in kinds and field.text and field is not self.asking)

    def in_instructions(self, span: Quoted) -> bool:
        """Whether a quotation stands in the instructions rather than in the data."""
        index = bisect_right(self.spans, span.start, key=itemgetter(0)) - 1
        return index >= 0 and span.end <= self.spans[index][1]

    def embedded(self, found: NumberedList) -> bool:
        """Whether a list belongs to a running text, such as the steps of a recipe in a description."""
        index = bisect_right(self.fields, found.start, key=lambda field: field.start) - 1
        if found.labelled or index < 0:
            return False
        field = self.fields[index]
        return field.kind is FieldKind.PROSE and field.start < found.start < field.end


@lru_cache(maxsize=256)
def dissect(prompt: str) -> Parts:
    """Take a prompt apart. Total; linear in its length. The last few results are kept."""
    lists, lettered = find_lists(prompt), find_letters(prompt)
    quoted = find_quoted(prompt)
    fields = tuple(_without_inline_ask(field) for field in _up_to_ask(prompt, find_fields(prompt), quoted))
    fields = _without_trailing_ask(prompt, fields, lists)
    data = [(field.line_start, field.end) for field in fields if field.kind in {FieldKind.PROSE, FieldKind.LINE}]
    set_off = [lettered] if lettered and not prompt[: lettered.start].rpartition("\n")[2].strip() else []
    entries = [(entry.line_start, entry.end) for found in [*lists, *set_off] for entry in found.entries]
    spans = _gaps(len(prompt), data + entries)
    quotations = [(span.start, span.end) for span in quoted]
    instructions = _BLANK.join(prompt[a:b] for a, b in _gaps(len(prompt), data + entries + quotations))
    asking = None
    if not _says_something(instructions, fields):
        asking = _asking(fields)
        spans = ((asking.start, asking.end),) if asking else ((0, len(prompt)),)
        outside = [(0, spans[0][0]), (spans[0][1], len(prompt))]
        instructions = _BLANK.join(prompt[a:b] for a, b in _gaps(len(prompt), outside + quotations))
    text = instructions.lower()
    if len(text) > 2 * _LOOKED_AT:
        text = f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
    # Numbers of an answer that is shown are no counts, and may stand in quotation marks.
    apart = _gaps(len(prompt), data + entries)
    shown = tuple(example_numbers(_BLANK.join(prompt[a:b] for a, b in apart)[-_LOOKED_AT:])) if lists else ()
    text = without_examples(text) if shown or lists else text
    wanted = _folded(_FORBIDDEN.sub(" ", text))
    asked = _folded(text)
    return Parts(
        prompt, spans, shown, elsewhere(asked), asked, wanted, fields, asking, lists, principal(lists), lettered, quoted
    )


def _folded(text: str) -> str:
    return " ".join(text.split())


def _gaps(length: int, covered: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """What the covered stretches leave of [0, length)."""
    gaps: list[tuple[int, int]] = []
    position = 0
    for start, end in sorted(covered):
        if start > position:
            gaps.append((position, start))
        position = max(position, end)
    if position < length:
        gaps.append((position, length))
    return tuple(gaps)


def _up_to_ask(prompt: str, fields: tuple[Field, ...], quoted: tuple[Quoted, ...]) -> tuple[Field, ...]:
    """Quoted lines of data without the question that follows them ("Given the query: '...', select")."""
    openings = {span.start: span for span in quoted}

    def shorter(field: Field) -> Field:
        span = openings.get(field.start + 1)
        if field.kind is not FieldKind.LINE or span is None:
            return field
        if not _ASK.match(prompt[span.end + 1 : field.end].lstrip(" .,;:")):
            return field
        return replace(field, text=span.text, start=span.start, end=span.end, inline=False)

    return tuple(shorter(field) for field in fields)


def _without_inline_ask(field: Field) -> Field:
    """End a text that shares its line with instructions before the sentence that asks for something."""
    if not field.inline and field.kind is not FieldKind.LINE:
        return field
    sentences = [(match.start(), match.end()) for match in _SENTENCE_END.finditer(field.text)][-_TRAILING_LINES:]
    cut = len(field.text)
    for end, start in reversed(sentences):
        if not field.text[start].isupper() or not _ASK.match(field.text[start : start + _LONG]):
            break
        cut = end
    return replace(field, text=field.text[:cut], end=field.start + cut)


def _without_trailing_ask(prompt: str, fields: tuple[Field, ...], lists: tuple[NumberedList, ...]) -> tuple[Field, ...]:
    """End the last running text before a line that asks for something ("Please select three numbers.")."""
    texts = [index for index, field in enumerate(fields) if field.kind is FieldKind.PROSE]
    last = {FieldKind.OUTPUT, FieldKind.LIST}
    if not texts or any(field.kind not in last for field in fields[texts[-1] + 1 :]):
        return fields
    field = fields[texts[-1]]
    start = max((found.end for found in lists if field.start <= found.end < field.end), default=field.start)
    lines = prompt[start : field.end].split("\n")
    end, cut = field.end, field.end
    for line in reversed(lines[1:][-_TRAILING_LINES:]):
        end -= len(line) + 1
        if _ASK.match(line):
            cut = end
    if cut == field.end:
        return fields
    text = prompt[field.start : cut].rstrip()
    shorter = Field(field.label, field.kind, text, field.line_start, field.start, field.start + len(text))
    return (*fields[: texts[-1]], shorter, *fields[texts[-1] + 1 :])


def _asking(fields: tuple[Field, ...]) -> Field | None:
    """The field that is the question: the one that says so, else the first running text."""
    texts = [field for field in fields if field.text and field.kind is FieldKind.PROSE]
    questions = [field for field in texts if _QUESTION_LABEL.search(field.label)]
    return next(iter(questions or texts), None)


def _says_something(instructions: str, fields: tuple[Field, ...]) -> bool:
    """Whether words are left once the labels themselves are taken away."""
    if len(instructions) > _LONG:
        return True
    # A cue of many words asks for something itself.
    labels = [field.label for field in fields if field.text or len(field.label.split()) < 3]
    words = set(_WORD.findall(instructions.lower())) - {word for label in labels for word in _WORD.findall(label)}
    # Chinese and Japanese have no blanks between words.
    unspaced = len(_UNSPACED.findall(instructions)) - sum(len(_UNSPACED.findall(label)) for label in labels)
    return len(words) >= 2 or unspaced > 4
