"""Makes the files of this folder: inputs that the harness cannot write from a few words. Needs duckdb, polars and pyarrow."""

import datetime
import decimal
import gzip
import pathlib
import struct

import by_hand
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from by_hand import Byte, Group, Leaf, Struct, flat

here = pathlib.Path(__file__).parent
utc = datetime.timezone.utc


def table(name, **options):
    """Writes the columns that a function gives."""

    def write(make):
        pq.write_table(make(), here / name, **options)

    return write


def query(name, sql):
    """Writes what DuckDB makes of a query."""
    duckdb.sql(f"COPY ({sql}) TO '{here / name}' (FORMAT parquet)")


(here / "gzip.csv.gz").write_bytes(gzip.compress(b"id,name\n1,x\n", mtime=0))
table("plain.parquet")(lambda: pa.table({"id": [1, 2], "name": ["Ann", "Bob"]}))
table("int96.parquet", use_deprecated_int96_timestamps=True)(
    lambda: pa.table({"t": pa.array([datetime.datetime(2024, 1, 31, 10), datetime.datetime(9999, 12, 31)], pa.timestamp("us"))})
)
table("doubled.parquet")(lambda: pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
table("case.parquet")(lambda: pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"]))
table("dictionary.parquet")(lambda: pa.table({"v": pa.array(["x", "y", "x", None]).dictionary_encode()}))
table("nested.parquet")(
    lambda: pa.table(
        {
            "id": [1, 2],
            "u": pa.array([{"a": 1, "b": ["x", None]}, None]),
            "m": pa.array([[("k", decimal.Decimal("1.50"))], []], pa.map_(pa.string(), pa.decimal128(10, 2))),
        }
    )
)
table("decimal256.parquet")(lambda: pa.table({"v": pa.array([decimal.Decimal("1" + "0" * 40)], pa.decimal256(50, 0))}))
table("large.parquet")(lambda: pa.table({"s": pa.array(["x"], pa.large_string()), "l": pa.array([[1]], pa.large_list(pa.int64()))}))
query("interval.parquet", "SELECT interval '1 month' a, interval '2 years 3 days 4 seconds' b")
query("uuid.parquet", "SELECT '60b857c4-db71-4c8d-9b1f-9bb4f3e0a5a1'::UUID u, 1 AS id")
query("hugeint.parquet", "SELECT 18446744073709551615::UBIGINT u, (-128)::TINYINT t, 65535::USMALLINT s")
query("time.parquet", "SELECT TIME '10:00:00.123456' t, TIMESTAMPTZ '2024-07-01 12:00:00+02:00' z, DATE '9999-12-31' d")
query("enum.parquet", "SELECT 'b'::ENUM('a', 'b') e, '{\"k\": 1}'::JSON j")
table("latin_list.parquet")(lambda: pa.table({"l": pa.array([[b"Z\xfcrich"]], pa.list_(pa.binary()))}))
# Text by its annotation, bytes by its content: pyarrow does not check what it is given.
table("not_utf8.parquet")(
    lambda: pa.table({"name": pa.Array.from_buffers(pa.string(), 1, pa.array([b"Z\xfcrich"]).buffers())})
)
(here / "members.csv.gz").write_bytes(gzip.compress(b"id\n1\n", mtime=0) + gzip.compress(b"2\n", mtime=0))
table("float16.parquet")(lambda: pa.table({"v": pa.array([1.5, None], pa.float16())}))
table("list_view.parquet")(
    lambda: pa.table(
        {
            "l": pa.array([[1, -128], [], None], pa.list_view(pa.int8())),
            "d": pa.array([[decimal.Decimal("1.50")], None, []], pa.large_list_view(pa.decimal128(5, 2))),
        }
    )
)
# Columns that have no type, and nothing in them.
table("nothing.parquet")(
    lambda: pa.table(
        {
            "n": pa.nulls(2),
            "l": pa.array([[None], []], pa.list_(pa.null())),
            "s": pa.array([{"a": None, "b": 1}, None], pa.struct([("a", pa.null()), ("b", pa.int8())])),
        }
    )
)
# The type of small decimals is written into the file's own Arrow schema.
table("decimal32.parquet")(lambda: pa.table({"v": pa.array([decimal.Decimal("1.50"), None], pa.decimal32(5, 2))}))
pl.DataFrame({"id": [1], "v": pl.Series([2**70], dtype=pl.Int128)}).write_parquet(here / "int128.parquet")


def dictionary(values, data_type):
    """A column that is stored as a dictionary."""
    return pa.array(values, data_type).dictionary_encode()


date, time, moment = datetime.date(9999, 12, 31), datetime.time(23, 59, 59, 999999), datetime.datetime(9999, 12, 31, 23, 59, 59)
small, long = decimal.Decimal("1.50"), decimal.Decimal("-" + "9" * 36 + ".99")
table("dictionaries.parquet")(
    lambda: pa.table(
        {
            "b": dictionary([True, None, False], pa.bool_()),
            "i": dictionary([-128, None, 127], pa.int8()),
            "u": dictionary([2**64 - 1, None, 0], pa.uint64()),
            "f": dictionary([0.1, None, 5e-324], pa.float64()),
            "d": dictionary([small, None, long], pa.decimal128(38, 2)),
            "day": dictionary([date, None, datetime.date(1, 1, 1)], pa.date32()),
            "clock": dictionary([time, None, datetime.time(0)], pa.time64("us")),
            "t": dictionary([moment, None, datetime.datetime(1, 1, 1)], pa.timestamp("us")),
            "z": dictionary([moment.replace(tzinfo=utc), None, datetime.datetime(1, 1, 1, tzinfo=utc)], pa.timestamp("us", "UTC")),
            "s": dictionary(["", None, "NULL"], pa.large_string()),
            "raw": dictionary([b"\x00\xff", None, b"\x01"], pa.binary()),
            "fixed": dictionary([b"\x00\xff", None, b"ab"], pa.binary(2)),
        }
    )
)
table("dictionaries_within.parquet")(
    lambda: pa.table(
        {
            "l": pa.ListArray.from_arrays(pa.array([0, 2, None, 2], pa.int32()), dictionary([small, None], pa.decimal128(5, 2))),
            "s": pa.StructArray.from_arrays([dictionary([date, None, date], pa.date32())], ["day"]),
            "m": pa.MapArray.from_arrays(
                pa.array([0, 2, 2, 3], pa.int32()), dictionary(["a", "b", "a"], pa.string()), dictionary([True, None, True], pa.bool_())
            ),
        }
    )
)
# The version says which types a file may have: 1.0 has no unsigned numbers of 32 bits.
for name, version in (("unsigned_old.parquet", "1.0"), ("unsigned.parquet", "2.6")):
    widths = {bits: pa.array([2**bits - 1, 0, None], f"uint{bits}") for bits in (8, 16, 32, 64)}
    table(name, version=version)(lambda: pa.table({f"u{bits}": values for bits, values in widths.items()}))
table("times.parquet")(
    lambda: pa.table(
        {
            "s": pa.array([86_399, 0, None], pa.int32()).cast(pa.time32("s")),
            "ms": pa.array([86_399_999, 0, None], pa.int32()).cast(pa.time32("ms")),
            "us": pa.array([86_399_999_999, 0, None], pa.int64()).cast(pa.time64("us")),
            "ns": pa.array([86_399_999_999_999, 0, None], pa.int64()).cast(pa.time64("ns")),
        }
    )
)
table("float16_within.parquet")(
    lambda: pa.table({"v": pa.array([65504.0, float("-inf"), float("nan"), -0.0, None], pa.float16()), "l": [[1.5, None], [], None, [], []]}).cast(
        pa.schema([("v", pa.float16()), ("l", pa.list_(pa.float16()))])
    )
)
table("bare_lists.parquet", use_compliant_nested_type=False)(
    lambda: pa.table({"l": pa.array([[[1, None], []], None, []], pa.list_(pa.list_(pa.int64())))})
)
decimals = {"d9": (9, 2), "d18": (18, 2), "d38": (38, 2)}
of_digits = lambda digits: decimal.Decimal("-" + "9" * (digits - 2) + ".99")
for name, as_integer in (("decimals.parquet", False), ("decimals_as_integers.parquet", True)):
    table(name, store_decimal_as_integer=as_integer)(
        lambda: pa.table({name: pa.array([small, of_digits(digits), None], pa.decimal128(digits, 2)) for name, (digits, _) in decimals.items()})
    )

# Lists as Hive, Thrift and Avro wrote them: [1, 2], [], NULL. In the last one, which has no word for it, NULL is [].
two = [(0, 2, 1), (1, 2, 2), (0, 1, None), (0, 0, None)]
of_two = lambda name, *children: Group("optional", name, children, "LIST")
by_hand.write(
    here / "old_lists.parquet",
    3,
    of_two("avro", Leaf("repeated", "int64", "array", two)),
    of_two("thrift", Leaf("repeated", "int64", "thrift_tuple", two)),
    of_two("plain", Leaf("repeated", "int64", "element", two)),
    of_two("records", Group("repeated", "array", [Leaf("required", "int64", "x", two)])),
    of_two("hive", Group("repeated", "bag", [Leaf("optional", "int64", "array_element", [(0, 3, 1), (1, 2, None), *two[2:]])])),
    Leaf("repeated", "int64", "proto", [(0, 1, 1), (1, 1, 2), (0, 0, None), (0, 0, None)]),
)
keys = [(0, 2, b"a"), (1, 2, b"b"), (0, 1, None), (0, 0, None)]
values = [(0, 3, 1), (1, 2, None), (0, 1, None), (0, 0, None)]


def a_map(name, within, key, value, outer="MAP", inner=None):
    """A map from texts to numbers."""
    return Group("optional", name, [Group("repeated", within, [key, Leaf("optional", "int64", value, values)], inner)], outer)


required = lambda name: Leaf("required", "binary", name, keys, "UTF8")
by_hand.write(
    here / "old_maps.parquet",
    3,
    a_map("hive", "map", required("key"), "value", "MAP_KEY_VALUE"),
    a_map("spark", "key_value", required("key"), "value", "MAP", "MAP_KEY_VALUE"),
    a_map("named", "entries", required("k"), "v"),
)
optional = lambda second: Leaf("optional", "binary", "key", [(0, 3, b"a"), (1, *second), (0, 1, None), (0, 0, None)], "UTF8")
by_hand.write(here / "optional_keys.parquet", 3, a_map("m", "key_value", optional((3, b"b")), "value"))
by_hand.write(here / "null_key.parquet", 3, a_map("m", "key_value", optional((2, None)), "value"))
# What a text or number stands for, as the format has it: in its older words, and in those of today.
binary = lambda name, value, **word: Leaf("optional", "binary", name, flat([value, None]), **word)
by_hand.write(
    here / "annotated.parquet",
    2,
    binary("enum", b"A", converted="ENUM"),
    binary("enum2", b"A", logical=Struct({4: Struct()})),
    binary("json", b'{"a": 1}', converted="JSON"),
    binary("json2", b"[1]", logical=Struct({12: Struct()})),
    binary("bson", b"\5\0\0\0\0", converted="BSON"),
    binary("geometry", b"\1\1", logical=Struct({17: Struct()})),
    binary("newer", b"\1\1", logical=Struct({29: Struct()})),
    Leaf("optional", "fixed", "uuid", flat([bytes(range(16)), None]), logical=Struct({14: Struct()}), length=16),
    Leaf("optional", "fixed", "half", flat([struct.pack("<e", 1.5), None]), logical=Struct({15: Struct()}), length=2),
    Leaf("optional", "int32", "ms", flat([86_399_999, None]), "TIME_MILLIS"),
    Leaf("optional", "int64", "us", flat([86_399_999_999, None]), "TIME_MICROS"),
    Leaf("optional", "int64", "moment", flat([253_402_300_799_999_999, None]), "TIMESTAMP_MICROS"),
    Leaf("optional", "int64", "local", flat([-(2**63), None]), logical=Struct({8: Struct({1: False, 2: Struct({3: Struct()})})})),
    Leaf("optional", "int32", "u8", flat([255, None]), "UINT_8"),
    Leaf("optional", "int32", "u32", flat([-1, None]), "UINT_32"),
    Leaf("optional", "int64", "u64", flat([-1, None]), "UINT_64"),
)
big_endian = lambda number, length: number.to_bytes(length, "big", signed=True)
by_hand.write(
    here / "decimals_of_each_kind.parquet",
    3,
    Leaf("optional", "int32", "i32", flat([150, -999_999_999, None]), "DECIMAL", scale=2, precision=9),
    Leaf("optional", "int64", "i64", flat([150, -99_999, None]), "DECIMAL", scale=2, precision=5),
    Leaf("optional", "binary", "bytes", flat([big_endian(150, 2), big_endian(-(10**37), 16), None]), "DECIMAL", scale=2, precision=38),
    Leaf("optional", "fixed", "five", flat([big_endian(150, 5), big_endian(-99_999, 5), None]), "DECIMAL", length=5, scale=2, precision=9),
    Leaf("optional", "fixed", "twenty", flat([big_endian(150, 20), big_endian(-(10**37), 20), None]), "DECIMAL", length=20, scale=2, precision=38),
)
variant = Struct({16: Struct({1: Byte(1)})})
by_hand.write(
    here / "variant.parquet",
    2,
    Group(
        "optional",
        "v",
        [Leaf("required", "binary", "metadata", flat([b"\1\0\0", None])), Leaf("required", "binary", "value", flat([b"\x0c\1", None]))],
        logical=variant,
    ),
)
# Nanoseconds of a day, and the day, of which 2,440,588 is 1970-01-01.
int96 = lambda day, nanos: struct.pack("<qi", nanos, day + 2_440_588)
of_days = {
    "int96_days.parquet": [int96(2_932_896, 86_399_999_999_000), int96(-719_162, 0), int96(-1, 1_000), None],
    "int96_nanoseconds.parquet": [int96(0, 1), int96(106_751, 85_636_854_775_807)],
    "int96_beyond.parquet": [int96(0, 0), int96(2**31 - 1 - 2_440_588, 0)],
}
for name, moments in of_days.items():
    by_hand.write(here / name, len(moments), Leaf("optional", "int96", "t", flat(moments)))
