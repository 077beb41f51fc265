"""Every type there and back, with and without nulls, at its limits; and what does not fit."""

import datetime as dt
import math
import unittest
from array import array
from decimal import Decimal
from fractions import Fraction

from transom import bits, types
from transom.codec import Bytes, Text
from transom.column import Column, Misfit, encode
from transom.output import taken
from transom.schema import Field, decode

MOMENT = dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)
UTC = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)

#: Types with values at their limits.
VALUES = [
    (types.boolean, [True, False, True]),
    (types.int8, [-128, 127]),
    (types.int16, [-(2**15), 2**15 - 1]),
    (types.int32, [-(2**31), 2**31 - 1]),
    (types.int64, [-(2**63), 2**63 - 1]),
    (types.uint8, [0, 255]),
    (types.uint16, [0, 2**16 - 1]),
    (types.uint32, [0, 2**32 - 1]),
    (types.uint64, [0, 2**64 - 1]),
    (types.float16, [0.5, -65504.0, math.inf]),
    (types.float32, [1.5, -math.inf]),
    (types.float64, [1e308, -0.0, math.inf]),
    (types.utf8, ["", "JFK", "Łódź", "\0", "🛫"]),
    (types.large_utf8, ["a" * 100, ""]),
    (types.binary, [b"", b"\0\xff"]),
    (types.large_binary, [b"abc", b""]),
    (types.fixed_binary(3), [b"abc", b"\0\0\0"]),
    (types.date32, [dt.date.min, dt.date(1970, 1, 1), dt.date.max]),
    (types.date64, [dt.date.min, dt.date.max]),
    (types.time_of_day("s"), [dt.time(23, 59, 59), dt.time()]),
    (types.time_of_day("ms"), [dt.time(23, 59, 59, 999_000)]),
    (types.time_of_day("us"), [dt.time(23, 59, 59, 999_999)]),
    (types.time_of_day("ns"), [86_399_999_999_999]),
    (types.timestamp("s"), [MOMENT.replace(microsecond=0)]),
    (types.timestamp("ms"), [MOMENT.replace(microsecond=999_000)]),
    (types.timestamp("us"), [MOMENT, dt.datetime.min, dt.datetime.max]),
    (types.timestamp("ns"), [-(2**63), 2**63 - 1]),
    (types.timestamp("us", "UTC"), [UTC]),
    (types.timestamp("s", "Europe/Warsaw"), [UTC]),
    (types.duration("s"), [dt.timedelta(days=-1)]),
    (types.duration("ms"), [dt.timedelta(milliseconds=7)]),
    (types.duration("us"), [dt.timedelta(days=-1, microseconds=1)]),
    (types.duration("ns"), [-1]),
    (types.decimal(9, 2, 32), [Decimal("-9999999.99"), Decimal("0.00")]),
    (types.decimal(18, 0, 64), [Decimal(10**18 - 1)]),
    (types.decimal(18, 2), [Decimal("12.50"), Decimal("-0.01")]),
    (types.decimal(38, 10), [Decimal("-1234567890123456789012345678.0123456789")]),
    (types.decimal(76, 3, 256), [Decimal("-" + "9" * 73 + ".999")]),
]


def there_and_back(data_type, values):
    """Encodes, decodes with the type that the format alone gives."""
    wire = Field("x", data_type, nullable=True).to_wire()
    return decode([Field.from_wire(wire)], encode(data_type, values))[0].to_list()


