# SPDX-License-Identifier: Apache-2.0
"""The opcodes of pickle protocols 0 to 5, by their byte."""

from __future__ import annotations

MARK = 0x28  # (
EMPTY_TUPLE = 0x29  # )
STOP = 0x2E  # .
POP = 0x30
POP_MARK = 0x31
DUP = 0x32
BINBYTES = 0x42  # B
SHORT_BINBYTES = 0x43  # C
FLOAT = 0x46  # F
BINFLOAT = 0x47  # G
INT = 0x49  # I
BININT = 0x4A  # J
BININT1 = 0x4B  # K
LONG = 0x4C  # L
BININT2 = 0x4D  # M
NONE = 0x4E  # N
PERSID = 0x50  # P
BINPERSID = 0x51  # Q
REDUCE = 0x52  # R
STRING = 0x53  # S
BINSTRING = 0x54  # T
SHORT_BINSTRING = 0x55  # U
UNICODE = 0x56  # V
BINUNICODE = 0x58  # X
EMPTY_LIST = 0x5D  # ]
APPEND = 0x61  # a
BUILD = 0x62  # b
GLOBAL = 0x63  # c
DICT = 0x64  # d
APPENDS = 0x65  # e
GET = 0x67  # g
BINGET = 0x68  # h
INST = 0x69  # i
LONG_BINGET = 0x6A  # j
LIST = 0x6C  # l
OBJ = 0x6F  # o
PUT = 0x70  # p
BINPUT = 0x71  # q
LONG_BINPUT = 0x72  # r
SETITEM = 0x73  # s
TUPLE = 0x74  # t
SETITEMS = 0x75  # u
EMPTY_DICT = 0x7D  # }
PROTO = 0x80
NEWOBJ = 0x81
EXT1 = 0x82
EXT2 = 0x83
EXT4 = 0x84
TUPLE1 = 0x85
TUPLE2 = 0x86
TUPLE3 = 0x87
NEWTRUE = 0x88
NEWFALSE = 0x89
LONG1 = 0x8A
LONG4 = 0x8B
SHORT_BINUNICODE = 0x8C
BINUNICODE8 = 0x8D
BINBYTES8 = 0x8E
EMPTY_SET = 0x8F
ADDITEMS = 0x90
FROZENSET = 0x91
NEWOBJ_EX = 0x92
STACK_GLOBAL = 0x93
MEMOIZE = 0x94
FRAME = 0x95
BYTEARRAY8 = 0x96
NEXT_BUFFER = 0x97
READONLY_BUFFER = 0x98

# Those that push a value and have an argument of a fixed length: how long they are, themselves included.
FIXED = {
    NONE: 1, NEWTRUE: 1, NEWFALSE: 1, EMPTY_TUPLE: 1, BININT1: 2, BININT2: 3, BININT: 5, BINFLOAT: 9,
}  # fmt: skip
# Those that push a value behind a length: how many bytes the length has.
COUNTED = {
    SHORT_BINUNICODE: 1, BINUNICODE: 4, BINUNICODE8: 8,
    SHORT_BINBYTES: 1, BINBYTES: 4, BINBYTES8: 8, BYTEARRAY8: 8,
    SHORT_BINSTRING: 1, BINSTRING: 4, LONG1: 1, LONG4: 4,
}  # fmt: skip
# Those whose lengths are signed, so that none above this is one.
SIGNED = {BINSTRING, LONG4}
# Those that push a value written as a line.
LINES = {INT, LONG, FLOAT, STRING, UNICODE}
TEXTS = {SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, UNICODE}
# Texts of Python 2, which a loader decodes with an encoding of its own choice.
OLD_TEXTS = {SHORT_BINSTRING, BINSTRING, STRING}
BYTES = {SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8}
INTEGERS = {BININT1, BININT2, BININT, LONG1, LONG4, INT, LONG}
MAPPINGS = {EMPTY_DICT, DICT}
# Everything a stream can go on with.
KNOWN = frozenset(value for name, value in vars().items() if name.isupper() and isinstance(value, int))
