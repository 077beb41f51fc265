import re

import transom


@transom.function
def f(a: int) -> bool:
    return re.match("(a+)+$", "a" * 60 + "b") is not None
