import time

import transom


@transom.function
def f(a: int) -> int:
    time.sleep(3600)
    return a
