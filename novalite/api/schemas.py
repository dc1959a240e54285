"""Request bodies: pydantic models whose fields know the microversions they belong to.

    class CreateFlavor(Body):
        name: Name
        description: Annotated[str | None, Since(55)] = None

A field outside its versions is refused like one that never existed. One sentence names the first
thing that is wrong: "Invalid input for field/attribute flavor.ram. It must be an integer."
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from novalite.api.microversions import Version
from novalite.errors import BadRequest

TRUE_WORDS = frozenset({"True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"})
FALSE_WORDS = frozenset({"False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"})
WORDS = (*sorted(TRUE_WORDS), *sorted(FALSE_WORDS))


# --- versions of fields ----------------------------------------------------------------------


class Spans:
    """Minor versions, as inclusive ranges; an open end is None. Goes into a field's Annotated."""

    def __init__(self, *ranges: tuple[int, int | None]) -> None:
        self.ranges = ranges

    def cover(self, minor: int) -> bool:
        """Whether `minor` lies in one of the ranges."""
        return any(low <= minor and (high is None or minor <= high) for low, high in self.ranges)


def Since(minor: int) -> Spans:
    """From this minor version on."""
    return Spans((minor, None))


def Until(minor: int) -> Spans:
    """Up to and including this minor version."""
    return Spans((1, minor))


class RequiredSince:
    """The field may be left out only before this minor version, and after `until` (None: never again)."""

    def __init__(self, minor: int, until: int | None = None) -> None:
        self.minor, self.until = minor, until

    def at(self, minor: int) -> bool:
        """Whether it must be there in that minor version."""
        return self.minor <= minor and (self.until is None or minor <= self.until)


class Body(BaseModel):
    """Base of every object in a request. Unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    gated: ClassVar[dict[str, Spans]] = {}
    required_since: ClassVar[dict[str, RequiredSince]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.gated, cls.required_since = {}, {}
        for name, info in cls.model_fields.items():
            key = info.alias or name
            for mark in info.metadata:
                if isinstance(mark, Spans):
                    cls.gated[key] = mark
                elif isinstance(mark, RequiredSince):
                    cls.required_since[key] = mark

    @model_validator(mode="before")
    @classmethod
    def _fits_version(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict) or not (cls.gated or cls.required_since):
            return data
        minor = int(info.context or 1)
        for key, spans in cls.gated.items():
            if key in data and not spans.cover(minor):
                raise PydanticCustomError("gated", "{key}", {"key": key})
        for key, since in cls.required_since.items():
            if key not in data and since.at(minor):
                raise PydanticCustomError("wanted", "{key}", {"key": key})
        return data


# --- kinds of values -------------------------------------------------------------------------


class Says:
    """What a validator demands, in words of JSON Schema, for the documents. Goes into an Annotated."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core), **self.facts}


def wrong(sentence: str) -> PydanticCustomError:
    """What a validator raises; `sentence` completes "Invalid input for field/attribute x."."""
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def to_int(value: Any) -> int:
    """An integer, or a string that is one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    raise wrong("It must be an integer.")


def to_bool(value: Any) -> bool:
    """A boolean, or one of the words that mean one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in TRUE_WORDS | FALSE_WORDS:
        return value in TRUE_WORDS
    raise wrong("It must be a boolean.")


def printable(value: str) -> str:
    """Refuse control characters, line breaks and unassigned code points."""
    for char in value:
        kind = unicodedata.category(char)
        if kind[0] == "C" or kind in ("Zl", "Zp"):
            raise wrong("It may only hold printable characters.")
    return value


def unpadded(value: str) -> str:
    """Refuse blanks at either end."""
    if value != value.strip():
        raise wrong("It must not begin or end with blanks.")
    return value


