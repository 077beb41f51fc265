"""Loading files from S3 and into S3, on the local AWS: Transom beside plain DataFusion, which is the same engine by others' hands.

    load.py TRANSOM [GROUP ..]

TRANSOM is the program. Groups: `scan` and `write` compare with DataFusion's package for Python and its own client of S3, at the same
endpoint and over the same files; `slices`, `news` and `log` compare Transom with itself, `memory` measures whole processes. Contenders
take turns; the medians are printed as a table. Needs the packages of requirements.txt. TRANSOM_BENCH_SCALE makes all of it smaller,
0.01 to try the script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import datafusion
import pyarrow.parquet
from datafusion.object_store import AmazonS3

from measure import SCALE, heading, line, local_aws, medians, megabytes, table

BUCKET = "bench"
#: A file of about 64 MB: numbers and words by chance, which no encoding makes small.
ROWS_OF_FILE = max(1000, int(900_000 * SCALE))
#: 1 GB.
FILES = 16

program: Path


def main() -> None:
    global program
    program = Path(sys.argv[1]).absolute()
    groups = {"scan": scan, "write": write, "slices": slices, "news": news, "log": log, "memory": memory}
    asked = sys.argv[2:] or list(groups)
    with local_aws(program):
        client().create_bucket(Bucket=BUCKET)
        heading()
        for name in asked:
            groups[name]()


def client():
    return boto3.client("s3")


# Data


def put_files(prefix: str, count: int, rows: int) -> int:
    """Writes Parquet files into the bucket; their size in bytes."""
    size = 0
    for number in range(count):
        pyarrow.parquet.write_table(table(number, rows), "file.parquet", compression="snappy")
        size += Path("file.parquet").stat().st_size
        client().upload_file("file.parquet", BUCKET, f"{prefix}/{number:04}.parquet")
    return size


# Transom


def pipeline(folder: str, source: str, sql: str, sink: str, extra: str = "") -> None:
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "transom.yaml").write_text(f"""\
name: {folder}
sources:
  raw: {{ {source} }}
steps:
  out: {{ sql: "{sql}" }}
sinks:
  out: {{ from: out, {sink} }}
{extra}targets:
  bench: {{ state: {{ path: "s3://{BUCKET}/state/{folder}/" }}, aws: {{ endpoint: "{os.environ['AWS_ENDPOINT_URL']}", region: us-east-1 }} }}
