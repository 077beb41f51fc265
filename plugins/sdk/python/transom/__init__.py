"""Write functions and transforms for Transom in Python.

    import transom

    @transom.function
    def shout(text: str) -> str:
        '''In capitals.'''
        return text.upper() + "!"

A module like this is a plugin: SQL calls `shout` on whole tables, and tests call it as the plain function that it is.
What is remembered from row to row is a `Transform`'s. See docs/writing-plugins-python.md.
"""

from . import log
from .column import Column
from .errors import BadData, Config, Error, Reject, Retryable
from .functions import function
from .log import count
from .options import maximum, minimum
from .output import Output
from .schema import Field, Schema
from .transforms import ALL, End, Opened, RecordBatch, Transform, desc
from .types import (
    Float32,
    Int8,
    Int16,
    Int32,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    UtcDatetime,
    binary,
    boolean,
    date32,
    date64,
    decimal,
    duration,
    fixed_binary,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    large_binary,
    large_utf8,
    null,
    time_of_day,
    timestamp,
    uint8,
    uint16,
    uint32,
    uint64,
    utf8,
)

__version__ = "0.1.0"

__all__ = [
    "ALL", "BadData", "Column", "Config", "End", "Error", "Field", "Float32", "Int16", "Int32", "Int8", "Opened",
    "Output", "RecordBatch", "Reject", "Retryable", "Schema", "Transform", "UInt16", "UInt32", "UInt64", "UInt8",
    "UtcDatetime", "binary", "boolean", "count", "date32", "date64", "decimal", "desc", "duration", "fixed_binary",
    "float16", "float32", "float64", "function", "int16", "int32", "int64", "int8", "large_binary", "large_utf8", "log",
    "maximum", "minimum", "null", "time_of_day", "timestamp", "uint16", "uint32", "uint64", "uint8", "utf8",
]  # fmt: skip
