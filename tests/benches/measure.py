"""What the benchmarks of the local AWS share: the server, data by chance, and the table of medians that they print.

TRANSOM_BENCH_SCALE makes all of it smaller, 0.01 to try a script.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pyarrow

SCALE = float(os.environ.get("TRANSOM_BENCH_SCALE", "1"))
ROUNDS = 5


@contextlib.contextmanager
def local_aws(program: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A local AWS in an empty folder, which becomes the current one, and the variables that make SDKs and drivers use it."""
    with tempfile.TemporaryDirectory(prefix="transom-bench-") as folder:
        os.chdir(folder)
        # Where `transom local` keeps its data, also for pipelines: in the folder of the pipeline.
        server = start(program)
        try:
            environment(program)
            yield server
        finally:
            server.terminate()
            server.wait()


def start(program: Path) -> subprocess.Popen[bytes]:
    arguments = [program, "local", "up", "--http-port", "0", "--redshift-port", "0"]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def environment(program: Path) -> None:
    """Sets the variables, once the server answers."""
    for _ in range(200):
        status = subprocess.run([program, "local", "status"], capture_output=True, text=True, check=True)
        if not status.stdout.startswith("not running"):
            break
        time.sleep(0.05)
    else:
        sys.exit("the local AWS does not start")
    told = subprocess.run([program, "local", "env", "--json"], capture_output=True, text=True, check=True)
    os.environ.update({name: str(value) for name, value in json.loads(told.stdout).items()})


def table(seed: int, rows: int) -> pyarrow.Table:
    """Eight columns of numbers and words by chance, which no encoding makes small."""
    random = numpy.random.default_rng(seed)
    letters = random.integers(97, 123, size=rows * 16, dtype=numpy.uint8)
    offsets = numpy.arange(0, (rows + 1) * 16, 16, dtype=numpy.int32)
    words = pyarrow.StringArray.from_buffers(rows, pyarrow.py_buffer(offsets), pyarrow.py_buffer(letters))
    columns = {f"number_{number}": random.integers(0, 2**31, rows) for number in range(5)}
    columns |= {f"amount_{number}": random.integers(0, 2**31, rows) / 8 for number in range(2)}
    return pyarrow.table({**columns, "word": words})


def heading() -> None:
    print("| what | its time | against | its time | ratio | target | met |")
    print("| --- | ---: | --- | ---: | ---: | --- | --- |", flush=True)


def medians(ours: Callable[[], None], theirs: Callable[[], None], between: Callable[[], object] = lambda: None) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for contender, taken in zip((ours, theirs), times):
            begin = time.perf_counter()
            contender()
            # The first round warms up.
            if number:
                taken.append(time.perf_counter() - begin)
        between()
    return statistics.median(times[0]), statistics.median(times[1])


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def line(
    what: str,
    took: float,
    against: str,
    baseline: float,
    ratio: float,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "x",
) -> None:
    if at_least is not None:
        target, met = f">= {at_least}{unit}", ratio >= at_least
    else:
        target, met = f"<= {at_most}{unit}", ratio <= (at_most or 0)
    print(f"| {what} | {took:.2f} s | {against} | {baseline:.2f} s | {ratio:.2f}{unit} | {target} | {'yes' if met else 'no'} |", flush=True)
