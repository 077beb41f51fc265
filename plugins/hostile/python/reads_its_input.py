# There is none.
import os

import transom


@transom.function
def f(a: int) -> str:
    raise RuntimeError(repr(os.read(0, 100)))
