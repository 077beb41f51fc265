"""Messages and counters: to the host in the component, to standard error natively, so that tests show them.

The runner replaces `emit` and `add`. `print` and the standard library's `logging` end up here as well.
"""

from __future__ import annotations

import sys

from .errors import clean

#: From what matters least to what matters most.
LEVELS = ("trace", "debug", "info", "warn", "error")


def _emit(level: str, message: str) -> None:
    print(f"{level}: {message}", file=sys.stderr)


def _add(metric: str, value: int) -> None:
    print(f"count: {metric} +{value}", file=sys.stderr)


emit = _emit
add = _add


def log(level: str, message: object) -> None:
    """Logs a message at one of `LEVELS`."""
    if level not in LEVELS:
        raise ValueError(f"no level `{level}`; there are {', '.join(LEVELS)}")
    emit(level, str(message))


def trace(message: object) -> None:
    """Logs every step."""
    emit("trace", str(message))


def debug(message: object) -> None:
    """Logs a detail that helps to find a mistake."""
    emit("debug", str(message))


def info(message: object) -> None:
    """Logs what happened."""
    emit("info", str(message))


def warn(message: object) -> None:
    """Logs what is not as it should be, and gone on."""
    emit("warn", str(message))


def error(message: object) -> None:
    """Logs what is not as it should be, and not gone on."""
    emit("error", str(message))


def count(metric: str, value: int = 1) -> None:
    """Adds to a counter of the run. `value` is from 0 to 2^64 - 1."""
    if not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ValueError(
            f"`{value}` cannot be added to the counter `{metric}`: it must be an integer from 0 to 2^64 - 1"
        )
    add(clean(metric), int(value))
