"""The guest natively, as its author would test it. The cases of tests/conformance run it as a component.

Run by `PYTHONPATH=plugins/sdk/python python3 -m unittest discover -s tests/conformance/guests/python/tests`.
"""

import datetime
import sys
import unittest
from decimal import Decimal
from pathlib import Path

import transom
from transom.testing import call_function, run_transform

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import failing, functions, making, measured, passing  # noqa: E402


class Functions(unittest.TestCase):
    def test_a_sum_wraps_around_and_null_gives_null(self):
        called = call_function(functions.add, [1, 2**63 - 1, -(2**63), None], [2, 1, -1, 1])
        self.assertEqual(called.values, [3, -(2**63), 2**63 - 1, None])

    def test_each_type_goes_through_its_function(self):
        day, at = datetime.date(2024, 2, 28), datetime.datetime(2024, 2, 28, 23, 30, 0, 7)
        for function, given, expected in [
            (functions.shout, "straße", "STRASSE!"),
            (functions.half, 3.0, 1.5),
            (functions.negate, True, False),
            (functions.next_day, day, datetime.date(2024, 2, 29)),
            (functions.an_hour_later, at, datetime.datetime(2024, 2, 29, 0, 30, 0, 7)),
            (functions.twice, Decimal("-1.25"), Decimal("-2.50")),
            (functions.reverse, b"\0\xff", b"\xff\0"),
        ]:
            with self.subTest(function=function.__name__):
                self.assertEqual(call_function(function, [given, None]).values, [expected, None])

    def test_functions_have_any_number_of_arguments(self):
        self.assertEqual(call_function(functions.answer).values, [42])
        self.assertEqual(call_function(functions.joined, *[[letter] for letter in "abcdefg"]).values, ["abcdefg"])

    def test_only_or_zero_sees_null(self):
        self.assertEqual(call_function(functions.or_zero, [None, 7]).values, [0, 7])

    def test_a_negative_value_rejects_its_row(self):
        called = call_function(functions.checked, [1, -5, 3])
        self.assertEqual(called.values, [1, None, 3])
        self.assertEqual(called.rejected, [(1, "negative: -5")])

    def test_bad_data_rejects_its_row_and_the_other_kinds_end_the_run(self):
        called = call_function(functions.blame, [1, 5])
        self.assertEqual((called.values, called.rejected), ([None, 5], [(0, "the data")]))
        for v, kind in [(2, "config"), (3, "retryable"), (4, "internal")]:
            with self.subTest(kind=kind), self.assertRaises(transom.Error) as raised:
                call_function(functions.blame, [1, v])
            self.assertEqual((raised.exception.kind, raised.exception.row), (kind, 1))

    def test_thirteen_fails_with_the_line_and_the_row(self):
        with self.assertRaises(transom.Error) as raised:
            call_function(functions.unlucky, [12, None, 13])
        self.assertEqual((raised.exception.kind, raised.exception.row), ("internal", 2))
        self.assertIn("RuntimeError: unlucky 13", str(raised.exception))
        self.assertIn('raise RuntimeError("unlucky 13")', str(raised.exception))


    def test_what_is_measured_by_column_gives_what_it_gives_by_row(self):
        for by_row, by_column, given in [
            (measured.plus, measured.plus_columns, [[1, -5], [2, 5]]),
            (functions.half, measured.half_columns, [[3.0, -0.5]]),
            (functions.shout, measured.shout_columns, [["straße", ""]]),
        ]:
            with self.subTest(function=by_row.__name__):
                self.assertEqual(call_function(by_row, *given).values, call_function(by_column, *given).values)


class Transforms(unittest.TestCase):
    table = {"a": [1, None, 7, -2], "b": ["x", "y", None, "ż"]}

    def test_echo_gives_what_it_got(self):
        self.assertEqual(run_transform(passing.Echo, {}, self.table).columns, self.table)

    def test_keep_takes_rows_above_and_names_the_columns_there_are(self):
        ran = run_transform(passing.Keep, {"column": "a", "above": 0}, self.table)
        self.assertEqual(ran.columns, {"a": [1, 7], "b": ["x", None]})
        with self.assertRaises(transom.Config) as raised:
            run_transform(passing.Keep, {"column": "x", "above": 0}, self.table)
        self.assertEqual(str(raised.exception), "there is no column `x`; the input has `a`, `b`")

    def test_repeat_comes_in_parts_of_a_thousand(self):
        ran = run_transform(making.Repeat, {"times": 600}, self.table)
        self.assertEqual(ran.parts, [1000, 1000, 400])
        self.assertEqual(ran.columns["b"][:601], ["x"] * 600 + ["y"])
        self.assertEqual(run_transform(making.Repeat, {"times": 0}, self.table).columns["a"], [])
        with self.assertRaisesRegex(transom.Config, "`times` must be at least 0, not -1"):
            run_transform(making.Repeat, {"times": -1}, self.table)

    def test_a_running_sum_goes_on_from_its_state(self):
        ran = run_transform(making.RunningSum, {"column": "a"}, self.table, end=transom.End.SLICE)
        self.assertEqual((ran.columns["sum"], ran.state), ([1, 1, 8, 6], {"total": 6}))
        ran = run_transform(making.RunningSum, {"column": "a"}, self.table, state=ran.state)
        self.assertEqual(ran.columns["sum"], [7, 7, 14, 12])

    def test_the_numbers_of_all_keys_go_on_from_their_state(self):
        first = run_transform(making.NumberRows, {"column": "b"}, {"b": ["x", None, "x"]}, end=transom.End.SLICE)
        self.assertEqual(first.columns["number"], [1, 1, 2])
        next = run_transform(making.NumberRows, {"column": "b"}, {"b": [None, "y", "x"]}, state=first.state)
        self.assertEqual(next.columns["number"], [2, 1, 3])

    def test_totals_come_at_the_end_of_the_input_only(self):
        ran = run_transform(making.Totals, {"column": "a"}, [self.table, self.table])
        self.assertEqual(ran.columns, {"rows": [8], "total": [12]})
        ran = run_transform(making.Totals, {"column": "a"}, self.table, end=transom.End.SLICE)
        self.assertEqual(ran.columns, {"rows": [], "total": []})

    def test_the_latest_row_of_each_key_is_kept(self):
        rows = {"key": ["a", "a", "b"], "time": [9, 3, 5], "id": [1, 2, 3]}
        self.assertEqual(run_transform(passing.Latest, {}, rows).columns["id"], [1, 3])

    def test_odd_rows_are_rejected_and_null_passes(self):
        ran = run_transform(failing.RejectOdd, {"column": "a"}, self.table)
        self.assertEqual(ran.columns, {"a": [None, -2], "b": ["y", "ż"]})
        self.assertEqual([(r.row, r.reason) for r in ran.rejected], [(0, "odd: 1"), (2, "odd: 7")])

    def test_each_kind_of_error_comes_where_it_is_asked_for(self):
        for kind in ["bad-data", "config", "retryable", "internal"]:
            for at in ["open", "process", "finish"]:
                with self.subTest(kind=kind, at=at), self.assertRaises(transom.Error) as raised:
                    run_transform(failing.Fail, {"kind": kind, "at": at, "row": 2}, self.table)
                error = raised.exception
                self.assertEqual((error.kind, error.message), (kind, "as asked"))
                self.assertEqual(error.row, 2 if at == "process" else None)

    def test_an_option_that_there_is_not_is_named(self):
        with self.assertRaises(transom.Config) as raised:
            run_transform(passing.Talk, {"loud": True}, self.table)
        self.assertIn("there is no option `loud`", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
