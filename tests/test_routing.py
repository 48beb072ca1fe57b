import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing import doubted, explain, route
from app.types import Question, Selection

WORDINGS = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "wordings.jsonl").read_text("utf-8").splitlines()
]
SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}")


def question(row: dict[str, object]) -> Question:
    return Question("q", str(row["prompt"]), row["task_type"] == "multiple-choice")


@pytest.mark.parametrize("row", WORDINGS, ids=lambda row: " ".join(row["prompt"].split())[:50])
def test_own_wordings(row: dict[str, object]) -> None:
    task = route(question(row))
    assert task.type == row["task_type"]
    reading = task.read(question(row))
    expected = row.get("expect", {})
    assert isinstance(expected, dict)
    form = asdict(reading.constraint) if reading.constraint else {}
    for name, value in expected.items():
        found = form[name] if name in form else reading.variables[name]
        assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize("row", WORDINGS, ids=lambda row: " ".join(row["prompt"].split())[:50])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
        lambda text: f"\n  {text}\n\n",
        lambda text: text.rstrip() + "\nOutput:",
    ],
    ids=["crlf", "blanks", "output"],
)
def test_line_ends_blanks_and_cue_do_not_change_the_type(row: dict[str, object], change: Callable[[str], str]) -> None:
    changed = Question("q", change(str(row["prompt"])), row["task_type"] == "multiple-choice")
    assert route(changed).type == row["task_type"]


LISTED = "1. Steel kettle\n2. Oak desk\n3. Wool scarf\n4. Desk lamp\n5. Tea towel"


@needs_shared
@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        (
            "ranking",
            f"A user searched for '{{}}'. Rank the five products by relevance.\nProduct List:\n{LISTED}\nOutput:",
        ),
        (
            "retrieval",
            f"Customer: {{}}\nSelect the three products of the list that fit; numbers only.\n{LISTED}\nOutput:",
        ),
        ("named_entity_recognition", "Extract the phrases of the query of entity type 'color'.\nQuery: {}\nOutput:"),
        ("named_entity_recognition", "Which words of the search query '{}' name the material?"),
        ("generation", "Rewrite the request of a customer as a short search query.\nRequest: {}\nOutput:"),
        ("generation", "Explain in one sentence what the shopper is looking for.\nShopper: {}\nExplanation:"),
    ],
)
def test_what_shoppers_ask_for_does_not_change_the_type(kind: str, prompt: str) -> None:
    """Requests in shoppers' own words ("find me ...", "select ..."), which WebShop has without answers."""
    path = SHARED / "WebShop" / "human_goals.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    goals = json.loads(path.read_text("utf-8"))[::50]
    others = [goal for goal in goals if route(Question("q", prompt.format(goal))).type != kind]

    assert len(goals) > 100
    assert others == []


FIVE = "1. Steel kettle\n2. Oak desk\n3. Wool scarf\n4. Desk lamp\n5. Tea towel"
SEVEN = f"{FIVE}\n6. Garden hose\n7. Mug"
EXAMPLES = [
    "such as {}",
    "e.g. {}",
    "in a format like {}",
    "for instance {}",
    "Your answer should look like: {}",
    "Format: {}",
]


@pytest.mark.parametrize("form", EXAMPLES)
@pytest.mark.parametrize("mark", ["{}", '"{}"', "({})", "[{}]"])
@pytest.mark.parametrize("shown", ["3,1,5,2,4", "3, 1, 5, 2, 4"])
def test_a_shown_order_of_the_list_asks_for_one_and_is_no_count(form: str, mark: str, shown: str) -> None:
    example = form.format(mark.format(shown))
    for asked in ("Output only the ranking,", "Sort these products by how well they fit 'tea':", "What fits 'tea'?"):
        prompt = f"{asked} {example}\n{FIVE}"
        assert route(Question("q", prompt, False)).type == "ranking", prompt
        assert explain(Question("q", prompt, False)).reason


@pytest.mark.parametrize("form", EXAMPLES)
def test_some_shown_numbers_of_the_list_ask_for_so_many(form: str) -> None:
    asked = Question("q", f"What goes with a teapot? {form.format('2,5,6,7')}\n{SEVEN}", False)
    task = route(asked)
    assert task.type == "retrieval"
    assert task.read(asked).constraint == Selection((1, 2, 3, 4, 5, 6, 7), 4)


PICKING = ["Give", "State", "Write", "Report", "Tell me", "Indicate", "Return", "Name", "List", "Add", "Reply with"]


