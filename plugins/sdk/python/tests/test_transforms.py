"""Transforms through the host's calls: options, layouts, ways to emit, state, errors."""

import datetime as dt
import json
import math
import unittest
from array import array
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal

import transom
from transom import options
from transom.column import Column
from transom.contract import Batch, Node, WireField
from transom.plugin import Handles, Located, Plugin, describe_transform, wire_error
from transom.testing import run_transform


class Split(transom.Transform):
    """One row for each word of a text."""

    class Options:
        column: Annotated[str, "The text."]
        longest: Annotated[int, transom.minimum(1)] = 20

    def open(self, input):
        return transom.Opened(
            reads=[self.options.column], passes=["id"], computes={"word": str, "place": transom.Int32}
        )

    def process(self, batch, output):
        rows, words, places = [], [], []
        for row, text in enumerate(batch[self.options.column]):
            if text is None:
                output.reject(row, "no text")
                continue
            for place, word in enumerate(text.split()):
                rows.append(row)
                words.append(word[: self.options.longest])
                places.append(place)
        output.emit_rows(rows, word=words, place=places)


class Lengths(transom.Transform, name="text_lengths"):
    def open(self, input):
        return transom.Opened(reads=["text"], passes=transom.ALL, computes={"length": int | None})

    def process(self, batch, output):
        lengths = []
        for row, text in enumerate(batch["text"]):
            lengths.append(len(text) if text else None)
            if text == "":
                output.reject(row, "empty")
        output.emit({"length": lengths})
        lengths.clear()


class Base(transom.Transform, abstract=True):
    pass


class Whatever(Base):
    """Does what a test puts in."""

    def open(self, input):
        return self.opened

    def process(self, batch, output):
        self.work(batch, output)


def whatever(work=lambda self, batch, output: None, **layout):
    """A transform of its own, so that tests do not meet."""
    return type("Whatever", (Whatever,), {"work": work, "opened": transom.Opened(**layout)})


TABLE = {"id": [1, 2, 3], "text": ["a bb", None, "c"]}


