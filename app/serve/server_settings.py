"""What can be set on the server. Unknown names are refused."""

import re
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from app.openai.request import Limits
from app.settings import StrictSettings


def _check_prefix(text: str) -> str:
    if not re.fullmatch(r"/?|/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?", text):
        raise ValueError(f"{text!r} is no prefix of paths: give letters, digits, '.', '_', '~' and '-', such as /shop")
    return text


class ServerSettings(StrictSettings):
    """Limits and times of the server; times in seconds."""

    called: ClassVar[str] = "server_settings"

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    root_path: Annotated[str, AfterValidator(_check_prefix)] = Field(
        "", description="What a proxy has before the paths, such as /shop, which it may take off or leave."
    )
    insecure: bool = Field(False, description="Serve beyond this machine without any key.")
    model_name: str | None = Field(
        None, description="The model's name in the OpenAI-compatible routes; by default its folder's."
    )

    max_pending: int = Field(1024, ge=1, description="Questions accepted and not yet answered; more get 429.")
    rate_limit: float | None = Field(None, gt=0, description="Questions a minute for each key; by default no limit.")
    default_timeout: float = Field(60.0, gt=0, description="Deadline of a request that names none.")
    max_timeout: float = Field(600.0, gt=0, description="The longest deadline that a request may name.")
    stall_timeout: float = Field(
        30.0, gt=0, description="A client that takes nothing of its answer for so long is dropped."
    )
    max_body_bytes: int = Field(4 << 20, ge=1024, description="Larger request bodies get 413.")
    body_timeout: float = Field(60.0, gt=0, description="Request bodies that take longer to come get 408.")
    max_prompt_characters: int = Field(65_536, ge=1, description="Longer prompts are refused by name.")
    max_choices: int = Field(8, ge=1, description="The most answers (n) to one chat completion.")
    max_regex_characters: int = Field(256, ge=0, description="Longer regular expressions are refused by name.")

    data_dir: Path | None = Field(
        Path("runs/server"),
        description="Folder of uploaded files and batches, from the checkout or else from here; null to do without.",
    )
    max_upload_bytes: int = Field(100 << 20, ge=1024, description="Larger uploads get 413.")
    upload_timeout: float = Field(900.0, gt=0, description="Uploads that take longer to come get 408.")
    max_stored_bytes: int = Field(1 << 30, ge=1024, description="The most that the files of one key may take.")
    file_lifetime: int = Field(30 * 86_400, ge=60, description="How long files are kept that name no time.")
    max_batches: int = Field(16, ge=1, description="Batches of one key that may be under way.")
    max_batch_requests: int = Field(50_000, ge=1, description="The most lines of one batch.")
    batch_concurrency: int = Field(
        16, ge=1, description="Requests of batches in the engine while nobody else asks; one less for each who does."
    )

    canary_timeout: float = Field(5.0, gt=0, description="An engine silent for so long, canary included, is not ready.")
    drain_timeout: float = Field(30.0, ge=0, description="How long SIGTERM waits for accepted requests.")

    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least severity that is logged.")
    log_prompts: bool = Field(False, description="Write prompts and answers to the log.")

    @property
    def chat_limits(self) -> Limits:
        """How much one chat completion may ask for."""
        return Limits(self.max_choices, self.max_regex_characters, self.max_prompt_characters)
