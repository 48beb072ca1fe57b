"""Published scores of the Amazon KDD Cup 2024, for context. They are on the hidden test set, not on yours."""

from app.evaluation.schema import PublishedScore

_LEADERBOARD = "Amazon KDD Cup 2024 final leaderboard"
_SCORES = (
    ("1st, NVIDIA", _LEADERBOARD, (83.3, 79.1, 74.6, 76.1, 78.8)),
    ("2nd", _LEADERBOARD, (82.5, 78.4, 73.3, 73.5, 78.2)),
    ("3rd", _LEADERBOARD, (82.4, 78.1, 72.8, 71.5, 77.3)),
    ("Qwen2-72B, zero-shot", "the winning team's report", (79.8, 64.1, 71.9, 69.2, 74.9)),
)

PUBLISHED = [
    PublishedScore(
        system=system,
        source=source,
        tracks={str(track): score / 100 for track, score in enumerate(scores, start=1)},
    )
    for system, source, scores in _SCORES
]