class Emitting(unittest.TestCase):
    def test_rows_come_with_the_columns_of_their_source(self):
        ran = run_transform(Split, {"column": "text"}, TABLE)
        self.assertEqual(ran.columns, {"id": [1, 1, 3], "word": ["a", "bb", "c"], "place": [0, 1, 0]})
        self.assertEqual(ran.rows[1], {"id": 1, "word": "bb", "place": 1})
        self.assertEqual([(r.batch, r.row, r.reason) for r in ran.rejected], [(0, 1, "no text")])

    def test_rejected_rows_are_left_out_of_what_is_emitted_one_to_one(self):
        ran = run_transform(Lengths, None, {"id": [1, 2, 3], "text": ["ab", "", None]})
        self.assertEqual(ran.columns, {"id": [1, 3], "text": ["ab", None], "length": [2, None]})

    def test_what_is_written_into_a_column_after_it_was_emitted_changes_nothing(self):
        ones = (1, 1, 1)
        owned = [list(ones), array("q", ones), bytearray(ones), memoryview(array("q", ones)), deque(ones)]
        for column in [*owned, Column(array("q", ones))]:

            def work(self, batch, output, column=column):
                output.emit(x=column)
                owner = column.values if isinstance(column, Column) else column
                for row in range(3):
                    owner[row] = 2
                output.reject(1, "odd")

            with self.subTest(type=type(column).__name__):
                ran = run_transform(whatever(work, computes={"x": int}), {}, TABLE)
                self.assertEqual(ran.columns["x"], [1, 1])

    def test_a_view_of_what_is_written_into_after_it_was_emitted_is_copied_with_its_type(self):
        owner = array("i", [1, 1, 1])
        views = [memoryview(owner), memoryview(owner).toreadonly(), memoryview(array("i", [1, 9, 1, 9, 1]))[::2]]
        for view in views:

            def work(self, batch, output, view=view):
                output.emit(day=view)
                owner[0] = 2

            with self.subTest(readonly=view.readonly, contiguous=view.contiguous):
                owner[0] = 1
                ran = run_transform(whatever(work, computes={"day": dt.date}), {}, TABLE)
                self.assertEqual(ran.columns["day"], [dt.date(1970, 1, 2)] * 3)

    def test_what_is_emitted_must_be_as_open_promised(self):
        cases = [
            (lambda _, b, o: o.emit(), "the column `x`, which `open` promised, was not emitted"),
            (lambda _, b, o: o.emit(x=[1] * 3, y=[1] * 3), "emitted the column `y`; `open` promised `x`"),
            (lambda _, b, o: o.emit(x=[1]), "the column `x` has 1 row for a batch of 3"),
            (lambda _, b, o: o.emit(x=[1, None, 3]), "the column `x` contains nulls; add `| None` to its type in `computes`"),
            (lambda _, b, o: o.emit(x=[1, "2", 3]), "the column `x` cannot hold what was emitted: '2' is a `str`"),
            (lambda _, b, o: o.emit_rows([3], x=[1]), "source row 3 is not in a batch of 3 rows"),
            (lambda _, b, o: o.emit_rows([0, 1], x=[1]), "the column `x` has 1 row, not 2"),
            (lambda _, b, o: o.emit_new(x=[1]), "every row must have a row there"),
            (lambda _, b, o: o.reject(3, "no"), "rejected row 3, which is not in a batch of 3 rows"),
            (lambda _, b, o: b["id"], "the batch has no column `id`; `open` said that it reads none"),
            (lambda _, b, o: (o.emit(x=[1] * 3), o.more()), "said there was more output, but has no `pull`"),
        ]
        for work, message in cases:
            with self.subTest(message=message), self.assertRaises(transom.Error) as raised:
                run_transform(whatever(work, passes=["id"], computes={"x": int}), {}, TABLE)
            self.assertIn(message, str(raised.exception))
            self.assertEqual(raised.exception.kind, "internal")

    def test_a_column_of_dates_does_not_lose_the_time_of_a_datetime(self):
        noon = dt.datetime(2024, 2, 29, 12)
        day = whatever(lambda _, b, o: o.emit(day=[noon.date(), None, noon]), computes={"day": dt.date | None})
        with self.assertRaises(transom.Error) as raised:
            run_transform(day, {}, TABLE)
        message = "the column `day` cannot hold what was emitted: datetime.datetime(2024, 2, 29, 12, 0) is a `datetime`, "
        self.assertEqual(str(raised.exception), message + "not a `date`")

    def test_views_are_the_numbers_themselves(self):
        seen = []
        run_transform(whatever(lambda _, b, o: seen.append(b.view("id")), reads=["id"]), {}, TABLE)
        self.assertEqual((seen[0].format, seen[0].tolist()), ("q", [1, 2, 3]))

    def test_a_plain_exception_is_internal_with_its_line(self):
        with self.assertRaises(transom.Error) as raised:
            run_transform(whatever(lambda _, b, o: {}["key"]), {}, TABLE)
        self.assertTrue(raised.exception.message.startswith("KeyError: 'key'\n"))
        self.assertIn("test_transforms.py", raised.exception.message)


