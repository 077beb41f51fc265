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

    def test_a_value_that_someone_keeps_is_not_written_to(self):
        texts = [f"text number {row}" for row in range(2000)]
        for data_type, values in [
            (types.int64, [row * 1_000_003**(row % 3) - 700 for row in range(2000)]),
            (types.float64, [row / 7 for row in range(2000)]),
            (types.utf8, texts),
            (types.utf8, [text * (row % 5) for row, text in enumerate(texts)]),
            (types.utf8, ["", "a", "ab", "Łódź", "long " * 50] * 400),
            (types.date32, [dt.date.fromordinal(1 + row) for row in range(2000)]),
            (types.timestamp("us", ""), [dt.datetime(2020, 1, 1) + dt.timedelta(hours=row) for row in range(2000)]),
            (types.timestamp("us", "UTC"), [dt.datetime.fromtimestamp(row * 1e7, dt.UTC) for row in range(2000)]),
            (types.decimal(38, 2), [Decimal(row**9) / 100 for row in range(2000)]),
        ]:
            batch = encode(data_type, values)
            column = Column.from_wire(data_type, batch.nodes[0], batch.buffers[0], batch.buffers[1:])
            for columns in [(column.wire,), (column.wire, column.wire)]:
                with self.subTest(data_type=data_type, columns=len(columns)):
                    kept, hashes, objects = [], [], set()
                    for row, value in enumerate(native.loops.rows(columns, 2000, None)):
                        value = value if len(columns) == 1 else value[1]
                        self.assertEqual(value, values[row])
                        hashes.append(hash(value))
                        objects.add(id(value))
                        if row % 5 in (0, 1):
                            kept.append((row, value))
                    self.assertEqual([value for _, value in kept], [values[row] for row, _ in kept])
                    self.assertEqual(hashes, [hash(value) for value in values])
                    # Others are made the next value; ints and texts are laid out for it since Python 3.12.
                    if data_type not in (types.int64, types.utf8) or sys.version_info >= (3, 12):
                        self.assertLess(len(objects), 1900)

    def test_a_text_that_is_interned_is_not_written_to(self):
        texts = [f"text to be interned, number {row}" for row in range(100)]
        batch = encode(types.utf8, texts)
        rows = native.loops.rows((("u", None, *batch.buffers[1:]),), 100, None)
        for row, value in enumerate(rows):
            if row % 3 == 0:
                self.assertIs(sys.intern(value), value)
        self.assertEqual([sys.intern(text) for text in texts], texts)

    def test_the_buffers_live_as_long_as_the_rows(self):
        rows = native.loops.rows((("u", None, array("i", [0, 3]).tobytes(), b"a" * 3),), 1, bytes([1]))
        gc.collect()
        self.assertEqual(list(rows), ["aaa"])


@unittest.skipUnless(native.loops, "the extension `_transom_native` is not here")
class Calls(unittest.TestCase):
    COLUMNS = (("i", None, INT32),)

    def calls(self, results, format="l", selected=None):
        slot = [None]
        rows = native.loops.calls(self.COLUMNS, 3, selected, format, slot)
        for _, result in zip(rows, results):
            slot[0] = result
        return rows

    def test_a_result_is_taken_once_and_a_row_without_one_is_null(self):
        slot = [None]
        rows = native.loops.calls(self.COLUMNS, 3, None, "u", slot)
        result = "a result of its own".upper()
        count = sys.getrefcount(result)
        self.assertEqual(next(rows), 1)
        slot[0] = result
        self.assertEqual((next(rows), slot, native.loops.given(rows)), (2, [None], 2))
        self.assertEqual((next(rows), next(rows, "end")), (3, "end"))
        self.assertEqual(sys.getrefcount(result), count)
        offsets = array("i", [0, 19, 19, 19]).tobytes()
        self.assertEqual(native.loops.finish(rows), (None, 3, 2, b"\1", offsets, b"A RESULT OF ITS OWN"))
        # It is over.
        for function in (native.loops.finish, native.loops.given):
            self.assertIsNone(function(rows))

    def test_from_the_first_result_that_does_not_go_all_are_left(self):
        for wrong in ["one", 2**63, object()]:
            left, rows, null_count, _, slots = native.loops.finish(self.calls([7, wrong, 9]))
            self.assertEqual((left, rows, null_count, slots[:8]), ([wrong, 9], 1, 0, array("q", [7]).tobytes()))

    def test_rows_that_are_not_selected_are_null(self):
        left, rows, null_count, bitmap, slots = native.loops.finish(self.calls([8, 9], selected=b"\0\1\1"))
        self.assertEqual((left, rows, null_count, bitmap, slots), (None, 3, 1, b"\6", array("q", [0, 8, 9]).tobytes()))

    def test_a_result_that_asks_for_rows_when_it_goes_harms_nobody(self):
        class Result(str):
            def __del__(self):
                for _ in range(self.asks):
                    next(self.rows, None)
                if self.ends:
                    ended.append(native.loops.finish(self.rows))

        for asks, given, nulls in [(1, [1, 3], 1), (2, [1], 2), (9, [1], 2)]:
            for ends in [False, True]:
                with self.subTest(asks=asks, ends=ends):
                    slot, seen, ended = [None], [], []
                    rows = native.loops.calls(self.COLUMNS, 3, None, "u", slot)
                    for row in rows:
                        seen.append(row)
                        slot[0] = Result("result")
                        slot[0].rows, slot[0].asks, slot[0].ends = rows, asks if row == 1 else 0, ends and row == 1
                    self.assertEqual(seen, given)
                    (left, count, null_count, *_), *more = ended or [native.loops.finish(rows)]
                    self.assertEqual((left, more), (None, []))
                    # Each row has its place, but for those that come after the end.
                    if not ends:
                        self.assertEqual((count, null_count), (3, nulls))
                    self.assertIsNone(native.loops.finish(rows))

    def test_a_slot_that_is_none_harms_nobody(self):
        slot = [None]
        rows = native.loops.calls(self.COLUMNS, 3, None, "l", slot)
        next(rows)
        slot.clear()
        next(rows)
        slot[:] = [1, 2]
        self.assertEqual(list(rows), [3])
        self.assertEqual(native.loops.finish(rows)[2], 3)
        for call in [
            lambda: native.loops.calls(self.COLUMNS, 3, None, "l", (None,)),
            lambda: native.loops.calls(self.COLUMNS, 3, None, "?", slot),
            lambda: native.loops.calls(self.COLUMNS, 4, None, "l", slot),
            lambda: native.loops.given(slot),
            lambda: native.loops.finish(slot),
            lambda: native.loops.finish(native.loops.rows(self.COLUMNS, 3, None)),
        ]:
            self.assertIsNone(call())


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
