import sys

import transom


@transom.function
def f(a: int) -> int:
    sys.setrecursionlimit(10**9)

    def deep(value):
        return [deep(value)]

    return len(deep(a))
