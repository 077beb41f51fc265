"""Made-up columns of every type through both codecs, native and Python's: the same values, or the same error.

As a plugin it offers the function `compare`, which runs in the component. By itself it runs natively, on the extension
that PYTHONPATH holds:

    python3 compare_codecs.py SECONDS [SEED]

Each seed gives one case; a difference is reported with its seed.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import random
import struct
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Context, Decimal
from types import FrameType

import transom
from transom import native, types
from transom.codec import Bytes, DataType
from transom.column import Column, Misfit, encode
from transom.contract import Batch, Node
from transom.errors import Error
from transom.functions import Function
from transom.output import Output
from transom.schema import Field, decode

#: The extension, which `python_alone` takes away.
LOOPS = native.loops


@contextmanager
def python_alone() -> Iterator[None]:
    native.loops = None
    try:
        yield
    finally:
        native.loops = LOOPS


class Whole(int):
    """A class of an author's."""


class Real(float):
    """A class of an author's."""


class Day(dt.date):
    """A class of an author's."""


class Word(str):
    """A class of an author's."""


class Colour(enum.StrEnum):
    RED = "red"


class Index:
    """Not an `int`, and as good as one."""

    def __index__(self) -> int:
        return 7


class Floating:
    """Not a `float`, and refused as one."""

    def __float__(self) -> float:
        return 0.5


#: Wide enough for every decimal.
EXACT = Context(prec=200)
UNITS = ["s", "ms", "us"]
ZONES = ["", "UTC", "Europe/Warsaw"]
DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}

#: What a value of any type may turn out to be.
STRANGE: list[object] = [
    None, True, False, 0, 1, -1, 2, 2**31, -(2**63), 2**63, 2**64, 10**400,
    2**24 + 1, 2**53, 2**53 + 1, -(2**53) - 2, 0.0, -0.0, 1.5, 1e39, 1e308, math.nan,
    math.inf, "", "a", "\0", "Łódź", "🛫", "\ud800", b"", b"\xff", bytearray(b"ab"), memoryview(b"abc"),
    Word("word"), Colour.RED, Whole(5), Whole(2**70), Real(2.5), Index(), Floating(), dt.date.min, dt.date.max,
    Day(2020, 1, 1), dt.datetime.min, dt.datetime.max, dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2020, 1, 1, fold=1), dt.time(1, 2, 3, 4),
    dt.datetime(2020, 1, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=1))), dt.time(1, tzinfo=dt.UTC),
    dt.timedelta.max, dt.timedelta.min, dt.timedelta(microseconds=1), Decimal("NaN"), Decimal("-Infinity"),
    Decimal("-0"), Decimal("1E+30"), Decimal("1E-30"), Decimal("0E+50"), Decimal("1" * 60), Decimal("0.1"), [],
    object(),
]  # fmt: skip


