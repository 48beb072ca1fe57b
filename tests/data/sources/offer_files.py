"""Small files of the sets on offers, questions about them and their texts in two languages, in the project's words."""

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

QUESTION = {
    "qid": "7",
    "question": "does the kettle switch itself off?",
    "ASIN": "K7",
    "candidate": "",
    "source": "review",
    "qa_pair_id": "70",
    "title": "Norvik Kettle, 1.7 Litres",
    "label": "0",
    "answer": "",
}
_CANDIDATES = (
    ("2", "review", "it turns off by itself as soon as the water boils.", "Yes. It turns off when the water boils."),
    ("2", "bullet", "automatic shut-off guards against boiling dry", "yes, it shuts off automatically."),
    ("2", "cqa", "yes, after 30 seconds. Question: how long does it go on boiling? ", "Yes, after 30 seconds."),
    ("1", "review", "my old one from this maker switched off.", "I'm not sure but an older one did, after 45 seconds."),
    ("0", "description", "brushed steel makes it a jewel of every kitchen.", ""),
    ("0", "review", "arrived in two days, well packed.", ""),
    ("0", "review", "the cord could be longer.", ""),
    ("0", "bullet", "holds seven large cups of tea", ""),
    ("0", "attribute", "batteries_required:  { value:false }", ""),
    ("0", "attribute", "color: value without braces", ""),
)
QUESTIONS = [
    QUESTION | {"label": label, "source": source, "candidate": candidate, "answer": answer}
    for label, source, candidate, answer in _CANDIDATES
]
EVIDENCE = [
    {
        "qid": "8",
        "ASIN": "T8",
        "qa_pair_id": "80",
        "question": "is it for camping?",
        "candidate": text,
        "label": label,
        "source": source,
        "confidence": "mid",
    }
    for label, source, text in (
        ("1", "review", "we took the tent to the mountains and slept well."),
        ("0", "review", "the bag that it comes in is too narrow."),
        ("0", "OSP", "every garden looks nicer with a pond."),
    )
]
ATTRIBUTES = [
    {"qid": "9", "qa_pair_id": "90", "question": "how heavy is the bench?", "candidate": candidate, "label": label}
    for label, candidate in (
        ("1", "item_weight:  { unit:kilograms, normalized_value:{ unit:pounds, value:44. }, value:20. }"),
        ("0", "item_package_weight:  { unit:pounds, value:47. }"),
        ("0", 'brand:  { value:"norvik" }'),
        ("0", "includes_remote:  { value:false }"),
        ("0", 'material:  { value:"oak" }; { value:"cast iron" }'),
        ("0", "warranty:  { type:[ { value:full_replacement } ] }"),
        ("0", 'color:  { standardized_values:[ "brown" ], value:"dark brown" }'),
    )
]
ANSWERED = [
    {"ASIN": "D1", "question": "is it electric?", "candidate": "is_electric:  { value:false }", "answer": answer,
     "source": "attribute"}
    for answer in ("it is electric.", "no, it is not electric.")
]  # fmt: skip
SENTENCES = [
    {"data": data, "text": text}
    for data, text in (
        (
            'seat: { height:[ { unit:inches, value:18.0 } ], material:[ { value:"oak" } ] }',
            "the oak seat is 18 inches high.",
        ),
        ("item_weight: { unit:pounds, value:44. }", "It weighs 20 kilograms."),
        ("odd: { value }", "It is odd."),
    )
]


def write_tabs(path: Path, rows: Sequence[Mapping[str, str]], separator: str = "\t") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_product_qa(folder: Path) -> None:
    write_tabs(folder / "ePQA" / "dev.csv", QUESTIONS, ",")
    write_tabs(folder / "hetPQA" / "evidence_ranking" / "dev.csv", EVIDENCE)
    write_tabs(folder / "hetPQA" / "answer_generation" / "train.csv", ANSWERED)
    write_tabs(folder / "semiPQA" / "attribute_ranking" / "dev.csv", ATTRIBUTES)
    write_tabs(folder / "semiPQA" / "data-to-text" / "train.csv", SENTENCES)


def offer(title: str, price: str = "", brand: str = "norvik", model: str = "") -> str:
    values = {"title": title, "category": "kitchen", "brand": brand, "modelno": model, "price": price}
    return "".join(f"COL {name} VAL {value} " for name, value in values.items())


