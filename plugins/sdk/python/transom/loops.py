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


def storing_loop_of(arity: int) -> Callable[[Callable, Iterator, list], None]:
    """The loop that leaves each result in `slot[0]`, for rows that take it from there (`native.Calls`)."""
    return _STORING[arity] if arity < len(_STORING) else _store_many


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


def _store_one(function: Callable, rows: Iterator, slot: list) -> None:
    for a in rows:
        slot[0] = function(a)


def _store_two(function: Callable, rows: Iterator, slot: list) -> None:
    for a, b in rows:
        slot[0] = function(a, b)


def _store_three(function: Callable, rows: Iterator, slot: list) -> None:
    for a, b, c in rows:
        slot[0] = function(a, b, c)


def _store_four(function: Callable, rows: Iterator, slot: list) -> None:
    for a, b, c, d in rows:
        slot[0] = function(a, b, c, d)


def _store_five(function: Callable, rows: Iterator, slot: list) -> None:
    for a, b, c, d, e in rows:
        slot[0] = function(a, b, c, d, e)


def _store_six(function: Callable, rows: Iterator, slot: list) -> None:
    for a, b, c, d, e, f in rows:
        slot[0] = function(a, b, c, d, e, f)


def _store_many(function: Callable, rows: Iterator, slot: list) -> None:
    for row in rows:
        slot[0] = function(*row)


_LOOPS = [_none, _one, _two, _three, _four, _five, _six]
# Without arguments there are no columns that could be native.
_STORING = [_store_many, _store_one, _store_two, _store_three, _store_four, _store_five, _store_six]
