import transom


@transom.function
def f(a: int) -> int:
    exec("while True: exec('a = 1')")
    return a
