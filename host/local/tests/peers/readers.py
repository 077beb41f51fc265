"""A pipeline writes to the S3 in AWS_ENDPOINT_URL, found by the environment as on AWS; readers of others find its rows.

`readers.py PROGRAM`; `just test-s3-peers` starts the server. How the current version is found is what docs/s3.md says.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import awswrangler as wr
import boto3
import duckdb
import duckdb_extension_httpfs
import pandas
import polars as pl
import pyarrow.dataset
from pyarrow import fs

BUCKET = "readers-" + uuid.uuid4().hex[:8]
ROWS = [("2024-01-01", 1, "a"), ("2024-01-01", 2, None), ("2024-01-02", 3, "c d")]
PIPELINE = f"""
name: readers
sources:
  raw: {{ path: "s3://{BUCKET}/raw/", format: csv, columns: {{ day: utf8 }} }}
steps:
  doubled: {{ sql: "SELECT day, n, n * 2 AS twice, text FROM raw" }}
sinks:
  doubled: {{ from: doubled, path: "s3://{BUCKET}/out/doubled/", format: parquet, partition_by: [day] }}
targets:
  aws: {{}}
"""


def current(table):
    """The address of the version that readers of a table see, with a slash at its end."""
    bucket, _, key = table.removeprefix("s3://").removesuffix("/").partition("/")
    pointer = boto3.client("s3").get_object(Bucket=bucket, Key=f"{key}/_transom/current")
    pointer = json.load(pointer["Body"])
    above, slash, name = key.rpartition("/")
    return f"s3://{bucket}/{above}{slash}.{name}.versions/{pointer['version']}/"


def rows(table):
    table = sorted((str(day), n, twice, text) for day, n, twice, text in table)
    return [(day, n, twice, text) for day, n, twice, text in table]


def main():
    program = sys.argv[1]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    text = "day,n,text\n" + "".join(f"{day},{n},{text or ''}\n" for day, n, text in ROWS)
    s3.put_object(Bucket=BUCKET, Key="raw/a.csv", Body=text.encode())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "transom.yaml").write_text(PIPELINE)
        for _ in range(3):
            subprocess.run([program, "run", "--quiet"], cwd=folder, check=True)
    expected = sorted((day, n, 2 * n, text) for day, n, text in ROWS)
    table = f"s3://{BUCKET}/out/doubled/"
    version = current(table)
    names = ["day", "n", "twice", "text"]

    def of_frame(frame):
        frame = frame[names].astype(object)
        return [tuple(None if pandas.isna(value) else value for value in row) for row in frame.values.tolist()]

    found = {"awswrangler": of_frame(wr.s3.read_parquet(version, dataset=True))}
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    store = fs.S3FileSystem(endpoint_override=endpoint.removeprefix("http://"), scheme="http")
    dataset = pyarrow.dataset.dataset(
        version.removeprefix("s3://"), filesystem=store, format="parquet", partitioning="hive"
    )
    found["pyarrow"] = [tuple(row[name] for name in names) for row in dataset.to_table().to_pylist()]
    scan = pl.scan_parquet(version + "**/*.parquet", hive_partitioning=True)
    found["Polars"] = scan.select(names).collect().rows()
    duck = duckdb.connect()
    folder = os.path.join(os.path.dirname(duckdb_extension_httpfs.__file__), "extensions")
    (extension,) = glob.glob(f"{folder}/*/httpfs.duckdb_extension")
    duck.execute(f"LOAD '{extension}'")
    duck.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
        SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}', ENDPOINT '{endpoint.removeprefix("http://")}',
        URL_STYLE path, USE_SSL false)"""
    )
    query = f"SELECT day, n, twice, text FROM read_parquet('{version}**/*.parquet', hive_partitioning = true)"
    found["DuckDB"] = duck.execute(query).fetchall()
    wrong = {reader: table for reader, table in found.items() if rows(table) != expected}
    for reader in found:
        print("failed" if reader in wrong else "ok", reader)
    # Of three runs the last two versions are kept.
    versions = s3.list_objects_v2(Bucket=BUCKET, Prefix="out/.doubled.versions/", Delimiter="/")
    kept = len(versions["CommonPrefixes"])
    assert kept == 2, kept
    assert not wrong, wrong


main()
