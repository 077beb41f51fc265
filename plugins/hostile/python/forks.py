import os

import transom


@transom.function
def f(a: int) -> int:
    return os.fork()
