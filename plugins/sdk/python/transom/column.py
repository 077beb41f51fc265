"""Columns: from buffers to Python's values and back, nulls included."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, TypeVar

from . import bits, native
from .codec import Boolean, DataType
from .contract import Batch, Node

T = TypeVar("T")


class Column(Sequence[T | None]):
    """A column as it crossed, or one to be returned by a function with `columns=True`.

    `values` is the cheapest sequence of its slots: a memoryview for numbers (dates and timestamps are numbers here),
    bytes of 0 and 1 for bools, a list for text, binary and decimals. What stands in the slot of a null is not to be
    read. `valid` is None when no row is null, else one byte for each row: 1 is a value, 0 is null.

    Iterating gives Python's values, with None for null.
    """

    __slots__ = ("_list", "_values", "_wire", "null_count", "rows", "type", "valid")

    def __init__(self, values: Sequence, valid: bytes | None = None):
        self.type: DataType | None = None
        self.rows = len(values)
        self.valid = _marks(valid) if valid is not None else None
        if self.valid is not None and len(self.valid) != self.rows:
            raise ValueError(f"`valid` has {len(self.valid)} rows, the values have {self.rows}")
        self.null_count = self.valid.count(0) if self.valid is not None else 0
        self._values: Sequence | None = values
        self._wire: Sequence[bytes] = ()
        self._list: list | None = None

    @classmethod
    def from_wire(cls, data_type: DataType, node: Node, bitmap: bytes, buffers: Sequence[bytes]) -> Column:
        """A column as the host sent it; nothing is read yet."""
        column = cls.__new__(cls)
        column.type = data_type
        column.rows = node.length
        column.null_count = node.null_count
        column.valid = bits.unpack(bitmap, node.length) if node.null_count and bitmap else None
        column._values = None
        column._wire = buffers
        column._list = None
        return column

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[T | None]:
        return iter(self.to_list())

    def __getitem__(self, row):
        """The value of a row, or a list of some."""
        return self.to_list()[row]

    @property
    def values(self) -> Any:
        """The slots, nulls' among them: a memoryview for numbers."""
        if self._values is None:
            assert self.type is not None
            self._values = self.type.raw(self.rows, self._wire)
        return self._values

    def to_list(self) -> list[T | None]:
        """The values, with None for null."""
        if self._list is None:
            if self.type is None:
                self._list = list(self.values)
                if self.valid is not None:
                    self._list = [v if ok else None for v, ok in zip(self._list, self.valid)]
            else:
                self._list = native.decode(self.type.format, self.valid, self._wire, self.rows)
                if self._list is None:
                    self._list = self._converted(self.type)
        return self._list

    def _converted(self, data_type: DataType) -> list[T | None]:
        if self.valid is None:
            return data_type.convert(self.values)
        return spread(data_type.convert(compress(self.values, self.valid)), self.valid)

    @property
    def wire(self) -> tuple:
        """Format, marks of validity and buffers of a column that crossed, as `native` takes them."""
        assert self.type is not None
        return (self.type.format, self.valid, *self._wire)

    def pick(self, selected: bytes | None) -> Iterable:
        """The values of the rows that `selected` marks with 1; None stands for all. No selected row may be null."""
        assert self.type is not None
        items = self.values if selected is None else compress(self.values, selected)
        # Numbers are what they are. Made one by one they use the same memory again and again, which takes two thirds
        # of the time that a list of them does.
        return items if self.type.is_plain else self.type.convert(items)


def _marks(valid: bytes) -> bytes:
    """One byte for each row, as masks have 255 for 1."""
    marks = bytes(valid)
    return bytes(map(bool, marks)) if marks.translate(None, b"\0\1") else marks


def spread(values: Iterable, valid: bytes, missing: object = None) -> list:
    """Values, each in the next row that is valid, and `missing` in the others."""
    value = iter(values).__next__
    return [value() if ok else missing for ok in valid]


class Misfit(Exception):
    """A value that cannot stand in a column: at `row`, because of `reason`; `wrong_class` when it is of another
    class."""

    def __init__(self, row: int, reason: str, wrong_class: bool):
        super().__init__(reason)
        self.row = row
        self.reason = reason
        self.wrong_class = wrong_class


#: What a wrong value makes the loops of `pack` raise.
_WRONG = (TypeError, AttributeError)
_UNFIT = (OverflowError, ValueError)


