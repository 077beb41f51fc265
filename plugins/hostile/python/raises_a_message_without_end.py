import transom


@transom.function
def f(a: int) -> int:
    raise KeyError("\ud800" * 4_000_000)
