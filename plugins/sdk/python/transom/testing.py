"""Runs functions and transforms natively in tests, as the host would: through the same calls and the same bytes.

Tables are mappings of column names to lists, with None for null:

    ran = run_transform(Sessions, {"pause": 1800}, {"customer": ["a", "a"], "second": [0, 60]})
    assert ran.columns["session"] == [1, 1]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import types
from .codec import DataType
from .column import encode
from .contract import Batch, TableOutcome, WireField
from .errors import Error
from .functions import Function
from .plugin import Handles, Located, Plugin
from .schema import Field, Schema, decode, join
from .transforms import End, Transform

Table = Mapping[str, Sequence]


@dataclass
class Rejected:
    """A row that was left out: its place in the input, that of its batch, and why."""

    batch: int
    row: int
    reason: str


@dataclass
class Called:
    """What a function gave for each row, and the rows that it rejected; their values are None."""

    values: list
    rejected: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Ran:
    """What a transform gave: its output's columns, rows left out, and the state that was saved."""

    columns: dict[str, list]
    rejected: list[Rejected] = field(default_factory=list)
    state: Any = None
    #: Rows of each part that was emitted.
    parts: list[int] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The output row by row."""
        return [dict(zip(self.columns, values)) for values in zip(*self.columns.values())]


def call_function(function: Any, *columns: Sequence) -> Called:
    """Calls a decorated function on whole columns, one list for each argument, as SQL does."""
    registered: Function = function.__transom__
    handles = Handles(Plugin("test", "0", [registered], []))
    arguments = registered.arguments
    fields = [Field(name, data_type, nullable=True) for name, data_type, _ in arguments]
    rows = len(columns[0]) if columns else 1
    opened = handles.open_function(registered.name, [field.to_wire() for field in fields], "{}")
    batch = join(rows, [encode(data_type, list(column)) for (_, data_type, _), column in zip(arguments, columns)])
    outcome = handles.call(opened.handle, batch)
    result = Field(registered.name, registered.output, nullable=True)
    values = decode([result], outcome.column)[0].to_list()
    return Called(values, [(rejected.row, rejected.reason) for rejected in outcome.rejected])


def run_transform(
    transform: type[Transform],
    options: Mapping[str, Any] | None,
    batches: Table | Sequence[Table],
    *,
    types: Mapping[str, object] | None = None,
    state: Any = None,
    end: End = End.INPUT,
) -> Ran:
    """Runs a transform over one or more batches to the end.

    A column's type is inferred from its first value unless `types` names it: `{"price": transom.decimal(18, 2)}`.
    `state`, if not None, is what an earlier run saved. The transform's errors are raised as they are.

    After each batch another object of the class goes on with what the one before it holds, as in a long run, which puts
    aside an instance that has grown too large. One that holds what cannot be pickled stays.
    """
    tables = [batches] if isinstance(batches, Mapping) else list(batches)
    schema = Schema([Field(name, _type_of(name, tables, types or {}), nullable=True) for name in tables[0]])
    handles = Handles(Plugin("test", "0", [], [transform]))
    try:
        return _run(handles, transform.name, json.dumps(dict(options or {})), schema, tables, state, end)
    except Located as located:
        raise located.error from None


def _type_of(name: str, tables: Sequence[Table], given: Mapping[str, object]) -> DataType:
    if name in given:
        return types.from_annotation(given[name])[0]
    for table in tables:
        for value in table[name]:
            if value is not None:
                return types.from_annotation(type(value))[0]
    raise ValueError(f"the column `{name}` has no value to tell its type from: say it with `types={{'{name}': int}}`")


def _run(
    handles: Handles, name: str, options: str, schema: Schema, tables: Sequence[Table], state: Any, end: End
) -> Ran:
    fields = [field.to_wire() for field in schema]
    opened = handles.open_table(name, fields, options)
    handle = opened.handle
    if state is not None:
        handles.restore(handle, json.dumps(state).encode())
    layout: list[tuple[str, Any]] = opened.output
    names = [schema[place].name if kind == "input" else place[0].name for kind, place in layout]
    ran = Ran({name: [] for name in names})
    for number, table in enumerate(tables):
        rows = len(next(iter(table.values()), ()))
        columns = [encode(schema[place].type, list(table[schema[place].name])) for place in opened.reads]
        outcome = handles.process(handle, join(rows, columns))
        _take(ran, opened.output, outcome, schema, table, number)
        while outcome.more:
            outcome = handles.pull(handle)
            _take(ran, opened.output, outcome, schema, table, number)
        handle = _moved(handles, name, fields, options, handle)
    outcome = handles.finish(handle, end)
    _take(ran, opened.output, outcome, schema, None, len(tables))
    while outcome.more:
        outcome = handles.pull(handle)
        _take(ran, opened.output, outcome, schema, None, len(tables))
    if handles.plugin.transforms[name].is_stateful():
        ran.state = json.loads(handles.save(handle))
    return ran


def _moved(handles: Handles, name: str, fields: list[WireField], options: str, handle: int) -> int:
    """The handle of another object that goes on in place of the one at `handle`; the same one if it cannot be moved."""
    try:
        snapshot = handles.snapshot(handle)
    except Located:
        return handle
    another = handles.open_table(name, fields, options).handle
    handles.resume(another, snapshot)
    handles.close_table(handle)
    return another


def _take(
    ran: Ran, output: list[tuple[str, Any]], outcome: TableOutcome, schema: Schema, table: Table | None, number: int
) -> None:
    """Does what the host does with an outcome."""
    for part in outcome.parts:
        rows = part.batch.rows
        ran.parts.append(rows)
        computed = iter(_computed(output, part.batch))
        sources = list(memoryview(part.source_rows).cast("I")) if part.source_rows is not None else range(rows)
        for (kind, place), values in zip(output, ran.columns.values()):
            if kind == "computed":
                values.extend(next(computed))
            elif table is None:
                raise Error("rows at the end cannot carry columns over")
            else:
                column = table[schema[place].name]
                values.extend(column[row] for row in sources)
    ran.rejected.extend(Rejected(number, rejected.row, rejected.reason) for rejected in outcome.rejected)


def _computed(output: list[tuple[str, Any]], batch: Batch) -> list[list]:
    fields = [Field.from_wire(field) for kind, wire in output if kind == "computed" for field in wire]
    return [column.to_list() for column in decode(fields, batch)]
