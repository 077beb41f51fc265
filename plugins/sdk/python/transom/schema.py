"""The columns of a table, as `open` sees them and as it promises new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .codec import DataType
from .column import Column
from .contract import Batch, WireField
from .errors import Config, Error
from .types import from_annotation, from_format


class Field:
    """A column's name, type, whether it may be null, and metadata.

    `type` is what would stand in an annotation: `int`, `str | None`, `transom.int32`. `nullable` follows from it
    unless given. Of a column of the input, `type` is None when Python cannot express it; `format` is Arrow's format
    string then.
    """

    __slots__ = ("children", "format", "metadata", "name", "nullable", "type")

    def __init__(
        self,
        name: str,
        type: object,
        nullable: bool | None = None,
        metadata: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    ):
        data_type, optional = from_annotation(type)
        self.name = name
        self.type: DataType | None = data_type
        self.format = data_type.format
        self.nullable = optional if nullable is None else nullable
        self.metadata = list(metadata.items() if isinstance(metadata, Mapping) else metadata)
        self.children = 0

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.type or self.format}, nullable={self.nullable})"

    @classmethod
    def from_wire(cls, wire: WireField) -> Field:
        """A column of the input."""
        field = cls.__new__(cls)
        field.name = wire.name
        field.format = wire.format
        field.type = from_format(wire.format) if not wire.children else None
        field.nullable = wire.nullable
        field.metadata = list(wire.metadata)
        field.children = wire.children
        return field

    def to_wire(self) -> WireField:
        """The field as the host takes it."""
        return WireField(self.name, self.format, self.nullable, list(self.metadata), 0)


class Schema(Sequence[Field]):
    """The columns of an input, by place or by name: `schema[0]`, `schema["carrier"]`, `"carrier" in schema`."""

    def __init__(self, fields: Sequence[Field]):
        self.fields = list(fields)

    @classmethod
    def from_wire(cls, wire: Sequence[WireField]) -> Schema:
        """The host's list, in which the children of a nested column follow it, depth first."""
        fields, skip = [], 0
        for field in wire:
            if skip:
                skip += field.children - 1
                continue
            fields.append(Field.from_wire(field))
            skip = field.children
        return cls(fields)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [field.name for field in self.fields]

    def __len__(self) -> int:
        return len(self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __contains__(self, name: object) -> bool:
        return any(field.name == name or field is name for field in self.fields)

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.fields[self.place(key)]
        return self.fields[key]

    def place(self, name: str) -> int:
        """The place of a column. `Config` names those that there are."""
        for place, field in enumerate(self.fields):
            if field.name == name:
                return place
        names = ", ".join(f"`{other}`" for other in self.names) or "none"
        raise Config(f"there is no column `{name}`; the input has {names}")

    def check(self, place: int, wanted: DataType) -> None:
        """`Config` if the column at a place is of another type than `wanted`; the host may offer it in that one then."""
        field = self.fields[place]
        # A nested column has the format of its outermost type alone.
        if field.children or field.format != wanted.format:
            given = field.type.name if field.type is not None else field.format
            raise Config(f"the column `{field.name}` is {given}, not {wanted.name}", column=field.name)

    def readable(self, place: int) -> Field:
        """The column at a place, if Python can express its type; else `Config`."""
        field = self.fields[place]
        if field.type is None:
            raise Config(
                f"column `{field.name}` has type {field.format}, which a plugin in Python cannot read",
                column=field.name,
            )
        return field


def decode(fields: Sequence[Field], batch: Batch) -> list[Column]:
    """The columns of a batch that holds `fields`, none of them nested."""
    if len(batch.nodes) != len(fields):
        raise Error(f"the host sent {len(batch.nodes)} columns for {len(fields)}")
    columns, at, buffers = [], 0, batch.buffers
    for field, node in zip(fields, batch.nodes):
        data_type = field.type
        assert data_type is not None
        if data_type.format == "n":
            column = Column.from_wire(data_type, node, b"", ())
            column.valid = bytes(node.length)
        else:
            end = at + 1 + data_type.buffers
            column = Column.from_wire(data_type, node, buffers[at], buffers[at + 1 : end])
            at = end
        columns.append(column)
    return columns


def join(rows: int, columns: Sequence[Batch]) -> Batch:
    """One batch of columns that were encoded one by one."""
    nodes = [node for column in columns for node in column.nodes]
    return Batch(rows, nodes, [buffer for column in columns for buffer in column.buffers])
