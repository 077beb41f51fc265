"""The Arrow types that a plugin in Python can read and write, and the annotations that stand for them."""

from __future__ import annotations

import datetime as dt
import types
import typing
from decimal import Decimal
from typing import Annotated

from .codec import Boolean, Bytes, DataType, FixedBytes, Float, HalfFloat, Null, Number, Text
from .temporal import Date, DateMillis, DecimalType, Duration, Time, Timestamp, nanoseconds

null = Null()
boolean = Boolean()
int8 = Number("c", "int8", "b")
int16 = Number("s", "int16", "h")
int32 = Number("i", "int32", "i")
int64 = Number("l", "int64", "q")
uint8 = Number("C", "uint8", "B")
uint16 = Number("S", "uint16", "H")
uint32 = Number("I", "uint32", "I")
uint64 = Number("L", "uint64", "Q")
float16 = HalfFloat()
float32 = Float("f", "float32", "f")
float64 = Float("g", "float64", "d")
utf8 = Text("u", "utf8", "i")
large_utf8 = Text("U", "large_utf8", "q")
binary = Bytes("z", "binary", "i")
large_binary = Bytes("Z", "large_binary", "q")
date32 = Date()
date64 = DateMillis()

# For annotations: `def f(x: Int32) -> Float32`.
Int8 = Annotated[int, int8]
Int16 = Annotated[int, int16]
Int32 = Annotated[int, int32]
UInt8 = Annotated[int, uint8]
UInt16 = Annotated[int, uint16]
UInt32 = Annotated[int, uint32]
UInt64 = Annotated[int, uint64]
Float32 = Annotated[float, float32]
#: A timestamp in UTC, in microseconds. A plain `datetime` is one without a zone.
UtcDatetime = Annotated[dt.datetime, Timestamp("u", "UTC")]

_SIMPLE = {
    data_type.format: data_type
    for data_type in [
        null, boolean, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64,
        utf8, large_utf8, binary, large_binary, date32, date64,
    ]
}  # fmt: skip

_BY_CLASS: dict[type, DataType] = {
    bool: boolean,
    int: int64,
    float: float64,
    str: utf8,
    bytes: binary,
    dt.date: date32,
    dt.time: Time("u"),
    dt.datetime: Timestamp("u"),
    dt.timedelta: Duration("u"),
}

_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}


def decimal(precision: int, scale: int, bits: int = 128) -> DataType:
    """Decimals with `precision` digits in all, `scale` of them behind the point.

    For annotations: `Annotated[Decimal, transom.decimal(18, 2)]`. `bits` is 32, 64, 128 or 256.
    """
    if bits not in _DIGITS:
        raise ValueError(f"a decimal has 32, 64, 128 or 256 bits, not {bits}")
    if not 1 <= precision <= _DIGITS[bits] or scale > precision:
        raise ValueError(f"a decimal of {bits} bits has 1 to {_DIGITS[bits]} digits, and no more behind the point")
    return DecimalType(precision, scale, bits)


def _unit(unit: str) -> str:
    if unit not in _UNITS:
        raise ValueError(f"no unit `{unit}`; there are `s`, `ms`, `us`, `ns`")
    return _UNITS[unit]


def timestamp(unit: str = "us", zone: str = "") -> DataType:
    """Timestamps in `s`, `ms`, `us` or `ns` (then integers); with a zone they are in UTC."""
    letter = _unit(unit)
    return nanoseconds(f"tsn:{zone}") if letter == "n" else Timestamp(letter, zone)


def time_of_day(unit: str = "us") -> DataType:
    """Times of day in `s`, `ms`, `us` or `ns` (then integers)."""
    letter = _unit(unit)
    return nanoseconds("ttn") if letter == "n" else Time(letter)


def duration(unit: str = "us") -> DataType:
    """Durations in `s`, `ms`, `us` or `ns` (then integers)."""
    letter = _unit(unit)
    return nanoseconds("tDn") if letter == "n" else Duration(letter)


def fixed_binary(width: int) -> DataType:
    """Binary values that are all `width` bytes long."""
    return FixedBytes(width)


def from_format(format: str) -> DataType | None:
    """The type of a format string; None when Python cannot express it (nested types, intervals)."""
    simple = _SIMPLE.get(format)
    if simple is not None:
        return simple
    if format.startswith("d:"):
        precision, scale, *bits = map(int, format[2:].split(","))
        return DecimalType(precision, scale, *bits)
    if format.startswith("w:"):
        return FixedBytes(int(format[2:]))
    kind, unit, zone = format[:2], format[2:3], format[4:]
    if kind not in ("tt", "tD", "ts") or not unit:
        return None
    if unit == "n":
        return nanoseconds(format)
    if kind == "ts":
        return Timestamp(unit, zone)
    return Time(unit) if kind == "tt" else Duration(unit)


def from_annotation(annotation: object) -> tuple[DataType, bool]:
    """The type that an annotation stands for, and whether it may be null.

    TypeError says what an annotation can be.
    """
    if isinstance(annotation, DataType):
        return annotation, False
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        members = typing.get_args(annotation)
        rest = [member for member in members if member is not type(None)]
        if len(rest) == 1 and len(rest) < len(members):
            return from_annotation(rest[0])[0], True
        raise TypeError(f"`{show(annotation)}` is several types at once: a column has one, and may be `| None`")
    if origin is Annotated:
        base, *extras = typing.get_args(annotation)
        for extra in extras:
            if isinstance(extra, DataType):
                if base is not extra.python:
                    wanted = extra.python.__name__
                    raise TypeError(f"values of {extra.name} are `{wanted}`, not `{show(base)}`")
                return extra, False
        return from_annotation(base)
    if annotation is Decimal:
        raise TypeError("a `Decimal` needs its digits: write `Annotated[Decimal, transom.decimal(18, 2)]`")
    known = _BY_CLASS.get(annotation) if isinstance(annotation, type) else None
    if known is None:
        names = ", ".join(sorted(cls.__name__ for cls in _BY_CLASS))
        raise TypeError(f"`{show(annotation)}` is no type of a column; there are {names}, Decimal, each also `| None`")
    return known, False


def show(annotation: object) -> str:
    """An annotation as its author wrote it, more or less."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
