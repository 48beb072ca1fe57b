"""The GPTQ run, as a process of its own: python gptq_process.py SOURCE TARGET JOB.json.

It imports nothing of this project, so that it also runs in an environment that holds little but gptqmodel, whose
pins (numpy) need not agree with the engine's. The library also replaces parts of transformers when it is imported.
"""

import json
import sys
from pathlib import Path


def main(source: str, target: str, job: str) -> None:
    """Quantize SOURCE on the token ids in JOB.json and save below TARGET."""
    import torch
    from gptqmodel import GPTQModel, QuantizeConfig

    values = json.loads(Path(job).read_text(encoding="utf-8"))
    torch.manual_seed(values["seed"])
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    config = QuantizeConfig(
        bits=values["bits"],
        group_size=values["group_size"],
        sym=True,
        desc_act=False,
        device=device,
        # Its other ways to pack compile C++ first.
        pack_impl="original",
        offload_to_disk=device != "cpu",
    )
    dtype = torch.float32 if device == "cpu" else "auto"
    model = GPTQModel.load(source, config, dtype=dtype)
    calibration = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in values["prompts"]]
    model.quantize(calibration, batch_size=1)
    model.save(target)


if __name__ == "__main__":
    main(*sys.argv[1:4])
