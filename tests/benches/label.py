"""Labels for two million rows: Transom's plugin in Python on one and two partitions, and DuckDB's native Python UDF.

    label.py TRANSOM

TRANSOM is the program, which finds the runner. Whole processes take turns, from the Parquet file to the counted labels;
the medians are printed as a table. Needs the packages of requirements.txt.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

ROWS = 2_000_000
ROUNDS = 7

#: What both run.
LABEL = '''
def label(carrier: str, delay: int, distance: int) -> str:
    if delay < 0:
        kind = "early"
    elif delay < 15:
        kind = "on time"
    elif delay < 15 + distance // 50:
        kind = "late"
    else:
        kind = "very late"
    return f"{carrier.lower()}:{kind}"
'''

PLUGIN = f'"""Labels."""\n\nimport transom\n\n\n@transom.function{LABEL}'
PROJECT = '[project]\nname = "labels"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'

PIPELINE = """\
name: label
plugins:
  labels: { path: labels }
sources:
  flights: { path: flights.parquet }
steps:
  counted:
    sql: |
      SELECT label, count(*) AS flights FROM (SELECT labels.label(carrier, delay, distance) AS label FROM flights)
      GROUP BY label ORDER BY label
sinks:
  counted: { from: counted, path: out, format: csv }
"""

UDF = f"""\
import duckdb
{LABEL}
connection = duckdb.connect()
connection.execute("SET threads = 1")
connection.create_function("label", label)
connection.execute(
    "COPY (SELECT label, count(*) AS flights FROM (SELECT label(carrier, delay, distance) AS label "
    "FROM 'flights.parquet') GROUP BY label ORDER BY label) TO 'duckdb.csv'"
)
"""

#: Random, and the same each time; groups of rows for two partitions to share.
FLIGHTS = f"""\
COPY (
    SELECT chr(65 + (hash(i) % 5)::INT) || chr(65 + (hash(i + 1) % 10)::INT) AS carrier,
        (hash(i + 2) % 130)::BIGINT - 10 AS delay, (hash(i + 3) % 3000)::BIGINT AS distance
    FROM range({ROWS}) AS numbers(i)
) TO 'flights.parquet' (ROW_GROUP_SIZE 122880)
"""


def main() -> None:
    program = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="transom-label-") as folder:
        os.chdir(folder)
        duckdb.execute(FLIGHTS)
        Path("labels").mkdir()
        Path("labels/pyproject.toml").write_text(PROJECT)
        Path("labels/labels.py").write_text(PLUGIN)
        Path("transom.yaml").write_text(PIPELINE)
        Path("udf.py").write_text(UDF)
        contenders: dict[str, Callable[[], None]] = {
            "DuckDB's Python UDF, its one thread": lambda: run(sys.executable, "udf.py"),
            "Transom, one partition": lambda: run(program, "run", "--partitions", "1"),
            "Transom, two partitions": lambda: run(program, "run", "--partitions", "2"),
        }
        run(program, "lock")
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, contender in contenders.items():
                begin = time.perf_counter()
                contender()
                times[name].append(time.perf_counter() - begin)
        check()
    duckdb_takes, one, two = (statistics.median(taken) for taken in times.values())
    print(f"| a label for each of {ROWS} rows, whole processes | its time | against | ratio | target | met |")
    print("| --- | ---: | --- | ---: | ---: | --- |")
    line("DuckDB's native Python UDF", duckdb_takes, "", 0, 0)
    line("Transom, one partition", one, "DuckDB's native Python UDF", duckdb_takes / one, 0)
    line("Transom, two partitions", two, "DuckDB's native Python UDF", duckdb_takes / two, 1.0)
    line("Transom, two partitions", two, "one partition", one / two, 1.8)


def run(*command: object) -> None:
    ran = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode:
        sys.exit(f"{ran.stdout}label.py: `{command[0]}` failed (exit status {ran.returncode})")


def check() -> None:
    """That both count the same."""
    theirs = Path("duckdb.csv").read_text().split()
    ours = [row for file in sorted(Path("out").glob("**/*.csv")) for row in file.read_text().split()]
    if sorted(theirs) != sorted(ours):
        sys.exit(f"label.py: DuckDB has {theirs}, Transom {ours}")


def line(what: str, time: float, against: str, ratio: float, target: float) -> None:
    judged = (f">= {target}x", "yes" if ratio >= target else "no") if target else ("", "")
    print(f"| {what} | {time:.2f} s | {against} | {f'{ratio:.2f}x as fast' if ratio else ''} | {' | '.join(judged)} |")


if __name__ == "__main__":
    main()
