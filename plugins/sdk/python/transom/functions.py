"""Scalar functions: what `@function` registers, and how a call goes from columns to the author's function and back.

The loop over rows (`loops`) calls the author's function and nothing else. A call that rejects its row ends that loop;
it is then taken up where it was left, so that only rejected rows cost extra.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, TypeVar

from . import native
from .codec import DataType
from .column import Column, Misfit, encode, intersect, misfits, spread
from .contract import Batch, Node
from .errors import Config, Error, Reject, counted, failure, kind_of, said
from .loops import loop_of, rows_of, storing_loop_of
from .types import from_annotation, show

VOLATILITIES = ("immutable", "stable", "volatile")

#: What stands before an argument that has no place of its own.
_STARS = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
    inspect.Parameter.KEYWORD_ONLY: "*, ",
}

#: Functions in the order of their definition, over all modules.
registry: list[Function] = []


class Function:
    """An author's function with everything the host asks about it."""

    def __init__(self, function: Callable, name: str, volatility: str, by_column: bool):
        self.function = function
        self.name = name
        self.doc = inspect.cleandoc(function.__doc__ or "")
        self.volatility = volatility
        self.by_column = by_column
        self._signature: tuple[list[tuple[str, DataType, bool]], DataType, bool] | None = None

    @property
    def where(self) -> str:
        """File and line of the definition."""
        # Behind `functools.lru_cache` and its like.
        function = inspect.unwrap(self.function)
        code = getattr(function, "__code__", None)
        if code is None:
            return f"{kind_of(type(function))} of the module {getattr(function, '__module__', None)}"
        return f"{code.co_filename}, line {code.co_firstlineno}"

    @property
    def arguments(self) -> list[tuple[str, DataType, bool]]:
        """Name, type, and whether the function sees nulls, of each argument."""
        return self._resolved()[0]

    @property
    def output(self) -> DataType:
        """The type of the result."""
        return self._resolved()[1]

    @property
    def gives_null(self) -> bool:
        """Whether the function may return None."""
        return self._resolved()[2]

    def _resolved(self) -> tuple[list[tuple[str, DataType, bool]], DataType, bool]:
        # Not when it is decorated: an annotation may name what is defined further down.
        if self._signature is None:
            self._signature = self._resolve()
        return self._signature

    def _resolve(self) -> tuple[list[tuple[str, DataType, bool]], DataType, bool]:
        try:
            hints = typing.get_type_hints(self.function, include_extras=True)
        except Exception as error:
            # Annotations are expressions; of a string they are evaluated only now.
            raise self._wrong(f"an annotation cannot be read: {error}") from None
        arguments = []
        for parameter in inspect.signature(self.function).parameters.values():
            name = parameter.name
            if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                raise self._wrong(f"`{_STARS[parameter.kind]}{name}` is not supported; SQL gives arguments by place")
            if name not in hints:
                raise self._wrong(f"the argument `{name}` has no type: write one, for example `{name}: int`")
            arguments.append((name, *self._annotated(hints[name], f"the argument `{name}`")))
        if "return" not in hints:
            raise self._wrong("the result has no type: write one, for example `-> int`")
        return arguments, *self._annotated(hints["return"], "the result")

    def _annotated(self, annotation: object, what: str) -> tuple[DataType, bool]:
        if self.by_column:
            if typing.get_origin(annotation) is not Column:
                raise self._wrong(f"{what} is `{show(annotation)}`; a function by column takes and gives columns, for example `transom.Column[int]`")
            annotation = typing.get_args(annotation)[0]
        try:
            return from_annotation(annotation)
        except TypeError as error:
            raise self._wrong(f"{what}: {error}") from None

    def _wrong(self, problem: str) -> Error:
        return Error(f"the function `{self.name}` ({self.where}): {problem}")

    def open(self, given: Sequence[tuple[str, str]]) -> DataType:
        """Checks names and formats of the arguments that a query gives; returns the type of the result."""
        if len(given) != len(self.arguments):
            takes = counted(len(self.arguments), "argument")
            raise Config(f"the function `{self.name}` takes {takes}, not {len(given)}")
        for (name, data_type, _), (_, format) in zip(self.arguments, given):
            if format != data_type.format:
                raise Config(f"the argument `{name}` of the function `{self.name}` is {data_type.name}, not `{format}`")
        return self.output

    def call(self, columns: Sequence[Column], rows: int) -> tuple[Batch, list[tuple[int, str]]]:
        """Calls the author's function on columns of `rows` rows: the result's column, and rejected rows."""
        if self.by_column:
            return self._call_columns(columns, rows)
        return Call(self, columns, rows).run()

    def _call_columns(self, columns: Sequence[Column], rows: int) -> tuple[Batch, list[tuple[int, str]]]:
        try:
            result = self.function(*columns)
        except Reject as error:
            raise Error(f"`{self.name}` works by column, so it cannot reject a single row: {error}") from error
        except Exception as error:
            raise failure(error) from None
        try:
            length = len(result)
        except TypeError:
            raise Error(f"`{self.name}` returned {kind_of(type(result))}, not a column") from None
        if length != rows:
            raise Error(f"`{self.name}` returned {counted(length, 'row')} for {rows}")
        valid = None
        if not isinstance(result, (list, tuple, Column)):
            # An array has no place for nulls: a row is null where an argument is.
            for column in columns:
                valid = intersect(valid, column.valid)
        try:
            return encode(self.output, result, valid), []
        except Misfit as misfit:
            raise Error(f"`{self.name}` returned a wrong column: {misfit.reason}", row=misfit.row) from None