""")
    transom(folder, "lock")


def transom(folder: str, *arguments: str) -> str:
    ran = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"load.py: {arguments} in {folder}: exit status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def memory_of(folder: str, *arguments: str) -> int:
    """The most memory that a run has had, in KiB."""
    process = subprocess.Popen([program, *arguments], cwd=folder)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"load.py: {arguments} in {folder}: wait status {status}")
    return used.ru_maxrss


def run(folder: str) -> None:
    transom(folder, "run", "--quiet")


def entries(folder: str) -> int:
    """How many entries the log of a pipeline has: one that opens it, and one for each slice."""
    return json.loads(transom(folder, "state", "show", "--json"))["tail"]


# DataFusion


def session() -> datafusion.SessionContext:
    context = datafusion.SessionContext()
    store = AmazonS3(
        bucket_name=BUCKET,
        region=os.environ["AWS_REGION"],
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        allow_http=True,
    )
    context.register_object_store("s3://", store, BUCKET)
    return context


# Groups

COLUMNS = ", ".join(
    [f"sum(number_{number}) AS n{number}" for number in range(5)]
    + [f"max(amount_{number}) AS a{number}" for number in range(2)]
    + ["max(word) AS word, count(*) AS rows"]
)


def scan() -> None:
    size = put_files("scan", FILES, ROWS_OF_FILE)
    pipeline("scan", f'path: "s3://{BUCKET}/scan/", format: parquet', f"SELECT {COLUMNS} FROM raw", "path: out, format: csv")

    def theirs() -> None:
        context = session()
        context.register_parquet("raw", f"s3://{BUCKET}/scan/")
        context.sql(f"SELECT {COLUMNS} FROM raw").collect()

    ours, baseline = medians(lambda: run("scan"), theirs)
    what = f"scan of {megabytes(size)} of Parquet: `transom run`, the whole process"
    line(what, ours, "plain DataFusion, the query alone", baseline, baseline / ours, at_least=0.9)


def write() -> None:
    count = 4
    size = put_files("write", count, ROWS_OF_FILE)
    source = f'path: "s3://{BUCKET}/write/", format: parquet, incremental: new_files'
    sink = f'path: "s3://{BUCKET}/written/", format: parquet, mode: append'
    pipeline("write", source, "SELECT * FROM raw", sink)
    rounds = iter(range(1000))

    def ours() -> None:
        run("write")

    def theirs() -> None:
        context = session()
        context.register_parquet("raw", f"s3://{BUCKET}/write/")
        to = f"s3://{BUCKET}/copied/{next(rounds)}/"
        context.sql(f"COPY (SELECT * FROM raw) TO '{to}' STORED AS PARQUET OPTIONS ('format.compression' 'zstd(1)')").collect()

    took, baseline = medians(ours, theirs, between=lambda: transom("write", "reset", "--yes"))
    what = f"writing and committing {megabytes(size)} of Parquet"
    line(what, took, "`COPY TO` of plain DataFusion", baseline, baseline / took, at_least=0.8)


def slices() -> None:
    put_files("slices", 10, ROWS_OF_FILE // 10)
    source = f'path: "s3://{BUCKET}/slices/", format: parquet, incremental: new_files'
    for files in (1, 10):
        sink = f'path: "s3://{BUCKET}/of{files}/", format: parquet, mode: append'
        pipeline(f"slices{files}", source, "SELECT * FROM raw", sink, f"slices: {{ files: {files} }}\n")

    def again() -> None:
        for files in (1, 10):
            transom(f"slices{files}", "reset", "--yes")

    ten, one = medians(lambda: run("slices1"), lambda: run("slices10"), between=again)
    line("ten slices of one file", ten, "one slice of ten files", one, ten / one, at_most=1.3)


def news() -> None:
    """The target is a second beside the listing. Here the whole run is meant, with its listing."""
    count = max(20, int(10_000 * SCALE))
    body = b"customer,amount\na,1\n"
    s3 = client()
    for name, objects in (("news", count), ("new1", 1)):
        for number in range(objects):
            s3.put_object(Bucket=BUCKET, Key=f"{name}/{number:06}.csv", Body=body)
        source = f'path: "s3://{BUCKET}/{name}/", format: csv, incremental: new_files'
        sink = f'path: "s3://{BUCKET}/known-{name}/", format: parquet, mode: append'
        pipeline(name, source, "SELECT * FROM raw", sink)
        run(name)
    many, one = medians(lambda: run("news"), lambda: run("new1"))
    what = f"a run without news over {count:,} loaded objects, their listing included"
    line(what, many, "over one object", one, many, at_most=1.0, unit=" s")


def log() -> None:
    """The target is a second for the start-up. Here the whole run is meant, which has as many objects as entries to look at."""
    count = max(20, int(10_000 * SCALE))
    source = f'path: "s3://{BUCKET}/log/", format: csv, incremental: new_files'
    sink = f'path: "s3://{BUCKET}/logged/", format: parquet, mode: append'
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="log/0.csv", Body=b"customer,amount\na,1\n")
    pipeline("log", source, "SELECT * FROM raw", sink, "slices: { files: 1 }\n")
    run("log")
    assert entries("log") == 2
    _, short = medians(lambda: None, lambda: run("log"))
    for number in range(1, count):
        s3.put_object(Bucket=BUCKET, Key=f"log/{number}.csv", Body=b"customer,amount\na,1\n")
    run("log")
    assert entries("log") == count + 1
    _, long = medians(lambda: None, lambda: run("log"))
    what = f"a run without news, a log of {count + 1:,} entries, each of one object"
    line(what, long, "a log of two", short, long, at_most=1.0, unit=" s")


def memory() -> None:
    sizes: list[int] = []
    for files in (2, 20):
        put_files(f"memory{files}", files, ROWS_OF_FILE)
        source = f'path: "s3://{BUCKET}/memory{files}/", format: parquet, incremental: new_files'
        sink = f'path: "s3://{BUCKET}/held{files}/", format: parquet, mode: append'
        # All of the files are one slice: they are more than the bound that slices have of themselves.
        pipeline(f"memory{files}", source, "SELECT * FROM raw", sink, "slices: { bytes: 4GiB }\n")
        sizes.append(memory_of(f"memory{files}", "run", "--quiet", "--memory", "256MB"))
        assert entries(f"memory{files}") == 2
    small, large = (size / 1024 for size in sizes)
    ratio = large / small
    print(
        f"| memory at its largest, a slice of 20 files | {large:.0f} MiB | of 2 files | {small:.0f} MiB | {ratio:.2f}x | <= 1.2x"
        f" | {'yes' if ratio <= 1.2 else 'no'} |"
    )


if __name__ == "__main__":
    main()
