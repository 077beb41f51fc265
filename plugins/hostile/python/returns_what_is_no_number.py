import transom


@transom.function
def f(a: int) -> int:
    return "DROP TABLE users"
