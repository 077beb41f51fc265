# Past what the runner puts in place of `sys.stdout`, to the stream that the interpreter itself writes to.
import os

import transom


@transom.function
def f(a: int) -> int:
    while True:
        os.write(2, b"\n" * 1000)
