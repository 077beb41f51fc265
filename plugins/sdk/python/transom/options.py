"""The options of a transform: a dataclass of the author, read from JSON and described to pipelines by a JSON Schema.

All mistakes are reported at once with the option's name in backticks, by which the host finds its place in the pipeline
file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from typing import Annotated, Any, Literal

from .errors import Config, said


@dataclasses.dataclass(frozen=True)
class Limit:
    """A bound of a number; `minimum` and `maximum` make it."""

    keyword: str
    value: float


def minimum(value: float) -> Limit:
    """For annotations of options: `times: Annotated[int, transom.minimum(0)]`."""
    return Limit("minimum", value)


def maximum(value: float) -> Limit:
    """For annotations of options: `share: Annotated[float, transom.maximum(1)]`."""
    return Limit("maximum", value)


class Wrong(Exception):
    """A value that is not as its option wants it: what it must be."""


_WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


def schema_of(options: type | None) -> dict:
    """The JSON Schema of an options class; None stands for a transform without."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    if options is None:
        return schema
    required = []
    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        try:
            described = _schema(hints[field.name])
            if field.default is not dataclasses.MISSING:
                described.update(_default(field.default))
        except TypeError as error:
            raise TypeError(f"`{field.name}`: {error}") from None
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        schema["properties"][field.name] = described
    if required:
        schema["required"] = required
    return schema


def _default(value: object) -> dict:
    """What the schema says of a default: nothing of one that JSON has no number for, such as `math.inf`."""
    plain = _plain(value)
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        return {}
    except TypeError:
        raise TypeError(f"its default {value!r} has no JSON form") from None
    return {"default": plain}


def _plain(value: object) -> object:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _schema(annotation: Any) -> dict:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        schema = _schema(arguments[0])
        for extra in arguments[1:]:
            if isinstance(extra, str):
                schema["description"] = extra
            elif isinstance(extra, Limit) and math.isfinite(extra.value):
                schema[extra.keyword] = extra.value
        return schema
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(member) for member in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        key = arguments[0]
        if key is not str and not (typing.get_origin(key) is Annotated and typing.get_args(key)[0] is str):
            raise TypeError(f"keys in a pipeline file are texts: write `dict[str, ..]` instead of `{annotation}`")
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if dataclasses.is_dataclass(annotation):
        return schema_of(typing.cast(type, annotation))
    if annotation in _TYPES:
        return {"type": _TYPES[annotation]}
    raise TypeError(f"`{annotation}` is no type of an option; there are int, float, str, bool, list, dict, Literal, "
                    "`| None`, and dataclasses of these")  # fmt: skip


def parse(transform: str, options: type | None, text: str) -> Any:
    """The options in a JSON object. `Config` names each that is wrong."""
    given = json.loads(text) if text.strip() else {}
    given = {} if given is None else given
    problems: list[str] = []
    if not isinstance(given, dict):
        problems.append("they are no object")
        parsed = None
    elif options is None:
        problems.extend(f"there is no option `{name}`; it has none" for name in given)
        parsed = None
    else:
        parsed = _object(options, given, "", problems)
    if problems:
        raise Config(f"the options of the transform `{transform}` are wrong: {'; '.join(problems)}")
    return parsed


def _object(options: type, given: dict, path: str, problems: list[str]) -> Any:
    fields = {field.name: field for field in dataclasses.fields(options)}
    hints = typing.get_type_hints(options, include_extras=True)
    known = ", ".join(f"`{name}`" for name in fields) or "none"
    before = len(problems)
    problems.extend(f"there is no option `{path}{name}`; there are {known}" for name in given if name not in fields)
    arguments = {}
    for name, field in fields.items():
        if name in given:
            try:
                arguments[name] = _value(hints[name], given[name], f"{path}{name}", problems)
            except Wrong as wrong:
                problems.append(f"`{path}{name}` must be {wrong}, not {json.dumps(given[name])}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"the option `{path}{name}` is missing")
    if len(problems) > before:
        return None
    try:
        return options(**arguments)
    except ValueError as error:
        # Raised by the author's `__post_init__`.
        problems.append(said(error))
        return None


def _value(annotation: Any, given: Any, path: str, problems: list[str]) -> Any:
    """`given` as its annotation wants it. `Wrong` says what it must be."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value = _value(arguments[0], given, path, problems)
        for extra in arguments[1:]:
            if isinstance(extra, Limit) and isinstance(value, (int, float)):
                if extra.keyword == "minimum" and value < extra.value:
                    raise Wrong(f"at least {extra.value}")
                if extra.keyword == "maximum" and value > extra.value:
                    raise Wrong(f"at most {extra.value}")
        return value
    if origin in (typing.Union, types.UnionType):
        wanted = []
        for member in arguments:
            try:
                return _value(member, given, path, problems)
            except Wrong as wrong:
                wanted.append(str(wrong))
        raise Wrong(" or ".join(wanted))
    if origin is Literal:
        if given in arguments and not isinstance(given, bool):
            return given
        raise Wrong("one of " + ", ".join(json.dumps(argument) for argument in arguments))
    if origin is list:
        if not isinstance(given, list):
            raise Wrong("a list")
        return [_value(arguments[0], item, path, problems) for item in given]
    if origin is dict:
        if not isinstance(given, dict):
            raise Wrong("a mapping")
        return {key: _value(arguments[1], item, path, problems) for key, item in given.items()}
    if dataclasses.is_dataclass(annotation):
        if not isinstance(given, dict):
            raise Wrong("a mapping")
        return _object(typing.cast(type, annotation), given, f"{path}.", problems)
    if annotation is float and isinstance(given, int) and not isinstance(given, bool):
        try:
            if (number := float(given)) == given:
                return number
        except OverflowError:
            pass
        raise Wrong("a number that a `float` holds without rounding")
    # To Python a bool is an integer; to whoever writes a pipeline it is not.
    if type(given) is annotation:
        return given
    raise Wrong(_WORDS.get(annotation, str(annotation)))
