import transom


@transom.function
def f(a: int) -> str:
    with open("/tmp/transom-was-here", "w") as file:
        file.write("yes")
    return "written"
