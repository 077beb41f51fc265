"""Functions as SQL calls them: types from annotations, nulls, rejected rows, mistakes."""

import datetime as dt
import functools
import unittest
import unittest.mock
from array import array
from typing import Annotated

import transom
from transom.contract import Batch, Node, WireField
from transom.plugin import Handles, Plugin, describe_function, wire_error
from transom.testing import call_function


@transom.function
def add(a: int, b: int) -> int:
    """Sum."""
    return a + b


@transom.function(name="or_else", volatility="stable")
def default(value: str | None, other: str) -> str:
    return other if value is None else value


@transom.function
def parse(text: str) -> int:
    return int(text)


@transom.function
def small(value: int) -> transom.Int8:
    return value


@transom.function
def maybe(value: int) -> int | None:
    return value or None


@transom.function
def forgets(value: int) -> int:
    if value:
        return value


@transom.function
def mistaken(value: int) -> int:
    return f"{value}" if value == 3 else value


@transom.function
def mixed(value: int) -> transom.Int8:
    return "3" if value == 3 else value


@transom.function
@functools.lru_cache
def cached(value: int) -> int:
    return "a"


@transom.function
def divide(a: int, b: int) -> float:
    return a / b


@transom.function
def year(day: dt.date) -> int:
    return day.year


@transom.function
def answer() -> int:
    return 42


@transom.function(columns=True)
def total(a: transom.Column[int], b: transom.Column[int]) -> transom.Column[int]:
    return array("q", map(int.__add__, a.values, b.values))


