"""A plugin as its author's files make it, and the host's calls on it in the contract's records.

Nothing here is bound to Wasm: tests make the same calls natively. Handles count upwards and are never used again, so
that a closed one differs from every other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from . import contract, functions, moving, options, transforms
from .codec import DataType
from .contract import Batch, WireField
from .errors import Config, Error, clean, describe, failure, said
from .functions import Function
from .output import Output
from .schema import Field, Schema, decode
from .transforms import End, RecordBatch, Transform

T = TypeVar("T")


class Plugin:
    """Everything that a plugin offers."""

    def __init__(
        self,
        name: str,
        version: str,
        functions: Iterable[Function],
        transforms: Iterable[type[Transform]],
    ):
        self.name = name
        self.version = version
        self.functions = unique("function", ((f.name, f) for f in functions))
        self.transforms = unique("transform", ((t.name, t) for t in transforms))

    @classmethod
    def of_registered(cls, name: str, version: str) -> Plugin:
        """All that was decorated and derived so far."""
        return cls(name, version, functions.registry, transforms.registry)

    def describe(self) -> contract.Description:
        """What `meta.describe` answers. An annotation that is no type of a column comes to light here."""
        return contract.Description(
            self.name,
            self.version,
            [describe_function(function) for function in self.functions.values()],
            [describe_transform(transform) for transform in self.transforms.values()],
        )

    def find(self, what: str, name: str, among: dict[str, T]) -> T:
        """A function or transform by name."""
        found = among.get(name)
        if found is None:
            names = ", ".join(f"`{other}`" for other in among) or "none"
            raise Config(f"the plugin `{self.name}` has no {what} `{name}`; it has {names}")
        return found


def unique(what: str, named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Things by name. Two of one name are a mistake; one of a module that was imported twice is not."""
    things: dict[str, T] = {}
    for name, thing in named:
        if name in things:
            raise Error(f"there are two of the {what} `{name}`; give one of them another name with `name=`")
        things[name] = thing
    return things


def describe_function(function: Function) -> contract.FunctionDescription:
    """A function, as `describe` tells of it."""
    arguments = [
        contract.Argument(name, ("exact", [WireField(name, data_type.format)]))
        for name, data_type, _ in function.arguments
    ]
    output = [result_field(function, function.output)]
    return contract.FunctionDescription(function.name, function.doc, arguments, False, output, function.volatility)


def result_field(function: Function, data_type: DataType) -> WireField:
    """Any function may give null: for a null argument, or for a rejected row."""
    return WireField(function.name, data_type.format, True)


def describe_transform(transform: type[Transform]) -> contract.TransformDescription:
    """A transform, as `describe` tells of it."""
    try:
        schema = options.schema_of(transform.options_class())
    except Exception as error:
        raise Error(f"the options of the transform `{transform.name}`: {error}") from None
    return contract.TransformDescription(
        transform.name,
        transform.doc(),
        json.dumps(schema),
        transform.is_stateful(),
        transform.required_keys.partition_by,
        [contract.SortKey(key.column, key.descending) for key in transform.required_keys.order_by],
    )


class Table:
    """An opened transform."""

    def __init__(self, transform: Transform, input: Schema):
        self.transform = transform
        self.input = input
        opened = self._author(transform.open, input)
        if not isinstance(opened, transforms.Opened):
            raise Error(f"`open` of the transform `{transform.name}` returned {opened!r}, not an `Opened`")
        self.places = opened.places(opened.reads, input)
        for place, wanted in zip(self.places, opened.types):
            input.check(place, wanted)
        self.reads = [input.readable(place) for place in self.places]
        self.names = [field.name for field in self.reads]
        self.passes = opened.places(opened.passes, input)
        self.computes: list[Field] = opened.computes
        for field in self.computes:
            if field.type is None:
                raise Error(f"the computed column `{field.name}` has type {field.format}, which Python cannot write")
        #: Rows of the batch that `pull` goes on with.
        self.rows: int | None = None

    def _author(self, call: Callable, *arguments: Any) -> Any:
        """A call of the author's code."""
        try:
            return call(*arguments)
        except Exception as error:
            raise failure(error) from None

    def _with_output(self, call: Callable, *arguments: Any) -> contract.TableOutcome:
        output = Output(self.computes, bool(self.passes), self.rows)
        self._author(call, *arguments, output)
        return output.outcome()

    def layout(self) -> list[tuple[str, object]]:
        """The columns of the output, as `opened` tells of them."""
        passed: list[tuple[str, object]] = [("input", place) for place in self.passes]
        return passed + [("computed", [field.to_wire()]) for field in self.computes]

    def process(self, batch: Batch) -> contract.TableOutcome:
        """See `Transform.process`."""
        self.rows = batch.rows
        columns = decode(self.reads, batch)
        return self._with_output(self.transform.process, RecordBatch(batch.rows, self.names, columns))

    def pull(self) -> contract.TableOutcome:
        """See `Transform.pull`."""
        return self._with_output(self.transform.pull)

    def finish(self, end: End) -> contract.TableOutcome:
        """See `Transform.finish`."""
        self.rows = None
        return self._with_output(self.transform.finish, end)

    def save(self) -> bytes:
        """The state as JSON; nothing for a transform without one."""
        if not self.transform.is_stateful():
            return b""
        state = self._author(self.transform.save)
        try:
            return json.dumps(state, allow_nan=True, separators=(",", ":")).encode()
        except (TypeError, ValueError) as error:
            raise Error(f"the state of the transform `{self.transform.name}` has no JSON form: {error}") from None

    def restore(self, state: bytes) -> None:
        """Goes on from what `save` gave."""
        name = self.transform.name
        if not self.transform.is_stateful():
            if state:
                raise Config(f"the transform `{name}` keeps no state, and was given {len(state)} bytes of it")
            return
        try:
            self.transform.restore(json.loads(state))
        except Error:
            raise
        except Exception as error:
            # A class says nothing of its state: what another version saved shows where it is taken apart.
            reason = describe(error)
            raise Config(f"the saved state does not fit this version of the transform `{name}`: {reason}") from None

    def snapshot(self) -> bytes:
        """The transform's attributes, pickled: for another instance of the same plugin, and for nobody else."""
        try:
            return moving.snapshot(self.transform)
        except Exception as error:
            name, reason = self.transform.name, said(error) or type(error).__name__
            raise Error(f"what the transform `{name}` holds cannot be moved to another instance: {reason}") from None

    def resume(self, snapshot: bytes) -> None:
        """Goes on from what `snapshot` gave, which the host kept: whoever can hand in a pickle can run code."""
        self._author(moving.resume, self.transform, snapshot)


