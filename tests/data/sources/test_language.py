import pytest

from app.data.sources.reading import language_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Steel kettle with a lid and a filter for hard water", "en"),
        ("Wasserkocher aus Edelstahl mit Deckel und Filter", "de"),
        ("Bouilloire en acier avec couvercle pour la cuisine", "fr"),
        ("Hervidor de acero con tapa para la cocina", "es"),
        ("Bollitore in acciaio con coperchio per il tè", "it"),
        ("Teko listrik dari baja untuk dapur anda", "id"),
        ("ふた付きの電気ケトル", "ja"),
        ("不锈钢电热水壶", "zh"),
        ("XK-40 1.7 L", "en"),
        ("", "en"),
    ],
)
def test_titles_of_six_shops_are_told_apart(text: str, code: str) -> None:
    assert language_of(text) == code