class Case:
    """One seed's columns and functions."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def any_type(self) -> DataType:
        pick = self.random.choice
        bits = pick(list(DIGITS))
        precision = self.random.randint(1, DIGITS[bits])
        made: list[Callable[[], DataType]] = [
            lambda: pick(list(types._SIMPLE.values())),
            lambda: pick([types.utf8, types.large_utf8, types.int64, types.boolean, types.date32]),
            lambda: types.timestamp(pick([*UNITS, "ns"]), pick(ZONES)),
            lambda: types.time_of_day(pick([*UNITS, "ns"])),
            lambda: types.duration(pick([*UNITS, "ns"])),
            lambda: types.fixed_binary(self.random.randrange(20)),
            lambda: types.decimal(precision, self.random.randint(-3, precision), bits),
        ]
        return pick(made)()

    def whole(self, bits: int, signed: bool = True) -> int:
        """A whole number of a random length."""
        value = self.random.getrandbits(self.random.randint(0, bits - signed))
        return -value - 1 if signed and self.random.random() < 0.4 else value

    def value(self, data_type: DataType) -> object:
        """A value that mostly fits."""
        pick, format = self.random, data_type.format
        if data_type.python is int:
            bits = {"c": 8, "C": 8, "s": 16, "S": 16, "i": 32, "I": 32}.get(format, 64)
            return self.whole(bits, signed=format not in "CSIL")
        if data_type.python is float:
            if format == "e":
                return pick.choice([0.5, -65504.0, math.inf, -0.0, 1.25])
            value = pick.choice([pick.gauss(0, 1e6), float(self.whole(60)), math.inf, math.nan, -0.0])
            return struct.unpack("f", struct.pack("f", value))[0] if format == "f" else value
        if data_type.python is bool:
            return pick.random() < 0.5
        if data_type.python is str:
            letters = pick.choice(["ab", "ABCDEF0123 ", "Łódź", "🛫a", "\0\x7f\x80\u07ff\u0800\uffff"])
            return "".join(pick.choices(letters, k=pick.choice([0, 1, 2, 3, 5, 8, 15, 16, 17, 40])))
        if data_type.python is bytes:
            width = getattr(data_type, "width", None)
            return pick.randbytes(pick.choice([0, 1, 7, 16, 33]) if width is None else width)
        if data_type.python is dt.date:
            days = [1, 3652059, 719163 + pick.randrange(-9, 9), pick.randint(1, 3652059)]
            return dt.date.fromordinal(pick.choice(days))
        micros = pick.choice([0, 1, -1, 86_399_999_999, self.whole(58), self.whole(45)])
        unit = getattr(data_type, "unit", "u")
        micros -= micros % {"s": 1_000_000, "m": 1_000, "u": 1}.get(unit, 1)
        if data_type.python is dt.timedelta:
            return dt.timedelta(microseconds=micros)
        if data_type.python is dt.time:
            return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros % 86_400_000_000)).time()
        if data_type.python is dt.datetime:
            micros %= 8_000 * 365 * 86_400_000_000
            return data_type.placeholder + dt.timedelta(microseconds=micros - 1_900 * 365 * 86_400_000_000)
        if data_type.python is Decimal:
            precision, scale = map(int, format[2:].split(",")[:2])
            number = self.whole(256) % 10 ** pick.randint(0, precision) * pick.choice([1, -1])
            value = Decimal(number).scaleb(-scale, EXACT)
            return value.normalize(EXACT) if pick.random() < 0.3 else value
        return None

    def values(self, data_type: DataType, rows: int, nulls: bool = True) -> list:
        made = [self.value(data_type) for _ in range(rows)]
        if self.random.random() < 0.3:
            made = self.random.choices(made[:3] or [None], k=rows)
        if nulls and self.random.random() < 0.5:
            made = [None if self.random.random() < 0.2 else value for value in made]
        return made

    def rows(self) -> int:
        return self.random.choice([0, 1, 2, 7, 8, 9, 31, 64, 100, self.random.randrange(1200)])

    def with_strange(self, values: list) -> list:
        """Some of the values replaced by what may not be of the type."""
        if values and self.random.random() < 0.5:
            for _ in range(self.random.choice([1, 1, 3])):
                values[self.random.randrange(len(values))] = self.random.choice(STRANGE)
        return values

    def marks(self, rows: int) -> bytes:
        share = self.random.choice([0, 0.1, 0.5, 0.9, 1])
        return bytes([self.random.random() < share for _ in range(rows)])

    def column(self, data_type: DataType, rows: int) -> tuple[Node, list[bytes]]:
        """Buffers: mostly of values, else of any bytes."""
        if data_type.format == "n":
            return Node(rows, rows), [b""]
        chance = self.random.random()
        if chance < 0.7:
            with python_alone():
                batch = encode(data_type, self.values(data_type, rows))
            buffers = batch.buffers
            if chance < 0.1 and buffers[-1]:
                # One byte is another.
                which = self.random.randrange(1, len(buffers))
                changed = bytearray(buffers[which])
                if changed:
                    changed[self.random.randrange(len(changed))] = self.random.randrange(256)
                buffers[which] = bytes(changed)
            return batch.nodes[0], buffers
        bitmap = self.random.randbytes((rows + 7) // 8 + self.random.randrange(2)) if chance < 0.9 else b""
        flags = [bitmap[row >> 3] >> (row & 7) & 1 for row in range(rows)] if bitmap else []
        node = Node(rows, flags.count(0))
        buffers = [bitmap if node.null_count else b""]
        if isinstance(data_type, Bytes):
            code = data_type.offset
            data = self.random.choice([self.random.randbytes, lambda n: bytes(n), lambda n: "żółw".encode() * n])(rows)
            ends = sorted(self.random.choices(range(len(data) + 1), k=rows + 1))
            if self.random.random() < 0.2:
                self.random.shuffle(ends)
            if self.random.random() < 0.1:
                ends[-1] += self.random.choice([1, 2**31 - 1 - ends[-1]])
            buffers += [array(code, ends).tobytes(), data]
        else:
            width = getattr(data_type, "width", None) or array(getattr(data_type, "code", None) or "b").itemsize
            if data_type.format == "e":
                width = 2
            buffers.append(self.random.randbytes(rows * width if data_type.format != "b" else (rows + 7) // 8))
        if self.random.random() < 0.05:
            buffers[-1] = buffers[-1][: self.random.randrange(len(buffers[-1]) + 1)]
        return node, buffers





def outcome(work: Callable[[], object]) -> object:
    """What came of it, in a form that shows every difference: values with their classes, errors with their words."""
    try:
        return shown(work())
    except Misfit as misfit:
        return "misfit", misfit.row, misfit.reason, misfit.wrong_class
    except Error as error:
        return type(error).__name__, error.message, error.row
    except Exception as error:
        return type(error).__name__, str(error)


def shown(value: object) -> object:
    if isinstance(value, Batch):
        return value.rows, [(node.length, node.null_count) for node in value.nodes], value.buffers
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, (Decimal, dt.date, dt.time, dt.timedelta)) and value == value:
        # What was made in another way has to behave in the same way.
        return type(value), repr(value), hash(value), str(value + value if isinstance(value, Decimal) else value)
    return type(value), repr(value)


def same(case: str, work: Callable[[], object]) -> None:
    """Fails unless both codecs have the same outcome."""
    ours = outcome(work)
    with python_alone():
        theirs = outcome(work)
    if ours != theirs:
        raise AssertionError(f"{case}\nnative: {cut(ours)}\npython: {cut(theirs)}")


def cut(value: object) -> str:
    text = repr(value)
    return text if len(text) < 4_000 else text[:4_000] + "..."


def check(seed: int) -> None:
    """One case. AssertionError says where both differ."""
    case = Case(seed)
    case.random.choice([check_encode, check_decode, check_rows, check_held, check_columns, check_emit])(case)


def check_encode(case: Case) -> None:
    data_type = case.any_type()
    values = case.with_strange(case.values(data_type, case.rows()))
    chance = case.random.random()
    if chance < 0.4:
        same(f"encode {data_type}", lambda: encode(data_type, values))
    elif chance < 0.7:
        marks = case.marks(len(values) * 2)
        picked = values[: marks.count(1)]
        marks = marks if len(picked) == marks.count(1) else b"\1" * len(picked)
        same(f"encode {data_type} of selected rows", lambda: encode(data_type, picked, selected=marks))
    else:
        # What is beneath a null may differ.
        valid = case.marks(len(values))
        same(f"encode {data_type} with marks", lambda: there_and_back(data_type, values, valid))


def there_and_back(data_type: DataType, values: list, valid: bytes) -> list:
    batch = encode(data_type, values, valid)
    with python_alone():
        return [batch.nodes[0].null_count, from_batch(data_type, batch).to_list()]


def from_batch(data_type: DataType, batch: Batch) -> Column:
    return decode([Field("x", data_type)], batch)[0]


def check_decode(case: Case) -> None:
    data_type = case.any_type()
    rows = case.rows()
    node, buffers = case.column(data_type, rows)

    def column() -> Column:
        return Column.from_wire(data_type, node, buffers[0], buffers[1:])

    same(f"decode {data_type}", lambda: column().to_list())
    if node.null_count == 0:
        same(f"slots of {data_type}", lambda: list(column().values))
    same(f"marks of {data_type}", lambda: column().valid)


def any_result(case: Case, output: DataType, arguments: list[DataType]) -> Callable:
    """A function of any number of arguments that mostly gives what it should."""
    given = [place for place, data_type in enumerate(arguments) if data_type == output]
    made = case.with_strange(case.values(output, 50, nulls=False)) or [None]
    rejects = case.random.random() < 0.3
    fails = case.random.randrange(2000)
    keeps = case.random.choice([0, 0, 2, 3, 7])
    kept: list[object] = []
    calls = iter(range(10**9))

    def function(*values: object) -> object:
        call = next(calls)
        if rejects and call % 5 == 3:
            raise ValueError(f"row {call}")
        if call == fails:
            raise KeyError(call)
        if keeps and given:
            # What somebody holds stays what it is, also as a key. Sometimes all is let go.
            if call % keeps:
                kept.append(values[given[0]])
                places = {value: place for place, value in enumerate(kept[-3:])}
                assert [kept[-3:][places[value]] for value in kept[-3:]] == kept[-3:]
            if type(values[0]) is str and call % 11 == 0:
                kept.append(sys.intern(values[0]) and values[given[0]])
            result = kept[call * 7 % len(kept)] if kept else None
            if call % 23 == 0:
                kept.clear()
            return result
        return values[given[0]] if given else made[call % len(made)]

    return function


def function_of(case: Case, by_column: bool) -> tuple[Function, list[DataType], Callable[[], None]]:
    arguments = [case.any_type() for _ in range(case.random.choice([0, 1, 1, 2, 3, 4, 7, 9]))]
    arguments = [data_type for data_type in arguments if data_type.format != "n"]
    output = case.random.choice(arguments) if arguments and case.random.random() < 0.6 else case.any_type()
    sees_null = [case.random.random() < 0.4 for _ in arguments]
    function = Function(lambda: None, "made", "immutable", by_column)
    signature = [(f"a{place}", data_type, sees) for place, (data_type, sees) in enumerate(zip(arguments, sees_null))]
    function._signature = (signature, output, case.random.random() < 0.4)
    seed = case.random.random()

    def begin() -> None:
        # Each codec gets a function that begins anew.
        fresh = Case(0)
        fresh.random.seed(seed)
        if by_column:
            function.function = column_function(fresh, output)
        else:
            function.function = any_result(fresh, output, arguments)

    return function, arguments, begin


def called(function: Function, arguments: list[DataType], given: list[tuple[Node, list[bytes]]], rows: int) -> list:
    columns = [
        Column.from_wire(data_type, node, buffers[0], buffers[1:])
        for data_type, (node, buffers) in zip(arguments, given)
    ]
    batch, rejected = function.call(columns, rows)
    with python_alone():
        return [batch.nodes[0].null_count, from_batch(function.output, batch).to_list(), rejected]


def check_rows(case: Case) -> None:
    function, arguments, begin = function_of(case, by_column=False)
    rows = case.rows() if arguments else 1
    given = [case.column(data_type, rows) for data_type in arguments]

    def work() -> list:
        begin()
        return called(function, arguments, given, rows)

    same(f"a function of {arguments} that gives {function.output}", work)


def begun(value: object) -> Callable[[], object]:
    def generator(value: object) -> Iterator[object]:
        yield
        yield value

    made = generator(value)
    next(made)
    return lambda: next(made)


def not_begun(value: object) -> Callable[[], object]:
    def generator(value: object) -> Iterator[object]:
        yield value

    made = generator(value)
    return lambda: next(made)


def on_its_stack(value: object) -> Callable[[], object]:
    def generator(value: object) -> Iterator[object]:
        kept = [value, (yield)]
        value = None
        yield kept[0]

    made = generator(value)
    next(made)
    return lambda: made.send(None)


def in_a_coroutine(value: object) -> Callable[[], object]:
    async def coroutine(value: object) -> object:
        return value

    made = coroutine(value)

    def ask() -> object:
        try:
            made.send(None)
        except StopIteration as end:
            return end.value

    return ask


def in_a_closure(value: object) -> Callable[[], object]:
    return lambda: value


def in_a_frame(value: object) -> Callable[[], object]:
    def frame(value: object) -> FrameType:
        return sys._getframe()

    kept = frame(value)
    return lambda: kept.f_locals["value"]


def in_an_error(value: object) -> Callable[[], object]:
    def fail(value: object) -> None:
        raise KeyError

    try:
        fail(value)
    except KeyError as error:
        kept = error.__traceback__.tb_next
    return lambda: kept.tb_frame.f_locals["value"]


WAYS_TO_HOLD = [begun, not_begun, on_its_stack, in_a_coroutine, in_a_closure, in_a_frame, in_an_error]


def check_held(case: Case) -> None:
    """What holds an argument after the call has the value that was given, though Python's frames borrow."""
    arguments = [case.any_type() for _ in range(case.random.choice([1, 1, 2]))]
    arguments = [data_type for data_type in arguments if data_type.format != "n"] or [types.int64]
    rows = case.rows()
    given = [case.column(data_type, rows) for data_type in arguments]
    ways = case.random.choices(WAYS_TO_HOLD, k=50)
    lets_go = case.random.choice([3, 10, rows + 1])

    def work() -> list:
        held: list[Callable[[], object]] = []
        shown: list[object] = []

        def let_go() -> None:
            shown.extend(ask() for ask in held)
            held.clear()

        # Its own frame borrows the arguments, too: they are no tuple's.
        def one(a: object) -> None:
            held.append(ways[len(shown) % 50](a))
            if len(held) % lets_go == 0:
                let_go()

        def two(a: object, b: object) -> None:
            one(b)

        function = Function(lambda: None, "holds", "immutable", False)
        signature = [(f"a{place}", data_type, True) for place, data_type in enumerate(arguments)]
        function._signature = (signature, arguments[0], True)
        function.function = one if len(arguments) == 1 else two
        outcome = called(function, arguments, given, rows)
        let_go()
        return [outcome, shown]

    same(f"what holds values of {arguments[-1]}", work)


