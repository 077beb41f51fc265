"""Scalar functions: one for each kind of type, and each way of refusing a row."""

import datetime
from decimal import Decimal
from typing import Annotated

import transom

Amount = Annotated[Decimal, transom.decimal(18, 2)]


@transom.function
def add(a: int, b: int) -> int:
    """Sum, wrapping."""
    # Python's integers grow; an int64 begins again at the other end.
    return (a + b + (1 << 63)) % (1 << 64) - (1 << 63)


@transom.function
def shout(text: str) -> str:
    """Unicode upper case plus "!"."""
    return text.upper() + "!"


@transom.function
def half(x: float) -> float:
    """Half of it."""
    return x / 2


@transom.function
def negate(flag: bool) -> bool:
    """The other one."""
    return not flag


@transom.function
def next_day(day: datetime.date) -> datetime.date:
    """The day after."""
    return day + datetime.timedelta(days=1)


@transom.function
def an_hour_later(at: datetime.datetime) -> datetime.datetime:
    """An hour later."""
    return at + datetime.timedelta(hours=1)


@transom.function
def twice(amount: Amount) -> Amount:
    """Twice an amount."""
    return amount * 2


@transom.function
def reverse(bytes: bytes) -> bytes:
    """The bytes from last to first."""
    return bytes[::-1]


@transom.function
def or_zero(v: int | None) -> int:
    """0 for null."""
    return 0 if v is None else v


@transom.function
def checked(v: int) -> int:
    """The value; a negative one rejects its row."""
    if v < 0:
        raise ValueError(f"negative: {v}")
    return v


@transom.function
def answer() -> int:
    """Of all questions."""
    return 42


@transom.function
def joined(a: str, b: str, c: str, d: str, e: str, f: str, g: str) -> str:
    """All of them, in their order."""
    return "".join((a, b, c, d, e, f, g))


@transom.function
def unlucky(v: int) -> int:
    """The value; fails at 13."""
    if v == 13:
        raise RuntimeError("unlucky 13")
    return v


@transom.function
def blame(v: int) -> int:
    """The value; from 1 to 4 an error of each kind."""
    match v:
        case 1:
            raise transom.BadData("the data")
        case 2:
            raise transom.Config("the pipeline")
        case 3:
            raise transom.Retryable("bad luck")
        case 4:
            raise transom.Error("the plugin")
    return v
