"""Special tokens are the chat template's to write: in a message's text they are text like any other."""

import copy
import re
import secrets
from collections.abc import Mapping, Sequence

from transformers import AddedToken, PreTrainedTokenizerBase

Turn = Mapping[str, str]
"""One message as a chat template reads it: `role`, `content`, whatever else it has."""


class SpecialTokens:
    """Tokenises templated text so that only what the template wrote becomes a special token.

    A special token in a message is hidden while the template runs. After that each special token that stands
    in the text is the template's and gets a stand-in: an ordinary added token of a second tokenizer that reads
    special tokens as text. Stand-ins have an unguessable name, so that no message can contain one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        added = {
            index: token for index, token in tokenizer.added_tokens_decoder.items() if token.special and str(token)
        }
        self._ids = list(added)
        self._texts = [str(token) for token in added.values()]
        nonce = secrets.token_hex(8)
        self._hidden = [f"\ufdd0{nonce}{number}\ufdd1" for number in range(len(added))]
        self._pattern = re.compile("|".join(sorted(map(re.escape, self._texts), key=len, reverse=True)) or r"(?!)")
        self._hidden_pattern = re.compile(f"\ufdd0{nonce}\\d+\ufdd1")
        # What a normaliser makes of a text can be a special token that is not seen in the text itself.
        self._seen = not any(token.normalized for token in added.values())
        stand_ins = [
            AddedToken(f"\ufdd0{nonce}-{number}\ufdd1", lstrip=token.lstrip, rstrip=token.rstrip, normalized=False)
            for number, token in enumerate(added.values())
        ]
        self._stand_ins = [str(token) for token in stand_ins]
        self._tokenizer = copy.deepcopy(tokenizer)
        self._tokenizer.add_tokens(stand_ins)
        made = self._tokenizer.convert_tokens_to_ids(self._stand_ins)
        self._original = dict(zip(made, self._ids, strict=True))
        # The first call sets the tokenizer up; later ones may come from several threads at once.
        self.ids_of_text("")

    @property
    def ids(self) -> frozenset[int]:
        """The ids that only a template may write."""
        return frozenset(self._ids)

    def may_stand_in(self, text: str) -> bool:
        """Whether a special token may be read out of the text."""
        return not self._seen or self._pattern.search(text) is not None

    def hide(self, turns: Sequence[Turn]) -> list[dict[str, str]]:
        """The conversation with hidden special tokens, for the template."""
        return [{name: self._pattern.sub(self._hide, value) for name, value in turn.items()} for turn in turns]

    def ids_of_templated(self, text: str) -> list[int]:
        """Token ids of what the template made of a hidden conversation."""
        shown = self._pattern.sub(lambda found: self._stand_ins[self._texts.index(found.group())], text)
        return self.ids_of_text(self._hidden_pattern.sub(self._show, shown))

    def ids_of_text(self, text: str) -> list[int]:
        """Token ids of a text, special tokens read as the characters that they consist of."""
        ids = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [self._original.get(index, index) for index in ids]

    def _hide(self, found: re.Match[str]) -> str:
        return self._hidden[self._texts.index(found.group())]

    def _show(self, found: re.Match[str]) -> str:
        return self._texts[self._hidden.index(found.group())]
