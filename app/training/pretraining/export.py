"""Write the finished model as a Hugging Face folder in float16."""

import copy
import shutil
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2ForCausalLM


def export_model(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path, probe: tuple[int, ...]
) -> float:
    """Save weights, settings and tokenizer; return the largest change of a logit that float16 makes on `probe`.

    The folder's other files are left alone.
    """
    part = folder.with_name(f"{folder.name}.part")
    half = copy.deepcopy(model).to(torch.float16)
    half.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=model.config.eos_token_id, pad_token_id=model.config.pad_token_id
    )
    half.save_pretrained(part)
    tokenizer.save_pretrained(part)
    folder.mkdir(parents=True, exist_ok=True)
    for path in part.iterdir():
        path.replace(folder / path.name)
    shutil.rmtree(part)
    reloaded = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([probe])
    with torch.inference_mode():
        difference = (model(ids).logits - reloaded(ids).logits).abs().max()
    return float(difference)