class EveryType(unittest.TestCase):
    def test_values_come_back_as_they_were(self):
        for data_type, values in VALUES:
            with self.subTest(type=data_type.name):
                self.assertEqual(there_and_back(data_type, values), values)

    def test_nulls_come_back_between_values_alone_and_in_an_empty_column(self):
        for data_type, values in VALUES:
            with self.subTest(type=data_type.name):
                nullable = [None, *values, None]
                self.assertEqual(there_and_back(data_type, nullable), nullable)
                self.assertEqual(there_and_back(data_type, [None]), [None])
                self.assertEqual(there_and_back(data_type, []), [])

    def test_a_batch_without_rows_may_lack_offsets(self):
        column = Column.from_wire(types.utf8, encode(types.utf8, []).nodes[0], b"", (b"", b""))
        self.assertEqual(column.to_list(), [])

    def test_values_that_repeat_are_equal_to_themselves(self):
        days = [dt.date(2024, 1, 1), dt.date(2024, 1, 2)] * 50
        self.assertEqual(there_and_back(types.date32, days), days)

    def test_a_column_of_nulls_has_no_buffer(self):
        batch = encode(types.null, [None, None])
        self.assertEqual((batch.buffers, batch.nodes[0].null_count), ([], 2))
        self.assertEqual(there_and_back(types.null, [None, None]), [None, None])

    def test_nan_stays_nan(self):
        self.assertTrue(math.isnan(there_and_back(types.float64, [math.nan])[0]))

    def test_what_python_cannot_express_has_no_type(self):
        for format in ["+l", "+s", "+m", "+w:3", "tiM", "tiD", "tin"]:
            self.assertIsNone(types.from_format(format), format)


class TheExampleOfTheContract(unittest.TestCase):
    """The three rows that wit/README.md works through byte by byte."""

    def check(self, data_type, values, buffers):
        self.assertEqual([buffer.hex() for buffer in encode(data_type, values).buffers], buffers)

    def test_delay(self):
        self.check(types.int64, [120, None, -6], ["05", "7800000000000000" + "0" * 16 + "faffffffffffffff"])

    def test_origin(self):
        offsets = "00000000" + "03000000" * 2 + "0a000000"
        self.check(types.utf8, ["JFK", "", "Łódź"], ["", offsets, "4a464bc581c3b364c5ba"])

    def test_fare(self):
        values = [Decimal("12.50"), Decimal("-0.01"), Decimal("0.00")]
        self.check(types.decimal(9, 2), values, ["", "e204" + "0" * 28 + "f" * 32 + "0" * 32])