class Layouts(unittest.TestCase):
    def open(self, transform, fields, given="{}"):
        handles = Handles(Plugin("test", "0", [], [transform]))
        return handles, handles.open_table(transform.name, fields, given)

    def test_columns_are_places_and_computed_ones_come_last(self):
        fields = [WireField("id", "l"), WireField("text", "u")]
        _, opened = self.open(Split, fields, '{"column": "text"}')
        self.assertEqual(opened.reads, [1])
        self.assertEqual(opened.output[0], ("input", 0))
        self.assertEqual([(kind, wire[0].name, wire[0].format) for kind, wire in opened.output[1:]],
                         [("computed", "word", "u"), ("computed", "place", "i")])  # fmt: skip

    def test_children_of_nested_columns_are_no_columns(self):
        fields = [WireField("legs", "+l", children=1), WireField("item", "i"), WireField("id", "l")]
        _, opened = self.open(whatever(reads=["id"], passes=transom.ALL), fields)
        self.assertEqual((opened.reads, opened.output), ([1], [("input", 0), ("input", 1)]))

    def test_a_type_that_python_cannot_read_is_refused_with_its_place(self):
        fields = [WireField("id", "l"), WireField("legs", "+l", children=1), WireField("item", "i")]
        with self.assertRaises(Located) as raised:
            self.open(whatever(reads=transom.ALL), fields)
        error = wire_error(raised.exception)
        self.assertEqual(error.message, "column `legs` has type +l, which a plugin in Python cannot read")
        self.assertEqual((error.kind, error.column), ("config", 1))

    def test_columns_are_read_as_the_types_that_are_declared(self):
        price = Annotated[Decimal, transom.decimal(18, 2)]
        declared = whatever(reads={"text": str, 0: int | None, "price": price}, passes=["id"])
        fields = [WireField("id", "l"), WireField("text", "u"), WireField("price", "d:18,2")]
        _, opened = self.open(declared, fields)
        self.assertEqual(opened.reads, [1, 0, 2])
        for place, name, given, message in [
            (0, "id", "i", "the column `id` is int32, not int64"),
            (1, "text", "U", "the column `text` is large_utf8, not utf8"),
            (2, "price", "d:10,2", "the column `price` is decimal128(10, 2), not decimal128(18, 2)"),
            (2, "price", "tiM", "the column `price` is tiM, not decimal128(18, 2)"),
        ]:
            wrong = [*fields]
            wrong[place] = WireField(name, given)
            with self.subTest(message=message), self.assertRaises(Located) as raised:
                self.open(declared, wrong)
            error = wire_error(raised.exception)
            self.assertEqual((error.kind, error.column, error.message), ("config", place, message))
        nested = [WireField("id", "l"), WireField("text", "+l", children=1), WireField("item", "u"), *fields[2:]]
        with self.assertRaises(Located) as raised:
            self.open(declared, nested)
        error = wire_error(raised.exception)
        self.assertEqual((error.column, error.message), (1, "the column `text` is +l, not utf8"))

    def test_a_declared_column_that_is_missing_is_told_with_those_there_are(self):
        with self.assertRaises(transom.Config) as raised:
            run_transform(whatever(reads={"x": int}), {}, TABLE)
        self.assertEqual(str(raised.exception), "there is no column `x`; the input has `id`, `text`")

    def test_a_declared_type_that_no_column_has_is_told_with_those_there_are(self):
        with self.assertRaises(transom.Error) as raised:
            run_transform(whatever(reads={"id": list}), {}, TABLE)
        self.assertIn("the column `id` in `reads`: `list` is no type of a column; there are bool", str(raised.exception))

    def test_a_missing_column_is_told_with_those_there_are(self):
        with self.assertRaises(transom.Config) as raised:
            run_transform(Split, {"column": "x"}, TABLE)
        self.assertEqual(str(raised.exception), "there is no column `x`; the input has `id`, `text`")

    def test_open_must_return_its_answer(self):
        with self.assertRaisesRegex(transom.Error, "returned None, not an `Opened`"):
            run_transform(type("Silent", (Base,), {"open": lambda self, input: None}), {}, TABLE)

    def test_metadata_and_nullability_are_kept(self):
        class Copy(Base):
            def open(self, input):
                return transom.Opened(computes=input)

        _, opened = self.open(Copy, [WireField("a", "i", False, [("unit", "mph")])])
        self.assertEqual(opened.output, [("computed", [WireField("a", "i", False, [("unit", "mph")])])])

    def test_an_error_about_a_column_names_its_place_in_the_input(self):
        def work(self, batch, output):
            raise transom.BadData("late", row=1, column="text")

        fields = [WireField("id", "l"), WireField("text", "u")]
        handles, opened = self.open(whatever(work), fields)
        with self.assertRaises(Located) as raised:
            handles.process(opened.handle, Batch(3, [], []))
        error = wire_error(raised.exception)
        self.assertEqual((error.kind, error.row, error.column, error.message), ("bad-data", 1, 1, "late"))

    def test_an_error_with_a_row_that_is_none_keeps_its_message(self):
        for row in (-1, 1.5, "2", 2**32):
            with self.subTest(row=row):
                wire = wire_error(transom.BadData("the customer is missing", row=row))
                self.assertEqual((wire.message, wire.row), (f"the customer is missing (row {row!r})", None))
        self.assertEqual(wire_error(transom.BadData("no", row=2**32 - 1)).row, 2**32 - 1)

    def test_a_closed_handle_is_not_open(self):
        handles, opened = self.open(whatever(), [])
        handles.close_table(opened.handle)
        with self.assertRaisesRegex(transom.Error, "the handle 1 is not open"):
            handles.pull(opened.handle)