class Call:
    """One call of a function that sees one row at a time."""

    def __init__(self, function: Function, columns: Sequence[Column], rows: int):
        self.function = function
        self.columns = columns
        self.rows = rows
        self.rejected: list[tuple[int, str]] = []
        #: How many of these had no call: an argument could not be read.
        self.unreadable = 0
        #: Rows for which the function is called, as bytes of 0 and 1; None stands for all.
        self.selected: bytes | None = None
        #: The numbers of these rows, once they are asked for.
        self._places: list[int] | None = None

    def run(self) -> tuple[Batch, list[tuple[int, str]]]:
        """Calls, and encodes what came."""
        arguments = self.function.arguments
        for column, (_, _, sees_null) in zip(self.columns, arguments):
            if not sees_null:
                self.selected = intersect(self.selected, column.valid)
        calls = native.calls(self.columns, self.rows, self.selected, self.function.output.format)
        if calls is None:
            batch = self._encode(self._results())
        else:
            batch = self._called(calls)
        self.rejected.sort()
        return batch, self.rejected

    def _called(self, calls: native.Calls) -> Batch:
        """Calls where rows and results are native."""
        function = self.function.function
        loop = storing_loop_of(len(self.columns))
        while True:
            try:
                loop(function, calls.rows, calls.slot)
                break
            except ValueError as error:
                # Without a result the row is null.
                self._reject(calls.given - 1, said(error) or type(error).__name__)
            except Exception as error:
                raise failure(error, self._row(calls.given - 1)) from None
        encoded = calls.finish()
        if encoded is None:
            return self._encode(calls.results())
        null_count, buffers = encoded
        if self._has_too_many_nulls(null_count):
            self._check_none(calls.results())
        return Batch(self.rows, [Node(self.rows, null_count)], buffers)

    def _arguments(self) -> list[Iterable]:
        """The values of each argument, for selected rows only."""
        while True:
            values: list[Iterable] = []
            for column, (_, _, sees_null) in zip(self.columns, self.function.arguments):
                try:
                    if not sees_null:
                        values.append(column.pick(self.selected))
                    elif self.selected is None:
                        values.append(column.to_list() if column.valid is not None else column.pick(None))
                    else:
                        values.append(self._pick_nullable(column))
                except (OverflowError, ValueError):
                    self._reject_unreadable(column)
                    break
            else:
                return values

    def _pick_nullable(self, column: Column) -> Iterable:
        """As `Column.pick`, with None for null."""
        if column.valid is None:
            return column.pick(self.selected)
        selected = self.selected or b"\1" * self.rows
        return spread(column.pick(intersect(selected, column.valid)), bytes(compress(column.valid, selected)))

    def _reject_unreadable(self, column: Column) -> None:
        """Takes out rows whose value Python's class cannot hold, such as a date after 9999."""
        selected = bytearray(self.selected if self.selected is not None else b"\1" * self.rows)
        data_type, valid = column.type, column.valid
        assert data_type is not None
        for row, item in enumerate(data_type.items(column.values)):
            if not selected[row] or (valid is not None and not valid[row]):
                continue
            try:
                data_type.convert([item])
            except (OverflowError, ValueError):
                selected[row] = 0
                reason = f"{item!s} is out of the range of `{data_type.python.__name__}`"
                self.rejected.append((row, reason))
                self.unreadable += 1
        self.selected = bytes(selected)

    def _rows(self) -> Iterator:
        """The selected rows."""
        rows = native.rows_of(self.columns, self.rows, self.selected)
        if rows is None:
            # Values that cannot be read take their rows out of those selected.
            arguments = self._arguments()
            rows = rows_of(arguments, self.rows if self.selected is None else self.selected.count(1))
        return rows

    def _results(self) -> list:
        """What the function gives for each selected row; None for one that it rejects."""
        function = self.function.function
        loop = loop_of(len(self.columns))
        rows = self._rows()
        results: list[Any] = []
        while True:
            try:
                loop(function, rows, results)
                return results
            except ValueError as error:
                self._reject(len(results), said(error) or type(error).__name__)
                results.append(None)
            except Exception as error:
                raise failure(error, self._row(len(results))) from None

    def _row(self, index: int) -> int:
        """The row of the batch that the selected row at `index` is."""
        if self.selected is None:
            return index
        if self._places is None:
            self._places = list(compress(range(self.rows), self.selected))
        return self._places[index]

    def _reject(self, index: int, reason: str) -> None:
        self.rejected.append((self._row(index), reason))

    def _encode(self, results: list) -> Batch:
        function = self.function
        try:
            batch = self._encoded(results)
        except Misfit as first:
            if first.wrong_class:
                raise self._wrong_value(first, first.row) from None
            # All of them at once, and then the column once more: it may be every row that does not fit.
            for misfit in misfits(function.output, results):
                if misfit.wrong_class:
                    raise self._wrong_value(misfit, self._row(misfit.row)) from None
                self._reject(misfit.row, misfit.reason)
                results[misfit.row] = None
            try:
                batch = self._encoded(results)
            except Misfit as misfit:
                # What is left is too long together, or changes while it is looked at.
                raise self._wrong_value(misfit, misfit.row) from None
        if self._has_too_many_nulls(batch.nodes[0].null_count):
            self._check_none(results)
        return batch

    def _has_too_many_nulls(self, null_count: int) -> bool:
        """Whether there are nulls that the function gave and may not give."""
        if self.function.gives_null or not null_count:
            return False
        called = self.rows if self.selected is None else self.selected.count(1)
        return null_count > self.rows - called + len(self.rejected) - self.unreadable

    def _encoded(self, results: list) -> Batch:
        return encode(self.function.output, results, selected=self.selected)

    def _wrong_value(self, misfit: Misfit, row: int) -> Error:
        function = self.function
        return Error(f"`{function.name}` ({function.where}) returned a wrong value: {misfit.reason}", row=row)

    def _check_none(self, results: list) -> None:
        rejected = {row for row, _ in self.rejected}
        for index, result in enumerate(results):
            if result is None and self._row(index) not in rejected:
                name = self.function.name
                message = (
                    f"`{name}` ({self.function.where}) returned None: annotate the result with `| None` to allow it"
                )
                raise Error(message, row=self._row(index))