@pytest.mark.parametrize("verb", PICKING)
@pytest.mark.parametrize("numbers", ["indices", "numbers", "ids"])
@pytest.mark.parametrize("first", ["Three of the products below go with a teapot.", "A buyer wants three more things."])
def test_whatever_verb_asks_for_numbers_of_a_list(verb: str, numbers: str, first: str) -> None:
    assert route(Question("q", f"{first} {verb} their {numbers}.\n{SEVEN}", False)).type == "retrieval"


ABOUT = [
    "What does '{word}' mean in the product title '{title}'?",
    "What does '{word}' stand for in the title '{title}'?",
    "What is the material '{word}' in the listing '{title}' good for?",
    "Explain to a shopper what '{word}' refers to in the title '{title}'.",
    "In the title '{title}', what does '{word}' tell a buyer?",
    "How does the size '{word}' in the listing '{title}' differ from others?",
]
FOR = [
    "What is the {kind} in the product title '{title}'?",
    "Which {kind} does the title name?\nTitle: {title}",
    "Find the {kind} in '{title}' and copy it.",
    "Quote the {kind} from the title '{title}'.",
    "Title: {title}\nOutput the words for the {kind}, as they stand.",
    "Extract the {kind}: {title}",
]


@pytest.mark.parametrize("title", ["Egyptian Cotton Towel 600 GSM", "Trail Shoes Women Wide Blue"])
@pytest.mark.parametrize("asked", ABOUT)
def test_a_question_about_a_word_is_none_for_it(asked: str, title: str) -> None:
    assert route(Question("q", asked.format(word=title.split()[-1], title=title), False)).type == "generation"


@pytest.mark.parametrize("kind", ["brand", "colour", "material", "size", "product type"])
@pytest.mark.parametrize("asked", FOR)
def test_a_question_for_a_word_wants_it_copied(asked: str, kind: str) -> None:
    prompt = asked.format(kind=kind, title="Lumo Towel Cotton Blue 70 cm")
    assert route(Question("q", prompt, False)).type == "named_entity_recognition", prompt


@pytest.mark.parametrize("verb", ["Extract", "List", "Find", "Identify", "Copy", "Mark"])
@pytest.mark.parametrize(
    "terms", ["aspect terms", "opinion words", "product features", "aspects", "opinion expressions"]
)
@pytest.mark.parametrize("source", ["from the review.\nReview: {}", "that the customer's comment names.\nComment: {}"])
@pytest.mark.parametrize("said", ["Soft, but the zip broke.", "Rank it last! Select another, I explain why: it tore."])
def test_terms_are_extracted_from_what_people_write(verb: str, terms: str, source: str, said: str) -> None:
    prompt = f"{verb} the {terms} {source.format(said)}"
    assert route(Question("q", prompt, False)).type == "named_entity_recognition", prompt


@pytest.mark.parametrize(
    "said", ["Rank bad, do not choose this.", "Extract is strong.", "Select two.", "List of faults: lid."]
)
@pytest.mark.parametrize("label", ["Review", "Comment", "Customer"])
def test_what_people_write_is_no_instruction(said: str, label: str) -> None:
    lines = "\n".join(f"{label} {number}: {text}" for number, text in enumerate(("Fine.", said, "Late."), start=1))
    assert route(Question("q", f"{lines}\nSum them up in a sentence.", False)).type == "generation"
    picks = f"{lines}\nWhich two snippets would a happy buyer write? Provide numbers.\nSnippets:\n{SEVEN}"
    assert route(Question("q", picks, False)).type == "retrieval"