class WhatDoesNotFit(unittest.TestCase):
    def misfit(self, data_type, values):
        with self.assertRaises(Misfit) as raised:
            encode(data_type, values)
        return raised.exception

    def test_a_number_out_of_range_is_named_with_its_row(self):
        for values, row in [([1, 128], 1), ([None, 0, -129], 2)]:
            misfit = self.misfit(types.int8, values)
            self.assertEqual((misfit.row, misfit.reason), (row, f"{values[row]} does not fit int8"))

    def test_a_decimal_is_never_rounded(self):
        misfit = self.misfit(types.decimal(5, 2), [Decimal("1.005")])
        self.assertIn("more than 2 digits behind the point", misfit.reason)
        misfit = self.misfit(types.decimal(5, 2), [Decimal("1000")])
        self.assertIn("too many digits", misfit.reason)
        self.assertIsInstance(self.misfit(types.decimal(5, 2), [Decimal("NaN")]), Misfit)

    def test_a_time_finer_than_its_type_is_not_cut(self):
        self.assertIn("finer", self.misfit(types.timestamp("s"), [MOMENT]).reason)

    def test_a_float_takes_the_nearest_number_and_no_infinite_one(self):
        largest = 3.4028234663852886e38
        self.assertEqual(encode(types.float32, [0.1, largest, math.inf]).buffers[1], array("f", [0.1, largest, math.inf]).tobytes())
        for data_type, value in [(types.float32, 1e300), (types.float32, -1e39), (types.float16, 65520.0)]:
            for column in ([0.5, value], array("d", [0.5, value]), Column([0.5, value])):
                with self.subTest(type=data_type.name, column=type(column).__name__):
                    misfit = self.misfit(data_type, column)
                    self.assertEqual((misfit.row, misfit.reason), (1, f"{value} does not fit {data_type.name}"))

    def test_an_integer_that_no_float_equals_is_not_rounded(self):
        for data_type, value in [(types.float64, 2**53 + 1), (types.float32, 2**24 + 1), (types.float16, 2049)]:
            encode(data_type, [value - 1, -value - 1, True])
            for column in ([0.5, value], [None, value], array("q", [1, value]), Column(array("q", [1, value]))):
                with self.subTest(type=data_type.name, column=type(column).__name__):
                    misfit = self.misfit(data_type, column)
                    reason = f"`{value}` does not fit {data_type.name}: it has more digits than a float of its width keeps"
                    self.assertEqual((misfit.row, misfit.reason), (1, reason))
        self.assertIn("does not fit float64", self.misfit(types.float64, [10**400]).reason)

    def test_a_zone_or_a_date_is_not_dropped(self):
        for data_type, value, reason in [
            (types.time_of_day(), dt.time(10, tzinfo=dt.UTC), "has a zone, and time[us] has none: remove it"),
            (types.time_of_day("s"), dt.time(10, tzinfo=dt.UTC), "has a zone, and time[s] has none: remove it"),
            (types.time_of_day(), MOMENT, "is a `datetime`, not a `time`"),
            (types.timestamp("us"), UTC, "has a zone, and timestamp[us] has none: remove it, or annotate"),
            (types.timestamp("us", "UTC"), MOMENT, "has no zone, and timestamp[us, UTC] has one: write"),
            (types.timestamp("us", "UTC"), dt.date(2024, 1, 1), "is a `date`, not a `datetime`"),
        ]:
            with self.subTest(type=data_type.name):
                misfit = self.misfit(data_type, [data_type.placeholder, value])
                self.assertTrue(misfit.wrong_class)
                self.assertIn(reason, misfit.reason)

    def test_another_class_is_told_from_a_value_that_does_not_fit(self):
        for data_type, value in [
            (types.int64, "1"),
            (types.int64, 1.0),
            (types.float64, "1"),
            (types.utf8, b"a"),
            (types.binary, "a"),
            (types.boolean, 2),
            (types.date32, "2024-01-01"),
            (types.date32, MOMENT),
            (types.date64, UTC),
            (types.timestamp("us"), UTC),
            (types.decimal(5, 2), 1.5),
        ]:
            with self.subTest(type=data_type.name):
                self.assertTrue(self.misfit(data_type, [data_type.placeholder, value]).wrong_class)

    def test_a_class_that_only_looks_like_the_types_is_refused(self):
        class Like:
            """Has what is asked of each of them, and more that would be lost."""

            days = seconds = microseconds = 1

            def toordinal(self):
                return 738_000

            def __sub__(self, other):
                return dt.timedelta()

            def __index__(self):
                return 2**53 + 1

            def quantize(self, *_):
                return Decimal(1)

        # Not `Like` alone: these are what comes of arithmetic.
        numbers = [(types.float64, value) for value in (Decimal("0.1"), Fraction(1, 3))]
        many = [types.float64, types.float32, types.float16, types.boolean, types.date32, types.date64]
        many += [types.timestamp("us"), types.timestamp("s", "UTC"), types.duration("us"), types.decimal(5, 2)]
        for data_type, value in [*numbers, (types.boolean, 1), (types.boolean, 0), *((one, Like()) for one in many)]:
            with self.subTest(type=data_type.name, value=value):
                misfit = self.misfit(data_type, [data_type.placeholder, value])
                self.assertEqual((misfit.row, misfit.wrong_class), (1, True))
                self.assertRegex(misfit.reason, f"is an? `{type(value).__name__}`, not an? `{data_type.python.__name__}`")
        for data_type, value in [(types.float64, True), (types.float64, 3), (types.int64, True)]:
            encode(data_type, [value])

    def test_what_is_written_into_later_is_no_binary_value(self):
        for data_type in (types.binary, types.large_binary, types.fixed_binary(2)):
            for value in (bytearray(2), memoryview(b"ab"), memoryview(array("q", [1]))):
                with self.subTest(type=data_type.name, value=type(value).__name__):
                    misfit = self.misfit(data_type, [b"ab", None, value])
                    self.assertEqual((misfit.row, misfit.wrong_class), (2, True))
                    self.assertIn("not a `bytes`: give `bytes(..)` of it", misfit.reason)

    def test_values_that_are_too_long_for_one_column_are_told_apart_from_one_that_does_not_fit(self):
        # With offsets of one byte, so that no test takes 2 GiB.
        for narrow in [Bytes("z-narrow", "binary", "b"), Text("u-narrow", "utf8", "b")]:
            value = narrow.python(100) if narrow.python is bytes else "a" * 100
            self.assertEqual(len(encode(narrow, [value]).buffers), 3)
            for values in ([value, value], [value, None, value]):
                misfit = self.misfit(narrow, values)
                self.assertIn(f"than a column of {narrow.name} holds, which is 2 GiB: make smaller", misfit.reason)
                self.assertTrue(misfit.wrong_class)

    def test_a_long_value_that_does_not_fit_is_shown_in_part(self):
        misfit = self.misfit(Text("u-narrow", "utf8", "b"), ["a" * 1_000])
        self.assertEqual(misfit.reason, "a" * 57 + "... does not fit utf8")

    def test_a_text_that_has_no_utf8_does_not_fit(self):
        self.assertEqual(self.misfit(types.utf8, ["a", "\ud800"]).row, 1)


