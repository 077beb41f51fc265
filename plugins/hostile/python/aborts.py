import os

import transom


@transom.function
def f(a: int) -> int:
    os.abort()