@dataclass
class Window:
    minutes: int
    closed: bool = True


@dataclass
class Everything:
    name: str
    share: Annotated[float, transom.maximum(1), "From 0 to 1."] = 0.5
    mode: Literal["fast", "exact"] = "fast"
    tags: list[str] = field(default_factory=list)
    window: Window | None = None
    limits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if self.name == "nobody":
            raise ValueError("`name` may not be `nobody`")


class Options(unittest.TestCase):
    def parse(self, **given):
        return options.parse("t", Everything, json.dumps(given))

    def test_values_become_the_authors_classes(self):
        parsed = self.parse(name="a", share=1, window={"minutes": 5}, tags=["x"], limits={"y": 1})
        self.assertEqual(parsed, Everything("a", 1.0, "fast", ["x"], Window(5), {"y": 1}))

    def test_each_mistake_is_named(self):
        for given, message in [
            ({}, "the option `name` is missing"),
            ({"name": 3}, "`name` must be a text, not 3"),
            ({"name": "a", "nmae": 1}, "there is no option `nmae`; there are `name`, `share`"),
            ({"name": "a", "share": 2}, "`share` must be at most 1, not 2"),
            ({"name": "a", "share": True}, "`share` must be a number, not true"),
            ({"name": "a", "mode": "slow"}, '`mode` must be one of "fast", "exact", not "slow"'),
            ({"name": "a", "tags": [1]}, "`tags` must be a text, not [1]"),
            ({"name": "a", "window": {"minute": 1}}, "there is no option `window.minute`"),
            ({"name": "a", "window": 7}, "`window` must be a mapping or null, not 7"),
            ({"name": "nobody"}, "`name` may not be `nobody`"),
        ]:
            with self.subTest(given=given), self.assertRaises(transom.Config) as raised:
                self.parse(**given)
            self.assertIn(message, str(raised.exception))

    def test_the_schema_describes_them(self):
        schema = options.schema_of(Everything)
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["name"], False))
        share = {"type": "number", "maximum": 1, "description": "From 0 to 1.", "default": 0.5}
        self.assertEqual(schema["properties"]["share"], share)
        self.assertEqual(schema["properties"]["mode"], {"enum": ["fast", "exact"], "default": "fast"})

    def described(self, annotation, **default):
        given = type("Options", (), {"__annotations__": {"value": annotation}, **default})
        cls = type("Of", (Base,), {"Options": given})
        return cls, json.loads(describe_transform(cls).options, parse_constant=self.fail)

    def test_a_default_that_json_has_not_is_left_out_of_the_schema(self):
        for default in (math.inf, -math.inf, math.nan):
            with self.subTest(default=default):
                _, schema = self.described(float, value=default)
                self.assertEqual(schema["properties"], {"value": {"type": "number"}})
                self.assertNotIn("required", schema)
        _, schema = self.described(Annotated[float, transom.maximum(math.inf)])
        self.assertEqual(schema["properties"], {"value": {"type": "number"}})

    def test_options_that_cannot_be_given_are_named_when_the_plugin_is_described(self):
        for annotation, default, message in [
            (dict[int, str], {}, r"`value`: keys in a pipeline file are texts: write `dict\[str, \.\.\]`"),
            (list[dict[int, str]], {}, "`value`: keys in a pipeline file are texts"),
            (complex, {}, "`value`: `<class 'complex'>` is no type of an option"),
            (float | None, {"value": Decimal(1)}, r"`value`: its default Decimal\('1'\) has no JSON form"),
        ]:
            with self.subTest(annotation=annotation), self.assertRaisesRegex(transom.Error, message):
                self.described(annotation, **default)
        self.assertIn("value", self.described(dict[Annotated[str, "A name."], int])[1]["properties"])

    def test_an_integer_that_no_float_equals_is_not_rounded(self):
        cls, _ = self.described(float)
        for given in (2**53 + 1, 10**400):
            with self.subTest(digits=len(str(given))), self.assertRaises(transom.Config) as raised:
                options.parse("of", cls.options_class(), json.dumps({"value": given}))
            self.assertIn("`value` must be a number that a `float` holds without rounding", str(raised.exception))
        self.assertEqual(options.parse("of", cls.options_class(), '{"value": 9007199254740994}').value, 2.0**53 + 2)

    def test_a_transform_without_options_takes_none(self):
        with self.assertRaisesRegex(transom.Config, "there is no option `x`; it has none"):
            run_transform(Lengths, {"x": 1}, TABLE)

    def test_a_transform_is_described_by_its_class(self):
        described = describe_transform(Split)
        self.assertEqual((described.name, described.doc), ("split", "One row for each word of a text."))
        self.assertFalse(described.stateful)
        self.assertIn('"longest"', described.options)
        self.assertEqual((Lengths.name, describe_transform(Lengths).doc), ("text_lengths", ""))


    def test_a_transform_says_which_keys_it_requires(self):
        class Sorted(Base, name="sorted", partition_by=("key",), order_by=["a", transom.desc("b")]):
            pass

        described = describe_transform(Sorted)
        self.assertEqual(described.partition_by, ["key"])
        self.assertEqual([(key.column, key.descending) for key in described.order_by], [("a", False), ("b", True)])
        self.assertEqual((describe_transform(Lengths).partition_by, describe_transform(Lengths).order_by), ([], []))

    def test_keys_that_are_no_columns_are_refused_where_they_are_written(self):
        for message, keys in [
            (r'is a list: write `order_by=\["a"\]`', {"order_by": "a"}),
            ("name the column `a` twice", {"partition_by": ["a"], "order_by": [transom.desc("a")]}),
            ("name columns, which 1 does not", {"partition_by": [1]}),
        ]:
            with self.subTest(keys=keys), self.assertRaisesRegex((TypeError, ValueError), message):
                type("Wrong", (Base,), {}, name="wrong", **keys)


