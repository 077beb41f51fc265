"""Dates, times and decimals: numbers on the wire, classes of the standard library to an author.

What Python's class cannot hold is an error and never rounded: dates beyond the year 9999, a decimal with more digits behind the
point than its type. Nanoseconds, which `datetime` does not have, stay integers.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import partial
from itertools import repeat

from .codec import DataType, Number

_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = dt.timedelta(microseconds=1)
_DAY = {"s": 86_400, "m": 86_400_000, "u": 86_400_000_000}
_DAY_MILLIS = _DAY["m"]

#: Microseconds of a unit.
_MICROS = {"s": 1_000_000, "m": 1_000, "u": 1}
_WORDS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}


def _spans(items: Iterable[int], micros: int) -> Iterable[dt.timedelta]:
    """Numbers of a unit as timedeltas."""
    if micros == 1_000_000:
        return map(partial(dt.timedelta, 0), items)
    if micros == 1_000:
        items = [item * 1_000 for item in items]
    return map(partial(dt.timedelta, 0, 0), items)


def _exactly(micros: list[int], unit: int) -> list[int]:
    """Microseconds in a coarser unit; ValueError when something would be lost."""
    if unit == 1:
        return micros
    for value in micros:
        if value % unit:
            raise ValueError("it is finer than the unit of its type")
    return [value // unit for value in micros]


class Date(Number):
    """date32: days."""

    def __init__(self) -> None:
        super().__init__("tdD", "date32", "i", dt.date, dt.date(1970, 1, 1))

    def convert(self, items: Iterable) -> list:
        from_ordinal = dt.date.fromordinal
        return [from_ordinal(day + _EPOCH_DAY) for day in items]

    def pack(self, values: list) -> list[bytes]:
        return [array("i", [day.toordinal() - _EPOCH_DAY for day in values]).tobytes()]


class DateMillis(Number):
    """date64: milliseconds of midnights."""

    def __init__(self) -> None:
        super().__init__("tdm", "date64", "q", dt.date, dt.date(1970, 1, 1))

    def convert(self, items: Iterable) -> list:
        from_ordinal = dt.date.fromordinal
        items = list(items)
        if any(item % _DAY_MILLIS for item in items):
            raise ValueError("it is no midnight")
        return [from_ordinal(item // _DAY_MILLIS + _EPOCH_DAY) for item in items]

    def pack(self, values: list) -> list[bytes]:
        return [array("q", [(day.toordinal() - _EPOCH_DAY) * _DAY_MILLIS for day in values]).tobytes()]


class Time(Number):
    """time32 and time64: seconds, milliseconds or microseconds since midnight."""

    def __init__(self, unit: str):
        code = "q" if unit == "u" else "i"
        super().__init__(f"tt{unit}", f"time[{_WORDS[unit]}]", code, dt.time, dt.time())
        self.unit = unit

    def convert(self, items: Iterable) -> list:
        items = list(items)
        if items and (min(items) < 0 or max(items) >= _DAY[self.unit]):
            raise ValueError("it is not within a day")
        # A date of any day, whose time is what is wanted.
        return [moment.time() for moment in map(_EPOCH.__add__, _spans(items, _MICROS[self.unit]))]

    def pack(self, values: list) -> list[bytes]:
        micros = [((t.hour * 60 + t.minute) * 60 + t.second) * 1_000_000 + t.microsecond for t in values]
        return [array(self.code, _exactly(micros, _MICROS[self.unit])).tobytes()]


class Timestamp(Number):
    """Timestamps: naive without a zone, in UTC with one (whatever zone it is, the instant is the same)."""

    def __init__(self, unit: str, zone: str = ""):
        name = f"timestamp[{_WORDS[unit]}{', ' + zone if zone else ''}]"
        self.epoch = _EPOCH_UTC if zone else _EPOCH
        super().__init__(f"ts{unit}:{zone}", name, "q", dt.datetime, self.epoch)
        self.unit = unit
        self.zone = zone

    def convert(self, items: Iterable) -> list:
        return list(map(self.epoch.__add__, _spans(items, _MICROS[self.unit])))

    def pack(self, values: list) -> list[bytes]:
        epoch = self.epoch
        micros = [(moment - epoch) // _MICROSECOND for moment in values]
        return [array("q", _exactly(micros, _MICROS[self.unit])).tobytes()]


class Duration(Number):
    """Durations."""

    def __init__(self, unit: str):
        super().__init__(f"tD{unit}", f"duration[{_WORDS[unit]}]", "q", dt.timedelta, dt.timedelta())
        self.unit = unit

    def convert(self, items: Iterable) -> list:
        return list(_spans(items, _MICROS[self.unit]))

    def pack(self, values: list) -> list[bytes]:
        micros = [span // _MICROSECOND for span in values]
        return [array("q", _exactly(micros, _MICROS[self.unit])).tobytes()]


def nanoseconds(format: str) -> Number:
    """Times, timestamps and durations in nanoseconds, as integers."""
    names = {"tt": "time[ns]", "tD": "duration[ns]"}
    zone = format.partition(":")[2]
    name = names.get(format[:2]) or f"timestamp[ns{', ' + zone if zone else ''}]"
    return Number(format, name, "q")


#: Wide enough for every decimal type; nothing is ever rounded in it.
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])


class DecimalType(DataType):
    """Decimals with `precision` digits in all, `scale` of them behind the point, in integers of `bits` bits."""

    def __init__(self, precision: int, scale: int, bits: int = 128):
        suffix = "" if bits == 128 else f",{bits}"
        name = f"decimal{bits}({precision}, {scale})"
        super().__init__(f"d:{precision},{scale}{suffix}", name, Decimal, Decimal(0))
        self.scale = scale
        self.width = bits // 8
        self._unit = Decimal(1).scaleb(-scale)
        self._fits = Context(prec=precision, traps=[Inexact, InvalidOperation, Overflow])

    def raw(self, rows: int, buffers: Sequence[bytes]) -> Sequence[int]:
        data, width = buffers[0], self.width
        if width <= 8:
            return memoryview(data).cast("q" if width == 8 else "i").tolist()
        from_bytes = int.from_bytes
        return [from_bytes(data[at : at + width], "little", signed=True) for at in range(0, rows * width, width)]

    def convert(self, items: Iterable) -> list:
        return list(map(_EXACT.multiply, map(Decimal, items), repeat(self._unit)))

    def pack(self, values: list) -> list[bytes]:
        width, scale, unit, fits = self.width, self.scale, self._unit, self._fits
        try:
            unscaled = [int(value.quantize(unit, None, fits).scaleb(scale, _EXACT)) for value in values]
        except Inexact:
            raise ValueError(f"it has more than {scale} digits behind the point") from None
        except DecimalException:
            raise ValueError("it has too many digits") from None
        return [b"".join([number.to_bytes(width, "little", signed=True) for number in unscaled])]
