"""How values of each Arrow type become Python's and back: whole columns at a time, in loops that run in C.

A `DataType` knows three forms of a column. *Buffers* are what crosses the border. *Raw* is the cheapest thing that
can be iterated, such as a memoryview of numbers. *Values* are what an author sees, such as dates. Nulls are no matter
of this module: it converts only what is there.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from . import bits, native
from .errors import kind_of


class DataType:
    """One Arrow type that Python can express.

    `format` is the format string of Arrow's C data interface, `name` what messages call it, `python` the class of its
    values, `placeholder` a value for the slot beneath a null.
    """

    #: Buffers after the validity bitmap.
    buffers = 1
    #: Whether raw slots are an author's values already.
    is_plain = False

    def __init__(self, format: str, name: str, python: type, placeholder: object):
        self.format = format
        self.name = name
        self.python = python
        self.placeholder = placeholder

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and other.format == self.format

    def __hash__(self) -> int:
        return hash(self.format)

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence:
        """The column's slots as a sequence."""
        raise NotImplementedError

    def items(self, raw: Sequence) -> Iterable:
        """The slots one by one, as `convert` takes them."""
        return raw

    def convert(self, items: Iterable) -> list:
        """The values of slots that are not null. OverflowError or ValueError when Python's class cannot hold one."""
        return list(items)

    def pack(self, values: list) -> list[bytes]:
        """The buffers of values, none of them None.

        TypeError or AttributeError when one is of another class, OverflowError or ValueError when one does not fit.
        """
        raise NotImplementedError

    def check(self, values: Iterable) -> None:
        """TypeError when a value is of another class, which may have all that is asked of this one and more besides."""
        for cls in set(map(type, values)):
            if not issubclass(cls, self.python):
                raise TypeError(f"a {cls.__name__} is no {self.python.__name__}")

    def other(self, value: object) -> str:
        """How a value is not of this class, for a message that begins with the value."""
        return f"is {kind_of(type(value))}, not {kind_of(self.python)}"


class Number(DataType):
    """Types whose slots are numbers of a fixed width; `code` is their letter in `array` and `memoryview.cast`."""

    code: Any

    def __init__(self, format: str, name: str, code: str, python: type = int, placeholder: object = 0):
        super().__init__(format, name, python, placeholder)
        self.code = code
        self.is_plain = type(self) is Number

    def raw(self, rows: int, buffers: Sequence[bytes]) -> memoryview:
        return memoryview(buffers[0]).cast(self.code)

    def convert(self, items: Iterable) -> list:
        return items.tolist() if isinstance(items, memoryview) else list(items)

    def pack(self, values: list) -> list[bytes]:
        try:
            return [struct.pack(f"{len(values)}{self.code}", *values)]
        except struct.error:
            # `array` takes three times as long, and says what is wrong: the class of a value, or its size.
            return [array(self.code, values).tobytes()]


def _floats(code: str, values: list) -> bytes:
    """Floats of a width, each the nearest one. OverflowError beyond the largest, ValueError for an integer that none
    is equal to."""
    classes = set(map(type, values))
    if not all(issubclass(cls, (float, int)) for cls in classes):
        raise TypeError("what can become a float may lose digits")
    if any(issubclass(cls, int) for cls in classes):
        for value in values:
            if isinstance(value, int) and struct.unpack(f"<{code}", struct.pack(f"<{code}", float(value)))[0] != value:
                raise ValueError("it has more digits than a float of its width keeps")
    try:
        # Without `<`, what is too large for a float32 becomes infinite.
        return struct.pack(f"<{len(values)}{code}", *values)
    except struct.error as error:
        raise TypeError(str(error)) from None


class Float(Number):
    """float32 and float64."""

    def __init__(self, format: str, name: str, code: str):
        super().__init__(format, name, code, float, 0.0)
        self.is_plain = True

    def pack(self, values: list) -> list[bytes]:
        return [_floats(self.code, values)]


