"""The loops over columns in native code (`native/` beside this package), where they are: in the runner.

Each function here gives None where Python has to do the work itself: without that code, for types that have no loop
there, and for whatever is not the common case, every error among them. So what is wrong with a value is said in one
place, and an author sees no difference but the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
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


class Calls:
    """The rows of some columns, as `rows_of` gives them, and the results of a function that is called with each.

    `rows` takes out of `slot[0]` the result of each row when it is asked for the next one; a row without one is null.
    """

    def __init__(self, rows: Iterator, slot: list, format: str, selected: bytes | None):
        self.rows = rows
        self.slot = slot
        self._format = format
        self._selected = selected
        # The author's function may run between two uses, and a benchmark's takes `loops` away.
        self._loops = loops
        self._finished: tuple = ()

    @property
    def given(self) -> int:
        """How many rows were given. All but the last have their results, or are null."""
        return self._loops.given(self.rows)

    def finish(self) -> tuple[int, list[bytes]] | None:
        """As `encode`, of the results of all rows."""
        self._finished = self._loops.finish(self.rows)
        left, _, null_count, *buffers = self._finished
        return (null_count, buffers) if left is None else None

    def results(self) -> list:
        """The results of all selected rows, once they are finished."""
        left, rows, null_count, bitmap, *buffers = self._finished
        valid = self._loops.unpack(bitmap, rows) if null_count else None
        results = self._loops.decode((self._format, valid, *buffers), rows)
        if self._selected is not None:
            results = list(compress(results, self._selected))
        return results + (left or [])


def calls(columns: Sequence[Column], rows: int, selected: bytes | None, format: str) -> Calls | None:
    """Calls with the rows of some columns that `selected` marks with 1, or all; results are of the type of `format`."""
    if not loops:
        return None
    slot: list = [None]
    iterator = loops.calls(tuple([column.wire for column in columns]), rows, selected, format, slot)
    return Calls(iterator, slot, format, selected) if iterator else None


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
