"""The extension by itself: what it declines, and that it keeps nothing. Skipped without it; `native/test` builds it."""

import datetime as dt
import gc
import os
import sys
import unittest
from array import array
from decimal import Decimal

from transom import native, types
from transom.column import Column, encode
from transom.functions import Function

INT32 = array("i", [1, 2, 3]).tobytes()


@unittest.skipUnless(native.loops, "the extension `_transom_native` is not here")
class Declined(unittest.TestCase):
    def test_buffers_that_are_not_whole_are_declined_before_the_first_row(self):
        offsets = array("i", [0, 1, 2, 3]).tobytes()
        for column in [
            (),
            ("i",),
            ("i", None),
            ("?", None, INT32),
            (1, None, INT32),
            ("i", None, INT32[:-1]),
            ("i", b"\1\1", INT32),
            ("i", "111", INT32),
            ("i", None, bytearray(INT32)),
            ("b", None, b""),
            ("u", None, offsets),
            ("u", None, offsets, b"ab"),
            ("u", None, offsets[:-1], b"abc"),
            ("u", None, array("i", [0, 2, 1, 3]).tobytes(), b"abc"),
            ("u", None, array("i", [-1, 1, 2, 3]).tobytes(), b"abc"),
            ("U", None, array("q", [0, 1, 2, 2**62]).tobytes(), b"abc"),
            ("u", None, offsets, "ą".encode() + b"a"),
            ("u", None, offsets, b"a\xffb"),
            ("d:1000,2", None, bytes(48)),
            ("w:", None, bytes(48)),
            ("tdD", None, array("i", [0, 1, 2**31 - 1]).tobytes()),
            ("tdm", None, array("q", [0, 0, 1]).tobytes()),
            ("ttu", None, array("q", [0, 0, -1]).tobytes()),
            ("tsu:", None, array("q", [0, 0, 2**62]).tobytes()),
            ("tDs", None, array("q", [0, 0, 2**62]).tobytes()),
        ]:
            with self.subTest(column=column):
                self.assertIsNone(native.loops.decode(column, 3))
                self.assertIsNone(native.loops.rows((column,), 3, None))

    def test_calls_that_are_none_are_declined(self):
        column = ("i", None, INT32)
        for call in [
            lambda: native.loops.decode(column),
            lambda: native.loops.decode(column, -1),
            lambda: native.loops.decode(column, 2**70),
            lambda: native.loops.decode(column, "3"),
            lambda: native.loops.decode([*column], 3),
            lambda: native.loops.rows((), 3, None),
            lambda: native.loops.rows(column, 3, None),
            lambda: native.loops.rows((column,), 3, b"\1\1"),
            lambda: native.loops.encode("i", (1, 2), None, None),
            lambda: native.loops.encode("i", [1, 2], b"\1", None),
            lambda: native.loops.encode("i", [1, 2], None, b"\1\0\1\1"),
            lambda: native.loops.encode("i", [1, 2], None, b"\1\0\0"),
            lambda: native.loops.encode("i", [1, 2], b"\1\1", b"\1\1"),
            lambda: native.loops.encode(b"i", [1, 2], None, None),
            lambda: native.loops.unpack(b"\1", 9),
            lambda: native.loops.unpack(bytearray(2), 9),
        ]:
            self.assertIsNone(call())

    def test_what_lies_beneath_a_null_is_not_looked_at(self):
        offsets = array("i", [0, 1, 2, 3]).tobytes()
        self.assertEqual(native.loops.decode(("u", b"\1\0\1", offsets, b"a\xffb"), 3), ["a", None, "b"])
        days = array("i", [0, 2**31 - 1, 1]).tobytes()
        self.assertEqual(native.loops.decode(("tdD", b"\1\0\0", days), 3), [dt.date(1970, 1, 1), None, None])


