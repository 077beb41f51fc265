"""Makes the files of this folder: inputs that the harness cannot write from a few words. Needs duckdb, polars and pyarrow."""

import datetime
import decimal
import gzip
import pathlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent


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
