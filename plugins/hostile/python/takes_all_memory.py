import transom


@transom.function
def f(a: int) -> int:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
