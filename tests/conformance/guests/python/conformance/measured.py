"""Functions that only benchmarks use: what an author writes without caring for overflow, and the same by column."""

import datetime as dt
import operator
from decimal import Decimal
from typing import Annotated

import transom
from transom import native

_LOOPS = native.loops


@transom.function
def plus(a: int, b: int) -> int:
    """Sum."""
    return a + b


@transom.function(columns=True)
def plus_columns(a: transom.Column[int], b: transom.Column[int]) -> transom.Column[int]:
    """Sum, by column."""
    return list(map(operator.add, a.values, b.values))


@transom.function(columns=True)
def half_columns(x: transom.Column[float]) -> transom.Column[float]:
    """Half of it, by column."""
    return [value / 2 for value in x.values]


@transom.function(columns=True)
def shout_columns(text: transom.Column[str]) -> transom.Column[str]:
    """Unicode upper case plus "!", by column."""
    return [value.upper() + "!" for value in text.values]


# For the codec in native code against the one in Python: what an author's function does beside it.


@transom.function(volatility="volatile")
def convert_in_python(yes: bool) -> bool:
    """Leaves all columns of this instance to the SDK's codec in Python, or gives them back to the native one."""
    native.loops = None if yes else _LOOPS
    return yes


@transom.function
def carrier(carrier: str, delay: int, distance: int) -> str:
    """The first argument."""
    return carrier


@transom.function
def lower(text: str) -> str:
    """Unicode lower case."""
    return text.lower()


@transom.function
def label(carrier: str, delay: int, distance: int) -> str:
    """What to call a flight: `ua:late`."""
    if delay < 0:
        kind = "early"
    elif delay < 15:
        kind = "on time"
    elif delay < 15 + distance // 50:
        kind = "late"
    else:
        kind = "very late"
    return f"{carrier.lower()}:{kind}"


@transom.function
def day(day: dt.date) -> int:
    """Of the week, Monday is 0."""
    return day.weekday()


@transom.function
def moment(moment: dt.datetime) -> dt.datetime:
    """The argument."""
    return moment


@transom.function
def amount(
    amount: Annotated[Decimal, transom.decimal(18, 2)],
) -> Annotated[Decimal, transom.decimal(18, 2)]:
    """The argument."""
    return amount
