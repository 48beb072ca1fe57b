"""What all request bodies have in common: bounds, and that unknown fields and wrong values are refused by name."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

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
ERRORS_LOOKED_AT = 256
"""For what they have in common; of further ones only the number is told."""
LONGEST_NAMED = 256
"""Characters of a field's name and of what is said about it."""


class Refusing(BaseModel):
    """A part of a request. Nothing is ignored in silence, and no text taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: object) -> object:
        """Clients write out what they do not set: null is as good as left out, whatever its name."""
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


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
        level = [
            inner
            for value in level
            for name, inner in (value.items() if isinstance(value, dict) else enumerate(value))
            # The one field that may hold many: its own check looks at them all at once.
            if not (
                name == "prompt" and (are_tokens(inner) or (isinstance(inner, list) and all(map(are_tokens, inner))))
            )
        ]


def are_tokens(value: object) -> bool:
    """Whether this is a list of tokens by their numbers."""
    return isinstance(value, list) and set(map(type, value)) == {int} and min(value) >= 0


def invalid_fields(errors: Sequence[Any], body: object) -> RequestError:
    """422 for what pydantic found, the first so many faults by name, without repeating what was sent.

    `body` is what was read; None where that is not known.
    """
    found: dict[str, list[str]] = {}
    # Of a union, each alternative says what it has against a value as a whole.
    whole: set[str] = set()
    for error in errors[:ERRORS_LOOKED_AT]:
        kind, message = error["type"], str(error["msg"])
        if body is None:
            places, tagged = [part for part in error["loc"] if part != "body"], False
        else:
            places, tagged = _place(error["loc"], body, missing=kind in ("missing", "value_error"))
        if kind in ("union_tag_invalid", "union_tag_not_found"):
            places = [*places, error["ctx"]["discriminator"].strip("'")]
            message = f"input should be {error['ctx'].get('expected_tags', '').replace(', ', ' or ')}"
        elif kind == "literal_error":
            message = message.replace("True", "true").replace("False", "false")
        message = _WORDS.get(kind, message)
        message = (message[0].lower() + message[1:]).removeprefix("value error, ")
        field = ".".join(map(str, places)) or "body"
        told = found.setdefault(field, [])
        if message not in told:
            told.append(message)
        if tagged:
            whole.add(field)
    # What is wrong inside a value says more than that the value is of another kind.
    for field in whole:
        if any(other.startswith(f"{field}.") for other in found):
            del found[field]
    named = [FieldError(field=_cut(field), message=_cut("; or ".join(told))) for field, told in found.items()]
    return invalid(named, len(named) + max(0, len(errors) - ERRORS_LOOKED_AT))


_OBJECT = "input should be an object"
_WORDS = {"extra_forbidden": "there is no such field", "union_tag_not_found": "field required"}
_WORDS |= dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _OBJECT)
"""What pydantic says in words of its own."""


def _place(loc: Sequence[int | str], body: object, *, missing: bool) -> tuple[list[int | str], bool]:
    """Where in a body pydantic means by `loc`, and whether `loc` ends with what is no place.

    Beside names and numbers it has pydantic's own words for the alternatives of a union (`str`, `list[TextPart]`).
    Of the ways to read it, that one is taken which ends in a place, and has most of them.
    """
    if not loc:
        return [], False
    part, *rest = loc
    ways: list[tuple[list[int | str], bool]] = []
    if part in body if isinstance(body, dict) else isinstance(body, list) and isinstance(part, int):
        places, tagged = _place(rest, body[part], missing=missing)  # type: ignore[index]  # it is in there
        ways.append(([part, *places], tagged))
    elif missing and not rest and isinstance(body, dict):
        return [part], False
    if isinstance(part, str):
        places, tagged = _place(rest, body, missing=missing)
        ways.append((places, tagged or not rest))
    return max(ways, key=lambda way: (not way[1], len(way[0])), default=([], True))


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
        raise invalid_fields(error.errors(include_url=False, include_input=False), body) from error
