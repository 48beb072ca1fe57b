"""Wordings that several task types look for in instructions (lower case)."""

import re

NUMBER_WORDS = {
    "one": 1, "single": 1, "two": 2, "couple": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
NUMBER = rf"(?P<n>[1-9][0-9]?|{'|'.join(NUMBER_WORDS)})"
"""A whole number from 1 to 99 in digits, or to ten in words, as the group `n`."""

WORKED_SOLUTION = re.compile(r"\bstep[ -]by[ -]step\b|\bshow your (?:work|reasoning)\b|\bchain of thought\b")
_BEFORE_IMPERATIVE = ("^", "[.:;,!?…'\"”’»」] ", "please ", "and ", "then ", "to ")


def either(*alternatives: str) -> str:
    """A regular expression for any of the given ones."""
    return f"(?:{'|'.join(alternatives)})"


def imperative(*verbs: str) -> str:
    """A regular expression for verbs where they tell what to do ("Describe ..."), not where they narrate."""
    behind = {verb: either(*(rf"(?<={before}{verb})" for before in _BEFORE_IMPERATIVE)) for verb in verbs}
    return either(*(rf"\b{verb}\b{place}" for verb, place in behind.items()))


def number(text: str) -> int:
    """The value of what `NUMBER` matched."""
    return NUMBER_WORDS.get(text) or int(text)


LANGUAGES = (
    "English", "German", "Spanish", "French", "Italian", "Portuguese", "Dutch", "Polish", "Swedish", "Turkish",
    "Arabic", "Hindi", "Indonesian", "Vietnamese", "Thai", "Korean", "Japanese", "Chinese", "Russian",
)  # fmt: skip
DEFAULT = "English"
_ALIASES = {
    "mandarin": "Chinese", "bahasa": "Indonesian", "castilian": "Spanish", "deutsch": "German", "español": "Spanish",
    "français": "French", "italiano": "Italian", "日本語": "Japanese", "中文": "Chinese",
}  # fmt: skip
_CODES = {
    "en": "English", "de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese",
    "ja": "Japanese", "jp": "Japanese", "zh": "Chinese", "id": "Indonesian",
}  # fmt: skip
_NAMES = {language.lower(): language for language in LANGUAGES} | _ALIASES
_NAME = rf"(?P<name>{'|'.join(sorted(_NAMES, key=len, reverse=True))})"
_ARTICLES = r"(?:(?:the|an?|a\(n\)|its?|fluent|natural|native|plain|simplified|traditional|brazilian)\s+)*"
_TARGETS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:->|→|=>) ?{_NAME}",
        rf"\bthe {_NAME} (?:for|of)\b",
        rf"\b(?:in)?to {_ARTICLES}{_NAME}",
        rf"{_NAME}[- ](?:language )?(?:version|title|translation|equivalent|counterpart|name|wording)",
        rf"{_NAME}[- ](?:language )?(?:online|e-?commerce|shopping|web ?site|web ?shop|shop|store|market|site"
        r"|customers?|shoppers?|buyers?|users?|audience|speaking|speakers?|listing)",
        rf"\b(?:in|for|auf|en)\s+{_ARTICLES}{_NAME}",
    )
)
_NAMED = re.compile(rf"(?<!from )(?<!from the )(?<!original )(?:\b|(?=[^\x00-\x7f])){_NAME}")
_CUE = re.compile(
    rf"(?:.* )?(?:\(?{_NAME}\)?(?: (?:version|title|translation|text|query|name|equivalent))?"
    rf"|\((?P<code>{'|'.join(_CODES)})\))"
)
_CONVERTS = re.compile(r"翻訳|翻译|\b(?:translat|convert|locali[sz]|language|version|marketplace)")
_CODE = re.compile(rf"(?:\b(?:in)?to|->|→|=>|-)\s*\(?(?P<code>{'|'.join(_CODES)})\b\)?(?=\s*(?:$|[:.\n…)]))")


