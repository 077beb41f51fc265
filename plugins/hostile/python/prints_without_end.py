import transom


@transom.function
def f(a: int) -> int:
    while True:
        print("all work and no play")
