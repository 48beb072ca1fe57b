"""Chat completions by vLLM's own serving layer, behind this server's checks. Imports vLLM: load the engine first."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from jinja2 import TemplateError
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.openai.models.serving import OpenAIServingModels
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import VLLMClientError, VLLMServerError
from vllm.renderers.online_renderer import OnlineRenderer

from app.engines.async_vllm_engine import AsyncVllmEngine
from app.errors import EngineError
from app.serving.openai_schemas import ChatRequest
from app.serving.problems import ProblemError

TEMPLATE_SETTINGS = {"enable_thinking": False}
"""As `app/engines/chat.py` renders."""


class VllmChat:
    """`Chat` on vLLM's `OpenAIServingChat`."""

    def __init__(self, engine: AsyncVllmEngine, model_name: str) -> None:
        llm = engine.llm
        # The path of the weights on this machine is nobody's business.
        self._models = OpenAIServingModels(llm, [BaseModelPath(name=model_name, model_path=model_name)])
        self._models.lora_requests.update(engine.adapters)
        self._name = model_name
        self._adapters = tuple(engine.adapters)
        self._length = engine.context_length
        content_format = "auto"
        renderer = OnlineRenderer(
            llm.model_config,
            llm.renderer,
            request_logger=None,
            chat_template=None,
            chat_template_content_format=content_format,
            default_chat_template_kwargs=TEMPLATE_SETTINGS,
        )
        self._serving = OpenAIServingChat(
            llm,
            self._models,
            "assistant",
            online_renderer=renderer,
            request_logger=None,
            chat_template=None,
            chat_template_content_format=content_format,
            default_chat_template_kwargs=TEMPLATE_SETTINGS,
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
        # vLLM answers 400 to these too: errors of templates, grammars and lengths that have no type of their own.
        except (VLLMClientError, ValueError, TypeError, OverflowError, TemplateError) as error:
            raise _refusal(400, str(error)) from error
        if isinstance(made, ErrorResponse):
            raise _refusal(made.error.code, made.error.message)
        return made


async def _with_first(first: str, source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    try:
        yield first
        async for event in source:
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
        return ProblemError(404, "no_such_model", "there is no such model; /v1/models lists them")
    line = next((line.strip() for line in message.splitlines() if line.strip()), "refused")
    return ProblemError(422, "invalid_request", line[:500])