class HalfFloat(DataType):
    """float16, which `array` does not know."""

    def __init__(self) -> None:
        super().__init__("e", "float16", float, 0.0)

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence[float]:
        return struct.unpack(f"<{rows}e", buffers[0])

    def pack(self, values: list) -> list[bytes]:
        return [_floats("e", values)]


class Boolean(DataType):
    """Bools: a bitmap on the wire, bytes of 0 and 1 when raw."""

    def __init__(self) -> None:
        super().__init__("b", "bool", bool, False)

    def raw(self, rows: int, buffers: Sequence[bytes]) -> bytes:
        return bits.unpack(buffers[0], rows)

    def convert(self, items: Iterable) -> list:
        return list(map(bool, items))

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        return [bits.pack(bytes(values))]


class Null(DataType):
    """The type of a column that holds nothing but nulls."""

    buffers = 0

    def __init__(self) -> None:
        super().__init__("n", "null", type(None), None)

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence[None]:
        return [None] * rows

    def pack(self, values: list) -> list[bytes]:
        return []


class Bytes(DataType):
    """binary: offsets, then data. Its slots are pairs of offsets, with the data beside them.

    Only `bytes` are values of it: into a bytearray, and what a memoryview looks at, its owner may have written since.
    """

    buffers = 2

    offset: Any

    def __init__(self, format: str, name: str, offset: str, python: type = bytes, placeholder: object = b""):
        super().__init__(format, name, python, placeholder)
        self.offset = offset

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence:
        values = native.decode(self.format, None, buffers, rows)
        return self.cut(buffers) if values is None else values

    def cut(self, buffers: Sequence[bytes]) -> Sequence:
        """The slots, one by one."""
        data = buffers[1]
        return [data[start:stop] for start, stop in pairwise(memoryview(buffers[0]).cast(self.offset))]

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        return [self.offsets(values), b"".join(values)]

    def other(self, value: object) -> str:
        return super().other(value) + changeable(value)

    def offsets(self, values: Sequence) -> bytes:
        """The offsets of values that follow each other."""
        ends = accumulate([len(value) for value in values], initial=0)
        try:
            return struct.pack(f"{len(values) + 1}{self.offset}", *ends)
        except struct.error:
            raise OverflowError("the values are longer together than an offset can say") from None


class Text(Bytes):
    """utf8: its slots are strings already, or the bytes of them where some slot is not UTF-8, as beneath a null."""

    def __init__(self, format: str, name: str, offset: str):
        super().__init__(format, name, offset, str, "")

    def cut(self, buffers: Sequence[bytes]) -> Sequence:
        data = buffers[1]
        offsets = memoryview(buffers[0]).cast(self.offset)
        if data.isascii():
            # Bytes and letters have the same places, so all is decoded at once, and cut then.
            text = data.decode("ascii")
            return [text[start:stop] for start, stop in pairwise(offsets)]
        try:
            return [data[start:stop].decode() for start, stop in pairwise(offsets)]
        except UnicodeDecodeError:
            return [data[start:stop] for start, stop in pairwise(offsets)]

    def convert(self, items: Iterable) -> list:
        values = list(items)
        if values and isinstance(values[0], bytes):
            return [value.decode() for value in values]
        return values

    def pack(self, values: list) -> list[bytes]:
        text = "".join(values)
        if text.isascii():
            return [self.offsets(values), text.encode()]
        encoded = [value.encode() for value in values]
        return [self.offsets(encoded), b"".join(encoded)]


def changeable(value: object) -> str:
    """How to make binary values of what can be written into."""
    return ": give `bytes(..)` of it" if isinstance(value, (bytearray, memoryview)) else ""


class FixedBytes(DataType):
    """Binary values that are all of one width."""

    def __init__(self, width: int):
        super().__init__(f"w:{width}", f"fixed_size_binary[{width}]", bytes, bytes(width))
        self.width = width

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence[bytes]:
        data, width = buffers[0], self.width
        return [data[row * width : (row + 1) * width] for row in range(rows)]

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        if any(len(value) != self.width for value in values):
            raise ValueError(f"it is not {self.width} bytes long")
        return [b"".join(values)]

    def other(self, value: object) -> str:
        return super().other(value) + changeable(value)