def encode(
    data_type: DataType,
    values: Sequence,
    valid: bytes | None = None,
    selected: bytes | None = None,
) -> Batch:
    """A batch of one column. None among the values is null; so is each row that `valid` marks with 0.

    With `selected` in place of `valid`, the values are those of the rows that it marks with 1, and all others are null.

    `Misfit` when a value is of another class than the type's, or does not fit it.
    """
    if isinstance(values, Column):
        if values.type == data_type and values._wire and valid is None:
            # As it came: nothing to convert.
            bitmap = bits.pack(values.valid) if values.valid is not None else b""
            return Batch(values.rows, [Node(values.rows, values.null_count)], [bitmap, *values._wire])
        if values.valid is not None:
            valid = values.valid if valid is None else intersect(values.valid, valid)
        values = values.to_list() if values.type is not None else values.values
    if not isinstance(values, list):
        packed = _as_it_is(data_type, values)
        if packed is not None:
            return _batch(valid, len(values), [packed])
        values = _flags(values) if isinstance(data_type, Boolean) else list(values)
    encoded = native.encode(data_type.format, values, valid, selected)
    if encoded is not None:
        rows = len(values) if selected is None else len(selected)
        return Batch(rows, [Node(rows, encoded[0])], encoded[1])
    if selected is not None:
        values, valid = spread(values, selected, data_type.placeholder), selected
    return _encode(data_type, values, valid)


def _encode(data_type: DataType, values: list, valid: bytes | None) -> Batch:
    rows = len(values)
    if data_type.format == "n":
        if any(value is not None for value in values):
            raise Misfit(0, "it is no null", wrong_class=True)
        return Batch(rows, [Node(rows, rows)], [])
    if valid is None:
        try:
            # Mostly there is no None. To look for one first would cost more than all the rest of this.
            return _batch(None, rows, data_type.pack(values))
        except (*_WRONG, *_UNFIT):
            valid = bytes([value is not None for value in values])
            if 0 not in valid:
                raise _misfit(data_type, values) from None
    try:
        # Whoever knows what is null may have put the type's placeholder there.
        buffers = data_type.pack(values)
    except (*_WRONG, *_UNFIT):
        placeholder = data_type.placeholder
        # `valid` may have been given with a None that it does not mark.
        valid = bytes([bool(ok) and value is not None for value, ok in zip(values, valid)])
        filled = [value if ok else placeholder for value, ok in zip(values, valid)]
        buffers = _pack(data_type, filled)
    return _batch(valid, rows, buffers)


def _as_it_is(data_type: DataType, values: object) -> bytes | None:
    """The bytes of an array or memoryview whose items are those of the type; None when they are not."""
    code = getattr(data_type, "code", None)
    if code is None:
        return None
    try:
        view = memoryview(values)  # type: ignore[arg-type]
    except TypeError:
        return None
    # `l` and `q` are the same on some machines and not on others.
    same = view.format == code or (view.format in "ql" and code == "q" and view.itemsize == 8)
    return view.tobytes() if same and view.ndim == 1 else None


def _flags(values: Iterable) -> list:
    """The values of a column of bools: 0 and 1 are those of an array's slots, and integers in a list."""
    if not isinstance(values, (bytes, bytearray, memoryview, array)):
        return list(values)
    return [bool(value) if value in (0, 1) else value for value in values]


def _batch(valid: bytes | None, rows: int, buffers: list[bytes]) -> Batch:
    null_count = valid.count(0) if valid is not None else 0
    return Batch(rows, [Node(rows, null_count)], [bits.pack(valid) if null_count else b"", *buffers])


def _pack(data_type: DataType, values: list) -> list[bytes]:
    try:
        return data_type.pack(values)
    except (*_WRONG, *_UNFIT):
        raise _misfit(data_type, values) from None


def _misfit(data_type: DataType, values: list) -> Misfit:
    """The first value that does not go, and why. Only when something has gone wrong is each tried alone."""
    for misfit in misfits(data_type, values):
        return misfit
    # Only offsets speak of more than one value.
    reason = f"the values of one batch are longer together than a column of {data_type.name} holds, which is 2 GiB"
    return Misfit(0, f"{reason}: make smaller batches", wrong_class=True)


def misfits(data_type: DataType, values: Iterable) -> Iterator[Misfit]:
    """Each value that does not go by itself, and why. None is null, and goes."""
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            data_type.pack([value])
        except _WRONG:
            yield Misfit(row, f"{_cut(repr(value))} {data_type.other(value)}", wrong_class=True)
        except OverflowError:
            yield Misfit(row, f"{_cut(str(value))} does not fit {data_type.name}", wrong_class=False)
        except ValueError as error:
            yield Misfit(row, f"`{_cut(str(value))}` does not fit {data_type.name}: {error}", wrong_class=False)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def intersect(first: bytes | None, second: bytes | None) -> bytes | None:
    """The rows that are valid in both; None stands for all."""
    if first is None or second is None:
        return second if first is None else first
    length = len(first)
    both = int.from_bytes(first, "little") & int.from_bytes(second, "little")
    return both.to_bytes(length, "little")
