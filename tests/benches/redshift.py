"""The local Redshift beside DuckDB, PostgreSQL and plain DataFusion, through its own wire and S3.

    redshift.py TRANSOM [GROUP ..]

TRANSOM is the program. Groups: `start` (the first answer of a fresh server, its memory at rest), `copy` (COPY of 10 million rows, beside
DuckDB's CREATE TABLE AS into a file), `scan` (an aggregate over those rows, beside plain DataFusion over the same Parquet),
`transactions` (one row each, beside PostgreSQL 15 with fsync on, whose programs are looked for in Debian's folder or PATH).
Contenders take turns; the medians are printed as a table.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import datafusion
import duckdb
import psycopg
import pyarrow.parquet

from measure import SCALE, heading, line, local_aws, medians, megabytes, table

BUCKET = "bench"
ROLE = "arn:aws:iam::123456789012:role/any"
FILES = 10
ROWS = max(10_000, int(10_000_000 * SCALE))
TRANSACTIONS = max(20, int(1000 * SCALE))
TYPES = {"number": "bigint", "amount": "float8", "word": "varchar(16)"}

program: Path
Server = subprocess.Popen[bytes]


def main() -> None:
    global program
    program = Path(sys.argv[1]).absolute()
    groups = {"start": starts, "copy": copy, "scan": scan, "transactions": transactions}
    asked = sys.argv[2:] or list(groups)
    with local_aws(program) as server:
        heading()
        for name in asked:
            groups[name](server)


def connect() -> psycopg.Connection:
    # Redshift calls its encoding UNICODE unless a client chooses one, and psycopg does not know that name.
    return psycopg.connect(client_encoding="utf8", autocommit=True)


def starts(server: Server) -> None:
    # At rest before any work of the other groups: this one comes first.
    time.sleep(1)
    fields = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    resident = next(int(field.split()[1]) / 1024 for field in fields if field.startswith("VmRSS"))
    print(f"| memory of `transom local up` at rest | {resident:.0f} MiB | - | - | - | < 100 MiB | {'yes' if resident < 100 else 'no'} |")
    took = []
    for number in range(6):
        data = Path(f"fresh{number}").absolute()
        begin = time.perf_counter()
        port = 48000 + os.getpid() % 1000 + number
        command = [program, "local", "up", "--http-port", "0", "--redshift-port", str(port), "--data", data]
        other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                if other.poll() is not None:
                    # Such as for a port that another program has.
                    sys.exit("the local AWS does not start")
                with contextlib.suppress(psycopg.OperationalError):
                    options = {"host": "127.0.0.1", "port": port, "user": "bob", "password": os.environ["PGPASSWORD"]}
                    with psycopg.connect(dbname="dev", client_encoding="utf8", **options) as connection:
                        connection.execute("select 1").fetchone()
                    break
                time.sleep(0.002)
            took.append(time.perf_counter() - begin)
        finally:
            other.terminate()
            other.wait()
    took.sort()
    line("first answer of a fresh `transom local up`", took[len(took) // 2], "-", 0, took[len(took) // 2], at_most=0.3, unit=" s")


# Tables


def files() -> tuple[list[str], int]:
    """Parquet files in this folder and in the bucket, made once; their names and size in bytes."""
    names = [f"wide{number}.parquet" for number in range(FILES)]
    if not Path(names[0]).exists():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        for number, name in enumerate(names):
            pyarrow.parquet.write_table(table(number, ROWS // FILES), name, compression="snappy")
            client.upload_file(name, BUCKET, f"wide/{name}")
    return names, sum(Path(name).stat().st_size for name in names)


def create(connection: psycopg.Connection, name: str) -> None:
    columns = [f"{column} {TYPES[column.split('_')[0]]}" for column in table(0, 1).schema.names]
    connection.execute(f"drop table if exists {name}")
    connection.execute(f"create table {name} ({', '.join(columns)})")


def copy(_: Server) -> None:
    names, size = files()
    connection = connect()

    def ours() -> None:
        create(connection, "wide")
        connection.execute(f"copy wide from 's3://{BUCKET}/wide/' iam_role '{ROLE}' format parquet")

    def theirs() -> None:
        Path("wide.duckdb").unlink(missing_ok=True)
        with duckdb.connect("wide.duckdb") as database:
            database.execute(f"CREATE TABLE wide AS SELECT * FROM read_parquet({names})")

    took, baseline = medians(ours, theirs)
    assert connection.execute("select count(*) from wide").fetchone() == (ROWS // FILES * FILES,)
    what = f"COPY of {ROWS:,} rows of 8 columns, {megabytes(size)} of Parquet"
    line(what, took, "DuckDB's CREATE TABLE AS from the files, into a file", baseline, baseline / took, at_least=0.5)


AGGREGATE = """\
SELECT number_0 % 100 AS bucket, count(*), sum(number_1 % 1000), max(amount_0), min(word), avg(amount_1)
FROM wide WHERE number_2 % 10 < 8 GROUP BY 1 ORDER BY 1"""


def scan(_: Server) -> None:
    names, _ = files()
    connection = connect()
    create(connection, "wide")
    connection.execute(f"copy wide from 's3://{BUCKET}/wide/' iam_role '{ROLE}' format parquet")
    # All digits of floats, which are compared.
    connection.execute("set extra_float_digits = 2")
    rows: list[list[tuple]] = [[], []]

    def ours() -> None:
        rows[0] = connection.execute(AGGREGATE).fetchall()

    def theirs() -> None:
        context = datafusion.SessionContext()
        Path("wide").mkdir(exist_ok=True)
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.link(name, f"wide/{name}")
        context.register_parquet("wide", "wide/")
        rows[1] = [tuple(row.values()) for row in context.sql(AGGREGATE).to_pylist()]

    took, baseline = medians(ours, theirs)
    # The last column is an average of floating point numbers, whose last digits depend on the order.
    assert [row[:5] for row in rows[0]] == [row[:5] for row in rows[1]], (rows[0][:2], rows[1][:2])
    line(f"filter and aggregate over {ROWS:,} rows", took, "plain DataFusion over the Parquet", baseline, took / baseline, at_most=2)


# Transactions


@contextlib.contextmanager
def postgres() -> Iterator[psycopg.Connection]:
    """PostgreSQL on a socket in a folder of its own, as it is installed: with fsync."""
    found = shutil.which("initdb") or next(iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))), None)
    if not found:
        sys.exit("redshift.py: there is no PostgreSQL to compare with: apt-get install postgresql")
    programs = Path(found).resolve().parent
    # It refuses to run as root.
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="transom-postgres-") as folder:
        os.chmod(folder, 0o777)

        def do(*command: str | Path) -> None:
            subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

        data = f"{folder}/data"
        do(programs / "initdb", "--auth=trust", "--username=bob", data)
        do(programs / "pg_ctl", "start", "--wait", f"--pgdata={data}", f"--log={folder}/log", f"--options=-k {folder} -h ''")
        try:
            with psycopg.connect(host=folder, dbname="postgres", user="bob", autocommit=True) as connection:
                yield connection
        finally:
            do(programs / "pg_ctl", "stop", "--wait", f"--pgdata={data}", "--mode=fast")


def transactions(_: Server) -> None:
    def inserts(connection: psycopg.Connection) -> Callable[[], None]:
        def insert() -> None:
            for number in range(TRANSACTIONS):
                with connection.transaction():
                    connection.execute("insert into small values (%s, %s)", (number, f"row {number}"))

        return insert

    with postgres() as theirs, connect() as ours:
        for connection in (ours, theirs):
            connection.execute("create table small (number int, word varchar(20))")
        took, baseline = medians(inserts(ours), inserts(theirs))
    what = f"{TRANSACTIONS:,} transactions of one row"
    line(what, took, "PostgreSQL with fsync on", baseline, baseline / took, at_least=0.5)


if __name__ == "__main__":
    main()
