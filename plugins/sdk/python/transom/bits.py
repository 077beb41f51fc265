"""Arrow's bitmaps, least significant bit first, to and from one byte per row (0 or 1).

Both ways go through Python's big integers, whose conversion to and from binary digits is one loop in C: a bitmap of a
batch costs some microseconds, and no bit is ever tested one by one.
"""

from __future__ import annotations

from . import native

# `format(.., "b")` writes `0` and `1`, rows need 0 and 1.
_FROM_DIGITS = bytes.maketrans(b"01", b"\0\1")
_TO_DIGITS = bytes.maketrans(b"\0\1", b"01")


def unpack(bitmap: bytes, rows: int) -> bytes:
    """One byte for each of `rows` bits."""
    if not rows:
        return b""
    unpacked = native.unpack(bitmap, rows)
    if unpacked is not None:
        return unpacked
    # Bits past the last row mean nothing.
    bits = int.from_bytes(bitmap, "little") & ((1 << rows) - 1)
    return format(bits, f"0{rows}b").encode("ascii")[::-1].translate(_FROM_DIGITS)


def pack(flags: bytes) -> bytes:
    """The bitmap of bytes that are 0 or 1."""
    if not flags:
        return b""
    return int(flags[::-1].translate(_TO_DIGITS), 2).to_bytes((len(flags) + 7) // 8, "little")
