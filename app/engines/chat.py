"""Conversations as token ids: the one place where the chat template is applied."""

import copy
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from jinja2 import TemplateError, TemplateSyntaxError
from transformers import AddedToken, AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from app.engines.base import RefusedRequestError
from app.engines.checkpoint_files import check_checkpoint, vocabulary_size
from app.engines.constraints.vocabulary import Vocabulary
from app.errors import SetupError, first_line
from app.files import encodable
from app.types import Message

Turn = Mapping[str, Any]
"""One message as a chat template reads it: `role`, `content`, whatever else it has, such as calls of tools."""


def _changed(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401  # JSON's values
    """A JSON value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_changed(name, change): _changed(inner, change) for name, inner in value.items()}
    return [_changed(inner, change) for inner in value] if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON's values
    """Each text in a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


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
        self._original = dict(zip(made, added, strict=True))
        # The first call sets the tokenizer up; later ones may come from several threads at once.
        self.ids_of_text("")

    def may_stand_in(self, text: str) -> bool:
        """Whether a special token may be read out of the text."""
        return not self._seen or self._pattern.search(text) is not None

    def hide(self, text: str) -> str:
        """A text of a conversation with hidden special tokens, for the template."""
        hidden = dict(zip(self._texts, self._hidden, strict=True))
        return self._pattern.sub(lambda found: hidden[found.group()], text)

    def ids_of_templated(self, text: str) -> list[int]:
        """Token ids of what the template made of a hidden conversation."""
        shown = self._pattern.sub(lambda found: self._stand_ins[self._texts.index(found.group())], text)
        texts = dict(zip(self._hidden, self._texts, strict=True))
        return self.ids_of_text(self._hidden_pattern.sub(lambda found: texts[found.group()], shown))

    def ids_of_text(self, text: str) -> list[int]:
        """Token ids of a text, special tokens read as the characters that they consist of."""
        ids = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [self._original.get(index, index) for index in ids]


class Templated(NamedTuple):
    """What the chat template made of a conversation. Special tokens in its messages are hidden in `text`."""

    text: str
    hidden: bool


TEMPLATE_FAULTS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
"""What a template raises: what it says itself, and what Python says of what it does with the messages."""
_MARK = "Answer in one word."
"""What the template is tried with as the system's turn."""


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

    @cached_property
    def size(self) -> int:
        """How many tokens there are."""
        return max(self.tokenizer.get_vocab().values(), default=-1) + 1

    def encode(self, messages: Sequence[Message], tools: str = "") -> list[int]:
        """Token ids of the conversation, ending with the assistant's opening; refused as by `template`."""
        return self.encode_templated([self.template(turns_of(messages), tools)])[0]

    def encode_prompt(self, prompt: str | Sequence[int]) -> list[int]:
        """Token ids of a prompt that is no conversation: special tokens are read as such, and put where they belong.

        Raises:
            RefusedRequestError: it is empty, or has tokens that there are not.
        """
        ids: list[int]
        ids = self.tokenizer(encodable(prompt))["input_ids"] if isinstance(prompt, str) else list(prompt)
        if not ids:
            raise RefusedRequestError("unusable_prompt", "the prompt has no token: give it one at least")
        if max(ids) >= self.size:
            message = f"the prompt has a token {max(ids)}, but they go up to {self.size - 1}: use the model's tokenizer"
            raise RefusedRequestError("unusable_prompt", message)
        return ids

    def template(self, turns: Sequence[Turn], tools: str = "") -> Templated:
        """A conversation as the chat template writes it, ending with the assistant's opening.

        The template is shown the `tools` (JSON) too; one that knows of none leaves them out.

        Templates that know a thinking mode are asked to leave it off. Where the template has no place for a system's
        turn (Gemma, early Mistral), its text opens the user's.

        Raises:
            RefusedRequestError: the template refuses the conversation.
        """
        clean: list[Turn] = [_changed(turn, encodable) for turn in turns]
        if not self._takes_system:
            clean = _folded(clean)
        shown = _changed(json.loads(tools), encodable) if tools else None
        hidden = any(map(self.special.may_stand_in, _texts([clean, shown])))
        if hidden:
            clean, shown = _changed([clean, shown], self.special.hide)
        try:
            text = self._apply(clean, shown)
        except TEMPLATE_FAULTS as error:
            roles = ", ".join(turn["role"] for turn in turns) or "no messages"
            raise RefusedRequestError(
                "unusable_conversation", f"the chat template refuses this conversation ({roles}): {error}"
            ) from error
        return Templated(text, hidden)

    def check_template(self) -> None:
        """Try the template before anything is asked.

        Raises:
            SetupError: it has an error, or refuses a single question.
        """
        try:
            self._apply([{"role": "user", "content": "Which chair?"}])
        except TemplateSyntaxError as error:
            raise SetupError(
                f"its chat template has an error in line {error.lineno}: {error.message}; mend it"
            ) from error
        except TEMPLATE_FAULTS as error:
            raise SetupError(
                f"its chat template cannot be used, not even for one question: {first_line(error)}; mend it"
            ) from error

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template has a place for a system's turn: it may refuse one, and it may drop it."""
        user = {"role": "user", "content": "Which chair?"}
        try:
            return _MARK in self._apply([{"role": "system", "content": _MARK}, user])
        except TEMPLATE_FAULTS:
            return False

    def _apply(self, turns: Sequence[Turn], tools: list[dict[str, Any]] | None = None) -> str:
        text: str = self.tokenizer.apply_chat_template(
            turns, tools=tools, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text

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
        return [*self.special.ids_of_text(encodable(text)), self.tokenizer.eos_token_id]

    def token_bytes(self, index: int) -> bytes:
        """What a token adds to the text; of a special one, its name."""
        found = self.vocabulary.token_bytes.get(index)
        return str(self.tokenizer.convert_ids_to_tokens(index)).encode() if found is None else found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an unconstrained answer, without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """The messages as chat templates read them."""
    return [
        {"role": message.role, "content": message.content}
        | ({"name": message.name} if message.name else {})
        | ({"tool_calls": json.loads(message.calls)} if message.calls else {})
        | ({"tool_call_id": message.call_id} if message.call_id else {})
        for message in messages
    ]


def _folded(turns: Sequence[Turn]) -> list[Turn]:
    """The conversation without system's turns: their text opens the user's turn that follows, or ends the last one."""
    folded: list[Turn] = []
    waiting: list[str] = []
    for turn in turns:
        if turn["role"] == "system":
            waiting.append(turn["content"])
        elif turn["role"] == "user" and waiting:
            folded.append({**turn, "content": "\n\n".join(filter(None, [*waiting, turn["content"]]))})
            waiting = []
        else:
            folded.append(turn)
    if waiting and folded and folded[-1]["role"] == "user":
        last = folded.pop()
        folded.append({**last, "content": "\n\n".join(filter(None, [last["content"], *waiting]))})
    elif waiting:
        folded.append({"role": "user", "content": "\n\n".join(filter(None, waiting))})
    return folded


@lru_cache(4)
def load_chat_tokenizer(model: str) -> ChatTokenizer:
    """Load a checkpoint's tokenizer. The same object for the same checkpoint.

    Raises:
        SetupError: no tokenizer, or one with tokens that the network has not; no chat template, or one with an error;
            or no token that ends an answer.
    """
    check_checkpoint(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except Exception as error:  # what the tokenizers library raises is nothing narrower
        raise SetupError(f"{model}: cannot load its tokenizer: {first_line(error)}; copy its files again") from error
    if not tokenizer.chat_template:
        raise SetupError(
            f"{model}: its tokenizer has no chat template; add chat_template.jinja to the checkpoint "
            "or use an instruction-tuned one"
        )
    if tokenizer.eos_token_id is None:
        raise SetupError(f"{model}: its tokenizer names no eos_token; set it in tokenizer_config.json")
    try:
        more = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:
        more = None
    end_ids = {tokenizer.eos_token_id, *(more if isinstance(more, list) else [more])} - {None}
    loaded = ChatTokenizer(tokenizer, tuple(sorted(end_ids)))
    try:
        loaded.check_template()
        _check_fits(model, tokenizer)
    except SetupError as error:
        raise SetupError(f"{model}: {error}") from error
    return loaded


def _check_fits(model: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer with tokens for which the network has no row: the first such one would end a run."""
    try:
        rows = vocabulary_size(AutoConfig.from_pretrained(model, trust_remote_code=False).to_dict())
    except (OSError, ValueError):
        return  # The engine says so, in its own words.
    highest = max(tokenizer.get_vocab().values(), default=0)
    if rows is not None and highest >= rows:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise SetupError(
            f"its tokenizer goes up to token {highest} ({token}) and its embedding has {rows} rows: take the tokenizer "
            "that belongs to the weights, or give the embedding more rows (resize_token_embeddings)"
        )
