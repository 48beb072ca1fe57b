"""The competition's four tracks, as its data names them. Track 5 is their mean."""

from typing import NamedTuple


class Track(NamedTuple):
    """A track's number, the name that the data uses and a title for people."""

    number: int
    name: str
    title: str


TRACKS = (
    Track(1, "amazon-kdd-cup-24-understanding-shopping-concepts", "Shopping Concept Understanding"),
    Track(2, "amazon-kdd-cup-24-shopping-knowledge-reasoning", "Shopping Knowledge Reasoning"),
    Track(3, "amazon-kdd-cup-24-user-behavior-alignment", "User Behavior Alignment"),
    Track(4, "amazon-kdd-cup-24-multi-lingual-abilities", "Multi-lingual Abilities"),
)
UNDERSTANDING, REASONING, BEHAVIOR, MULTILINGUAL = (track.name for track in TRACKS)

_BY_NAME = {track.name: track for track in TRACKS}


def track_number(name: str) -> int | None:
    """1 to 4, or None for a name that the competition does not know."""
    track = _BY_NAME.get(name)
    return track.number if track else None


def track_title(name: str) -> str:
    """The track's title; its own name where the competition does not know it."""
    track = _BY_NAME.get(name)
    return track.title if track else name or "No track"
