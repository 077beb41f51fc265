import transom


@transom.function
def f(a: int) -> int:
    import ctypes

    return ctypes.string_at(0)