class Counts(Base, abstract=True):
    """Calls `one` for each row, of which `result` tells."""

    class Options:
        names: list[str]

    def open(self, input):
        self.n = 0
        self.begin()
        return transom.Opened(reads=["x"], computes={"n": int})

    def process(self, batch, output):
        for _ in batch["x"]:
            self.one()

    def result(self):
        return self.n

    def finish(self, end, output):
        output.emit_new(n=[self.result()])


class Handlers(Counts):
    def begin(self):
        self.handlers = {"one": self.add}

    def add(self):
        self.n += 1

    def one(self):
        self.handlers["one"]()


class Child:
    def __init__(self, owner):
        self.owner = owner


class Parent(Counts):
    def begin(self):
        self.child = Child(self)

    def one(self):
        self.child.owner.n += 1


class Getstate(Counts):
    """What it leaves out is as `open` made it."""

    def begin(self):
        self.step = lambda: 1

    def one(self):
        self.n += self.step()

    def __getstate__(self):
        return {"count": self.n}

    def __setstate__(self, state):
        self.n = state["count"]


class Deletes(Counts):
    def begin(self):
        self.first = True

    def one(self):
        if hasattr(self, "first"):
            del self.first
            self.n += 1


NOTHING = object()


class Missing:
    pass


MISSING = Missing()


class Sentinel(Counts):
    NONE = object()

    def begin(self):
        self.last = [NOTHING, MISSING, self.NONE]

    def one(self):
        nothing, missing, none = self.last
        self.n += nothing is NOTHING and missing is MISSING and none is self.NONE


class Shares(Counts):
    """A list of its options, which it writes to."""

    def begin(self):
        self.seen = self.options.names

    def one(self):
        self.seen.append("b")

    def result(self):
        return len(self.options.names) - 1


