"""What all request bodies have in common: unknown fields are refused by name, and so is every wrong value."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.tables.raw import encodes


def check_text(text: str) -> str:
    """The text; a ValueError where it cannot be written."""
    if not encodes(text):
        raise ValueError("half a surrogate pair: write the text as UTF-8")
    return text


Text = Annotated[str, AfterValidator(check_text)]
ShortText = Annotated[Text, Field(min_length=1, max_length=256)]


class Refusing(BaseModel):
    """A part of a request. Nothing is ignored in silence, and no text taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class FieldError(BaseModel):
    """One thing that is wrong with a request body."""

    field: str = Field(description="Where in the body, such as `questions.0.prompt`.")
    message: str


class RequestError(Exception):
    """A request that is refused: by the same code and in the same words wherever it is made."""

    def __init__(self, status: int, code: str, detail: str, errors: Sequence[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, errors


def invalid(errors: Sequence[FieldError]) -> RequestError:
    """422 that names every field."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return RequestError(422, "invalid_request", f"{errors[0].field}: {errors[0].message}{more}", errors)


def field_errors(errors: Sequence[Any]) -> list[FieldError]:
    """What pydantic found, without repeating what was sent."""
    found = []
    for error in errors:
        parts = [str(part) for part in error["loc"]]
        field = ".".join(parts[1:] if parts[:1] == ["body"] else parts) or "body"
        message = str(error["msg"])
        message = (message[0].lower() + message[1:]).removeprefix("value error, ")
        unknown = error["type"] == "extra_forbidden"
        found.append(FieldError(field=field, message="there is no such field" if unknown else message))
    return found


M = TypeVar("M", bound=BaseModel)


def read_body(model: type[M], body: object) -> M:
    """A body as its model has it.

    Raises:
        RequestError: 422.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(field_errors(error.errors(include_url=False, include_input=False))) from error
