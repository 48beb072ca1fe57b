"""Training tasks of ECInstruct: its ten tasks, turned into ShopBench's forms."""

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator

from app.data.row import Capability
from app.data.sources.ec_instruct import Exercise
from app.data.sources.eshop_instruct import EshopQuestion
from app.data.tasks.task import AS_PUBLISHED, Draft, TrainingTask, numbered
from app.evaluate.names import Metric
from app.types import TaskType

_DOCUMENT = 1500
_HISTORY = 6
_UNKNOWN = {"", "nan", "none"}
_LETTER = re.compile(r"[A-Z]")

VALUE = (
    "Extract the value of the attribute '{{ attribute }}' from the product title.\nTitle: {{ title }}\nOutput:",
    "Product title: {{ title }}\nWhich words of the title name its {{ attribute }}? Copy them unchanged.\nAnswer:",
)
RELATION = (
    "What is the relation between the two products?\nProduct 1: {{ first }}\nProduct 2: {{ second }}\n{{ options }}\n"
    "Answer:",
    "Judge by their titles how two products relate.\nProduct 1: {{ first }}\nProduct 2: {{ second }}\n{{ options }}\n"
    "Output the number only:",
)
MATCH = (
    "Are both listings of one product?\nProduct 1: {{ first }}\nProduct 2: {{ second }}\n{{ options }}\nAnswer:",
    "Two shops list these products. Is it the same product?\nProduct 1: {{ first }}\nProduct 2: {{ second }}\n"
    "{{ options }}\nOutput the number only:",
)
SENTIMENT = (
    "Which sentiment does this review express?\nReview: {{ review }}\n{{ options }}\nAnswer:",
    "Choose the sentiment of the customer who wrote this.\nReview: {{ review }}\n{{ options }}\nOutput:",
)
NEXT = (
    "Purchase history:\n{{ history }}\nWhich three products of the list fit this customer best? Give their numbers,"
    " separated by commas.\nProduct List:\n{{ list }}\nAnswer:",
    "A customer bought the following products, one after the other:\n{{ history }}\nSelect three products of the"
    " numbered list that the customer most likely buys next. Output three numbers between commas.\nProduct List:\n"
    "{{ list }}\nOutput:",
)
CLASS = (
    "How relevant is the product to the query?\nQuery: {{ query }}\nProduct: {{ product }}\n{{ options }}\nAnswer:",
    "Choose the statement that holds for this search result.\nQuery: {{ query }}\nProduct title: {{ product }}\n"
    "{{ options }}\nAnswer:",
)
SUBSTITUTE = (
    "Query: {{ query }}\nProduct title: {{ product }}\nIs the product a substitute for what was searched for?\n"
    "{{ options }}\nAnswer:",
    "Can the product take the place of what the query asks for, without being it?\nQuery: {{ query }}\n"
    "Product: {{ product }}\n{{ options }}\nAnswer:",
)
RANK = (
    "Query: {{ query }}\nSort the products of the list from the most to the least relevant for the query. Give all"
    " numbers between commas.\nProduct List:\n{{ list }}\nRanking:",
    "A user has searched for '{{ query }}'. Rank all products of the numbered list by their relevance to the query, the"
    " most relevant first. Output the numbers only, separated by commas.\nProduct List:\n{{ list }}\nOutput:",
)
ANSWERABLE = (
    "Reviews: {{ document }}\nQuestion: {{ question }}\nDo the reviews say enough to answer the question?\n"
    "{{ options }}\nAnswer:",
    "Can the question be answered from the reviews?\nQuestion: {{ question }}\nReviews: {{ document }}\n{{ options }}\n"
    "Answer:",
)
ANSWER = (
    "Answer the question about a product with the help of the reviews.\nReviews: {{ document }}\n"
    "Question: {{ question }}\nAnswer:",
    "Generate an answer to a shopper's question from what buyers wrote.\nQuestion: {{ question }}\n"
    "Reviews: {{ document }}\nOutput:",
)


