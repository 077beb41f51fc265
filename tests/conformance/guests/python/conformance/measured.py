"""Functions that only benchmarks use: what an author writes without caring for overflow, and the same by column."""

import operator

import transom


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