@unittest.skipUnless(native.loops, "the extension `_transom_native` is not here")
class Rows(unittest.TestCase):
    def test_a_tuple_that_someone_keeps_is_not_written_to(self):
        columns = (("i", None, INT32), ("i", b"\1\0\1", INT32))
        self.assertEqual(list(native.loops.rows(columns, 3, None)), [(1, 1), (2, None), (3, 3)])
        rows = native.loops.rows(columns, 3, b"\0\1\1")
        first = next(rows)
        next(rows)
        self.assertEqual(first, (2, None))
        self.assertIsNone(next(rows, None))
        self.assertIsNone(next(rows, None))

    def test_the_buffers_live_as_long_as_the_rows(self):
        rows = native.loops.rows((("u", None, array("i", [0, 3]).tobytes(), b"a" * 3),), 1, bytes([1]))
        gc.collect()
        self.assertEqual(list(rows), ["aaa"])


@unittest.skipUnless(native.loops, "the extension `_transom_native` is not here")
class NothingIsKept(unittest.TestCase):
    """Over 10,000 batches, those that fail among them."""

    BATCHES = 10_000
    ROWS = 40

    def setUp(self):
        count = range(self.ROWS)
        nullable = [None if row % 7 == 3 else row * 1_000_003 for row in count]
        moments = [dt.datetime(2020, 1, 1, 0, row, tzinfo=dt.UTC) for row in count]
        columns = [
            (types.utf8, [None if row % 5 == 1 else f"AB{row % 9}" for row in count]),
            (types.utf8, [f"Flight {row} to Łódź" for row in count]),
            (types.int64, nullable),
            (types.date32, [dt.date.fromordinal(1 + row % 3) for row in count]),
            (types.timestamp("us", "UTC"), moments),
            (types.decimal(18, 2), [Decimal(row % 4) / 100 for row in count]),
        ]
        self.batches = [(data_type, encode(data_type, values)) for data_type, values in columns]
        self.function = Function(lambda: None, "f", "immutable", False)
        arguments = [(f"a{place}", data_type, place % 2 == 0) for place, (data_type, _) in enumerate(columns)]
        self.function._signature = (arguments, types.utf8, True)

    def batch(self, number):
        """One batch each way, and all that may go wrong with it."""
        columns = [
            Column.from_wire(data_type, batch.nodes[0], batch.buffers[0], batch.buffers[1:])
            for data_type, batch in self.batches
        ]
        self.function.function = [lambda *a: a[0], lambda *a: 1 // 0, lambda *a: a[3], self.rejects][number % 4]
        try:
            self.function.call(columns, self.ROWS)
        except Exception as error:
            error.__traceback__ = None
        for column in columns:
            values = column.to_list()
            assert native.encode(column.type.format, values, None, None)
            assert native.encode(column.type.format, [*values, object()], None, None) is None
        assert native.encode("u", ["a" * 100, "\ud800"], None, None) is None
        assert native.encode("l", [1, 2**70], None, None) is None
        assert native.loops.rows((("u", None, b"abc", b""), columns[0].wire), self.ROWS, None) is None
        rows = native.rows_of(columns, self.ROWS, None)
        # Left in the middle.
        next(rows)
        next(rows)

    @staticmethod
    def rejects(*values):
        raise ValueError("no")

    def test_references_and_memory_are_what_they_were(self):
        watched = [None, True, False, "a", 7, dt.date, dt.UTC, Decimal]
        watched += [buffer for _, batch in self.batches for buffer in batch.buffers]
        gc.disable()
        self.addCleanup(gc.enable)
        for number in range(200):
            self.batch(number)
        gc.collect()
        before = [sys.getrefcount(value) for value in watched], sys.getallocatedblocks(), resident()
        for number in range(self.BATCHES):
            self.batch(number)
        gc.collect()
        after = [sys.getrefcount(value) for value in watched], sys.getallocatedblocks(), resident()
        for value, was, now in zip(watched, before[0], after[0]):
            # What the interpreter itself counts moves by a few.
            self.assertLess(abs(now - was), 50, value)
        self.assertLess(abs(after[1] - before[1]), 500)
        self.assertLess(after[2] - before[2], 4 << 20)


def resident():
    """Bytes of memory that the process has; 0 where that cannot be asked, and under a sanitizer, which frees late."""
    if "ASAN_OPTIONS" in os.environ or not os.path.exists("/proc/self/statm"):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    unittest.main()