class Handles:
    """What is open in one instance of a plugin."""

    def __init__(self, plugin: Plugin):
        self.plugin = plugin
        self.last = 0
        self.functions: dict[int, tuple[Function, list[Field]]] = {}
        self.tables: dict[int, Table] = {}

    def _next(self) -> int:
        self.last += 1
        return self.last

    # Scalar functions.

    def open_function(self, name: str, arguments: Sequence[WireField], given: str) -> contract.ScalarOpened:
        """See `scalar.open`."""
        function = self.plugin.find("function", name, self.plugin.functions)
        if given.strip() not in ("", "{}", "null"):
            raise Config(f"the function `{name}` has no options")
        fields = Schema.from_wire(arguments).fields
        output = function.open([(field.name, field.format) for field in fields])
        handle = self._next()
        self.functions[handle] = (function, fields)
        return contract.ScalarOpened(handle, [result_field(function, output)])

    def call(self, handle: int, arguments: Batch) -> contract.ScalarOutcome:
        """See `scalar.call`."""
        if handle not in self.functions:
            raise Error(f"the handle {handle} is not open")
        function, fields = self.functions[handle]
        column, rejected = function.call(decode(fields, arguments), arguments.rows)
        return contract.ScalarOutcome(column, [contract.Rejected(row, clean(reason)) for row, reason in rejected])

    def close_function(self, handle: int) -> None:
        """See `scalar.close`. A handle that is not open is left alone."""
        self.functions.pop(handle, None)

    # Transforms.

    def open_table(self, name: str, input: Sequence[WireField], given: str) -> contract.TableOpened:
        """See `table.open`."""
        schema = Schema.from_wire(input)
        try:
            transform = self.plugin.find("transform", name, self.plugin.transforms)
            parsed = options.parse(name, transform.options_class(), given)
            try:
                created = transform()
            except Exception as error:
                raise failure(error) from None
            created.options = parsed
            table = Table(created, schema)
        except Error as error:
            raise Located(error, schema) from None
        handle = self._next()
        self.tables[handle] = table
        return contract.TableOpened(handle, table.places, table.layout())

    def _table(self, handle: int, work: Callable[[Table], T]) -> T:
        table = self.tables.get(handle)
        if table is None:
            raise Error(f"the handle {handle} is not open")
        try:
            return work(table)
        except Error as error:
            raise Located(error, table.input) from None

    def process(self, handle: int, batch: Batch) -> contract.TableOutcome:
        """See `table.process`."""
        return self._table(handle, lambda table: table.process(batch))

    def pull(self, handle: int) -> contract.TableOutcome:
        """See `table.pull`."""
        return self._table(handle, Table.pull)

    def finish(self, handle: int, end: End) -> contract.TableOutcome:
        """See `table.finish`."""
        return self._table(handle, lambda table: table.finish(end))

    def save(self, handle: int) -> bytes:
        """See `table.save`."""
        return self._table(handle, Table.save)

    def restore(self, handle: int, state: bytes) -> None:
        """See `table.restore`."""
        self._table(handle, lambda table: table.restore(state))

    def snapshot(self, handle: int) -> bytes:
        """See `runner.snapshot`."""
        return self._table(handle, Table.snapshot)

    def resume(self, handle: int, snapshot: bytes) -> None:
        """See `runner.resume`."""
        self._table(handle, lambda table: table.resume(snapshot))

    def close_table(self, handle: int) -> None:
        """See `table.close`. A handle that is not open is left alone."""
        self.tables.pop(handle, None)


class Located(Exception):
    """An error together with the input whose columns it may name."""

    def __init__(self, error: Error, input: Schema):
        super().__init__(str(error))
        self.error = error
        self.input = input


def wire_error(exception: BaseException) -> contract.WireError:
    """Any exception as the contract's error."""
    names: list[str] = []
    if isinstance(exception, Located):
        names = exception.input.names
        exception = exception.error
    error = failure(exception)
    message, column = error.message, None
    if error.column is not None:
        if error.column in names:
            column = names.index(error.column)
        else:
            # A name that is no column of the input must not be lost.
            message = f"{message} (column `{error.column}`)"
    row = error.row
    if row is not None and not (isinstance(row, int) and 0 <= row < 1 << 32):
        # One that cannot cross must not cost the message.
        message, row = f"{message} (row {row!r})", None
    return contract.WireError(error.kind, clean(message), row, column)
