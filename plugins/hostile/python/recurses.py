import transom


@transom.function
def f(a: int) -> int:
    return f(a + 1) + 1
