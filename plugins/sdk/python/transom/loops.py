"""The loop over rows, written out for each number of arguments.

`for a, b in rows: results.append(function(a, b))` is what CPython is quickest at: it enters the author's function
without leaving its own loop, which `map` and `function(*row)` do. In the component that is more than twice as fast
for a small function.

Each loop appends to `results` as it goes and takes its rows from an iterator: after an exception the number of
results is the row that failed, and the same iterator goes on with the row after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence


def rows_of(arguments: Sequence[Iterable], count: int) -> Iterator:
    """The rows of some columns of `count` values, as `loop_of` takes them: bare values for one column."""
    if len(arguments) == 1:
        return iter(arguments[0])
    return zip(*arguments) if arguments else iter(range(count))


def loop_of(arity: int) -> Callable[[Callable, Iterator, list], None]:
    """The loop for functions of that many arguments."""
    return _LOOPS[arity] if arity < len(_LOOPS) else _many


def _none(function: Callable, rows: Iterator, results: list) -> None:
    for _ in rows:
        results.append(function())


def _one(function: Callable, rows: Iterator, results: list) -> None:
    for a in rows:
        results.append(function(a))


def _two(function: Callable, rows: Iterator, results: list) -> None:
    for a, b in rows:
        results.append(function(a, b))


def _three(function: Callable, rows: Iterator, results: list) -> None:
    for a, b, c in rows:
        results.append(function(a, b, c))


def _four(function: Callable, rows: Iterator, results: list) -> None:
    for a, b, c, d in rows:
        results.append(function(a, b, c, d))


def _five(function: Callable, rows: Iterator, results: list) -> None:
    for a, b, c, d, e in rows:
        results.append(function(a, b, c, d, e))


def _six(function: Callable, rows: Iterator, results: list) -> None:
    for a, b, c, d, e, f in rows:
        results.append(function(a, b, c, d, e, f))


def _many(function: Callable, rows: Iterator, results: list) -> None:
    for row in rows:
        results.append(function(*row))


_LOOPS = [_none, _one, _two, _three, _four, _five, _six]