def is_uuid(value: str) -> bool:
    """Whether `value` is a UUID, with or without hyphens."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", value))


def _uuid(value: str) -> str:
    if not is_uuid(value):
        raise wrong("It must be a UUID.")
    return value


Int = Annotated[
    int, BeforeValidator(to_int), Says(type=["integer", "string"], pattern="^-?[0-9]{1,18}$")
]
MOST_INT = 0x7FFFFFFF
"""The largest integer that a column holds."""
AnyInt = Annotated[Int, Field(ge=-MOST_INT, le=MOST_INT)]
PositiveInt = Annotated[Int, Field(ge=1, le=MOST_INT)]
NonNegativeInt = Annotated[Int, Field(ge=0, le=MOST_INT)]
Bool = Annotated[
    bool, BeforeValidator(to_bool), Says(type=["boolean", "string"], enum=[True, False, *WORDS])
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=255),
    AfterValidator(printable),
    AfterValidator(unpadded),
    Says(pattern=r"^\S(.*\S)?$"),
]
Description = Annotated[str, Field(max_length=255), AfterValidator(printable)]
Uuid = Annotated[str, AfterValidator(_uuid), Says(format="uuid")]
MetadataKey = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]+$")]
MetadataValue = Annotated[str, Field(max_length=255)]
NOT_GIVEN: Any = ""
"""Default of a field that may be left out but not be null, where `model_fields_set` tells what is given."""
MOST_ITEMS = 4096
"""Items of one body, whatever the quota: more do not fit into a body."""
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MOST_ITEMS)]


# --- reading ---------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: Any, data: Any, version: Version, at: str = "") -> Any:
    """`data` as a value of `kind` (a Body or any annotation) at `version`.

    `at` is the name shown for `data` itself. BadRequest with one sentence when it does not fit.
    """
    try:
        return _adapter(kind).validate_python(data, context=version[1])
    except ValidationError as error:
        first = _deepest(error.errors(include_url=False))
        raise BadRequest(sentence(first, data, at, version)) from None


def _deepest(errors: list[ErrorDetails]) -> ErrorDetails:
    """Of several errors (a union tells one per member) the one that got furthest, else the first."""
    return max(errors, key=lambda e: len(e["loc"]))


_SENTENCES = {
    "missing": "It is required.",
    "extra_forbidden": "There is no such field in API version {version}.",
    "string_type": "It must be a string.",
    "string_too_short": "It must have at least {min_length} characters.",
    "string_too_long": "It may have at most {max_length} characters.",
    "string_pattern_mismatch": "It must match {pattern}.",
    "dict_type": "It must be an object.",
    "model_type": "It must be an object.",
    "list_type": "It must be a list.",
    "tuple_type": "It must be a list.",
    "too_short": "It must have at least {min_length} items.",
    "too_long": "It may have at most {max_length} items.",
    "literal_error": "It must be {expected}.",
    "none_required": "It must be null.",
    "greater_than_equal": "It must be at least {ge}.",
    "greater_than": "It must be greater than {gt}.",
    "less_than_equal": "It must be at most {le}.",
    "float_type": "It must be a number.",
    "float_parsing": "It must be a number.",
    "finite_number": "It must be a finite number.",
}


def sentence(error: ErrorDetails, data: Any, at: str, version: Version) -> str:
    """One error of pydantic in the API's words."""
    kind, facts = error["type"], dict(error.get("ctx", {}))
    where = _path(error, data, at)
    if kind in ("gated", "wanted"):
        where = f"{where}.{facts['key']}" if where else str(facts["key"])
        kind = "extra_forbidden" if kind == "gated" else "missing"
    facts["version"] = f"{version[0]}.{version[1]}"
    text = _SENTENCES.get(kind, facts.get("sentence", error["msg"] + "."))
    return f"Invalid input for field/attribute {where or 'body'}. {text.format_map(facts)}"


def _path(error: ErrorDetails, data: Any, at: str) -> str:
    """Where in `data` the error is; parts that only name a member of a union are left out."""
    path, here = at, data
    for part in error["loc"]:
        if isinstance(here, list) and isinstance(part, int) and part < len(here):
            path, here = f"{path}[{part}]", here[part]
        elif isinstance(here, dict) and part in here:
            path, here = f"{path}.{part}", here[part]
    if error["type"] == "missing":
        path = f"{path}.{error['loc'][-1]}"
    return path.lstrip(".")
