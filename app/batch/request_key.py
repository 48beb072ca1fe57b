"""What makes two questions the same to the model, and what an answer depends on besides its question."""

import hashlib
import json
from collections.abc import Mapping

from app.types import GenerationRequest

KEY_BYTES = 16

Identity = Mapping[str, str]
"""Name -> value of everything that all answers of a run depend on: model and its revision, engine and its
version, prompts. The names are shown to people."""

NOT_COMPARED = frozenset({"model"})
"""Shown only: a checkpoint that was moved is the same checkpoint; its revision says so."""


def differences(before: Identity, now: Identity) -> list[str]:
    """What differs, one phrase each, over the names that both know."""
    return [
        f"{name} was {_value(before, name)} and is now {_value(now, name)}"
        for name in before
        if name in now and name not in NOT_COMPARED and before[name] != now[name]
    ]


def identity_digest(identity: Identity) -> bytes:
    """A fingerprint of what is compared."""
    compared = {name: value for name, value in identity.items() if name not in NOT_COMPARED}
    return hashlib.blake2b(json.dumps(compared, sort_keys=True).encode(), digest_size=KEY_BYTES).digest()


def request_key(run: bytes, prompt: str, request: GenerationRequest) -> bytes:
    """The key of an answer, 16 bytes: the run's digest, the whole prompt, and the request but for its id.

    The prompt counts beside the messages, since a prompt that was cut is still read as a whole.
    """
    digest = hashlib.blake2b(run, digest_size=KEY_BYTES)
    parts = [prompt, repr(request.sampling), repr(request.constraint), request.adapter or ""]
    parts += [part for message in request.messages for part in (message.role, message.content)]
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _value(identity: Identity, name: str) -> str:
    shown = identity.get("model", "") if name == "model revision" else ""
    return f"{identity[name]} ({shown})" if shown else identity[name]
