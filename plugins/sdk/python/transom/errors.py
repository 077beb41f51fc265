"""The errors an author raises, and what becomes of every other exception.

The kind decides what the host does (retry or not, whose fault it is), so it is chosen by the class that is raised. An
exception that is none of these is a mistake in the plugin, and crosses with its traceback.
"""

from __future__ import annotations

import os
import traceback

#: Frames of files in these folders are not the author's: the SDK, and what the runner adds.
HIDDEN_FOLDERS = [os.path.dirname(os.path.abspath(__file__)) + os.sep]


#: Characters of an exception's message that are told. What comes after them would push its place out of sight.
LONGEST = 4000


class Error(Exception):
    """Ends the run. Raise one of its subclasses; this one itself is a mistake in the plugin (kind `internal`).

    `row` counts rows of the current batch from 0; `column` names an input column. Both may be left out.
    """

    kind = "internal"

    def __init__(self, message: object, *, row: int | None = None, column: str | None = None):
        super().__init__(str(message))
        self.message = str(message)
        self.row = row
        self.column = column


class BadData(Error, ValueError):
    """The data is wrong; trying again gives the same error.

    In a function it rejects the row. In a transform it ends the run: to leave out a row and go on, use `output.reject`.
    """

    kind = "bad-data"


class Config(Error):
    """The pipeline asks for something that the plugin cannot do: an option, a column, a type."""

    kind = "config"


class Retryable(Error):
    """Trying again may help."""

    kind = "retryable"


class Reject(ValueError):
    """Rejects the row that a function was called for, with the message as the reason. Any `ValueError` does."""


def clean(text: str) -> str:
    """A text that can cross: a lone surrogate has no UTF-8, and is shown as `\\ud800`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def said(exception: BaseException) -> str:
    """An exception's message, in bounds. An exception of the author's may fail to say one, and must not hide itself so."""
    try:
        text = str(exception)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
    except BaseException as error:
        return f"(its message is not known: `__str__` raised {type(error).__name__})"


def counted(number: int, thing: str) -> str:
    """A number of things: `1 row`, `3 rows`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def kind_of(cls: type) -> str:
    """A class with its article: ``a `str` ``, ``an `int` ``."""
    name = cls.__name__
    return f"an `{name}`" if name.lower().startswith(("a", "e", "i", "o", "u")) else f"a `{name}`"


def failure(exception: BaseException, row: int | None = None) -> Error:
    """The error that `exception` is to the host: itself if it is one of the above, else an internal one.

    `row` is the row that was worked on, if one was.
    """
    if isinstance(exception, Error):
        if exception.row is None:
            exception.row = row
        return exception
    return Error(describe(exception), row=row)


def describe(exception: BaseException) -> str:
    """What was raised, then where: `KeyError: 'x'`, and the frames of the author's code, innermost last.

    The exception comes first, since whoever shows the message may show its first line alone.
    """
    name = type(exception).__name__
    # Before its message is asked for, which may raise it once more.
    frames = frames_of(exception)
    if isinstance(exception, SyntaxError):
        # Its place is not on the stack: the text below tells file, line and column.
        head = f"{name}: {exception.msg} ({exception.filename}, line {exception.lineno})"
    else:
        text = said(exception)
        head = f"{name}: {text}" if text else name
    if isinstance(exception, OSError):
        # What the system says, "No such file", would have its reader look for the file.
        head += " (a plugin has no files, no network and no other programs)"
    cause, seen = cause_of(exception), {id(exception)}
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        places = frames_of(cause)
        frames.append(f"caused by {type(cause).__name__}: {said(cause)}")
        frames.extend(places)
        cause = cause_of(cause)
    return "\n".join([head, *frames])


def cause_of(exception: BaseException) -> BaseException | None:
    """What Python shows above it: what it was raised from, or what was being handled."""
    return exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)


def frames_of(exception: BaseException) -> list[str]:
    """The author's frames, as Python prints them: two lines each."""
    try:
        extracted = traceback.extract_tb(exception.__traceback__, limit=-50)
    except RecursionError:
        return []
    lines: list[str] = []
    last, repeated = None, 0
    for frame in extracted:
        if frame.filename.startswith((*HIDDEN_FOLDERS, "<frozen importlib")):
            continue
        # Of a recursion without end one round is enough.
        repeated = repeated + 1 if frame == last else 0
        last = frame
        if repeated > 2:
            continue
        lines.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"    {frame.line}")
    if isinstance(exception, SyntaxError) and exception.text:
        lines.append(f'  File "{exception.filename}", line {exception.lineno}')
        lines.append(f"    {exception.text.strip()}")
    return lines
