"""Evaluate `UserModel` locally, as users of the starter kit expect: `python local_evaluation.py`.

Reads `data/development.json` where it was put, and the project's own samples otherwise.
"""

import argparse
import sys
from pathlib import Path

from app.cli.evaluate import evaluate
from app.errors import ShopBenchError
from app.settings import ROOT

DEVELOPMENT = ROOT / "data" / "development.json"
SAMPLE = ROOT / "data" / "sample.jsonl"


def main() -> None:
    """Drive the model batch by batch, score it and write a report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEVELOPMENT if DEVELOPMENT.exists() else SAMPLE)
    parser.add_argument("--user-model", default="models.user_config", help="module that holds UserModel")
    parser.add_argument("--report", type=Path, default=ROOT / "runs" / "local_evaluation")
    arguments = parser.parse_args()
    try:
        evaluate(arguments.data, report=arguments.report, user_model=arguments.user_model)
    except ShopBenchError as error:
        sys.exit(f"local_evaluation: {error}")


if __name__ == "__main__":
    main()
