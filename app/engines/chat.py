"""Conversations as token ids: the one place where the chat template is applied."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from jinja2 import TemplateError
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from app.engines.checkpoint import check_checkpoint
from app.engines.refusal import RefusedRequestError
from app.engines.special_tokens import SpecialTokens, Turn
from app.engines.vocabulary import Vocabulary
from app.errors import SetupError
from app.types import Message


class Templated(NamedTuple):
    """What the chat template made of a conversation.

    Where special tokens stand in its messages, they are hidden in `text`.
    """

    text: str
    hidden: bool


class ChatTokenizer:
    """A checkpoint's tokenizer with its chat template and the tokens that end an answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_ids: tuple[int, ...]) -> None:
        self.tokenizer = tokenizer
        self.end_ids = end_ids

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens as bytes, for constraints.

        Raises:
            SetupError: the tokenizer is of a kind that constraints do not know.
        """
        return Vocabulary.from_tokenizer(self.tokenizer, self.end_ids)

    @cached_property
    def special(self) -> SpecialTokens:
        """What keeps special tokens in messages from being read as such."""
        return SpecialTokens(self.tokenizer)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation, ending with the assistant's opening; see `template`.

        Raises:
            RefusedRequestError: the template refuses the conversation.
        """
        return self.encode_templated([self.template(turns_of(messages))])[0]

    def template(self, turns: Sequence[Turn]) -> Templated:
        """A conversation as the chat template writes it, ending with the assistant's opening.

        Templates that know a thinking mode are asked to leave it off.

        Raises:
            RefusedRequestError: the template refuses the conversation.
        """
        clean = [{name: _without_surrogates(value) for name, value in turn.items()} for turn in turns]
        hidden = any(self.special.may_stand_in(value) for turn in clean for value in turn.values())
        return Templated(self._render(self.special.hide(clean) if hidden else clean), hidden)

    def encode_templated(self, conversations: Sequence[Templated]) -> list[list[int]]:
        """Token ids of each conversation; many together take half the time of one by one.

        The template writes the beginning-of-text token where the model has one, so none is added. Special
        tokens in a message are read as the characters that they consist of.
        """
        plain = [templated.text for templated in conversations if not templated.hidden]
        encoded = iter(self.tokenizer(plain, add_special_tokens=False)["input_ids"] if plain else [])
        return [
            self.special.ids_of_templated(templated.text) if templated.hidden else next(encoded)
            for templated in conversations
        ]

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer with its end, as the model is taught to write it."""
        return [*self.special.ids_of_text(_without_surrogates(text)), self.tokenizer.eos_token_id]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an unconstrained answer, without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _render(self, turns: list[dict[str, str]]) -> str:
        try:
            text: str = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns) or "no messages"
            raise RefusedRequestError(
                "unusable_conversation", f"the chat template refuses this conversation ({roles}): {error}"
            ) from error
        return text


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """The messages as chat templates read them."""
    return [{"role": message.role, "content": message.content} for message in messages]


@lru_cache(4)
def load_chat_tokenizer(model: str) -> ChatTokenizer:
    """Load a checkpoint's tokenizer. The same object for the same checkpoint.

    Raises:
        SetupError: no tokenizer, no chat template, or no token that ends an answer.
    """
    check_checkpoint(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise SetupError(f"{model}: cannot load its tokenizer: {_first_line(error)}") from error
    if not tokenizer.chat_template:
        raise SetupError(
            f"{model}: its tokenizer has no chat template; add chat_template.jinja to the checkpoint "
            "or use an instruction-tuned one"
        )
    end_ids = _end_ids(model, tokenizer.eos_token_id)
    if tokenizer.eos_token_id is None:
        raise SetupError(f"{model}: its tokenizer names no eos_token; set it in tokenizer_config.json")
    return ChatTokenizer(tokenizer, end_ids)


def _end_ids(model: str, eos: int | None) -> tuple[int, ...]:
    """The tokenizer's end token and those that the generation settings add."""
    try:
        more = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:
        more = None
    listed = more if isinstance(more, list) else [more]
    return tuple(sorted({index for index in (eos, *listed) if index is not None}))


def _without_surrogates(text: str) -> str:
    """Lone surrogates, which JSON can carry and UTF-8 cannot, become the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
