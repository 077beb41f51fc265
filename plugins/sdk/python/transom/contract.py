"""The records of the contract (`wit/transom.wit`), as plain classes.

The runner's generated bindings have classes of the same names and attributes; conversion reads attributes, so these
serve in the component and natively alike. Variants and enums are plain strings and tuples here; the runner turns them
into the bindings' own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class WireField:
    """One field of a schema; `children` of them follow it, depth first."""

    name: str
    format: str
    nullable: bool = True
    metadata: list[tuple[str, str]] = field(default_factory=list)
    children: int = 0


@dataclass(slots=True)
class Node:
    """Length and null count of one array."""

    length: int
    null_count: int


@dataclass(slots=True)
class Batch:
    """A record batch without its schema."""

    rows: int
    nodes: list[Node]
    buffers: list[bytes]


@dataclass(slots=True)
class WireError:
    """Why a call failed. `kind` is `bad-data`, `config`, `retryable` or `internal`; `column` a place in the input."""

    kind: str
    message: str
    row: int | None
    column: int | None


@dataclass(slots=True)
class Rejected:
    """A row of the current batch that was not taken, and why."""

    row: int
    reason: str


@dataclass(slots=True)
class ScalarOpened:
    """An opened function: its handle and the one field of its result."""

    handle: int
    output: list[WireField]


@dataclass(slots=True)
class ScalarOutcome:
    """One column with as many rows as the arguments, and the rows that failed."""

    column: Batch
    rejected: list[Rejected]


@dataclass(slots=True)
class TableOpened:
    """An opened transform. `output` holds `("computed", [WireField])` and `("input", place)`."""

    handle: int
    reads: list[int]
    output: list[tuple[str, object]]


@dataclass(slots=True)
class Part:
    """Rows that a transform emitted: the computed columns, and little-endian u32 rows of the current batch."""

    batch: Batch
    source_rows: bytes | None


@dataclass(slots=True)
class TableOutcome:
    """All that one call of a transform gave."""

    parts: list[Part]
    rejected: list[Rejected]
    more: bool


@dataclass(slots=True)
class Argument:
    """An argument of a function. `accepts` is `("exact", [WireField])`."""

    name: str
    accepts: tuple[str, object]


@dataclass(slots=True)
class FunctionDescription:
    """A function for SQL. `volatility` is `immutable`, `stable` or `volatile`."""

    name: str
    doc: str
    arguments: list[Argument]
    variadic: bool
    output: list[WireField]
    volatility: str


@dataclass(slots=True)
class SortKey:
    """One column of an order."""

    column: str
    descending: bool


@dataclass(slots=True)
class TransformDescription:
    """A transform. `options` is a JSON Schema; `partition_by` and `order_by` are the keys that it requires."""

    name: str
    doc: str
    options: str
    stateful: bool
    partition_by: list[str]
    order_by: list[SortKey]


@dataclass(slots=True)
class Description:
    """What a plugin offers."""

    name: str
    version: str
    functions: list[FunctionDescription]
    transforms: list[TransformDescription]