ORDER, PICK, COPY, WRITE = "ranking", "retrieval", "named_entity_recognition", "generation"
ELSEWHERE: dict[str, dict[str, tuple[str, ...]]] = {
    "de": {
        ORDER: (
            "Ordne die Produkte nach ihrer Relevanz für 'Tee'.",
            "Sortiere die Artikel danach, wie gut sie zu 'Tee' passen.",
            "In welcher Reihenfolge sollten sie bei der Suche nach 'Tee' stehen?",
            "Erstelle eine Rangliste für 'Tee'.",
        ),
        PICK: (
            "Wähle drei Produkte, die zu einer Kanne passen.",
            "Drei der Artikel passen zur Kanne. Gib ihre Nummern an.",
            "Nenne die Indizes der zwei Artikel, die man in der Küche braucht.",
        ),
        COPY: (
            "Extrahiere die Marke aus dem Titel.\nTitel: {}",
            "Welche Farbe steht im Titel '{}'?",
            "Anfrage: {}\nMarkiere das Wort für das Material.",
            "Bewertung: {}\nWelche Merkmale werden genannt? Wörtlich übernehmen.",
        ),
        WRITE: (
            "Was bedeutet 'GSM' im Titel '{}'?",
            "Übersetze den Titel ins Englische: '{}'",
            "Fasse die Bewertung zusammen.\nBewertung: {}",
        ),
    },
    "es": {
        ORDER: (
            "Ordena los productos según su relevancia para 'té'.",
            "Clasifica los artículos de más a menos adecuado para 'té'.",
            "¿En qué orden los mostrarías a quien busca 'té'?",
            "Haz un ranking de los productos para 'té'.",
        ),
        PICK: (
            "Elige tres productos que combinen con una tetera.",
            "Tres de los artículos van con la tetera. Da sus números.",
            "Indica los números de los dos que se usan en la cocina.",
        ),
        COPY: (
            "Extrae la marca del título.\nTítulo: {}",
            "¿Qué color aparece en el título '{}'?",
            "Consulta: {}\nMarca la palabra que indica el material.",
            "Reseña: {}\n¿Qué características se mencionan? Cópialas literalmente.",
        ),
        WRITE: (
            "¿Qué significa 'GSM' en el título '{}'?",
            "Traduce el título al inglés: '{}'",
            "Resume la reseña.\nReseña: {}",
        ),
    },
    "fr": {
        ORDER: (
            "Classe les produits selon leur pertinence pour « thé ».",
            "Range les articles du plus au moins adapté à « thé ».",
            "Dans quel ordre faut-il les afficher pour « thé » ?",
            "Établis un classement des produits pour « thé ».",
        ),
        PICK: (
            "Choisis trois produits qui vont avec une théière.",
            "Trois de ces articles vont avec la théière. Donne leurs numéros.",
            "Indique les numéros des deux qui servent dans une cuisine.",
        ),
        COPY: (
            "Extrais la marque du titre.\nTitre : {}",
            "Quelle couleur figure dans le titre « {} » ?",
            "Repère la matière dans la requête « {} » et recopie-la.",
            "Avis : {}\nQuelles caractéristiques sont citées ? Recopie-les mot à mot.",
        ),
        WRITE: (
            "Que signifie « GSM » dans le titre « {} » ?",
            "Traduis le titre en anglais : « {} »",
            "Résume l'avis.\nAvis : {}",
        ),
    },
    "it": {
        ORDER: (
            "Ordina i prodotti in base alla pertinenza con 'tè'.",
            "Metti in ordine gli articoli dal più al meno adatto per 'tè'.",
            "Fai una classifica dei prodotti per 'tè'.",
        ),
        PICK: (
            "Scegli tre prodotti che stanno bene con una teiera.",
            "Tre di questi articoli vanno con la teiera. Dai i loro numeri.",
            "Indica i numeri dei due che si usano in cucina.",
        ),
        COPY: (
            "Estrai la marca dal titolo.\nTitolo: {}",
            "Quale colore compare nel titolo '{}'?",
            "Trova nella ricerca '{}' il materiale e copialo.",
            "Recensione: {}\nQuali caratteristiche vengono citate? Copiale alla lettera.",
        ),
        WRITE: (
            "Che cosa significa 'GSM' nel titolo '{}'?",
            "Traduci il titolo in inglese: '{}'",
            "Riassumi la recensione.\nRecensione: {}",
        ),
    },
    "ja": {
        ORDER: (
            "「お茶」との関連度が高い順に並べ替えてください。",
            "「お茶」に合う順にランク付けしてください。",
            "どの順番で見せるべきですか。",
        ),
        PICK: (
            "ティーポットに合う商品を3つ選び、番号だけを書いてください。",
            "このうち3つは台所用です。その番号を挙げてください。",
        ),
        COPY: (
            "商品名からブランドを抽出してください。\n商品名：{}",
            "タイトル「{}」に含まれる色は何ですか。抜き出してください。",
            "レビュー：{}\n言及されている特徴をそのまま書き出してください。",
        ),
        WRITE: (
            "タイトル「{}」の「GSM」とはどういう意味ですか。",
            "次の商品名を英語に翻訳してください：「{}」",
            "レビューを要約してください。\nレビュー：{}",
        ),
    },
    "zh": {
        ORDER: ("请按照与“茶”的相关性对商品进行排序。", "把商品按匹配程度从高到低排列。"),
        PICK: ("选出三个适合搭配茶壶的商品，只写编号。", "其中三个商品适合厨房，请给出它们的编号。"),
        COPY: ("从标题中提取品牌。\n标题：{}", "标题“{}”中提到的材质是什么？请摘出。"),
        WRITE: ("标题“{}”中的“GSM”是什么意思？", "把标题翻译成英文：“{}”"),
    },
    "id": {
        ORDER: (
            "Urutkan produk berikut berdasarkan relevansinya dengan 'teh'.",
            "Susun dari yang paling relevan untuk 'teh'.",
        ),
        PICK: (
            "Pilih tiga produk yang cocok dengan teko.",
            "Tiga dari barang ini cocok untuk dapur. Sebutkan nomornya.",
        ),
        COPY: ("Ekstrak merek dari judul.\nJudul: {}", "Sebutkan bahan yang disebut dalam judul ini: '{}'"),
        WRITE: ("Jelaskan arti 'GSM' dalam judul '{}'.", "Terjemahkan judul ini ke bahasa Inggris: '{}'"),
    },
}


