import transom


@transom.function
def f(a: int) -> str:
    import urllib.request

    return str(urllib.request.urlopen("http://169.254.169.254/latest/meta-data/").read())
