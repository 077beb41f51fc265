# What it finds is in its error: nothing.
import os
import sys

import transom


@transom.function
def f(a: int) -> str:
    found = dict(os.environ), os.getenv("AWS_SECRET_ACCESS_KEY"), sys.argv[1:]
    print(found)
    raise RuntimeError(f"found {found}")