@pytest.mark.parametrize("language", ELSEWHERE)
@pytest.mark.parametrize("kind", [ORDER, PICK, COPY, WRITE])
def test_other_languages_ask_alike(language: str, kind: str) -> None:
    data = (
        [SEVEN]
        if kind == PICK
        else [FIVE]
        if kind == ORDER
        else ["Lumo Towel Cotton Blue 600 GSM", "Lumo タオル 綿 青"]
    )
    for asked in ELSEWHERE[language][kind]:
        for text in data:
            prompt = f"{asked}\n{text}" if kind in (ORDER, PICK) else asked.format(text)
            for marked in (False, None):
                assert route(Question("q", prompt, marked)).type == kind, prompt


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("Wähle zwei Produkte, nur die Nummern.", 2),
        ("Elige cuatro productos; solo los números.", 4),
        ("Choisis deux produits, seulement les numéros.", 2),
        ("Scegli quattro prodotti, solo i numeri.", 4),
        ("商品を2つ選んで番号を答えてください。", 2),
        ("选出四个商品，只写编号。", 4),
        ("Point to the four that are used in a kitchen. Indices only.", 4),
    ],
)
def test_counts_are_read_in_other_languages_too(asked: str, count: int) -> None:
    question = Question("q", f"{asked}\n{SEVEN}", False)
    assert route(question).read(question).constraint == Selection((1, 2, 3, 4, 5, 6, 7), count)


def test_wordings_cover_every_type() -> None:
    assert min(Counter(row["task_type"] for row in WORDINGS).values()) >= 10
    assert len(WORDINGS) >= 100


def test_the_mark_decides_multiple_choice() -> None:
    prompt = "Which one is a fruit?\n0. desk\n1. plum\nAnswer: Let's think step by step."
    assert route(Question("q", prompt, is_multiple_choice=True)).type == "multiple-choice"
    assert route(Question("q", prompt, is_multiple_choice=False)).type == "generation"


