"""The runner's component: the contract's exports on top of the SDK, for a plugin that comes as files.

componentize-py looks for a class of each exported interface's name in this module. Whatever is raised is returned as
an error of the contract: an exception that left an export would end the instance, and nobody would learn where it
was.
"""

from __future__ import annotations

import marshal
from types import CodeType
from typing import NoReturn

from componentize_py_types import Err
from transom_runner import image, lines, standard_library
from transom_runner.loading import load_plugin
from wit_world.exports import meta, scalar, table
from wit_world.imports import host, types

from transom import contract, log, native
from transom.errors import Error
from transom.plugin import Handles, wire_error
from transom.transforms import End

standard_library.preload()
if native.loops is None:
    # It would work without, at half the speed.
    raise ImportError("the component lacks `_transom_native`")

_KINDS = {
    "bad-data": types.ErrorKind.BAD_DATA,
    "config": types.ErrorKind.CONFIG,
    "retryable": types.ErrorKind.RETRYABLE,
    "internal": types.ErrorKind.INTERNAL,
}
_VOLATILITIES = {
    "immutable": meta.Volatility.IMMUTABLE,
    "stable": meta.Volatility.STABLE,
    "volatile": meta.Volatility.VOLATILE,
}
_LEVELS = {
    "trace": host.Level.TRACE,
    "debug": host.Level.DEBUG,
    "info": host.Level.INFO,
    "warn": host.Level.WARN,
    "error": host.Level.ERROR,
}
_ENDS = {table.End.SLICE: End.SLICE, table.End.INPUT: End.INPUT}

#: What is open; None until a plugin is loaded.
_handles: Handles | None = None
#: What the plugin's files were compiled to, by their paths.
_compiled: dict[str, CodeType] = {}


def _log(level: str, message: str) -> None:
    host.log(_LEVELS[level], message.encode("utf-8", "backslashreplace"))


log.emit = _log
log.add = host.count


def _fail(exception: BaseException) -> NoReturn:
    error = wire_error(exception)
    # Alone: an exception that had this one as its context would keep every frame alive.
    raise Err(types.Error(_KINDS[error.kind], error.message, error.row, error.column)) from None


def _loaded() -> Handles:
    if _handles is None:
        raise Error("no plugin is loaded: `runner.load` comes first")
    return _handles


class Runner:
    """`runner`: takes the author's files, and moves what is open to another instance."""

    def load(self, files: list[tuple[str, bytes]], compiled: bytes) -> None:
        global _handles
        try:
            if _handles is not None:
                raise Error("a plugin is loaded already: an instance holds one")
            if compiled:
                _compiled.update(marshal.loads(compiled))
            _handles = Handles(load_plugin(dict(files), _compiled))
        except BaseException as error:
            _fail(error)

    def compiled(self) -> bytes:
        try:
            return marshal.dumps(_compiled)
        except BaseException as error:
            _fail(error)

    def trace(self) -> None:
        try:
            lines.trace(_compiled, lambda line: _log("trace", line))
        except BaseException as error:
            _fail(error)

    def snapshot(self, handle: int) -> bytes:
        try:
            return _loaded().snapshot(handle)
        except BaseException as error:
            _fail(error)

    def resume(self, handle: int, snapshot: bytes) -> None:
        try:
            _loaded().resume(handle, snapshot)
        except BaseException as error:
            _fail(error)


class Meta:
    """`meta`: what the plugin offers."""

    def describe(self) -> meta.Description:
        try:
            description = _loaded().plugin.describe()
        except BaseException as error:
            _fail(error)
        return meta.Description(
            description.name,
            description.version,
            [_function(function) for function in description.functions],
            [_transform(transform) for transform in description.transforms],
        )


def _function(described: contract.FunctionDescription) -> meta.Function:
    arguments = []
    for argument in described.arguments:
        _, fields = argument.accepts
        arguments.append(meta.Argument(argument.name, meta.ArgumentType_Exact(fields)))
    return meta.Function(
        described.name,
        described.doc,
        arguments,
        described.variadic,
        described.output,
        _VOLATILITIES[described.volatility],
    )


def _transform(described: contract.TransformDescription) -> meta.Transform:
    order_by = [meta.SortKey(key.column, key.descending) for key in described.order_by]
    return meta.Transform(
        described.name, described.doc, described.options, described.stateful, described.partition_by, order_by
    )


class Scalar:
    """`scalar`: functions."""

    def open(self, name: str, arguments: list[types.Field], options: str) -> scalar.Opened:
        try:
            return _loaded().open_function(name, arguments, options)
        except BaseException as error:
            _fail(error)

    def call(self, handle: int, arguments: types.Batch) -> scalar.Outcome:
        try:
            return _loaded().call(handle, arguments)
        except BaseException as error:
            _fail(error)

    def close(self, handle: int) -> None:
        if _handles is not None:
            _handles.close_function(handle)


class Table:
    """`table`: transforms."""

    def open(self, name: str, input: list[types.Field], options: str) -> table.Opened:
        try:
            opened = _loaded().open_table(name, input, options)
        except BaseException as error:
            _fail(error)
        output = [
            table.Output_Input(column) if kind == "input" else table.Output_Computed(column)
            for kind, column in opened.output
        ]
        return table.Opened(opened.handle, opened.reads, output)

    def process(self, handle: int, input: types.Batch) -> table.Outcome:
        try:
            return _loaded().process(handle, input)
        except BaseException as error:
            _fail(error)

    def pull(self, handle: int) -> table.Outcome:
        try:
            return _loaded().pull(handle)
        except BaseException as error:
            _fail(error)

    def finish(self, handle: int, end: table.End) -> table.Outcome:
        try:
            return _loaded().finish(handle, _ENDS[end])
        except BaseException as error:
            _fail(error)

    def save(self, handle: int) -> bytes:
        try:
            return _loaded().save(handle)
        except BaseException as error:
            _fail(error)

    def restore(self, handle: int, state: bytes) -> None:
        try:
            _loaded().restore(handle, state)
        except BaseException as error:
            _fail(error)

    def close(self, handle: int) -> None:
        if _handles is not None:
            _handles.close_table(handle)


# Last: what is defined later would be written behind what is filled here.
image.prepare()
