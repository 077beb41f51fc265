"""The loops over columns in native code (`native/` beside this package), where they are: in the runner.

Each function here gives None where Python has to do the work itself: without that code, for types that have no loop
there, and for whatever is not the common case, every error among them. So what is wrong with a value is said in one
place, and an author sees no difference but the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .column import Column

loops: Any
try:
    import _transom_native as loops
except ImportError:
    # On an author's machine.
    loops = None


def decode(format: str, valid: bytes | None, buffers: Sequence[bytes], rows: int) -> list | None:
    """The values of a column, with None for null."""
    return loops.decode((format, valid, *buffers), rows) if loops else None


def rows_of(columns: Sequence[Column], rows: int, selected: bytes | None) -> Iterator | None:
    """The rows of some columns that `selected` marks with 1, or all: bare values for one column, else tuples.

    Reading a row raises nothing: whatever may be wrong with a value makes this give None.
    """
    if not loops:
        return None
    return loops.rows(tuple([column.wire for column in columns]), rows, selected)


def encode(
    format: str,
    values: list,
    valid: bytes | None,
    selected: bytes | None,
) -> tuple[int, list[bytes]] | None:
    """The number of nulls and the buffers of a column; see `column.encode`."""
    encoded = loops.encode(format, values, valid, selected) if loops else None
    return (encoded[0], list(encoded[1:])) if encoded else None


def unpack(bitmap: bytes, rows: int) -> bytes | None:
    """One byte for each of `rows` bits."""
    return loops.unpack(bitmap, rows) if loops else None