def _value(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """Attributes whose value stands in the title, in the title's letters (the set writes values in lower case)."""
    title = record.field("product title")
    found: dict[str, list[str]] = {}
    for one in _pairs(record.output):
        value, attribute = str(one.get("value", "")), str(one.get("attribute", ""))
        start = title.lower().find(value.lower())
        if value not in {"", "None"} and attribute and start >= 0 and len(title) == len(title.lower()):
            found.setdefault(attribute, []).append(title[start : start + len(value)])
    for attribute, values in sorted(found.items()):
        spans = list(dict.fromkeys(value.strip() for value in values))
        rng.shuffle(spans)
        yield Draft({"title": title, "attribute": attribute}, spans, title)


def _pairs(output: str) -> list[dict[str, object]]:
    try:
        listed = json.loads(output)
    except ValueError:
        return []
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _pair(record: Exercise) -> dict[str, object]:
    """Two products, whatever their fields are called ("Product 1", "product 1")."""
    parts = [_product(value) for value in record.fields.values()][:2]
    return {"first": parts[0], "second": parts[1]} if len(parts) == 2 and all(parts) else {}


def _product(value: object) -> str:
    """A title, or a title with what else is known: "kettle; manufacturer: Norvik; price: 19.99"."""
    if not isinstance(value, dict):
        return _flat(value)
    known = {name: text for name, one in value.items() if (text := _flat(one)).lower() not in _UNKNOWN}
    title = known.pop("title", "")
    return "; ".join([title, *(f"{name}: {text}" for name, text in known.items())]) if title else ""


def _relation(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _choice(record, _pair(record), rng)


def _match(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _yes_no(record, _pair(record), rng)


def _sentiment(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _choice(record, {"review": _flat(record.text)}, rng)


def _class(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    query, product = record.field("query"), record.field("product title")
    yield from _choice(record, {"query": query, "product": product} if query and product else {}, rng)


def _substitute(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    query, product = record.field("query"), record.field("product") or record.field("product title")
    yield from _yes_no(record, {"query": query, "product": product} if query and product else {}, rng)


def _answerable(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _yes_no(record, _question(record), rng)


def _answer(record: Exercise, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    asked = _question(record)
    if asked and record.output:
        yield Draft(asked, record.output, str(asked["question"]))


def _next(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """The published list of twenty, counted from 1."""
    if record.listed and record.letter >= 0:
        history = "\n".join(f"- {title}" for title in record.listed[-_HISTORY:])
        yield Draft({"history": history, "list": numbered(record.options, 1, rng)}, [record.letter + 1])


def _rank(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """The published order, as relevances that fall along it: each product has a label of its own."""
    titles = [entry.partition(": ")[2] for entry in map(str, _list(record.fields.get("product list")))]
    order = [ord(letter) - ord("A") for letter in _LETTER.findall(record.output)]
    if len(titles) > 1 and all(titles) and sorted(order) == list(range(len(titles))):
        relevances = [1 - order.index(place) / len(order) for place in range(len(titles))]
        yield Draft({"query": record.field("query"), "list": numbered(titles, 1, rng)}, relevances)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _question(record: Exercise) -> dict[str, object]:
    question, document = record.field("question"), record.field("document")
    return {"question": _flat(question), "document": _flat(document)[:_DOCUMENT]} if question and document else {}


def _choice(record: Exercise, variables: dict[str, object], rng: random.Random) -> Iterator[Draft]:
    """The published options in their order, counted from 0."""
    if variables and record.letter >= 0:
        yield Draft({**variables, "options": numbered(record.options, 0, rng)}, record.letter)


def _yes_no(record: Exercise, variables: dict[str, object], rng: random.Random) -> Iterator[Draft]:
    """Yes or no as two options, in a drawn order."""
    said = record.output.lower().rstrip(".")
    if variables and said in {"yes", "no"}:
        words = ["yes", "no"]
        rng.shuffle(words)
        yield Draft({**variables, "options": numbered(words, 0, rng)}, words.index(said))


def _flat(value: object) -> str:
    return " ".join(str(value).split())


_Draw = Callable[[Exercise, random.Random], Iterable[Draft]]


def _task(
    task: str,
    name: str,
    capability: Capability,
    sub_skill: str,
    task_type: TaskType,
    metric: Metric,
    wordings: tuple[str, ...],
    draw: _Draw,
) -> TrainingTask[Exercise]:
    def drawn(record: Exercise, rng: random.Random) -> Iterable[Draft]:
        return draw(record, rng) if record.task == task else ()

    return TrainingTask(
        f"ec_instruct_{name}", capability, sub_skill, task_type, metric.value, "ECInstruct", wordings, drawn
    )


_CONCEPTS, _BEHAVIOUR = Capability.CONCEPT_UNDERSTANDING, Capability.USER_BEHAVIOUR
_CHOICE, _ACCURACY = TaskType.MULTIPLE_CHOICE, Metric.ACCURACY
EC_INSTRUCT_TASKS: tuple[TrainingTask[Exercise], ...] = (
    _task(
        "Attribute_Value_Extraction",
        "value",
        _CONCEPTS,
        "attribute value extraction",
        TaskType.NAMED_ENTITY_RECOGNITION,
        Metric.MICRO_F1,
        VALUE,
        _value,
    ),
    _task(
        "Product_Relation_Prediction",
        "relation",
        _BEHAVIOUR,
        "product relation",
        _CHOICE,
        _ACCURACY,
        RELATION,
        _relation,
    ),
    _task("Product_Matching", "match", _CONCEPTS, "product matching", _CHOICE, _ACCURACY, MATCH, _match),
    _task("Sentiment_Analysis", "sentiment", _BEHAVIOUR, "review rating", _CHOICE, _ACCURACY, SENTIMENT, _sentiment),
    _task(
        "Sequential_Recommendation",
        "next",
        _BEHAVIOUR,
        "session-based recommendation",
        TaskType.RETRIEVAL,
        Metric.HIT_RATE_AT_3,
        NEXT,
        _next,
    ),
    _task(
        "Multiclass_Product_Classification",
        "class",
        _BEHAVIOUR,
        "query and product relation",
        _CHOICE,
        _ACCURACY,
        CLASS,
        _class,
    ),
    _task(
        "Product_Substitute_Identification",
        "substitute",
        _BEHAVIOUR,
        "query and product relation",
        _CHOICE,
        _ACCURACY,
        SUBSTITUTE,
        _substitute,
    ),
    _task(
        "Query_Product_Rank",
        "ranking",
        _BEHAVIOUR,
        "query and product ranking",
        TaskType.RANKING,
        Metric.NDCG,
        RANK,
        _rank,
    ),
    _task(
        "Answerability_Prediction",
        "answerable",
        _BEHAVIOUR,
        "product question answering",
        _CHOICE,
        _ACCURACY,
        ANSWERABLE,
        _answerable,
    ),
    _task(
        "Answer_Generation",
        "answer",
        _BEHAVIOUR,
        "product question answering",
        TaskType.GENERATION,
        Metric.SENT_TRANSFORMER,
        ANSWER,
        _answer,
    ),
)


def _eshop_task(
    name: str, capability: Capability, sub_skill: str, task_type: TaskType, metric: Metric
) -> TrainingTask[EshopQuestion]:
    def draw(record: EshopQuestion, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - nothing is left to chance
        if record.task_type is task_type:
            yield Draft({"question": record.question}, record.gold, language=record.language)

    return TrainingTask(
        f"eshop_{name}",
        capability,
        sub_skill,
        task_type,
        metric.value,
        "EshopInstruct",
        AS_PUBLISHED,
        draw,
        ("en", "de", "es", "fr", "it", "ja"),
    )


ESHOP_TASKS: tuple[TrainingTask[EshopQuestion], ...] = (
    _eshop_task("choice", _BEHAVIOUR, "shopping questions", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY),
    _eshop_task("retrieval", _BEHAVIOUR, "product search", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3),
    _eshop_task("ranking", _BEHAVIOUR, "query and product ranking", TaskType.RANKING, Metric.NDCG),
    _eshop_task(
        "entities", _CONCEPTS, "entity typing and extraction", TaskType.NAMED_ENTITY_RECOGNITION, Metric.MICRO_F1
    ),
    _eshop_task("text", _CONCEPTS, "extraction and summarization", TaskType.GENERATION, Metric.SENT_TRANSFORMER),
)
