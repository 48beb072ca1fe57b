"""The words of questions that want a part of a text copied (regular expressions, lower case)."""

from app.tasks.wording import either

VERB = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "select", "choos", "spot", "detect",
    "recogni[sz]", "pull", "pick", "underlin", "mark", "tag", "isolat", "retriev", "copy", "copies", "determin",
    "point out", "single out", "name", "list", "give", "show", "return", "output", "get", "tell", "what", "which",
    "label",
)  # fmt: skip
EXTRACTS = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "spot", "detect", "recogni[sz]", "pull", "underlin",
    "mark", "tag", "annotat", "isolat", "copy", "copies", "point out", "single out", "label", "lift", "take",
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
