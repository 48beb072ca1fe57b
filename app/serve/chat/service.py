"""Chat completions by vLLM's own serving layer, behind this server's checks. Imports vLLM: load the engine first."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.openai.models.serving import OpenAIServingModels
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import VLLMClientError, VLLMServerError
from vllm.inputs import EngineInput, TokensPrompt, tokens_input
from vllm.renderers.chat_utils import ConversationMessage
from vllm.renderers.online_renderer import OnlineRenderer

from app.engines.base import RefusedRequestError
from app.engines.chat import Turn
from app.engines.vllm.online import AsyncVllmEngine
from app.errors import EngineError
from app.serve.chat.wire import ChatRequest
from app.serve.problems import ProblemError
from app.serve.service import no_such_model

CONTENT_FORMAT = "string"
ERROR_EVENT = 'data: {"error"'
"""How an event begins that is vLLM's word for an error."""
Encode = Callable[[Sequence[Turn]], Awaitable[list[int]]]


class GuardedRenderer(OnlineRenderer):  # type: ignore[misc]  # vLLM's types are not checked here
    """vLLM's way from a conversation to tokens, with the engine's own encoding in the middle.

    vLLM's reads special tokens out of what a user wrote; see `app/engines/chat.py`.
    """

    def __init__(self, engine: AsyncVllmEngine) -> None:
        llm = engine.llm
        super().__init__(
            llm.model_config,
            llm.renderer,
            request_logger=None,
            chat_template=None,
            chat_template_content_format=CONTENT_FORMAT,
        )
        self._encode: Encode = engine.encode_turns

    async def render_chat(
        self, request: ChatCompletionRequest, *, skip_mm_cache: bool = False
    ) -> tuple[list[ConversationMessage], list[EngineInput]]:
        """The conversation's tokens, checked against the context as vLLM does it."""
        del skip_mm_cache
        ids = await self._encode([_turn(message) for message in request.messages])
        limits = request.build_tok_params(self.model_config)
        checked = limits.apply_post_tokenization(self.renderer.tokenizer, TokensPrompt(prompt_token_ids=ids))
        return [], [tokens_input(checked["prompt_token_ids"])]


class VllmChat:
    """`Chat` on vLLM's `OpenAIServingChat`."""

    def __init__(self, engine: AsyncVllmEngine, model_name: str) -> None:
        llm = engine.llm
        # The path of the weights on this machine is nobody's business.
        self._models = OpenAIServingModels(llm, [BaseModelPath(name=model_name, model_path=model_name)])
        self._models.lora_requests.update(engine.adapters)
        self._serving = OpenAIServingChat(
            llm,
            self._models,
            "assistant",
            online_renderer=GuardedRenderer(engine),
            request_logger=None,
            chat_template=None,
            chat_template_content_format=CONTENT_FORMAT,
            enable_prompt_tokens_details=True,
        )

    async def models(self) -> list[dict[str, Any]]:
        """The model and its adapters."""
        listed = await self._models.show_available_models()
        kept = ("id", "object", "created", "parent", "max_model_len")
        cards = [card.model_dump(include=set(kept), exclude_none=True) for card in listed.data]
        return [{**card, "owned_by": "shopbench"} for card in cards]

    async def complete(self, body: ChatRequest) -> dict[str, Any]:
        """The whole completion.

        Raises:
            ProblemError: vLLM refuses the request.
            EngineError: vLLM failed.
        """
        made = await self._create(body)
        return made.model_dump(mode="json", exclude_none=True)  # type: ignore[no-any-return]  # vLLM's classes are not checked here

    async def stream(self, body: ChatRequest) -> AsyncGenerator[str, None]:
        """Server-sent events. The first is waited for: where it is an error, the status can still say so.

        Raises:
            ProblemError: vLLM refuses the request.
            EngineError: vLLM failed.
        """
        source = await self._create(body)
        first = await anext(source, "data: [DONE]\n\n")
        _raise_error_event(first)
        return _with_first(first, source)

    async def _create(self, body: ChatRequest) -> Any:  # noqa: ANN401  # vLLM's types are not checked here
        asked = body.model_dump(by_alias=True, exclude_none=True, exclude={"metadata", "user"})
        try:
            made = await self._serving.create_chat_completion(ChatCompletionRequest.model_validate(asked))
        except VLLMServerError as error:
            raise EngineError(f"vLLM failed: {error}") from error
        # vLLM answers 400 to these too: errors of grammars and lengths that have no type of their own.
        except (VLLMClientError, RefusedRequestError, ValueError, TypeError, OverflowError) as error:
            raise _refusal(400, str(error)) from error
        if isinstance(made, ErrorResponse):
            raise _refusal(made.error.code, made.error.message)
        return made


def _turn(message: dict[str, Any]) -> Turn:
    """A message as templates read it; the parts of a text stand a line each, as vLLM joins them."""
    content = message["content"]
    text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
    return {name: value for name, value in message.items() if isinstance(value, str)} | {"content": text}


async def _with_first(first: str, source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    try:
        yield first
        async for event in source:
            if event.startswith(ERROR_EVENT):
                _raise_error_event(event)
            yield event
    finally:
        await source.aclose()


def _raise_error_event(event: str) -> None:
    data = event.removeprefix("data: ").strip()
    error = json.loads(data).get("error") if data.startswith("{") else None
    if error is not None:
        raise _refusal(int(error["code"]), str(error["message"]))


def _refusal(status: int, message: str) -> Exception:
    if status >= 500:
        return EngineError(f"vLLM failed: {message}")
    if status == 404:
        return no_such_model()
    line = next((line.strip() for line in message.splitlines() if line.strip()), "refused")
    return ProblemError(422, "invalid_request", line[:500])
