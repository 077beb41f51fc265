"""Answers a query with DuckDB: judge.py QUERY PATH FORMAT writes judge.parquet into the current folder."""

import os
import sys

import duckdb

READERS = {
    "csv": "read_csv({}, union_by_name=true)",
    "json": "read_json({}, format='newline_delimited', union_by_name=true)",
    "parquet": "read_parquet({}, union_by_name=true)",
}


def main(query: str, path: str, form: str) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    if path and form:
        source = os.path.join(path, "**") if os.path.isdir(path) else path
        connection.execute(f"CREATE VIEW src AS SELECT * FROM {READERS[form].format(repr(source))}")
    relation = connection.sql(query)
    # Parquet has no 128-bit integers; DuckDB would write them as doubles.
    columns = (
        f'CAST("{name}" AS DECIMAL(38, 0)) AS "{name}"' if str(kind) in ("HUGEINT", "UHUGEINT") else f'"{name}"'
        for name, kind in zip(relation.columns, relation.types)
    )
    relation.project(", ".join(columns)).write_parquet("judge.parquet")


main(*sys.argv[1:])