def target_language(asked: str, cue: str = "") -> str:
    """The English name of the language that instructions ask for; English where none.

    `cue` is the label that waits for the answer ("Portuguese:"). Both in lower case.
    """
    if awaited := awaited_language(cue):
        return awaited
    for pattern in _TARGETS:
        if match := pattern.search(asked):
            return _NAMES[match["name"]]
    if not _CONVERTS.search(asked):
        return DEFAULT
    if named := _NAMED.search(asked):
        return _NAMES[named["name"]]
    code = _CODE.search(asked)
    return _CODES[code["code"]] if code else DEFAULT


def awaited_language(cue: str) -> str | None:
    """The language that a label names ("Title (English)", in lower case); None where it names none."""
    found = _CUE.fullmatch(cue) if cue else None
    if found is None:
        return None
    return _NAMES[found["name"]] if found["name"] else _CODES[found["code"]]


VERB = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "select", "choos", "spot", "detect",
    "recogni[sz]", "pull", "pick", "underlin", "mark", "tag", "isolat", "retriev", "copy", "copies", "determin",
    "point out", "single out", "name", "list", "give", "show", "return", "output", "get", "tell", "what", "which",
    "label", "quot",
)  # fmt: skip
EXTRACTS = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "spot", "detect", "recogni[sz]", "pull", "underlin",
    "mark", "tag", "annotat", "isolat", "copy", "copies", "point out", "single out", "label", "lift", "take", "quot",
    "extrah", "extrae", "extrai", "ekstrak",
)  # fmt: skip
SOURCE = either(
    "titles?", "quer(?:y|ies)", "search(?: (?:terms?|strings?|phrases?|texts?))?", "listings?", "product names?",
    "headlines?", "keywords?",
)  # fmt: skip
TEXT = either(SOURCE, "text", "sentence", "string", "descriptions?", "utterance")
ATTRIBUTE = either(
    "brands?", "colou?rs?", "materials?", "sizes?", "genders?", "product types?", "quantit(?:y|ies)",
    "dimensions?", "weights?", "flavou?rs?", "scents?", "patterns?", "styles?", "audiences?", "compositions?",
    "model(?: name| number)?s?", "manufacturers?", "departments?", "age(?: group| range)?s?", "volumes?",
    "capacit(?:y|ies)", "count", "variety", "ingredients?", "shapes?", "finish", "theme", "type",
    "attribute(?: values?)?", "slots?", "spans?", "phrases?", "words?", "parts?", "components?", "sections?",
    "tokens?", "values?", "substrings?", "terms?", "occasions?", "seasons?", "location", "unit", "fabrics?",
    "features?", "dosages?", "devices?", "connectivity", "compatib\\w+", "recipients?", "characters?", "franchises?",
)  # fmt: skip
VERB_WORD = rf"\b{VERB}[a-z]*\b"


_COUNTED = {
    "zwei": 2, "zweier": 2, "drei": 3, "dreier": 3, "vier": 4, "fünf": 5, "sechs": 6, "dos": 2, "tres": 3, "cuatro": 4,
    "cinco": 5, "seis": 6, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "six": 6, "due": 2, "tre": 3, "quattro": 4,
    "cinque": 5, "sei": 6, "dua": 2, "tiga": 3, "empat": 4, "lima": 5, "enam": 6,
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6,
}  # fmt: skip
_OTHER_COUNT = re.compile(
    rf"\b(?P<word>{'|'.join(word for word in _COUNTED if len(word) > 1)})\b(?! (?:to|date|by)\b)"
    r"|(?P<counted>[1-9]|[一二两三四五六])[ ]?(?:つ|個|点|件|种|个)"
)


def counts_elsewhere(asked: str) -> list[int]:
    """The counts that instructions in other languages than English name in words or with a counter, in order."""
    found = [match["word"] or match["counted"] for match in _OTHER_COUNT.finditer(asked)]
    return [_COUNTED.get(one) or int(one) for one in found]


