import os

import transom


@transom.function
def f(a: int) -> str:
    return str(os.listdir("/"))
