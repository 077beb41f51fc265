import transom


@transom.function
def f(a: int) -> str:
    return open("/proc/self/environ").read()
