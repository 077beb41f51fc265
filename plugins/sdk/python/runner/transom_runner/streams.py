"""`print` and `logging` go to the run's log, a line at a time."""

from __future__ import annotations

import io
import logging
import sys

from transom import log
from wit_world.imports import host

_LEVELS = {
    "trace": host.Level.TRACE,
    "debug": host.Level.DEBUG,
    "info": host.Level.INFO,
    "warn": host.Level.WARN,
    "error": host.Level.ERROR,
}


def emit(level: str, message: str) -> None:
    """Logs through the host."""
    # A lone surrogate has no UTF-8, and a message is no reason to fail.
    host.log(_LEVELS[level], message.encode("utf-8", "backslashreplace"))


class Lines(io.TextIOBase):
    """A text stream whose lines become messages of one level."""

    encoding = "utf-8"

    def __init__(self, level: str):
        self.level = level
        self.rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            emit(self.level, line)
        return len(text)

    def flush(self) -> None:
        if self.rest:
            rest, self.rest = self.rest, ""
            emit(self.level, rest)


class Handler(logging.Handler):
    """Messages of the standard library's `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        levels = [(logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")]
        level = next((name for least, name in levels if record.levelno >= least), "debug")
        emit(level, self.format(record))


def connect() -> None:
    """Makes the host the place for all that is written."""
    log.emit = emit
    log.add = host.count
    sys.stdout = Lines("info")
    sys.stderr = Lines("warn")
    logging.basicConfig(handlers=[Handler()], level=logging.INFO, format="%(name)s: %(message)s", force=True)