def test_options_that_are_not_to_be_asked_for_make_any_answer_a_guess() -> None:
    prompt = "Which one is a fruit?\n0. desk\n1. plum\nAnswer:"
    for marked, doubtful in ((None, False), (True, False), (False, True)):
        asked = Question("q", prompt, marked)
        assert bool(doubted(asked, route(asked))) is doubtful
    assert explain(Question("q", prompt)).reason == "lists options to choose from (0, 1)"
    text = Question("q", "Explain the category.\nInput: mug", is_multiple_choice=False)
    assert not doubted(text, route(text))


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["Generation/CR", "Generation/EBT", "Generation/EPF", "Generation/EPK", "Generation/ERK", "Generation/MT",
     "Generation/PE", "Generation/PKS", "Generation/PQA", "NER/NER", "Retrieval/PR", "Retrieval/RRA", "Retrieval/RRS",
     "MCQ/ACR", "MCQ/MDM", "MCQ/PKS", "MCQ/PRP", "MCQ/QPRP", "MCQ/SA", "MCQ/SAP", "MCQ/SPA"],
)  # fmt: skip
def test_shared_data_choices_are_told_from_the_rest_without_the_mark(name: str) -> None:
    rows = [row for row in _rows(SHARED / "EC-Guide" / f"{name}.json") if row["metric"] != "bool"]
    rows = rows[:: max(1, len(rows) // 200)]
    prompts = [Question("q", str(row["input_field"])) for row in rows]
    right = [
        (route(asked).type == "multiple-choice") == (row["task_type"] == "multiple-choice")
        for asked, row in zip(prompts, rows, strict=True)
    ]
    assert sum(right) >= 0.97 * len(rows)


def test_steps_inside_a_description_do_not_make_a_list_to_pick_from() -> None:
    prompt = (
        "Write one sentence on how the dough is made.\nDescription: Our method:\n1. mix\n2. knead\n3. rest\n4. fold\n"
        "5. shape\n6. bake\n7. cool\nOutput:"
    )
    assert route(Question("q", prompt)).type == "generation"


def test_explanations_name_what_was_found() -> None:
    ranked = explain(Question("q", "Output a permutation of 1 to 5 for 'mug'."))
    assert ranked.reason == "asks for a permutation"
    assert explain(Question("q", "Translate 'mug' into German.")).reason == "asks for text (translation)"
    assert explain(Question("q", "", is_multiple_choice=True)).reason == "marked as multiple choice"


@given(st.text(max_size=400), st.booleans())
def test_every_text_has_a_type_and_a_reading(prompt: str, choice: bool) -> None:
    asked = Question("q", prompt, choice)
    found = explain(asked)
    assert found.task is route(asked)
    assert found.reason
    assert found.task.read(asked).answer("").text


PIECES = st.sampled_from(
    ["1. a\n", "0) b\n", "[2] c ", "Review: ", "Query: 'x'\n", "'", '"', "“", "rank the ", "select 3 ", "Output:\n",
     "entity type ", "title ", "\n\n", "Product List:\n", "3.5 mm ", "keyphrase ", "10:30 ", "\r\n", "step by step "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join), st.booleans())
def test_prompts_made_of_markers_have_a_type_and_a_legal_fallback(prompt: str, choice: bool) -> None:
    asked = Question("q", prompt, choice)
    task = route(asked)
    answer = task.read(asked).answer("")
    assert answer.text
    assert task.parse(answer.text) not in (-1, [], "")


@pytest.mark.parametrize(
    "piece",
    [
        "1. a\n", "1. a 2. b ", "'a' ", "'", "a' ", "\" b\"", "Review: x\n", "Query: 'x' select\n", "extract brand ",
        "find the title ", "how many ? ", " ", "\n", "1,", "key phrase review ", "one keyphrase ", "0. a\n1. b\n",
        "Input: x\n0. a\n1. b\n", "“", "“a” ", "in the ", "from 1 being ", "list of ten ", "Please output\n", "(1) ",
        "list: 0. ", "rank the list: 0. a 1. b ", ":1] a 2] b ", "1. a\nb\n2. c\n",
    ],
)  # fmt: skip
def test_time_grows_with_length_and_no_faster(piece: str) -> None:
    def seconds(characters: int) -> float:
        prompt = piece * (characters // len(piece))
        best = float("inf")
        for attempt in range(2):
            asked = [Question("q", f"{prompt} {characters} {attempt}", choice) for choice in (False, True)]
            start = time.process_time()
            for one in asked:
                route(one).read(one).answer("7")
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(25_000), seconds(100_000)
    # four times the text: quadratic time would take sixteen times as long
    assert large < 10 * small + 0.1


@needs_shared
def test_shared_data_development_set_is_routed_whole() -> None:
    wrong = [row for row in _rows(SHARED / "development.json") if not _right(row)]
    assert wrong == []


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["Generation/CR", "Generation/EBT", "Generation/EPF", "Generation/EPK", "Generation/ERK", "Generation/MT",
     "Generation/PE", "Generation/PKS", "Generation/PQA", "NER/NER", "Retrieval/PR", "Retrieval/RRA",
     "Retrieval/RRS", "MCQ/ACR"],
)  # fmt: skip
def test_shared_data_ec_guide_is_routed(name: str) -> None:
    rows = [row for row in _rows(SHARED / "EC-Guide" / f"{name}.json") if row["metric"] != "bool"]
    assert sum(map(_right, rows)) >= 0.99 * len(rows)


def _rows(path: Path) -> list[dict[str, object]]:
    text = path.read_text("utf-8")
    return list(json.loads(text)) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def _right(row: dict[str, object]) -> bool:
    asked = Question("q", str(row["input_field"]), row["task_type"] == "multiple-choice")
    return route(asked).type == row["task_type"]
