"""Shopify's taxonomy in small: three trees of our own, made-up attributes and translations."""

import gzip
from pathlib import Path
from typing import Any

import yaml

from app.data.sources.shopify_taxonomy import LANGUAGES

_TREES = {
    "ki": ("Kitchen", "Kettles", "Pans", "Trays"),
    "ga": ("Garden", "Hoses", "Spades", "Planters"),
    "mu": ("Music", "Violins", "Drums", "Flutes"),
}
_SUB = ("Steel", "Travel", "Painted")
COMMON = "shade"


def categories() -> list[dict[str, Any]]:
    """Three roots of three branches of three categories; attributes are of one branch, but for the common one."""
    found = []
    for root, (name, *branches) in _TREES.items():
        found.append({"id": root, "name": name, "children": [f"{root}-{n}" for n in (1, 2, 3)], "attributes": []})
        for n, branch in enumerate(branches, start=1):
            key = f"{root}-{n}"
            children = [f"{key}-{m}" for m in (1, 2, 3)]
            own = [f"{branch.lower()}{word}_of_{branch.lower()}" for word in ("shape", "grade", "origin")]
            found.append({"id": key, "name": branch, "children": children, "attributes": own})
            found += [
                {"id": child, "name": f"{_SUB[m]} {branch}", "children": [], "attributes": [COMMON, *own]}
                for m, child in enumerate(children)
            ]
    return found


def attributes() -> dict[str, list[dict[str, Any]]]:
    """All that the categories name; one takes its values from another."""
    keys = sorted({key for one in categories() for key in one["attributes"]})
    base = [
        {"id": n, "name": _named(key), "friendly_id": key, "description": _described(key), "values": []}
        for n, key in enumerate(keys)
    ]
    borrowed = {"name": "Lid shape", "friendly_id": "lid_shape", "description": _described("lid_shape")}
    return {"base_attributes": base, "extended_attributes": [borrowed | {"values_from": "kettlesshape_of_kettles"}]}


def _named(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _described(key: str) -> str:
    return f"Says which {_named(key).lower()} a product has, such as small or large"


def values() -> dict[str, tuple[str, str]]:
    """(name, attribute) by key."""
    names = ("Round", "Oval", "Square", "Flat", "Other", "12")
    return {f"lid_shape__{name.lower()}": (name, "Lid shape") for name in names}


def _translated(text: str, language: str) -> str:
    """No language: the same name marked, so that each differs from English."""
    return text if text == "Flat" else " ".join(f"{word}{language[:2]}" for word in text.split())


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(f"{path}.gz", "wt", encoding="utf-8") as file:
        yaml.safe_dump(document, file, allow_unicode=True, sort_keys=False)


def write_taxonomy(folder: Path) -> None:
    """All files of the published form, most of them zipped; German has a key twice and lacks a category."""
    data = folder / "data"
    names = {one["id"]: one["name"] for one in categories()}
    for root in _TREES:
        path = data / "categories" / f"{root}_{_TREES[root][0].lower()}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            yaml.safe_dump([one for one in categories() if one["id"].split("-")[0] == root]), encoding="utf-8"
        )
    _write(data / "attributes.yml", attributes())
    known = [one for part in attributes().values() for one in part]
    for language in ("en", *LANGUAGES):

        def said(text: str, language: str = language) -> str:
            return text if language == "en" else _translated(text, language)

        kinds: dict[str, dict[str, dict[str, str]]] = {
            "categories": {key: {"name": said(name), "context": name} for key, name in names.items()},
            "attributes": {
                one["friendly_id"]: {"name": said(one["name"]), "description": said(one["description"])}
                for one in known
            },
            "values": {key: {"name": said(name), "context": over} for key, (name, over) in values().items()},
        }
        if language == "de":
            del kinds["categories"]["ki-1-1"]
        for kind, entries in kinds.items():
            _write(data / "localizations" / kind / f"{language}.yml", {language: {kind: entries}})
    twice = data / "localizations" / "values" / "de.yml.gz"
    with gzip.open(twice, "at", encoding="utf-8") as file:
        file.write("    lid_shape__round:\n      name: Another\n      context: Lid shape\n")
