"""`import`: a llama.cpp file (GGUF) as a checkpoint, one tensor in memory at a time, held against plain English."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from app.checkpoints.byte_pairs import build_tokenizer, turn_ends
from app.checkpoints.folder import GENERATION, Output, new_checkpoint, write_json
from app.checkpoints.llama_cpp import GgufFile
from app.checkpoints.network import load_network
from app.checkpoints.tensors import TensorPlan
from app.errors import EngineError
from app.evaluation.schema import Record

PASSAGE = """\
The kitchen was quiet when Anna came home. She put her bag on the table, opened the window and filled the kettle with
water. Outside it had begun to rain, and people were hurrying along the street with their coats over their heads. She
made a cup of tea, cut two slices of bread and sat down to read the letter that had come in the morning. It was from her
brother, who had moved to the coast three years ago. He wrote that the house was finished at last, that the garden was
full of apples, and that he hoped she would come to stay with them at the end of the summer. There was a photograph of
the children on the beach. She looked at it for a long time. Then she found a pen and a sheet of paper, and began to
write an answer.
""".replace("\n", " ").strip()
"""Plain English, written for this check, so that no model knows it by heart."""


class ImportCheck(Record):
    """What an imported checkpoint loses on `PASSAGE`, read twice in one go, in nats a token."""

    tokens: int
    """Of the passage."""
    first: float
    """Where it is new: what the weights know of English, in the words that the tokenizer makes."""
    repeated: float
    """Where it comes again: a network that finds earlier words by their positions copies them, of whatever size."""


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """The most that a whole checkpoint loses.

    SmolLM2 of 135M parameters in 4 bits loses 2.52 and 0.10. With the rows of queries and keys left as llama.cpp has
    them it loses 4.19 and 4.57; of queries alone, 8.4.
    """

    first: float = 3.3
    repeated: float = 1.0


def import_file(
    file: Path,
    output: Output,
    *,
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
    limits: ImportLimits = ImportLimits(),  # frozen
) -> ImportCheck:
    """Write a llama.cpp file's weights, configuration, tokenizer and chat template as a checkpoint, and try it.

    Memory: one tensor while writing, then the checkpoint in float32 for the check.

    Args:
        file: the `.gguf` file. Packed weights are unpacked.
        output: the new folder.
        dtype: number format of the saved weights.
        limits: what the checkpoint may lose on plain English.

    Raises:
        InputError: the file is damaged, or holds what is not known here.
        SetupError: a library is missing, there is too little memory, or the folder cannot be written.
        EngineError: what came out loses more on plain English; nothing is written.
    """
    output.refuse_to_replace()
    source = GgufFile(file)
    tokenizer = build_tokenizer(source)
    ids: dict[str, Any] = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": turn_ends(source, tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
    }
    # The file is where the lineage begins: it has none of its own.
    with new_checkpoint(output, "import", {"file": file}, file, {"dtype": dtype}) as made:
        made.write(
            [TensorPlan(name, getattr(torch, dtype), source.shape(name)) for name in source.tensors], source.read
        )
        _configuration(source, dtype, ids).save_pretrained(made.folder)
        tokenizer.save_pretrained(made.folder)
        write_json(made.folder / GENERATION, {"do_sample": False, **{n: i for n, i in ids.items() if i is not None}})
        check = try_english(made.folder, tokenizer)
        _refuse(file, check, limits)
        made.checks |= {"english": check.model_dump()}
    return check


def _configuration(source: GgufFile, dtype: str, ids: dict[str, Any]) -> Any:  # noqa: ANN401  # transformers has no types
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = source.architecture.model_type
    ends = ids["eos_token_id"]
    fields = source.config() | ids | {"eos_token_id": ends[0]}
    return AutoConfig.for_model(kind, architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind]], dtype=dtype, **fields)


@torch.inference_mode()
def try_english(checkpoint: Path, tokenizer: Any) -> ImportCheck:  # noqa: ANN401  # transformers has no types
    """What a checkpoint loses on `PASSAGE`, in float32.

    Raises:
        SetupError: it cannot be loaded.
    """
    ids = tokenizer(PASSAGE, add_special_tokens=False)["input_ids"]
    twice = torch.tensor([tokenizer("")["input_ids"] + ids + ids])
    logits = load_network(checkpoint)(twice).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits, twice[0, 1:], reduction="none")
    return ImportCheck(
        tokens=len(ids),
        first=round(float(losses[: -len(ids)].mean()), 4),
        # What follows the first passage is not known to be the passage again.
        repeated=round(float(losses[1 - len(ids) :].mean()), 4),
    )


def _refuse(file: Path, check: ImportCheck, limits: ImportLimits) -> None:
    # Written so that a loss that is no number is refused too.
    if not check.repeated <= limits.repeated:
        raise EngineError(
            f"{file} came out broken: text that comes again costs {check.repeated:.2f} nats a token, and a whole model "
            f"of any language copies it for less than {limits.repeated:g}; nothing was written"
        )
    if not check.first <= limits.first:
        raise EngineError(
            f"{file} came out broken, or knows no English: plain text costs {check.first:.2f} nats a token, more than "
            f"{limits.first:g}; nothing was written (--max-loss admits models of other languages)"
        )
