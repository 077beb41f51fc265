"""Parquet files by hand: what no writer at hand writes any more, or yet. One row group, one page for each column, nothing encoded."""

import pathlib
import struct

PHYSICAL = {"boolean": 0, "int32": 1, "int64": 2, "int96": 3, "float": 4, "double": 5, "binary": 6, "fixed": 7}
REPETITION = {"required": 0, "optional": 1, "repeated": 2}
CONVERTED = {
    name: number
    for number, name in enumerate(
        "UTF8 MAP MAP_KEY_VALUE LIST ENUM DECIMAL DATE TIME_MILLIS TIME_MICROS TIMESTAMP_MILLIS TIMESTAMP_MICROS "
        "UINT_8 UINT_16 UINT_32 UINT_64 INT_8 INT_16 INT_32 INT_64 JSON BSON INTERVAL".split()
    )
}
# Numbers of the compact protocol.
TRUE, FALSE, BYTE, I32, I64, TEXT, LIST, STRUCT = 1, 2, 3, 5, 6, 8, 9, 12


class Long(int):
    """An i64; other numbers are i32."""


class Byte(int):
    """An i8."""


class Struct(dict):
    """Fields by their numbers, in order; those that are None are left out."""


def _kind(value):
    if isinstance(value, bool):
        return TRUE if value else FALSE
    kinds = ((Long, I64), (Byte, BYTE), (int, I32), ((str, bytes), TEXT), (list, LIST), (Struct, STRUCT))
    return next(kind for python, kind in kinds if isinstance(value, python))


def _number(number):
    digits = bytearray()
    while True:
        digits.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(digits)


def _thrift(value):
    if isinstance(value, Byte):
        return bytes([value & 255])
    if isinstance(value, int):
        return _number(value << 1 ^ value >> 63)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return _number(len(value)) + value
    if isinstance(value, list):
        kind = _kind(value[0]) if value else I32
        long = len(value) > 14
        head = bytes([15 << 4 | kind]) + _number(len(value)) if long else bytes([len(value) << 4 | kind])
        return head + b"".join(map(_thrift, value))
    written, last = b"", 0
    for field, of_field in value.items():
        if of_field is None:
            continue
        written += bytes([field - last << 4 | _kind(of_field)]) if field - last < 16 else bytes([_kind(of_field)]) + _number(field << 1)
        if not isinstance(of_field, bool):
            written += _thrift(of_field)
        last = field
    return written + b"\0"


def _levels(levels, highest):
    """Runs of one level each."""
    if highest == 0:
        return b""
    runs = b"".join(_number(1 << 1) + bytes([level]) for level in levels)
    return struct.pack("<I", len(runs)) + runs


def _plain(physical, values):
    if physical == "boolean":
        bits = sum(int(value) << place for place, value in enumerate(values))
        return bits.to_bytes((len(values) + 7) // 8, "little")
    formats = {"int32": "<i", "int64": "<q", "float": "<f", "double": "<d"}
    if physical in formats:
        return b"".join(struct.pack(formats[physical], value) for value in values)
    length = (lambda value: struct.pack("<I", len(value))) if physical == "binary" else (lambda value: b"")
    return b"".join(length(value) + value for value in values)


class Leaf:
    """A column. Its entries are triples: repetition level, definition level, value."""

    def __init__(self, repetition, physical, name, entries, converted=None, logical=None, length=None, scale=None, precision=None):
        self.repetition, self.physical, self.name, self.entries = repetition, physical, name, entries
        self.element = Struct(
            {
                1: PHYSICAL[physical],
                2: length,
                3: REPETITION[repetition],
                4: name,
                6: None if converted is None else CONVERTED[converted],
                7: scale,
                8: precision,
                10: logical,
            }
        )


class Group:
    """A group of columns."""

    def __init__(self, repetition, name, children, converted=None, logical=None):
        self.repetition, self.name, self.children = repetition, name, children
        self.element = Struct(
            {
                3: REPETITION[repetition],
                4: name,
                5: len(children),
                6: None if converted is None else CONVERTED[converted],
                10: logical,
            }
        )


def flat(values):
    """The entries of an optional column."""
    return [(0, 0, None) if value is None else (0, 1, value) for value in values]


def write(path, rows, *columns):
    """Writes the columns of so many rows."""
    elements = [Struct({4: "schema", 5: len(columns)})]
    content, chunks = bytearray(b"PAR1"), []

    def walk(node, above, definition, repetition):
        definition += node.repetition != "required"
        repetition += node.repetition == "repeated"
        above = [*above, node.name]
        elements.append(node.element)
        if isinstance(node, Group):
            for child in node.children:
                walk(child, above, definition, repetition)
            return
        data = _levels([entry[0] for entry in node.entries], repetition)
        data += _levels([entry[1] for entry in node.entries], definition)
        data += _plain(node.physical, [entry[2] for entry in node.entries if entry[1] == definition])
        page = Struct({1: len(node.entries), 2: 0, 3: 3, 4: 3})
        page = _thrift(Struct({1: 0, 2: len(data), 3: len(data), 5: page})) + data
        start, size = Long(len(content)), Long(len(page))
        content.extend(page)
        chunk = {1: PHYSICAL[node.physical], 2: [0, 3], 3: above, 4: 0, 5: Long(len(node.entries)), 6: size, 7: size, 9: start}
        chunks.append(Struct({2: start, 3: Struct(chunk)}))

    for column in columns:
        walk(column, [], 0, 0)
    group = Struct({1: chunks, 2: Long(len(content) - 4), 3: Long(rows)})
    footer = _thrift(Struct({1: 1, 2: elements, 3: Long(rows), 4: [group], 6: "by hand"}))
    content.extend(footer + struct.pack("<I", len(footer)) + b"PAR1")
    pathlib.Path(path).write_bytes(content)
