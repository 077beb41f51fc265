import transom


@transom.function
def f(a: int) -> int:
    return len(bytearray(1 << 30) + bytearray(1 << 30))
