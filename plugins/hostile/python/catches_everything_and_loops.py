import transom


@transom.function
def f(a: int) -> int:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