def column_function(case: Case, output: DataType) -> Callable:
    way = case.random.randrange(4)

    def function(*columns: Column) -> object:
        rows = len(columns[0])
        if way == 0:
            same_type = [column for column in columns if column.type == output]
            return same_type[0] if same_type else case.values(output, rows)
        if way == 1:
            return Column(case.values(output, rows, nulls=False), case.marks(rows))
        if way == 2 and output.format in ("l", "g", "i"):
            return array({"l": "q", "g": "d", "i": "i"}[output.format], range(rows))
        return case.with_strange(case.values(output, rows))

    return function


def check_columns(case: Case) -> None:
    function, arguments, begin = function_of(case, by_column=True)
    if not arguments:
        return
    rows = case.rows()
    given = [case.column(data_type, rows) for data_type in arguments]

    def work() -> list:
        begin()
        return called(function, arguments, given, rows)

    same(f"a function by column of {arguments} that gives {function.output}", work)


def check_emit(case: Case) -> None:
    rows = case.rows()
    fields = [Field(f"c{place}", case.any_type(), nullable=True) for place in range(case.random.randint(1, 3))]
    columns = {field.name: case.values(field.type, rows) for field in fields}
    if case.random.random() < 0.3:
        case.with_strange(columns["c0"])
    rejected = [row for row in range(rows) if case.random.random() < 0.05]
    sources = sorted(case.random.choices(range(rows), k=rows)) if rows else []
    each = case.random.random() < 0.5

    def work() -> list:
        output = Output(fields, False, rows)
        if each:
            output.emit(columns)
        else:
            output.emit_rows(sources, columns)
        for row in rejected:
            output.reject(row, "because")
        made = output.outcome()
        return [[part.batch, part.source_rows] for part in made.parts] + [(r.row, r.reason) for r in made.rejected]

    same(f"emit {fields}", work)