class State(unittest.TestCase):
    class Count(Base, name="count_rows"):
        def open(self, input):
            self.rows = 0
            return transom.Opened(computes={"rows": int})

        def process(self, batch, output):
            self.rows += len(batch)

        def finish(self, end, output):
            if end is transom.End.INPUT:
                output.emit_new(rows=[self.rows])

        def save(self):
            return [self.rows]

        def restore(self, state):
            (self.rows,) = state

    def test_a_state_goes_from_slice_to_slice(self):
        first = run_transform(self.Count, {}, TABLE, end=transom.End.SLICE)
        self.assertEqual((first.columns["rows"], first.state), ([], [3]))
        self.assertEqual(run_transform(self.Count, {}, TABLE, state=first.state).columns["rows"], [6])

    def test_a_transform_can_be_moved_with_what_it_remembers_and_not_only_with_what_it_saves(self):
        class Remembers(Base):
            __slots__ = ("words",)

            def save(self):
                return None

            def restore(self, state):
                raise AssertionError("a move is no end of a slice")

            def open(self, input):
                self.seen, self.words = 0, set()
                return transom.Opened(reads=["text"], computes={"seen": int, "words": int})

            def process(self, batch, output):
                self.seen += len(batch)
                self.words.update(batch["text"])
                output.emit_new(seen=[self.seen], words=[len(self.words)])

        fields = [WireField("text", "u")]
        batch = Batch(1, [Node(1, 0)], [b"", b"\0\0\0\0\1\0\0\0", b"a"])
        results = []
        snapshot = None
        for _ in range(2):
            handles = Handles(Plugin("test", "0", [], [Remembers]))
            handle = handles.open_table("remembers", fields, "{}").handle
            if snapshot is not None:
                handles.resume(handle, snapshot)
            results.append(handles.process(handle, batch).parts[0].batch.buffers)
            snapshot = handles.snapshot(handle)
        one = (1).to_bytes(8, "little")
        self.assertEqual(results, [[b"", one, b"", one], [b"", (2).to_bytes(8, "little"), b"", one]])

    def test_what_is_moved_refers_to_each_other_as_before(self):
        for cls in (Handlers, Parent, Getstate, Sentinel, Shares):
            with self.subTest(cls.__name__):
                ran = run_transform(cls, {"names": ["a"]}, [{"x": [1, 2]}, {"x": [3]}, {"x": [4]}])
                self.assertEqual(ran.columns["n"], [4])
        self.assertEqual(run_transform(Deletes, {"names": []}, [{"x": [1, 2]}, {"x": [3]}]).columns["n"], [1])

    def test_a_transform_that_runs_out_of_memory_when_it_is_moved_says_so(self):
        class Heavy(Base):
            def open(self, input):
                return transom.Opened()

            def __getstate__(self):
                raise MemoryError

        handles = Handles(Plugin("test", "0", [], [Heavy]))
        handle = handles.open_table("heavy", [], "{}").handle
        with self.assertRaisesRegex(Located, "cannot be moved to another instance: MemoryError"):
            handles.snapshot(handle)

    def test_a_transform_that_cannot_be_moved_is_told_why(self):
        class Holds(Base):
            def open(self, input):
                self.numbers = (number for number in range(3))
                return transom.Opened()

        handles = Handles(Plugin("test", "0", [], [Holds]))
        handle = handles.open_table("holds", [], "{}").handle
        with self.assertRaises(Located) as raised:
            handles.snapshot(handle)
        self.assertIn("cannot be moved to another instance", wire_error(raised.exception).message)
        self.assertEqual(handles.save(handle), b"")

    def test_a_state_of_another_version_is_a_matter_of_config(self):
        handles = Handles(Plugin("test", "0", [], [self.Count]))
        opened = handles.open_table("count_rows", [], "{}")
        with self.assertRaises(Located) as raised:
            handles.restore(opened.handle, b"{")
        error = wire_error(raised.exception)
        self.assertEqual(error.kind, "config")
        self.assertIn("the saved state does not fit this version of the transform `count_rows`", error.message)

    def test_a_state_without_json_form_is_told(self):
        class Odd(Base):
            def open(self, input):
                return transom.Opened()

            def process(self, batch, output):
                pass

            def save(self):
                return {1, 2}

        with self.assertRaisesRegex(transom.Error, "the state of the transform `odd` has no JSON form"):
            run_transform(Odd, {}, TABLE)


if __name__ == "__main__":
    unittest.main()
