# A list that no interpreter made, with its items past the end of memory, for the SDK's loops in native code: a wild access in
# them is a trap as any other.
import opcode
import struct

import _transom_native
import transom


def address_of_bytes(held: bytes) -> int:
    return id(held) + bytes.__basicsize__ - 1


def object_at(address: int) -> object:
    """Whatever is at an address, by bytecode that reads past the end of its constants."""
    pointer = struct.pack("<I", address)

    def constant():
        return "a constant"

    def code_of(place: int) -> bytes:
        load = [(opcode.opmap["EXTENDED_ARG"], place >> shift & 255) for shift in (24, 16, 8)]
        load += [(opcode.opmap["LOAD_CONST"], place & 255), (opcode.opmap["RETURN_VALUE"], 0)]
        return bytes([opcode.opmap["RESUME"], 0]) + b"".join(map(bytes, load))

    code = constant.__code__.replace(co_code=code_of(0))
    constants = id(code.co_consts) + tuple.__basicsize__
    constant.__code__ = code.replace(co_code=code_of((address_of_bytes(pointer) - constants) // 4 & 0xFFFFFFFF))
    return constant()


@transom.function
def f(a: int) -> int:
    # Count, class, length, items, room.
    forged = struct.pack("<IIIII", 1 << 30, id(list), 1, 0xFFFFFFF0, 1)
    _transom_native.encode("l", object_at(address_of_bytes(forged)), None, None)
    return a