KETTLE = offer("norvik kettle 1.7 l steel ( cordless )", "40.0", model="nk-1700")
SAME_KETTLE = offer("steel kettle nk-1700 cordless , 1.7 litres", "29.5", model="nk-1700")
_ALIKE = [offer(f"norvik kettle no. {number} steel ( cordless )", f"{number}5.0") for number in range(1, 7)]
_UNRELATED = [offer(f"{thing} {thing}s by brevaro", "9.0", "brevaro") for thing in ("bicycle", "saddle", "lantern")]
PAIRS = [
    (KETTLE, SAME_KETTLE, "1"),
    *((KETTLE, other, "0") for other in _ALIKE),
    (SAME_KETTLE, _ALIKE[0], "0"),
    *((other, _UNRELATED[0], "0") for other in _UNRELATED[1:]),
    (KETTLE, KETTLE, "0"),
    (offer(""), KETTLE, "0"),
]
NAMED = "COL name VAL norvik 24 ' screen ( r ) with stand ) COL description VAL flat . COL price VAL  "


def write_ditto(folder: Path) -> Path:
    pairs = folder / "er_magellan" / "Structured" / "Kitchen-Shop" / "train.txt"
    named = folder / "er_magellan" / "Textual" / "Screen-Shop" / "train.txt"
    for path, rows in ((pairs, PAIRS), (named, [(NAMED, NAMED.replace("24", "27"), "0")])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return pairs


_SENTENCES = (
    ("Made of solid oak , so the {} lasts for many years .", "Aus massiver Eiche , daher hält das {} viele Jahre ."),
    ("Folds flat when nobody needs this {} .", "Das {} lässt sich flach zusammenlegen , wenn niemand es braucht ."),
    ("Children reach the {} without any help .", "Kinder erreichen das {} ohne jede Hilfe ."),
    ("Holds three heavy baskets beside the {} .", "Neben dem {} finden drei schwere Körbe Platz ."),
    ("Round corners spare your knees near the {} .", "Runde Ecken am {} schonen die Knie ."),
    ("Paint can be scrubbed off from the {} .", "Farbe lässt sich vom {} abschrubben ."),
    ("Small wheels move the {} quietly over carpets .", "Kleine Rollen bewegen das {} leise über Teppiche ."),
    ("Comes with screws and a key to assemble the {} .", "Mit Schrauben und Schlüssel zum Aufbau des {}s ."),
)
_THINGS = (
    ("shelf", "Regal"), ("bed", "Bett"), ("desk", "Pult"), ("cabinet", "Möbel"), ("sofa", "Sofa"), ("rack", "Gestell"),
    ("carpet", "Brett"), ("drawer", "Fach"), ("mirror", "Glas"), ("lamp", "Licht"), ("window", "Fenster"),
)  # fmt: skip
_PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (2, 4), (3, 6), (1, 7))
DESCRIPTIONS = [
    tuple(" ".join(_SENTENCES[place][side].format(thing[side]) for place in places) for side in (0, 1))
    for thing, places in zip(_THINGS, _PAIRS, strict=True)
]
_FIRST, _SECOND = _SENTENCES[0], _SENTENCES[5]
SHIFTED = (
    " ".join(one[0].format("crib") for one in (_FIRST, _SECOND)),
    " ".join(one[1].format("Kinderbett") for one in (_SECOND, _FIRST)),
)
MORE = [SHIFTED, DESCRIPTIONS[0], ("One line . And another .", "Nur eine Zeile .")]


def write_ikea(folder: Path, descriptions: Sequence[Sequence[str]] = (*DESCRIPTIONS, *MORE)) -> Path:
    raw = folder / "data.en.de" / "data.raw"
    raw.mkdir(parents=True, exist_ok=True)
    for side, code in enumerate(("en", "de")):
        text = "".join(f"{pair[side]}\n" for pair in descriptions)
        (raw / f"train_WMT_2017.{code}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return raw


FIXED = {"voucher_type": "shop", "threshold": 500, "discount_type": "fixed", "face_value": 80, "discount": None,
         "cap": None, "price_after_voucher": 520.5, "budget": 530}  # fmt: skip
SHARE = FIXED | {"voucher_type": "platform", "discount_type": "percentage", "face_value": None, "discount": 0.2,
                 "cap": 150, "price_after_voucher": 480.0}  # fmt: skip
VOUCHERS = [FIXED, SHARE, SHARE | {"price_after_voucher": 850}, SHARE | {"price_after_voucher": 240}]


def write_vouchers(folder: Path, vouchers: Sequence[Mapping[str, object]] = VOUCHERS) -> Path:
    path = folder / "synthesize_voucher_test.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    rows = (
        {"query": f"Find a kettle no. {number}.\n\nI have a voucher.", "reward": [], "voucher": voucher}
        for number, voucher in enumerate(vouchers)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_offers(data: Path) -> None:
    """The folders of all of these sets below a data folder."""
    write_product_qa(data / "contextual-product-qa")
    write_ditto(data / "ditto")
    write_ikea(data / "IKEA")
    write_vouchers(data / "ShoppingBench")
