"""What all request bodies have in common: bounds, and that unknown fields and wrong values are refused by name."""

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


DEEPEST = 128
"""Objects and lists in one another, the line or body itself among them. Python's own limit depends on who calls, and so
would a line that comes near it: refused by one reader, taken by the next."""
MOST_FIELDS = 1024
"""Fields of one object, and items of one list."""
MOST_VALUES = 16_384
"""Fields and items in all: pydantic names every unknown one, in one step that nothing else runs beside."""
ERRORS_NAMED = 32
LONGEST_NAMED = 256
"""Characters of a field's name and of what is said about it."""


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


def invalid(errors: Sequence[FieldError], found: int | None = None) -> RequestError:
    """422 that names the first fields; `found` says how many are wrong, where not all are given."""
    count = len(errors) if found is None else found
    more = f" (and {count - 1} more)" if count > 1 else ""
    return RequestError(422, "invalid_request", f"{errors[0].field}: {errors[0].message}{more}", errors[:ERRORS_NAMED])


def check_size(data: object) -> None:
    """Refuse a JSON value that takes long to check, before its model does.

    Raises:
        RequestError: 422.
    """
    # Level by level, since recursion has a limit of its own.
    level, depth, values = [data], 0, 0
    while level := [value for value in level if isinstance(value, dict | list)]:
        longest = max(map(len, level))
        values += sum(map(len, level))
        if (depth := depth + 1) > DEEPEST:
            message = f"more than {DEEPEST} objects and lists in one another: give a flatter one"
            raise RequestError(422, "nested_too_deeply", message)
        if longest > MOST_FIELDS or values > MOST_VALUES:
            most = f"{MOST_FIELDS} to an object or list and {MOST_VALUES} in all"
            raise RequestError(422, "too_many_values", f"more fields and items than may be: {most}, at most")
        level = [inner for value in level for inner in (value.values() if isinstance(value, dict) else value)]


def invalid_fields(errors: Sequence[Any]) -> RequestError:
    """422 for what pydantic found, the first so many faults by name, without repeating what was sent."""
    found = []
    for error in errors[:ERRORS_NAMED]:
        parts = [str(part) for part in error["loc"]]
        field = ".".join(parts[1:] if parts[:1] == ["body"] else parts) or "body"
        message = str(error["msg"])
        message = (message[0].lower() + message[1:]).removeprefix("value error, ")
        unknown = error["type"] == "extra_forbidden"
        message = "there is no such field" if unknown else message
        found.append(FieldError(field=_cut(field), message=_cut(message)))
    return invalid(found, len(errors))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_NAMED else text[: LONGEST_NAMED - 3] + "..."


M = TypeVar("M", bound=BaseModel)


def read_body(model: type[M], body: object) -> M:
    """A body as its model has it.

    Raises:
        RequestError: 422.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid_fields(error.errors(include_url=False, include_input=False)) from error
