"""Clients as their users have them, unmodified, against the endpoint in AWS_ENDPOINT_URL.

Each check is a function; all run, and the first line of what failed says where. `just test-s3-peers` starts the server.
"""

import glob
import os
import sys
import tempfile
import traceback
import uuid
from pathlib import Path
from urllib.request import urlopen

import awswrangler as wr
import boto3
import duckdb
import duckdb_extension_httpfs
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from pyarrow import fs

BUCKET = "clients-" + uuid.uuid4().hex[:8]
TABLE = pa.table({"day": ["2024-01-01", "2024-01-01", "2024-01-02"], "n": [1, 2, 3]})


def code(call, **arguments):
    """The code of the error that a call ends with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("no error")


def boto3_client():
    s3 = boto3.client("s3")
    key = "a b/ü+=&.txt"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"boto", Metadata={"m": "1"}, ContentType="text/plain")
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert got["Body"].read() == b"boto" and got["Metadata"] == {"m": "1"}
    assert code(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key}, IfNoneMatch="*")
    assert code(s3.copy_object, Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key},
                IfNoneMatch="*") == "PreconditionFailed"
    listed = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for o in p["Contents"]]
    assert listed == [key, "copy"], listed
    assert code(s3.get_object, Bucket=BUCKET, Key="none") == "NoSuchKey"
    assert code(s3.get_bucket_policy, Bucket=BUCKET) in ("NotImplemented", "NoSuchBucketPolicy")
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert len(deleted["Deleted"]) == 2 and "Errors" not in deleted


def boto3_transfers():
    """Files of many parts, with the threads of boto3's own transfer manager."""
    s3, body = boto3.client("s3"), os.urandom(20 << 20)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_bytes(body)
        s3.upload_file(str(source), BUCKET, "large")
        assert s3.head_object(Bucket=BUCKET, Key="large")["ETag"].endswith('-3"')
        s3.download_file(BUCKET, "large", str(target))
        assert target.read_bytes() == body
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "large"})
    assert urlopen(url).read() == body


def awswrangler_tables():
    path = f"s3://{BUCKET}/wrangler/"
    frame = TABLE.to_pandas()
    wr.s3.to_parquet(frame, path, dataset=True, partition_cols=["day"])
    listed = wr.s3.list_objects(path)
    assert len(listed) == 2 and all("/day=2024-01-0" in name for name in listed), listed
    read = wr.s3.read_parquet(path, dataset=True)
    assert sorted(read["n"]) == [1, 2, 3]
    wr.s3.to_parquet(frame[:1], path, dataset=True, partition_cols=["day"], mode="overwrite_partitions")
    assert sorted(wr.s3.read_parquet(path, dataset=True)["n"]) == [1, 3]
    wr.s3.delete_objects(path)
    assert wr.s3.list_objects(path) == []


def pyarrow_tables():
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    s3 = fs.S3FileSystem(endpoint_override=endpoint.removeprefix("http://"), scheme="http")
    pq.write_to_dataset(TABLE, f"{BUCKET}/arrow", filesystem=s3, partition_cols=["day"])
    read = pq.read_table(f"{BUCKET}/arrow", filesystem=s3)
    assert sorted(read["n"].to_pylist()) == [1, 2, 3]
    found = s3.get_file_info(fs.FileSelector(f"{BUCKET}/arrow", recursive=True))
    assert sum(entry.type == fs.FileType.File for entry in found) == 2
    s3.delete_dir(f"{BUCKET}/arrow")


def polars_tables():
    path = f"s3://{BUCKET}/polars/t.parquet"
    pl.from_arrow(TABLE).write_parquet(path)
    assert pl.scan_parquet(f"s3://{BUCKET}/polars/*.parquet").select(pl.sum("n")).collect().item() == 6


def duckdb_tables():
    # By itself DuckDB downloads the extension; the package holds it as a file.
    folder = os.path.join(os.path.dirname(duckdb_extension_httpfs.__file__), "extensions")
    (extension,) = glob.glob(f"{folder}/*/httpfs.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID $1, SECRET $2, ENDPOINT $3, URL_STYLE 'path', USE_SSL false)",
        [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], host])
    connection.execute(f"COPY (SELECT 1 AS n UNION ALL SELECT 2) TO 's3://{BUCKET}/duck/t.parquet'")
    assert connection.execute(f"SELECT sum(n) FROM 's3://{BUCKET}/duck/*.parquet'").fetchone() == (3,)


def main():
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    failed = 0
    for check in [boto3_client, boto3_transfers, awswrangler_tables, pyarrow_tables, polars_tables, duckdb_tables]:
        try:
            check()
            print(f"{check.__name__}: ok")
        except Exception:
            failed += 1
            print(f"{check.__name__}: FAILED")
            traceback.print_exc()
    sys.exit(failed)


if __name__ == "__main__":
    main()
