"""The other side of native.rs: calls a function over lists, as often as it is asked to.

The first line says which function and holds the columns; the answer is what the function gives. Each further line asks
for one more call over all rows; the answer is the processor time it took, in nanoseconds. By row the loop is the SDK's own.
"""

import importlib
import json
import sys
import time

from transom import Column
from transom.loops import loop_of, rows_of


def main() -> None:
    task = json.loads(sys.stdin.readline())
    function = getattr(importlib.import_module(f"conformance.{task['module']}"), task["function"])
    columns, count = task["columns"], len(task["columns"][0])

    def by_row() -> list:
        results: list = []
        loop_of(len(columns))(function, rows_of(columns, count), results)
        return results

    def by_column() -> list:
        return function(*map(Column, columns))

    call = by_column if task["by_column"] else by_row
    print(json.dumps(call()), flush=True)
    for _ in sys.stdin:
        before = time.thread_time_ns()
        call()
        print(time.thread_time_ns() - before, flush=True)


if __name__ == "__main__":
    main()
