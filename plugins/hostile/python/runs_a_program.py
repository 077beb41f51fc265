import transom


@transom.function
def f(a: int) -> str:
    import subprocess

    return subprocess.run(["id"], capture_output=True, text=True).stdout
