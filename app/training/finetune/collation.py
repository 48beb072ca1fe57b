"""Rows as one batch: padded, or packed into a single sequence."""

from collections.abc import Sequence
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling


class AnswerCollator:
    """TRL's collator, with two more columns: what each token weighs, and the capability that it belongs to.

    Rows with `seq_lengths` are packs. They become one sequence without an attention mask: positions begin again at
    each row, and the attention keeps rows apart by them (checked by `app.training.finetune.packing`).
    """

    def __init__(self, pad_id: int) -> None:
        """`pad_id` fills up shorter rows; it is never learnt and never attended to."""
        self._padded = DataCollatorForLanguageModeling(pad_token_id=pad_id)
        self._packed = DataCollatorForLanguageModeling(pad_token_id=pad_id, padding_free=True)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors of shape (rows, tokens); packs are one row."""
        packed = "seq_lengths" in examples[0]
        batch: dict[str, Any] = (self._packed if packed else self._padded).torch_call(list(examples))
        for name, dtype in (("weights", torch.float32), ("capability", torch.long)):
            columns = [torch.tensor(example[name], dtype=dtype) for example in examples]
            batch[name] = (
                torch.cat(columns)[None] if packed else torch.nn.utils.rnn.pad_sequence(columns, batch_first=True)
            )
        return batch
