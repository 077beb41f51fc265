import threading

import transom


@transom.function
def f(a: int) -> int:
    threading.Thread(target=print).start()
    return a