F = TypeVar("F", bound=Callable)


@typing.overload
def function(wrapped: F, /) -> F: ...


@typing.overload
def function(*, name: str | None = None, volatility: str = "immutable", columns: bool = False) -> Callable[[F], F]: ...


def function(
    wrapped: Callable | None = None,
    *,
    name: str | None = None,
    volatility: str = "immutable",
    columns: bool = False,
) -> Any:
    """Makes a function callable from SQL; it stays callable from Python as it stands.

    Its docstring describes it, its annotations say the types. An argument sees null only if annotated with `| None`;
    a row with a null elsewhere gives null without a call. A ValueError rejects the row.

    `name` is the name in SQL. `volatility` says how far results may be kept: `immutable` (the same arguments always
    give the same result), `stable` (the same within a run), `volatile` (may differ from row to row). With
    `columns=True` the function gets a whole `Column` for each argument and returns one, or an array or a list.
    """
    if volatility not in VOLATILITIES:
        raise ValueError(f"no volatility `{volatility}`; there are {', '.join(VOLATILITIES)}")

    def decorate(function: Callable) -> Callable:
        registered = Function(function, name or function.__name__, volatility, columns)
        registry.append(registered)
        function.__transom__ = registered  # type: ignore[attr-defined]
        return function

    return decorate if wrapped is None else decorate(wrapped)