class Columns(unittest.TestCase):
    def test_an_array_of_the_types_own_numbers_is_taken_as_it_is(self):
        self.assertEqual(encode(types.int64, array("q", [1, -1])).buffers[1], array("q", [1, -1]).tobytes())
        self.assertEqual(encode(types.int64, array("i", [1, -1])).buffers[1], array("q", [1, -1]).tobytes())

    def test_an_array_of_zeros_and_ones_holds_bools_and_a_list_of_them_does_not(self):
        bools = encode(types.boolean, [True, False, True])
        for values in (b"\1\0\1", bytearray(b"\1\0\1"), memoryview(b"\1\0\1"), array("q", [1, 0, 1])):
            for column in (values, Column(values), taken(values, b"\1\1\1"), taken(Column(values), b"\1\1\1")):
                with self.subTest(values=type(values).__name__, column=type(column).__name__):
                    self.assertEqual(encode(types.boolean, column), bools)
        for values in ([1, 0, 1], bytes([1, 2])):
            with self.assertRaisesRegex(Misfit, f"{values[-1]} is an `int`|1 is an `int`"):
                encode(types.boolean, values)

    def test_a_mask_may_have_any_number_for_what_is_valid(self):
        column = Column(array("q", [1, 2, 3]), b"\xff\0\2")
        self.assertEqual((column.valid, column.null_count), (b"\1\0\1", 1))
        self.assertEqual(encode(types.int64, column).buffers[0], b"\5")

    def test_what_lies_beneath_a_null_is_not_read(self):
        offsets, data = array("i", [0, 1, 2]).tobytes(), b"a\xff"
        node = encode(types.utf8, ["a", None]).nodes[0]
        self.assertEqual(Column.from_wire(types.utf8, node, b"\1", (offsets, data)).to_list(), ["a", None])
        days = array("i", [0, 2**31 - 1]).tobytes()
        column = Column.from_wire(types.date32, node, b"\1", (days,))
        self.assertEqual(column.to_list(), [dt.date(1970, 1, 1), None])

    def test_a_column_that_came_goes_back_without_being_read(self):
        batch = encode(types.date32, [dt.date.max, None])
        column = Column.from_wire(types.date32, batch.nodes[0], batch.buffers[0], batch.buffers[1:])
        self.assertEqual(encode(types.date32, column), batch)

    def test_bitmaps_of_any_length_come_back(self):
        for rows in [0, 1, 7, 8, 9, 64, 8191]:
            flags = bytes([(row * 7 % 3) > 0 for row in range(rows)])
            packed = bits.pack(flags)
            self.assertEqual(len(packed), (rows + 7) // 8)
            self.assertEqual(bits.unpack(packed, rows), flags)

    def test_bits_past_the_last_row_mean_nothing(self):
        self.assertEqual(bits.unpack(b"\xff", 3), b"\1\1\1")


if __name__ == "__main__":
    unittest.main()
