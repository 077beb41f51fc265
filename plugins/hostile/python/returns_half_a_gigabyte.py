import transom


@transom.function
def f(a: int) -> str:
    return "x" * (64 << 20)
