"""Transforms: the class an author derives from, what it says when opened, and the batches it gets."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .codec import DataType
from .column import Column
from .errors import BadData, Config, Error
from .schema import Field, Schema
from .types import from_annotation

if TYPE_CHECKING:
    from .output import Output

#: Transforms in the order of their definition, over all modules.
registry: list[type[Transform]] = []


class End(enum.Enum):
    """Which end has come."""

    #: The slice ends: the state is saved afterwards, and input goes on another day.
    SLICE = "slice"
    #: No input will ever follow.
    INPUT = "input"


class _All:
    """Every column of the input."""

    def __repr__(self) -> str:
        return "ALL"


#: Every column of the input, in its order.
ALL = _All()


class Opened:
    """What a transform says when it is opened: the columns that it reads, and those of its output.

    `reads` names the columns that batches will hold, in this order; a mapping says as which types, too:
    `{"customer": str, "second": int}`. The host casts to them where no value is lost, and a column of any other type is
    a mistake in the pipeline, which is found before data is read. Whatever the type, a column may hold None: `str` and
    `str | None` are the same here. `passes` names those that the host carries over
    to the output; one that is passed and not read never leaves the host. `computes` names the columns that the
    transform makes, with their types: `{"session": int, "note": str | None}`, or a list of `Field`. The output has
    first those passed, then those computed.
    """

    def __init__(
        self,
        *,
        reads: Mapping[str | int, object] | Iterable[str | int] | _All = (),
        passes: Iterable[str | int] | _All = (),
        computes: Mapping[str, object] | Iterable[Field] = (),
    ):
        #: The types that it reads columns as, in the order of `reads`; none if it takes them as they are.
        self.types: list[DataType] = []
        if isinstance(reads, Mapping):
            self.types = [type_of(column, annotation) for column, annotation in reads.items()]
            reads = list(reads)
        self.reads = reads
        self.passes = passes
        if isinstance(computes, Mapping):
            computes = [Field(name, annotation) for name, annotation in computes.items()]
        self.computes = list(computes)

    def places(self, columns: Iterable[str | int] | _All, schema: Schema) -> list[int]:
        """Columns of the input by name or place, as places."""
        if isinstance(columns, _All):
            return list(range(len(schema)))
        if isinstance(columns, str):
            raise Error(f'columns are given as a list: write `["{columns}"]`')
        places = []
        for column in columns:
            if isinstance(column, str):
                places.append(schema.place(column))
            elif 0 <= column < len(schema):
                places.append(column)
            else:
                raise Config(f"the input has {len(schema)} columns, none at place {column}")
        return places


def type_of(column: str | int, annotation: object) -> DataType:
    """The type that a column is to be read as."""
    try:
        return from_annotation(annotation)[0]
    except TypeError as error:
        raise Error(f"the column `{column}` in `reads`: {error}") from None


@dataclasses.dataclass(frozen=True, slots=True)
class SortKey:
    """One column of an order."""

    column: str
    descending: bool = False


def desc(column: str) -> SortKey:
    """The column of an order with its largest values first."""
    return SortKey(column, descending=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """By which columns a step has to partition its rows and sort a partition; it decides if both are empty."""

    partition_by: list[str]
    order_by: list[SortKey]

    @classmethod
    def of(cls, partition_by: Iterable[str], order_by: Iterable[str | SortKey]) -> Keys:
        """The keys as a class gives them."""
        for argument, columns in (("partition_by", partition_by), ("order_by", order_by)):
            if isinstance(columns, str):
                raise TypeError(f'`{argument}` is a list: write `{argument}=["{columns}"]`')
        keys = cls(list(partition_by), [key if isinstance(key, SortKey) else SortKey(key) for key in order_by])
        seen: set[str] = set()
        for column in [*keys.partition_by, *(key.column for key in keys.order_by)]:
            if not isinstance(column, str):
                raise TypeError(f"`partition_by` and `order_by` name columns, which {column!r} does not")
            if column in seen:
                raise ValueError(f"`partition_by` and `order_by` name the column `{column}` twice")
            seen.add(column)
        return keys


class Transform:
    """A function from a table to a table: batches in, batches out. Derive from it; the docstring describes it.

    One object lives for one partition of the input, or several, each of which goes on with the attributes of the one
    before it (pickled, so `__getstate__` and `__setstate__` are asked): `open`, then `restore` if there is a state, then
    `process` for each batch (and `pull` while the output says there is more), then `finish`, then `save`.

    Its name in pipelines is the class's in snake case, or `class Visits(Transform, name="visits")`. A class that
    others derive from and that is none itself says `abstract=True`.

    `class Visits(Transform, partition_by=["tailnum"], order_by=["departed"])` says which rows it has to be given: all
    rows with the same `tailnum` in one object, one after another, sorted by `departed`, or `desc("departed")` for the
    largest first. A step that does not say the same is an error of `transom check`.

    Options are a class in it, of annotated attributes:

        class Options:
            pause: Annotated[int, "Seconds without a click that end a session."] = 1800
    """

    name: ClassVar[str]
    #: By which columns its step has to partition and sort the rows.
    required_keys: ClassVar[Keys]
    #: The options' class, if there are any.
    Options: ClassVar[type | None] = None
    #: The options as the pipeline gives them.
    options: Any

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        abstract: bool = False,
        partition_by: Iterable[str] = (),
        order_by: Iterable[str | SortKey] = (),
        **rest: Any,
    ):
        super().__init_subclass__(**rest)
        cls.required_keys = Keys.of(partition_by, order_by)
        if not abstract:
            cls.name = name or snake_case(cls.__name__)
            registry.append(cls)

    def open(self, input: Schema) -> Opened:
        """Says which columns it reads and makes, given those of its input.

        Called while a pipeline is checked, too: it must not need data. Raise `Config` when it cannot work on such an
        input.
        """
        raise NotImplementedError(f"the transform `{self.name}` has no `open`")

    def process(self, batch: RecordBatch, output: Output) -> None:
        """Takes a batch, which holds the columns read and no other."""
        raise NotImplementedError(f"the transform `{self.name}` has no `process`")

    def pull(self, output: Output) -> None:
        """Goes on with the output for the current batch; called as long as `output.more()` was said."""
        raise Error(f"the transform `{self.name}` said there was more output, but has no `pull`")

    def finish(self, end: End, output: Output) -> None:
        """Emits what was held back. There is no current batch: rows cannot be rejected nor columns carried over."""

    def save(self) -> Any:
        """The state to go on from in the next slice: anything that JSON can hold. With it a transform is stateful."""
        return None

    def restore(self, state: Any) -> None:
        """Goes on from what `save` returned."""
        raise Error(f"the transform `{self.name}` keeps state, but has no `restore`")

    @classmethod
    def options_class(cls) -> type | None:
        """The options' class as a dataclass, which it becomes when it is first asked for: that takes its time."""
        if cls.Options is not None and "__dataclass_fields__" not in cls.Options.__dict__:
            cls.Options = dataclasses.dataclass(cls.Options)
        return cls.Options

    @classmethod
    def is_stateful(cls) -> bool:
        """Whether anything is kept between slices."""
        return cls.save is not Transform.save

    @classmethod
    def doc(cls) -> str:
        """The docstring of the class itself."""
        return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def snake_case(name: str) -> str:
    """`RunningSum` as `running_sum`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class RecordBatch:
    """Some rows of the columns that a transform reads.

    `batch["carrier"]` is a column as a list of Python's values, None for null, read once. `len(batch)` is the number
    of rows.
    """

    def __init__(self, rows: int, names: Sequence[str], columns: Sequence[Column]):
        self.rows = rows
        self.names = list(names)
        self.columns = list(columns)

    def __len__(self) -> int:
        return self.rows

    def column(self, name: str | int) -> Column:
        """A column with all that is known of it, by name or place among those read."""
        if isinstance(name, int):
            return self.columns[name]
        try:
            return self.columns[self.names.index(name)]
        except ValueError:
            names = ", ".join(f"`{other}`" for other in self.names) or "none"
            raise Error(f"the batch has no column `{name}`; `open` said that it reads {names}") from None

    def __getitem__(self, name: str | int) -> list:
        column = self.column(name)
        try:
            return column.to_list()
        except (OverflowError, ValueError):
            raise self._unreadable(column) from None

    def view(self, name: str | int) -> Any:
        """The slots of a column, nulls' among them, without a copy: a memoryview for numbers, dates and timestamps."""
        return self.column(name).values

    def _unreadable(self, column: Column) -> Error:
        data_type = column.type
        assert data_type is not None
        name = self.names[self.columns.index(column)]
        for row, item in enumerate(data_type.items(column.values)):
            if column.valid is not None and not column.valid[row]:
                continue
            try:
                data_type.convert([item])
            except (OverflowError, ValueError):
                reason = f"{item!s} is out of the range of `{data_type.python.__name__}`"
                return BadData(reason, row=row, column=name)
        return BadData(f"a value is out of the range of `{data_type.python.__name__}`", column=name)
