import pytest

from app.tasks.words import LANGUAGES, target_language


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("translate the title into german.", "German"),
        ("translate from german into english", "English"),
        ("a title for a(n) spanish online shopping website", "Spanish"),
        ("write it in french", "French"),
        ("convert the italian query to japanese", "Japanese"),
        ("translate (en -> fr)", "French"),
        ("give the portuguese version of this", "Portuguese"),
        ("translate to brazilian portuguese", "Portuguese"),
        ("give the translation, in bahasa", "Indonesian"),
        ("explain what a french press is", "English"),
        ("explain what a trivet is", "English"),
        ("translate (german -> english)", "English"),
        ("give me the italian for this", "Italian"),
        ("korean shoppers see this. give the english title", "English"),
        ("", "English"),
    ],
)
def test_the_language_asked_for(asked: str, language: str) -> None:
    assert target_language(asked) == language
    assert language in LANGUAGES


@pytest.mark.parametrize(
    ("cue", "language"),
    [
        ("portuguese", "Portuguese"),
        ("target (french)", "French"),
        ("product title (es)", "Spanish"),
        ("output", "English"),
    ],
)
def test_the_label_that_waits_names_the_language(cue: str, language: str) -> None:
    assert target_language("", cue) == language