_SEQUENCE = re.compile(r"(?<![\d.,])\d{1,2}(?:[ ]?[,>;、，][ ]?\d{1,2})+(?![\d]|\.\d)")
_DIGIT = re.compile(r"\d")
_EXAMPLE = re.compile(
    either(
        r"\bsuch as", r"\be\. ?g\.", r"\bfor (?:example|instance)", r"\b(?:some|any)thing like", r"\blooks? like",
        r"\b(?:format|form|example|numbers|answer)[^.\n\d]{0,30}(?:like|:|is)", r"\blike", r"\bz\. ?b\.", r"\bwie",
        r"\bzum beispiel", r"\bpor ejemplo", r"\bcomo", r"\bpar exemple", r"\bcomme", r"\bper esempio", r"\bcome",
        r"例", r"例如", r"\bmisalnya", r"\bformat\w*",
    )
    + r"[\s:：'\"“(（]*\d{1,2}(?:[ ]?[,>;、，][ ]?\d{1,2})*"
)  # fmt: skip


def example_numbers(text: str) -> list[int]:
    """The numbers of an answer that instructions show ("such as 3,1,2"); empty where they show none."""
    found = _SEQUENCE.search(text)
    return list(map(int, re.findall(r"\d+", found.group()))) if found else []


def without_examples(text: str) -> str:
    """Instructions without the answers that they show: their numbers are no counts."""
    return _SEQUENCE.sub(" ", _EXAMPLE.sub(" ", text)) if _DIGIT.search(text) else text


_FREQUENT = (
    "der die das den dem und für mit von zu zur zum aus nach ein eine einen ist sind nur welche welches"
    " welcher was wie wofür warum nenne gib el los las la de del y que para con un una por qué cuál solo según"
    " es le les du et pour dans une au ce ces sont quel quelle quels quelles il lo gli di della dei e che dal"
    " al questi quale quali yang dan dari untuk dengan ini berdasarkan dalam apa mengapa"
)
_ELSEWHERE = frozenset(_FREQUENT.split())
"""Words that instructions in other languages than English hardly do without."""


def elsewhere(asked: str) -> bool:
    """Whether instructions (lower case) may be in another language than English. Quick, and generous."""
    return not asked.replace("…", "").isascii() or not _ELSEWHERE.isdisjoint(_LETTERS.findall(asked))


