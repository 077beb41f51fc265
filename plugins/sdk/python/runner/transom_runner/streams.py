"""`print` and `logging` go to the run's log, a line at a time."""

from __future__ import annotations

import io
import logging
import sys

from transom import log


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
            log.emit(self.level, line)
        return len(text)

    def flush(self) -> None:
        if self.rest:
            rest, self.rest = self.rest, ""
            log.emit(self.level, rest)


class Handler(logging.Handler):
    """Messages of the standard library's `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        levels = [(logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")]
        level = next((name for least, name in levels if record.levelno >= least), "debug")
        log.emit(level, self.format(record))


def connect() -> None:
    """Makes the log the place for all that is written."""
    sys.stdout = Lines("info")
    sys.stderr = Lines("warn")
    logging.basicConfig(handlers=[Handler()], level=logging.INFO, format="%(name)s: %(message)s", force=True)
