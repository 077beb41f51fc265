"""Dates, times and decimals: numbers on the wire, classes of the standard library to an author.

What Python's class cannot hold is an error and never rounded: dates beyond the year 9999, a decimal with more digits
behind the point than its type. Nanoseconds, which `datetime` does not have, stay integers.
"""

from __future__ import annotations

import datetime as dt
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from itertools import repeat

from .codec import DataType, Number

_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY = {"s": 86_400, "m": 86_400_000, "u": 86_400_000_000}
_DAY_MILLIS = _DAY["m"]

#: Microseconds of a unit.
_MICROS = {"s": 1_000_000, "m": 1_000, "u": 1}
_SPANS = {unit: dt.timedelta(microseconds=micros) for unit, micros in _MICROS.items()}
_WORDS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}


def _each_once(items: Iterable[int], convert: Callable[[Iterable[int]], list]) -> list:
    """What `convert` makes of items, each different one converted once if they repeat, as dates mostly do."""
    items = items if isinstance(items, (list, memoryview)) else list(items)
    different = set(items)
    if len(different) * 2 > len(items):
        return convert(items)
    made = dict(zip(different, convert(different)))
    return [made[item] for item in items]


def _micros_of(spans: Iterable[dt.timedelta]) -> list[int]:
    """Timedeltas as microseconds."""
    return [(span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds for span in spans]


def _exactly(micros: list[int], unit: int) -> list[int]:
    """Microseconds in a coarser unit; ValueError when something would be lost."""
    if unit == 1:
        return micros
    for value in micros:
        if value % unit:
            raise ValueError("it is finer than the unit of its type")
    return [value // unit for value in micros]


def _days(values: list[dt.date]) -> list[int]:
    """Days since 1970-01-01. A datetime is a date to Python, but its time would be lost."""
    for cls in set(map(type, values)):
        if not issubclass(cls, dt.date) or issubclass(cls, dt.datetime):
            raise TypeError(f"a {cls.__name__} is no date")
    return [day.toordinal() - _EPOCH_DAY for day in values]


class Date(Number):
    """date32: days."""

    def __init__(self) -> None:
        super().__init__("tdD", "date32", "i", dt.date, dt.date(1970, 1, 1))

    def convert(self, items: Iterable) -> list:
        from_ordinal = dt.date.fromordinal
        return _each_once(items, lambda days: [from_ordinal(day + _EPOCH_DAY) for day in days])

    def pack(self, values: list) -> list[bytes]:
        return [array("i", _days(values)).tobytes()]


class DateMillis(Number):
    """date64: milliseconds of midnights."""

    def __init__(self) -> None:
        super().__init__("tdm", "date64", "q", dt.date, dt.date(1970, 1, 1))

    def convert(self, items: Iterable) -> list:
        from_ordinal = dt.date.fromordinal
        items = list(items)
        if any(item % _DAY_MILLIS for item in items):
            raise ValueError("it is no midnight")
        return _each_once(items, lambda slots: [from_ordinal(slot // _DAY_MILLIS + _EPOCH_DAY) for slot in slots])

    def pack(self, values: list) -> list[bytes]:
        return [array("q", [day * _DAY_MILLIS for day in _days(values)]).tobytes()]


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
        span = _SPANS[self.unit]
        # A moment of any day, whose time is what is wanted.
        return _each_once(items, lambda slots: [(_EPOCH + span * slot).time() for slot in slots])

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        if any(time.tzinfo is not None for time in values):
            raise TypeError("its zone would be lost")
        micros = [((t.hour * 60 + t.minute) * 60 + t.second) * 1_000_000 + t.microsecond for t in values]
        return [array(self.code, _exactly(micros, _MICROS[self.unit])).tobytes()]

    def other(self, value: object) -> str:
        if not isinstance(value, dt.time):
            return super().other(value)
        return f"has a zone, and {self.name} has none: remove it with `.replace(tzinfo=None)`"


class Timestamp(Number):
    """Timestamps: naive without a zone, in UTC with one (whatever zone it is, the instant is the same)."""

    def __init__(self, unit: str, zone: str = ""):
        name = f"timestamp[{_WORDS[unit]}{', ' + zone if zone else ''}]"
        self.epoch = _EPOCH_UTC if zone else _EPOCH
        super().__init__(f"ts{unit}:{zone}", name, "q", dt.datetime, self.epoch)
        self.unit = unit
        self.zone = zone

    def convert(self, items: Iterable) -> list:
        epoch, span = self.epoch, _SPANS[self.unit]
        return _each_once(items, lambda slots: [epoch + span * slot for slot in slots])

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        epoch = self.epoch
        micros = _micros_of([moment - epoch for moment in values])
        return [array("q", _exactly(micros, _MICROS[self.unit])).tobytes()]

    def other(self, value: object) -> str:
        if not isinstance(value, dt.datetime):
            return super().other(value)
        if self.zone:
            return f"has no zone, and {self.name} has one: write `.replace(tzinfo=datetime.UTC)` if it is in UTC"
        return f"has a zone, and {self.name} has none: remove it, or annotate `transom.UtcDatetime`"


class Duration(Number):
    """Durations."""

    def __init__(self, unit: str):
        super().__init__(f"tD{unit}", f"duration[{_WORDS[unit]}]", "q", dt.timedelta, dt.timedelta())
        self.unit = unit

    def convert(self, items: Iterable) -> list:
        span = _SPANS[self.unit]
        return _each_once(items, lambda slots: [span * slot for slot in slots])

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        micros = _micros_of(values)
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
        if width == 16:
            words = array("q", data)
            low, high = words[::2].tolist(), words[1::2].tolist()
            # Mostly the upper half holds nothing but the sign.
            if [word >> 63 for word in low] == high:
                return low
        from_bytes = int.from_bytes
        return [from_bytes(data[at : at + width], "little", signed=True) for at in range(0, rows * width, width)]

    def convert(self, items: Iterable) -> list:
        return list(map(_EXACT.multiply, items, repeat(self._unit)))

    def pack(self, values: list) -> list[bytes]:
        self.check(values)
        width, scale, unit, fits = self.width, self.scale, self._unit, self._fits
        try:
            unscaled = [int(value.quantize(unit, None, fits).scaleb(scale, _EXACT)) for value in values]
        except Inexact:
            raise ValueError(f"it has more than {scale} digits behind the point") from None
        except DecimalException:
            raise ValueError("it has too many digits") from None
        if width == 16:
            try:
                low = array("q", struct.pack(f"{len(unscaled)}q", *unscaled))
            except struct.error:
                pass  # Some number is longer than half of its slot.
            else:
                words = array("q", bytes(width * len(unscaled)))
                words[::2] = low
                words[1::2] = array("q", [word >> 63 for word in low])
                return [words.tobytes()]
        return [b"".join([number.to_bytes(width, "little", signed=True) for number in unscaled])]
