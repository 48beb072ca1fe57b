from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.types import Question


def write_parquet(path: Path, questions: list[Question]) -> None:
    rows = [{"id": q.id, "prompt": q.prompt, "is_multiple_choice": q.is_multiple_choice} for q in questions]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
