"""Where a transform puts its rows, and the rows it rejects."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import compress

from .column import Column, Misfit, encode
from .contract import Batch, Part, Rejected, TableOutcome
from .errors import Error, clean, counted
from .schema import Field, join


class Output:
    """Takes what a transform emits for the current batch.

    Columns are given by name, `output.emit(session=sessions)`, or as a mapping: lists of Python's values, arrays,
    memoryviews of the type's own numbers, or a `Column`.
    """

    def __init__(self, computed: Sequence[Field], passes: bool, rows: int | None):
        self._computed = computed
        #: Whether the output has columns that the host carries over.
        self._passes = passes
        #: Rows of the current batch; None at the end, when there is none.
        self.rows = rows
        # Columns of one row for each of the batch wait for the end of the call: rows may still be rejected.
        self._parts: list[Part | list[Sequence]] = []
        self._rejected: dict[int, str] = {}
        self._more = False

    def emit(self, columns: Mapping[str, Sequence] | None = None, /, **more: Sequence) -> None:
        """Emits the computed columns, one row for each row of the current batch.

        Rows that were or will be rejected in this call are left out.
        """
        rows = self._current()
        ordered = self._ordered(columns, more)
        for field, column in zip(self._computed, ordered):
            if len(column) != rows:
                raise Error(
                    f"the column `{field.name}` has {counted(len(column), 'row')} for a batch of {rows}: "
                    "a rejected row needs a value too; other rows are for `emit_rows` and `emit_new`"
                )
        self._parts.append([held(column) for column in ordered])

    def emit_rows(
        self, source_rows: Sequence[int], columns: Mapping[str, Sequence] | None = None, /, **more: Sequence
    ) -> None:
        """Emits the computed columns, each row with the row of the current batch whose columns are carried over."""
        rows = self._current()
        source_rows = source_rows if isinstance(source_rows, (list, range, array)) else list(source_rows)
        if len(source_rows) and not (0 <= min(source_rows) and max(source_rows) < rows):
            wrong = next(row for row in source_rows if not 0 <= row < rows)
            raise Error(f"source row {wrong} is not in a batch of {rows} rows")
        batch = self._encode(self._ordered(columns, more), len(source_rows))
        self._parts.append(Part(batch, array("I", source_rows).tobytes()))

    def emit_new(self, columns: Mapping[str, Sequence] | None = None, /, **more: Sequence) -> None:
        """Emits rows that stem from no single row of the current batch, as totals do; the only way at the end."""
        if self._passes:
            raise Error("columns are carried over from the current batch, so every row must have a row there")
        ordered = self._ordered(columns, more)
        rows = len(ordered[0]) if ordered else 0
        self._parts.append(Part(self._encode(ordered, rows), None))

    def reject(self, row: int, reason: object) -> None:
        """Leaves a row of the current batch out, and says why. What becomes of it the pipeline says (`on_reject`)."""
        rows = self.rows or 0
        if not 0 <= row < rows:
            raise Error(f"rejected row {row}, which is not in a batch of {rows} rows")
        self._rejected.setdefault(row, str(reason))

    def more(self) -> None:
        """Asks for `pull` before the next batch: there is more output than should be held at once."""
        self._more = True

    def outcome(self) -> TableOutcome:
        """All that was emitted, rejected rows taken out of what was emitted one to one."""
        rejected = [Rejected(row, clean(reason)) for row, reason in sorted(self._rejected.items())]
        return TableOutcome([self._finished(part) for part in self._parts], rejected, self._more)

    def _current(self) -> int:
        if self.rows is None:
            raise Error("there is no current batch at the end: use `emit_new`")
        return self.rows

    def _ordered(self, columns: Mapping[str, Sequence] | None, more: Mapping[str, Sequence]) -> list[Sequence]:
        """The computed columns in the order in which `open` promised them."""
        given = {**(columns or {}), **more}
        ordered = []
        for field in self._computed:
            if field.name not in given:
                raise Error(f"the column `{field.name}`, which `open` promised, was not emitted")
            ordered.append(given.pop(field.name))
        if given:
            names = ", ".join(f"`{field.name}`" for field in self._computed) or "none"
            raise Error(f"emitted the column `{next(iter(given))}`; `open` promised {names}")
        return ordered

    def _finished(self, part: Part | list[Sequence]) -> Part:
        if isinstance(part, Part):
            return part
        rows = self._current()
        if not self._rejected:
            return Part(self._encode(part, rows), None)
        keep = bytearray(b"\1" * rows)
        for row in self._rejected:
            keep[row] = 0
        kept = list(compress(range(rows), keep))
        batch = self._encode([taken(column, keep) for column in part], len(kept))
        return Part(batch, array("I", kept).tobytes())

    def _encode(self, columns: Sequence[Sequence], rows: int) -> Batch:
        encoded = []
        for field, column in zip(self._computed, columns):
            name = field.name
            if len(column) != rows:
                raise Error(f"the column `{name}` has {counted(len(column), 'row')}, not {rows}")
            assert field.type is not None
            try:
                batch = encode(field.type, column)
            except Misfit as misfit:
                raise Error(f"the column `{name}` cannot hold what was emitted: {misfit.reason}") from None
            if batch.nodes[0].null_count and not field.nullable:
                raise Error(f"the column `{name}` contains nulls; add `| None` to its type in `computes`")
            encoded.append(batch)
        return join(rows, encoded)


def held(column: Sequence) -> Sequence:
    """The column as it is now, whatever its owner writes into it before it is read."""
    if isinstance(column, (list, array, bytearray)):
        return column[:]
    if isinstance(column, (tuple, range, bytes)):
        return column
    if isinstance(column, memoryview):
        # One that is read-only may still look at what others write into.
        return column if isinstance(column.obj, bytes) else memoryview(column.tobytes()).cast(column.format)
    if isinstance(column, Column):
        return column if column.type is not None else Column(held(column.values), column.valid)
    return list(column)


def taken(column: Sequence, keep: bytes | bytearray) -> Sequence:
    """The rows of a column that `keep` marks with 1."""
    if isinstance(column, (bytes, bytearray)):
        # Stays one: 0 and 1 in it are bools.
        return bytes(compress(column, keep))
    if isinstance(column, array):
        return array(column.typecode, compress(column, keep))
    if isinstance(column, memoryview) and column.format in "bBhHiIlLqQfd":
        return array(column.format, compress(column, keep))
    if not isinstance(column, Column):
        return list(compress(column, keep))
    if column.type is not None:
        return list(compress(column.to_list(), keep))
    valid = bytes(compress(column.valid, keep)) if column.valid is not None else None
    return Column(taken(column.values, keep), valid)
