import transom


@transom.function
def f(a: int) -> str:
    with open("/etc/passwd") as file:
        return file.read()