@transom.function
def many(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> int:
    return a + b + c + d + e + f + g


class Rows(unittest.TestCase):
    def test_a_decorated_function_is_still_a_function(self):
        self.assertEqual(add(1, 2), 3)

    def test_a_row_with_a_null_gives_null_without_a_call(self):
        self.assertEqual(call_function(add, [1, None, 3], [1, 1, None]).values, [2, None, None])
        self.assertEqual(call_function(add, [None], [None]).values, [None])

    def test_an_argument_that_may_be_none_sees_null_and_another_does_not(self):
        called = call_function(default, ["a", None, None], ["x", "y", None])
        self.assertEqual(called.values, ["a", "y", None])

    def test_functions_have_none_one_or_many_arguments(self):
        self.assertEqual(call_function(answer).values, [42])
        self.assertEqual(call_function(many, *[[1, 2]] * 7).values, [7, 14])

    def test_no_row_gives_no_row(self):
        self.assertEqual(call_function(add, [], []).values, [])

    def test_a_value_error_rejects_its_row_and_the_rest_goes_on(self):
        called = call_function(parse, ["1", "x", None, "4", "y"])
        self.assertEqual(called.values, [1, None, None, 4, None])
        self.assertEqual([row for row, _ in called.rejected], [1, 4])
        self.assertEqual(called.rejected[0][1], "invalid literal for int() with base 10: 'x'")

    def test_a_result_that_does_not_fit_rejects_its_row(self):
        called = call_function(small, [127, None, 128, -129, 0])
        self.assertEqual(called.values, [127, None, None, None, 0])
        self.assertEqual(called.rejected, [(2, "128 does not fit int8"), (3, "-129 does not fit int8")])

    def test_a_date_after_9999_rejects_its_row(self):
        function = year.__transom__
        handles = Handles(Plugin("test", "0", [function], []))
        opened = handles.open_function("year", describe_function(function).arguments[0].accepts[1], "{}")
        days = array("i", [0, 2**31 - 1, 365]).tobytes()
        batch = Batch(3, [Node(3, 0)], [b"", days])
        outcome = handles.call(opened.handle, batch)
        self.assertEqual(
            [(r.row, r.reason) for r in outcome.rejected], [(1, "2147483647 is out of the range of `date`")]
        )
        self.assertEqual(outcome.column.buffers[1][:8], array("q", [1970]).tobytes())

    def test_none_is_null_only_if_the_annotation_says_so(self):
        self.assertEqual(call_function(maybe, [0, 1]).values, [None, 1])
        with self.assertRaises(transom.Error) as raised:
            call_function(forgets, [1, None, 0])
        self.assertEqual(raised.exception.row, 2)
        self.assertIn("annotate the result with `| None`", str(raised.exception))

    def test_none_is_found_beside_a_row_that_could_not_be_read(self):
        @transom.function
        def hole(moment: dt.datetime, x: int) -> int:
            return None if x == 3 else x

        function = hole.__transom__
        handles = Handles(Plugin("test", "0", [function], []))
        wire = [WireField("moment", "tsu:"), WireField("x", "l")]
        opened = handles.open_function("hole", wire, "{}")
        moments = array("q", [-62_135_596_800_000_001, 0, 0]).tobytes()
        batch = Batch(3, [Node(3, 0), Node(3, 0)], [b"", moments, b"", array("q", [1, 2, 3]).tobytes()])
        with self.assertRaisesRegex(transom.Error, "returned None") as raised:
            handles.call(opened.handle, batch)
        self.assertEqual(raised.exception.row, 2)

    def test_results_that_do_not_fit_are_found_in_one_pass(self):
        class Counted(int):
            seen = 0

            def __str__(self):
                Counted.seen += 1
                return int.__repr__(self)

        @transom.function
        def large(value: int) -> transom.Int8:
            return Counted(value + 1000) if value % 2 else value % 100

        rows, packs = 3000, 0
        pack = large.__transom__.output.pack

        def counting(values):
            nonlocal packs
            packs += len(values)
            return pack(values)

        with unittest.mock.patch.object(large.__transom__.output, "pack", counting):
            called = call_function(large, [None, *range(rows)])
        self.assertEqual([row for row, _ in called.rejected], list(range(2, rows + 1, 2)))
        self.assertEqual(called.rejected[0][1], "1001 does not fit int8")
        self.assertEqual(called.values[:4], [None, 0, None, 2])
        self.assertLess((packs, Counted.seen), (rows * 10, rows * 2))
        # The first of another class ends the run, with its row in the batch.
        with self.assertRaises(transom.Error) as raised:
            call_function(mixed, [None, 1000, 2, 3])
        self.assertEqual(raised.exception.row, 3)
        self.assertIn("'3' is a `str`, not an `int`", str(raised.exception))

    def test_a_wrong_result_of_a_cached_function_is_told_with_its_place(self):
        message = r"`cached` \(.*test_functions.py, line \d+\) returned a wrong value"
        with self.assertRaisesRegex(transom.Error, message):
            call_function(cached, [1])

    def test_a_result_of_another_class_names_function_row_and_value(self):
        with self.assertRaises(transom.Error) as raised:
            call_function(mistaken, [1, 3])
        self.assertEqual((raised.exception.kind, raised.exception.row), ("internal", 1))
        self.assertIn("`mistaken`", str(raised.exception))
        self.assertIn("'3' is a `str`, not an `int`", str(raised.exception))

    def test_another_exception_ends_the_run_with_traceback_and_row(self):
        with self.assertRaises(transom.Error) as raised:
            call_function(divide, [1, 2, 3], [1, None, 0])
        error = raised.exception
        self.assertEqual((error.kind, error.row), ("internal", 2))
        self.assertTrue(error.message.startswith("ZeroDivisionError: division by zero\n"), error.message)
        self.assertIn("test_functions.py", error.message)
        self.assertIn("return a / b", error.message)
        self.assertNotIn("loops.py", error.message)

    def test_an_exception_that_cannot_say_its_message_is_told_with_its_place(self):
        class Odd(Exception):
            def __str__(self):
                raise self

        @transom.function
        def odd(value: int) -> int:
            raise Odd

        with self.assertRaises(transom.Error) as raised:
            call_function(odd, [1])
        lines = raised.exception.message.splitlines()
        self.assertEqual(lines[0], "Odd: (its message is not known: `__str__` raised Odd)")
        self.assertEqual(lines[-1].strip(), "raise Odd")
        self.assertEqual(len(lines), 3, lines)

    def test_a_row_is_rejected_also_by_an_exception_that_cannot_say_its_message(self):
        class Odd(ValueError):
            def __str__(self):
                return 1 / 0

        @transom.function
        def odd(value: int) -> int:
            raise Odd

        self.assertEqual(
            call_function(odd, [1]).rejected,
            [(0, "(its message is not known: `__str__` raised ZeroDivisionError)")],
        )

    def test_a_message_without_end_is_cut_and_keeps_its_place(self):
        @transom.function
        def loud(value: int) -> int:
            raise KeyError("\ud800" * 10_000_000)

        with self.assertRaises(transom.Error) as raised:
            call_function(loud, [1])
        told = wire_error(raised.exception).message
        told.encode()
        self.assertLess(len(told), 100_000)
        self.assertIn("characters)", told)
        self.assertIn("raise KeyError", told)

    def test_a_recursion_without_end_shows_a_round_or_two(self):
        @transom.function
        def deep(value: int) -> int:
            return deep(value)

        with self.assertRaises(transom.Error) as raised:
            call_function(deep, [1])
        self.assertTrue(raised.exception.message.startswith("RecursionError"))
        self.assertLess(raised.exception.message.count("in deep"), 5)

    def test_a_message_without_utf8_can_cross_all_the_same(self):
        @transom.function
        def odd(value: int) -> int:
            if value:
                raise KeyError("\ud800")
            raise ValueError("ż\ud800")

        handles = Handles(Plugin("test", "0", [odd.__transom__], []))
        opened = handles.open_function("odd", [WireField("value", "l")], "{}")
        outcome = handles.call(opened.handle, Batch(1, [Node(1, 0)], [b"", bytes(8)]))
        self.assertEqual([rejected.reason for rejected in outcome.rejected], ["ż\\ud800"])
        with self.assertRaises(transom.Error) as raised:
            call_function(odd, [1])
        self.assertIn("ud800", wire_error(raised.exception).message.encode().decode())

    def test_an_error_of_the_sdk_keeps_its_kind(self):
        @transom.function
        def busy(value: int) -> int:
            raise transom.Retryable("later")

        with self.assertRaises(transom.Retryable) as raised:
            call_function(busy, [1])
        self.assertEqual(raised.exception.row, 0)


class Columns(unittest.TestCase):
    def test_an_array_is_null_where_an_argument_is(self):
        self.assertEqual(call_function(total, [1, None, 3], [1, 1, None]).values, [2, None, None])

    def test_a_list_or_a_column_says_itself_what_is_null(self):
        @transom.function(columns=True)
        def as_list(a: transom.Column[int]) -> transom.Column[int]:
            return [0 if value is None else value for value in a]

        @transom.function(columns=True)
        def as_column(a: transom.Column[int]) -> transom.Column[int]:
            return transom.Column(a.values, bytes([0] * len(a)))

        self.assertEqual(call_function(as_list, [1, None]).values, [1, 0])
        self.assertEqual(call_function(as_column, [1, 2]).values, [None, None])

    def test_a_column_of_another_length_is_refused(self):
        @transom.function(columns=True)
        def first(a: transom.Column[int]) -> transom.Column[int]:
            return a.values[:1]

        with self.assertRaisesRegex(transom.Error, "`first` returned 1 row for 2"):
            call_function(first, [1, 2])


class Descriptions(unittest.TestCase):
    def test_a_function_is_described_by_docstring_and_annotations(self):
        described = describe_function(add.__transom__)
        self.assertEqual((described.name, described.doc, described.volatility), ("add", "Sum.", "immutable"))
        self.assertEqual([argument.name for argument in described.arguments], ["a", "b"])
        self.assertEqual(described.arguments[0].accepts[1][0].format, "l")
        self.assertEqual(described.output[0].format, "l")
        described = describe_function(default.__transom__)
        self.assertEqual((described.name, described.volatility), ("or_else", "stable"))

    def test_a_wrong_annotation_is_told_with_what_it_may_be(self):
        def missing(a, b: int) -> int: ...
        def no_result(a: int): ...
        def listed(a: list) -> int: ...
        def undecided(a: int | str) -> int: ...
        def digits(a: "transom.Decimal") -> int: ...
        def starred(*a: int) -> int: ...
        def doubly_starred(**a: int) -> int: ...
        def by_name_alone(*, a: int) -> int: ...
        def swapped(a: Annotated[str, transom.int32]) -> int: ...

        for function, message in [
            (missing, "the argument `a` has no type: write one, for example `a: int`"),
            (no_result, "the result has no type: write one, for example `-> int`"),
            (listed, "`list` is no type of a column; there are bool, bytes, date"),
            (undecided, "is several types at once"),
            (digits, "an annotation cannot be read"),
            (starred, "`*a` is not supported"),
            (doubly_starred, "`**a` is not supported"),
            (by_name_alone, "`*, a` is not supported"),
            (swapped, "values of int32 are `int`, not `str`"),
        ]:
            with self.subTest(function=function.__name__), self.assertRaises(transom.Error) as raised:
                describe_function(transom.function(function).__transom__)
            self.assertIn(message, str(raised.exception))
            self.assertIn(f"`{function.__name__}` ({__file__}, line ", str(raised.exception))

    def test_arguments_of_another_number_or_type_are_refused(self):
        handles = Handles(Plugin("test", "0", [add.__transom__], []))
        wire = describe_function(default.__transom__).arguments[0].accepts[1]
        with self.assertRaisesRegex(transom.Config, "takes 2 arguments, not 1"):
            handles.open_function("add", wire, "{}")
        with self.assertRaisesRegex(transom.Config, "the argument `a` of the function `add` is int64, not `u`"):
            handles.open_function("add", wire * 2, "{}")
        with self.assertRaisesRegex(transom.Config, "has no function `ad`; it has `add`"):
            handles.open_function("ad", wire, "{}")

    def test_two_functions_of_one_name_are_refused(self):
        with self.assertRaisesRegex(transom.Error, "two of the function `add`"):
            Plugin("test", "0", [add.__transom__, add.__transom__], [])


if __name__ == "__main__":
    unittest.main()