def coverage() -> list[str]:
    """Formats that have a loop, by whether the extension takes a column of the type's placeholders."""
    with_loops = []
    decimals = [types.decimal(9, 2, 32), types.decimal(18, 2, 64), types.decimal(38, 2), types.decimal(60, 2, 256)]
    units = [make(unit) for make in [types.timestamp, types.time_of_day, types.duration] for unit in UNITS]
    others = [types.timestamp("us", "UTC"), types.fixed_binary(3)]
    for data_type in [*types._SIMPLE.values(), *units, *others, *decimals]:
        encoded = native.encode(data_type.format, [data_type.placeholder, None], None, None)
        if encoded is None:
            continue
        null_count, (bitmap, *buffers) = encoded
        column = Column.from_wire(data_type, Node(2, null_count), bitmap, buffers)
        if native.decode(data_type.format, column.valid, buffers, 2) and native.rows_of([column], 2, None):
            with_loops.append(data_type.format)
    return with_loops


#: All but float16, null and decimals of 256 bits.
LOOPED = [
    "b", "c", "s", "i", "l", "C", "S", "I", "L", "f", "g", "u", "U", "z", "Z", "tdD", "tdm", "tss:", "tsm:", "tsu:",
    "tts", "ttm", "ttu", "tDs", "tDm", "tDu", "tsu:UTC", "w:3", "d:9,2,32", "d:18,2,64", "d:38,2",
]  # fmt: skip


def check_coverage() -> None:
    """That loops are there: what declines everything would be slow, and right."""
    if LOOPS is None:
        raise AssertionError("the extension `_transom_native` is not here")
    found = coverage()
    if found != LOOPED:
        raise AssertionError(f"loops are there for {found}, not for {LOOPED}")


@transom.function(volatility="volatile")
def compare(first: int, count: int) -> int:
    """Runs the cases of `count` seeds from `first` on; gives `count`, or ends the run with the first difference."""
    check_coverage()
    for seed in range(first, first + count):
        try:
            check(seed)
        except Exception as error:
            raise RuntimeError(f"seed {seed}: {error}") from error
    return count


def main() -> None:
    check_coverage()
    seconds = float(sys.argv[1])
    seed = first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**40)
    print(f"python {sys.version.split()[0]}: seeds from {first}", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            check(seed)
        except Exception as error:
            print(f"seed {seed}: {error}", file=sys.stderr)
            raise
        seed += 1
    print(f"python {sys.version.split()[0]}: {seed - first} cases, no difference", flush=True)


if __name__ == "__main__":
    main()