_LETTERS = re.compile(r"[a-z]+")
ORDERS_ELSEWHERE = re.compile(
    either(
        r"\b(?:an|um|ein|zu)?ordne\w*\b", r"\b(?:um)?sortier", r"\breihenfolge\b", r"\brang(?:liste|folge|ordnung)\b",
        r"\bbring\w* [^.\n]{0,60}\breihe\b", r"\b(?:re)?ord[ée]n[ae]\w*\b", r"\borden (?!de compra)", r"\borden[:?]",
        r"\bde m(?:ás|ayor) a menos?r?\b", r"\bclasifica\w* [^.\n]{0,60}\b(?:según|relevancia|pertinencia)\b",
        r"\branking\b", r"\b(?:re)?class(?:e|ez|er|ement)\b", r"\b(?:ré)?ordonn\w+\b", r"\btri(?:e|ez|er)\b",
        r"\brange[rz]? [^.\n]{0,60}\bdu plus\b", r"\b(?:bon|quel|meilleur) ordre\b", r"\bordre (?:de|dé|du)",
        r"\bdu plus (?:\w+ )?au moins\b", r"\b(?:ri)?ordina(?:te|re|li)?\b", r"\bordine\b",
        r"\bclassifica\b[^.\n]{0,60}\bprodotti\b", r"\bdal più\b[^.\n]{0,30}\bal meno\b", r"並べ", r"順(?:に|番|序)",
        r"ランキング", r"ランク", r"排序", r"排列", r"顺序", r"排名", r"\burut(?:kan|an)\b", r"\bperingkat",
        r"\bsusun(?:lah)?\b",
        r"\bdari yang paling\b",
    )
)  # fmt: skip
"""What asks for an order, in German, Spanish, French, Italian, Japanese, Chinese and Indonesian."""
PICKS_ELSEWHERE = re.compile(
    either(
        r"\bwähl", r"\baus(?:wähl|such)", r"\bsuche\b", r"\bnenn", r"\bgib\b", r"\bempfiehl", r"\bwelche",
        r"\bbenenn", r"\bmarkier", r"\bbestimm", r"\beli[gj]", r"\bescoge", r"\bselecciona", r"\bseñala",
        r"\bindi[cqk]", r"\brecom[ie]", r"\bcuál", r"\bqué\b", r"\bda\b", r"\bdi\b", r"\bchois", r"\bsélectionn",
        r"quel(?:le)?s?\b", r"\bdonne", r"\brecommande", r"\bscegli", r"\bselezion", r"\bqual[ie]?\b", r"\bconsigli",
        r"\bdai\b", r"\bpilih", r"\bsebutkan", r"\bmana\b", r"選", r"挙げ", r"どれ", r"选", r"挑", r"哪", r"给出",
        r"\bescrib",
        r"\béc[rv]i", r"\bscriv", r"\btulis", r"答え", r"書", r"写",
    )
)  # fmt: skip
NUMBERS_ELSEWHERE = re.compile(
    either(
        r"\b(?:produkt|artikel)?nummern?\b", r"\bindi[zc]es\b", r"\bziffern\b", r"\bzahlen(?:folge)?\b",
        r"\bnúmeros?\b", r"\bíndices?\b", r"\bnuméros?\b", r"\bnumer[oi]\b", r"\bindici\b", r"番号", r"インデックス",
        r"编号",
        r"序号", r"\bnomor", r"\bindeks\b",
    )
)  # fmt: skip
WRITES_ELSEWHERE = re.compile(
    either(
        r"\bübersetz", r"\bzusammenfass|\bfass(?:e|en)?\b[^.\n]*\bzusammen", r"\berklär", r"\bbeschreib(?:e|en)? ",
        r"\bbeantwort", r"\b(?:warum|weshalb|wieso|wofür)\b", r"\bbedeut", r"\bschreibe?n? (?:mir )?ein",
        r"\btradu[ciz]", r"\bresum[ei]", r"\bexplic[aq]", r"\bresponde a\b", r"\bpor qué\b", r"\bsignifi[ce]",
        r"\bse refiere\b", r"\bquiere decir\b", r"\bdescrib[ea] ", r"\bescrib[ea] una?\b", r"\btradui", r"\brésum",
        r"\bexpliqu", r"\bpourquoi\b", r"\bveut dire\b", r"\bréponds? à\b", r"\brépondez à\b", r"\bdécri[sv]",
        r"\brédige", r"\bécri[sv]\w* une?\b", r"\briassum", r"\bspiega", r"\bperché\b", r"\brispondi alla\b",
        r"\bvuol dire\b", r"\bdescriv[ie] ", r"\bscriv[ie] una?\b", r"翻訳", r"要約", r"説明(?:して|せよ|しな)",
        r"理由", r"意味",
        r"質問に(?:答|回答)", r"なぜ", r"何を指", r"翻译", r"总结", r"概括", r"解释", r"为什么", r"意思",
        r"回答[^，。\n]{0,12}问题", r"\bterjemah",
        r"\bringkas", r"\brangkum", r"\bjelaskan\b", r"\bmengapa\b", r"\bkenapa\b", r"\bartinya\b|\barti dari\b",
        r"\bjawab(?:lah)? pertanyaan\b",
        r"\b(?:schlüsselphrase|frase clave|phrase[- ]clé|frase chiave)|キーフレーズ|关键短语",
    )
)  # fmt: skip
_COPIES_ELSEWHERE = re.compile(
    either(
        r"\bextrah", r"\bwörtlich", r"\bextra(?:e|er|iga|is|ire|yez|yer)\b",
        r"\bc[óo]pi(?:a|e|ez|ar|are|al[aeio]s?|ale)\b", r"\btal cual\b", r"\btal como\b", r"\bliteralmente\b",
        r"\brecopi", r"\bmot (?:à|pour) mot\b", r"\brelève", r"\bestra(?:i|rre|ete)\b", r"\balla lettera\b", r"抽出",
        r"抜き出", r"書き出", r"取り出", r"そのまま", r"提取", r"抽取", r"摘出", r"摘录", r"\bekstrak", r"\bsalin",
        r"\bkutip",
    )
)  # fmt: skip
_FINDS_ELSEWHERE = (
    r"(?:\bfinde\b|\bnenn|\bgib\b|\bmarkier|\bsuche\b|\bwelche|\bwas (?:ist|steht)|\bwie (?:heißt|lautet)"
    r"|\bencuentra|\bindica\b|\bidentifica\b"
    r"|\bmarca\b|\bseñala|\benumera|\bqué\b|\bcuál|\bdi\b|\brepère|\btrouve|\bidentifie|\bindique|\bquel|\bcite|\btrova|\bindividua|\belenca|\bqual[ei]?\b"
    r"|見つけ|挙げ|何|どの|どれ|答え|教え|找出|什么|哪|指出|\btemukan|\bsebutkan|\bapa\b)"
)
_ATTRIBUTE_ELSEWHERE = (
    r"(?:marken?\b|farben?\b|größen?\b|materiali?e?n?\b|modell|geschlecht|zielgruppe|menge|gewicht|geschmack|merkmal|eigenschaft|aspekte?n?\b"
    r"|\bmarca|\bcolor|\btall[ae]|\btamaño|\bmateria|\bmodel[oe]|\bgénero|\bcantidad|\bpeso|\bsabor|\bcaracterística|\baspect|\bmarque|\bcouleur"
    r"|\bpointure|\bmatière|\bmodèle|\bgenre|\bquantité|\bpoids|\bgoût|\bcaractéristique|\bmisura|\btaglia|\bmodello|\bgenere|\bquantità|\bgusto"
    r"|\bcaratteristic|\baspett|ブランド|色|サイズ|素材|モデル|性別|数量|重量|味|特徴|側面|メーカー|型番|品牌|颜色|尺寸|尺码|材质|材料|型号|性别|特点"
    r"|\bmerek|\bwarna|\bukuran|\bbahan|\bjenis kelamin)"
)
_SOURCE_ELSEWHERE = (
    r"(?:titels?\b|anfrage|produktname|bewertung|rezension|beschreibung|\btítulo|\bconsulta|\bbúsqueda|\breseña|\bdescripción|\btitre|\brequête"
    r"|\brecherche|\bavis\b|\bdescription|\btitolo|\bricerca|\bquery|\brecensione|\bdescrizione|タイトル|クエリ|検索|商品名|レビュー|説明文|标题|查询|搜索"
    r"|评论|评价|描述|\bjudul|\bpencarian|\bkueri|\bulasan|\bdeskripsi)"
)
_FINDS_IN_SOURCE = re.compile(
    rf"(?=.*{_FINDS_ELSEWHERE})(?=.*{_ATTRIBUTE_ELSEWHERE})(?=.*{_SOURCE_ELSEWHERE})", re.DOTALL
)


def extracts_elsewhere(asked: str) -> str | None:
    """What asks, in another language than English, for words of a text: the wording; None where nothing does."""
    if WRITES_ELSEWHERE.search(asked):
        return None
    if found := _COPIES_ELSEWHERE.search(asked):
        return found.group()
    found = _FINDS_IN_SOURCE.match(asked) and re.search(_ATTRIBUTE_ELSEWHERE, asked)
    return found.group() if found else None
