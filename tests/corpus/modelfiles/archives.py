# SPDX-License-Identifier: Apache-2.0
"""Archives that hide something, that are broken, and that are honest: each assembled byte by byte.

``MALICIOUS``, ``MALFORMED`` and ``BENIGN`` map the name of a file to what makes its bytes. No payload does more than
touch a file that is called ``canary``, and nothing here ever runs one.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PAYLOAD = b"\x80\x02cos\nsystem\nX\x0c\0\0\0touch canary\x85R."
HONEST = pickle.dumps({"weights": [0.25, -1.5], "steps": 3}, 2)
# A tensor over the storage "0", as torch writes it.
_TENSOR = (
    b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
    b"X\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRs."
)
_NUMBERS = struct.pack("<2f", 0.25, -1.5)


@dataclass
class Part:
    """One member of a zip archive, and what is said of it where."""

    name: str | bytes
    data: bytes = b""
    packed: bytes | None = None
    method: int = 0
    flags: int = 0
    mode: int = 0
    size: int | None = None
    crc: int | None = None
    local: dict[str, Any] | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    comment: bytes = b""
    described: bool = False
    behind: bytes = b""


def deflated(name: str, data: bytes, **more: Any) -> Part:
    """A member that is packed by deflate."""
    return Part(name, data, zlib.compress(data, 9, -15), 8, **more)


def zip_of(
    parts: Sequence[Part],
    *,
    front: bytes = b"",
    comment: bytes = b"",
    tail: bytes = b"",
    end: dict[str, int] | None = None,
) -> bytes:
    """A zip archive, as its parts say, whether they tell the truth or not."""
    archive, directory = bytearray(front), bytearray()
    for part in parts:
        name = part.name.encode() if isinstance(part.name, str) else part.name
        packed = part.data if part.packed is None else part.packed
        flags = part.flags | (8 if part.described else 0)
        said = {
            "odd-sum.tar": lambda: _nameless_tar(b"0o%o"),
            "name": name,
            "method": part.method,
            "flags": flags,
            "crc": zlib.crc32(part.data) if part.crc is None else part.crc,
            "packed": len(packed),
            "size": len(part.data) if part.size is None else part.size,
        }
        own = {**said, **({"crc": 0, "packed": 0, "size": 0} if part.described else {}), **(part.local or {})}
        offset = len(archive)
        archive += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, own["flags"], own["method"], 0, 0x21, own["crc"], own["packed"], own["size"],
            len(own["name"]), len(part.local_extra),
        )  # fmt: skip
        archive += own["name"] + part.local_extra + packed
        if part.described:
            archive += struct.pack("<4s3L", b"PK\7\x08", said["crc"], said["packed"], said["size"])
        archive += part.behind
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x314, 20, flags, part.method, 0, 0x21, said["crc"], said["packed"], said["size"],
            len(name), len(part.extra), len(part.comment), 0, 0, part.mode << 16, offset,
        )  # fmt: skip
        directory += name + part.extra + part.comment
    last = {"disk": 0, "begins": 0, "count": len(parts), "total": len(parts), "size": len(directory)}
    last = {**last, "offset": len(archive), "comment": len(comment), **(end or {})}
    return bytes(archive + directory) + struct.pack("<4s4H2LH", b"PK\5\6", *last.values()) + comment + tail


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack("<2H", kind, len(value)) + value


def padding(length: int) -> bytes:
    """The field with which torch puts storages at round offsets."""
    return _field(0x4246, b"Z" * length)


def torch_zip(program: bytes = _TENSOR, *more: Part, top: str = "model", storage: bytes = _NUMBERS) -> bytes:
    """A checkpoint as torch writes it."""
    parts = [
        Part(f"{top}/data.pkl", program, described=True, flags=0x800, local_extra=padding(19)),
        Part(f"{top}/byteorder", b"little", described=True, flags=0x800, local_extra=padding(0)),
        Part(f"{top}/data/0", storage, described=True, flags=0x800, local_extra=padding(7)),
        Part(f"{top}/version", b"3\n", described=True, flags=0x800, local_extra=padding(3)),
        Part(f"{top}/.data/serialization_id", b"1" * 40, described=True, flags=0x800, local_extra=padding(3)),
    ]
    return zip_of([*parts, *more])


_CODE = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    _0 = torch.add(x, x)
%s
    return torch.relu(_0)
"""
_MODULE = b"\x80\x02c__torch__\nNet\n)\x81}X\x08\0\0\0training\x89sb."


def torchscript(line: str = "", program: bytes = _MODULE, *more: Part) -> bytes:
    """A TorchScript archive with a further line of code."""
    code = (_CODE % f"    {line}").encode() if line else (_CODE % "    pass").encode()
    parts = [deflated("net/code/__torch__.py", code), Part("net/code/__torch__.py.debug_pkl", pickle.dumps((), 2))]
    return zip_of([Part("net/data.pkl", program), *parts, Part("net/constants.pkl", b"\x80\x02)."), *more])


def exported(
    target: str = "torch.ops.aten.relu.default", expression: str = "2*s0", guards: Sequence[str] = ()
) -> bytes:
    """An exported program with one node."""
    node = {"target": target, "inputs": [], "outputs": [], "metadata": {"torch_fn": "relu"}, "name": "relu"}
    sizes = {"x": {"sizes": [{"as_expr": {"expr_str": expression, "hint": None}}]}}
    graph = {"graph_module": {"graph": {"nodes": [node], "tensor_values": sizes}}, "guards_code": list(guards)}
    program = json.dumps({**graph, "range_constraints": {"s0": {"min_val": 0, "max_val": None}}}).encode()
    parts = [Part("m/archive_format", b"pt2"), Part("m/archive_version", b"0"), Part("m/models/model.json", program)]
    return zip_of([*parts, Part("m/data/weights/weight_0", _NUMBERS)])


def mar(handler: str, *more: Part, model_file: str = "", requirements: str = "") -> bytes:
    """An archive for TorchServe."""
    model = {"modelName": "m", "serializedFile": "model.pt", "handler": handler, "modelVersion": "1.0"}
    further = {"modelFile": model_file, "requirementsFile": requirements}
    manifest = {"runtime": "python", "model": {**model, **{k: v for k, v in further.items() if v}}}
    parts = [Part("MAR-INF/MANIFEST.json", json.dumps(manifest).encode()), Part("model.pt", torch_zip())]
    return zip_of([*parts, *more])


def tar_of(
    files: dict[str, bytes],
    *,
    form: int = tarfile.USTAR_FORMAT,
    change: Callable[[tarfile.TarInfo], None] | None = None,
) -> bytes:
    """A tar archive as Python writes it."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    return written.getvalue()


def _kind(kind: bytes, target: str = "/etc/passwd") -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, target, 0

    return change


def _pax(**settings: str) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: info.pax_headers.update(settings)


def npy(data: bytes, descr: str = "|O", shape: str = "(1,)") -> bytes:
    """An array of numpy."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + data


def seven_zip(files: dict[str, bytes], *, method: bytes = b"\x21", tail: bytes = b"", crc: int = 0) -> bytes:
    """A 7z archive of one stream."""
    plain = b"".join(files.values())
    if method == b"\x21":
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
        packed, coder = lzma.compress(plain, lzma.FORMAT_RAW, filters=filters), b"\x21\x21\x01\x08"
    else:
        packed, coder = plain, bytes([len(method)]) + method
    names = b"".join(name.encode("utf-16-le") + b"\0\0" for name in files)
    sizes = b"".join(_seven_number(len(data)) for data in list(files.values())[:-1])
    header = b"\1\4\6" + _seven_number(0) + b"\1\x09" + _seven_number(len(packed)) + b"\0"
    header += b"\7\x0b\1\0\1" + coder + b"\x0c" + _seven_number(len(plain)) + b"\0"
    header += b"\x08\x0d" + _seven_number(len(files)) + (b"\x09" + sizes if sizes else b"")
    header += b"\x0a\1" + b"".join(struct.pack("<L", zlib.crc32(data) ^ crc) for data in files.values()) + b"\0\0"
    header += b"\5" + _seven_number(len(files)) + b"\x11" + _seven_number(len(names) + 1) + b"\0" + names + b"\0\0"
    front = struct.pack("<2QL", len(packed), len(header), zlib.crc32(header))
    start = b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<L", zlib.crc32(front)) + front
    return start + packed + header + tail


def _seven_number(value: int) -> bytes:
    return b"\xff" + struct.pack("<Q", value) if value > 0x7F else bytes([value])


def old_joblib(data: bytes) -> bytes:
    """What joblib wrote before version 0.10."""
    return b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data)


def zeros(megabytes: int) -> bytes:
    """A deflate stream of many zeros, made in no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1) + packer.flush()


def torch_tar(program: bytes = HONEST, storages: bytes = b"\x80\x02K\0.\x80\x02].") -> bytes:
    """A checkpoint of torch before version 0.1.10."""
    files = {"sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2), "pickle": program}
    return tar_of({**files, "tensors": b"\x80\x02K\0.", "storages": storages})


def _nested(levels: int, data: bytes) -> bytes:
    for level in range(levels):
        data = zip_of([deflated(f"level{level}.zip", data)])
    return data


def _inflated(**said: Any) -> bytes:
    return zip_of([Part("net/data.pkl", PAYLOAD, **said), Part("net/version", b"3\n")])


def _concatenated_tar() -> bytes:
    first = tar_of({"a.pkl": HONEST})
    return first + tar_of({"b.pkl": PAYLOAD})


def _padded_tar() -> bytes:
    archive = bytearray(tar_of({"a.pkl": HONEST}))
    archive[512 + len(HONEST) : 512 + len(HONEST) + len(PAYLOAD)] = PAYLOAD
    return bytes(archive)


def _old_tar(data: bytes) -> bytes:
    archive = bytearray(tar_of({"model.pkl": data}))
    archive[257:512] = bytes(255)
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    return bytes(archive)


def _two_ends() -> bytes:
    outer = zip_of([Part("model.pkl", PAYLOAD)])
    inner = zip_of([Part("model.pkl", HONEST)], front=outer[:-22])
    # The first end says that all that follows is its comment.
    behind = inner[len(outer) - 22 :]
    return outer[:-2] + struct.pack("<H", len(behind)) + behind


def _shared() -> bytes:
    """Members that share their bytes, each a whole archive's worth."""
    kernel = zeros(20)
    first = zip_of([Part(f"{n}", bytes(0), kernel, 8, size=20 << 20, crc=0) for n in range(1)])
    directory = first[first.index(b"PK\1\2") : -22]
    again = b"".join(directory[:46] + b"%d" % n for n in range(10))
    start = first.index(b"PK\1\2")
    return first[:start] + again + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 10, 10, len(again), start, 0)


def _inside() -> bytes:
    """A member whose bytes are those of another one, header and all."""
    inner = zip_of([Part("b.json", b"[1]")])
    start = inner.index(b"PK\1\2")
    outer = zip_of([Part("a.pkl", inner[:start])])
    entry = bytearray(inner[start:-22])
    entry[42:46] = struct.pack("<L", 35)
    begin = outer.index(b"PK\1\2", 35)
    directory = outer[begin:-22] + entry
    return outer[:begin] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), begin, 0)


def _global_tar() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "b.pkl"}) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(HONEST)
        archive.addfile(info, io.BytesIO(HONEST))
    return written.getvalue()


def _entry(kind: bytes, name: bytes, data: bytes, form: bytes = b"%06o\0 ") -> bytes:
    """A member of a tar archive, header and all."""
    info = tarfile.TarInfo("x")
    info.size = len(data)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[:100] = name.ljust(100, b"\0")
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = (form % sum(header)).ljust(8, b"\0")
    return bytes(header) + data + bytes(-len(data) % 512)


def _two_names(*kinds: bytes) -> bytes:
    """A member whose name is said twice before it, one way and another."""
    said = b""
    for kind, name in zip(kinds, (b"../../escaped", b"a/" * 60 + b"ok.json"), strict=True):
        record = b" path=%s\n" % name
        length = next(n for n in range(len(record), len(record) + 9) if len(b"%d" % n) + len(record) == n)
        said += _entry(kind, b"P", b"%d%s" % (length, record) if kind == b"x" else name + b"\0")
    return said + _entry(b"0", b"x.json", b"{}") + bytes(1024)


def _nameless_tar(form: bytes = b"%06o\0 ") -> bytes:
    """An archive that begins with a NUL, and has no other mark than the right sum."""
    header = bytearray(_entry(b"0", b"\0model.pkl" if form[:1] == b"%" else b"model.pkl", PAYLOAD, form))
    header[257:512] = bytes(255)
    header[148:156] = b" " * 8
    header[148:156] = (form % sum(header[:512])).ljust(8, b"\0")
    return bytes(header) + bytes(1024)


def _full_folder() -> bytes:
    archive = bytearray(tar_of({"a": HONEST}))
    archive[156:157] = b"5"
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    return bytes(archive)


def _many(count: int) -> bytes:
    """A directory of many members; that they are all the same one is noticed later."""
    one = zip_of([Part("x", b"1")])
    start = one.index(b"PK\1\2")
    entry = one[start:-22]
    size = len(entry) * count
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return one[:start] + entry * count + end64 + locator + last


def _contradicting_ends() -> bytes:
    one = zip_of([Part("net/data.pkl", PAYLOAD)])
    start = one.index(b"PK\1\2")
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(one) - 22 - start, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(one) - 22, 1)
    return one[:-22] + end64 + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)


def _python_zip(method: int, *, streamed: bool = False, data: bytes = HONEST) -> bytes:
    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.written += bytes(data)
            return len(data)

    pipe, file = Pipe(), io.BytesIO()
    with zipfile.ZipFile(pipe if streamed else file, "w", method) as archive:
        archive.writestr("model.pkl", data)
        archive.writestr("settings.json", "{}")
        with archive.open("far.json", "w", force_zip64=True) as far:
            far.write(b"[1, 2]")
    return pipe.written if streamed else file.getvalue()


_LAMBDA = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {
        "name": "m",
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "Lambda",
                "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}},
                "registered_name": None,
            }
        ],
    },
    "registered_name": None,
}
_SCHEMA = {
    "__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "__id__": 1,
    "content": {"module_path": "posix", "function": "system"}, "protocol": 2, "_skops_version": "0.16.0",
}  # fmt: skip


def _script(line: str) -> Callable[[], bytes]:
    return lambda: torchscript(line)


def _member(name: str | bytes, **more: Any) -> Callable[[], bytes]:
    return lambda: zip_of([Part("model.pkl", HONEST), Part(name, HONEST, **more)])


MALICIOUS: dict[str, Callable[[], bytes]] = {
    "class-of-another-module.pt": lambda: torch_zip(
        b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.",
        Part("model/code/posix.py", b"class system(Module):\n  pass\n"),
    ),
    # zip
    "zip-stored.zip": lambda: zip_of([Part("model.pkl", PAYLOAD)]),
    "zip-deflated.zip": lambda: _python_zip(zipfile.ZIP_DEFLATED, data=PAYLOAD),
    "zip-bzip2.zip": lambda: _python_zip(zipfile.ZIP_BZIP2, data=PAYLOAD),
    "zip-lzma.zip": lambda: _python_zip(zipfile.ZIP_LZMA, data=PAYLOAD),
    "zip-streamed.zip": lambda: _python_zip(zipfile.ZIP_DEFLATED, data=PAYLOAD, streamed=True),
    "zip-called-text.txt": lambda: zip_of([Part("readme.txt", PAYLOAD)]),
    "zip-nested.zip": lambda: _nested(3, zip_of([Part("model.pkl", PAYLOAD)])),
    "zip-bad-first.pt": lambda: zip_of([Part("m/data.pkl", PAYLOAD), Part("m/data.pkl", HONEST)]),
    "zip-bad-last.pt": lambda: zip_of([Part("m/data.pkl", HONEST), Part("m/data.pkl", PAYLOAD)]),
    "zip-name-before-bytes.pt": lambda: _inflated(local={"name": b"net/zata.pkl"}),
    "zip-method-before-bytes.pt": lambda: _inflated(local={"method": 8}),
    "zip-flags-before-bytes.pt": lambda: _inflated(local={"flags": 1}),
    "zip-flagged-as-encrypted.pt": lambda: _inflated(flags=1, local={"flags": 0}),
    "zip-size-before-bytes.pt": lambda: _inflated(local={"size": 3, "packed": 3}),
    "zip-wrong-checksum.pt": lambda: _inflated(crc=1),
    "zip-smaller-than-it-is.pt": lambda: zip_of([deflated("m/data.pkl", PAYLOAD, size=4)]),
    "zip-stored-size-lies.pt": lambda: _inflated(size=4),
    "zip-behind-deflate.zip": lambda: zip_of([Part("a.pkl", HONEST, zlib.compress(HONEST, 9, -15) + PAYLOAD, 8)]),
    "zip-in-a-gap.zip": lambda: zip_of([Part("a.pkl", HONEST, behind=PAYLOAD), Part("b.pkl", HONEST)]),
    "zip-before-directory.zip": lambda: zip_of([Part("a.pkl", HONEST, behind=PAYLOAD)]),
    "zip-front.zip": lambda: zip_of([Part("a.pkl", HONEST)], front=PAYLOAD),
    "zip-front-moved.pkl": lambda: PAYLOAD + zip_of([Part("a.pkl", HONEST)]),
    "zip-tail.zip": lambda: zip_of([Part("a.pkl", HONEST)], tail=PAYLOAD),
    "zip-tail-of-text.zip": lambda: zip_of([Part("a.pkl", HONEST)], tail=b"cos system"),
    "zip-one-in-the-other.zip": _inside,
    "zip-comment.zip": lambda: zip_of([Part("a.pkl", HONEST)], comment=PAYLOAD),
    "zip-two-ends.zip": _two_ends,
    "zip-ends-contradict.pt": _contradicting_ends,
    "zip-padding.pt": lambda: zip_of([Part("a.pkl", HONEST, local_extra=_field(0x4246, b"Z" * 20 + PAYLOAD))]),
    "zip-field.zip": lambda: zip_of([Part("a.pkl", HONEST, extra=_field(0x1234, PAYLOAD * 3))]),
    "zip-second-name.zip": lambda: zip_of([Part("a.txt", HONEST, extra=_field(0x7075, b"\1\0\0\0\0b.pkl"))]),
    "zip-count-lies.zip": lambda: zip_of([Part("a.pkl", HONEST), Part("b.pkl", PAYLOAD)], end={"count": 1, "total": 1}),
    "zip-traversal.zip": _member("../../.bashrc"),
    "zip-absolute.zip": _member("/etc/cron.d/job"),
    "zip-drive.zip": _member("C:/start.bat"),
    "zip-backslash.zip": _member("..\\..\\start.bat"),
    "zip-zero-name.zip": _member(b"model.pkl\0.txt"),
    "zip-no-utf8.zip": _member(b"model\xff.pkl", flags=0x800),
    "zip-link.zip": _member("link", mode=0o120777),
    "zip-device.zip": _member("device", mode=0o020666),
    "zip-folder-with-bytes.zip": lambda: zip_of([Part("folder/", PAYLOAD), Part("a.pkl", HONEST)]),
    # torch
    "torch-data.pt": lambda: torch_zip(PAYLOAD),
    "torch-other-top.pt": lambda: torch_zip(_TENSOR, Part("other/data.pkl", PAYLOAD)),
    "torch-upper-case.pt": lambda: torch_zip(_TENSOR, Part("model/DATA.PKL", PAYLOAD)),
    "torch-stray.pt": lambda: torch_zip(_TENSOR, Part("model/extra/notes", PAYLOAD)),
    "torch-as-version.pt": lambda: torch_zip(_TENSOR, Part("model/.format_version", PAYLOAD)),
    "torch-as-storage.pt": lambda: torch_zip(_TENSOR, Part("model/data/1", PAYLOAD)),
    "torch-package.pt": lambda: torch_zip(_TENSOR, Part("model/net.py", b"import os\nos.system('touch canary')\n")),
    "torch-constants.pt": lambda: torchscript("", _MODULE, Part("net/attributes.pkl", PAYLOAD)),
    "torch-debug.pt": lambda: torchscript("", _MODULE, Part("net/code/x.py.debug_pkl", PAYLOAD)),
    "torchscript-from-file.pt": _script("_1 = torch.from_file('/etc/passwd', True, 10)"),
    "torchscript-save.pt": _script("_1 = torch.save(x, '/tmp/canary')"),
    "torchscript-method.pt": _script("_1 = ('/etc/passwd').from_file(False, 10)"),
    "torchscript-spaced.pt": _script("_1 = torch \\\n .  from_file('/etc/passwd', True, 10)"),
    "torchscript-getattr.pt": _script(
        "_1 = getattr('/etc/passwd', 'from_' 'x')\n    _2 = getattr('a', '\\x66rom_file')(True, 1)"
    ),
    "torchscript-alias.pt": _script("_1 = ops.image\n    _2 = _1.read_file('/etc/passwd')"),
    "torchscript-foreign.pt": _script("_1 = ops.image.read_file('/etc/passwd')"),
    "torchscript-rpc.pt": _script("_1 = ops.prim.rpc_sync('other', x)"),
    "torchscript-class.pt": _script("_1 = __torch__.torch.classes.foreign.Runner('touch canary')"),
    "torchscript-bytecode.pt": lambda: torchscript(
        "", _MODULE, Part("net/bytecode.pkl", pickle.dumps((5, ("__torch__.Net.forward", ("aten::from_file", ""))), 2))
    ),
    "torchscript-foreign-global.pt": lambda: torchscript("", b"\x80\x02c__torch__.other\nNet\n)\x81."),
    "export-target.pt2": lambda: exported("torch.hub.load"),
    "export-dunder.pt2": lambda: exported("torch.ops.aten.add.__globals__"),
    "export-operator.pt2": lambda: exported("_operator.methodcaller"),
    "export-extension.pt2": lambda: exported("#foreign:run"),
    "export-expression.pt2": lambda: exported(expression="__import__('os').system('touch canary')"),
    "export-nested-expression.pt2": lambda: exported(expression="Max('__import__(\"os\")', 1)"),
    "export-guard.pt2": lambda: exported(guards=["L['x'].__class__.__base__ is None"]),
    "export-weight.pt2": lambda: zip_of(
        [Part("m/archive_format", b"pt2"), Part("m/data/weights/weight_0", torch_zip(PAYLOAD))]
    ),
    # tar and torch before it had zip
    "tar-plain.tar": lambda: tar_of({"model.pkl": PAYLOAD}),
    "tar-long-name.tar": lambda: tar_of({"x" * 150: PAYLOAD}, form=tarfile.GNU_FORMAT),
    "tar-pax.tar": lambda: tar_of({"é" * 90: PAYLOAD}, form=tarfile.PAX_FORMAT),
    "tar-old.tar": lambda: _old_tar(PAYLOAD),
    "tar-renamed.tar": lambda: tar_of({"a.txt": HONEST}, form=tarfile.PAX_FORMAT, change=_pax(path="b.pkl")),
    "tar-resized.tar": lambda: tar_of({"a.txt": HONEST + bytes(600)}, form=tarfile.PAX_FORMAT, change=_pax(size="3")),
    "tar-link.tar": lambda: tar_of({"a.pkl": b""}, change=_kind(b"2")),
    "tar-hard-link.tar": lambda: tar_of({"a.pkl": b""}, change=_kind(b"1")),
    "tar-device.tar": lambda: tar_of({"a.pkl": b""}, change=_kind(b"3")),
    "tar-pipe.tar": lambda: tar_of({"a.pkl": b""}, change=_kind(b"6")),
    "tar-traversal.tar": lambda: tar_of({"../../.bashrc": HONEST}),
    "tar-absolute.tar": lambda: tar_of({"/etc/cron.d/job": HONEST}),
    "tar-twice.tar": lambda: tar_of({"a.pkl": HONEST, "./a.pkl": PAYLOAD}),
    "tar-twice-honest.tar": lambda: tar_of({"a.pkl": HONEST, "./a.pkl": HONEST}),
    "tar-concatenated.tar": _concatenated_tar,
    "tar-in-padding.tar": _padded_tar,
    "tar-renamed-at-once.tar": _global_tar,
    "tar-two-names.tar": lambda: _two_names(b"L", b"x"),
    "tar-two-names-back.tar": lambda: _two_names(b"x", b"L"),
    "tar-two-long-names.tar": lambda: _two_names(b"L", b"L"),
    "tar-without-a-name.safetensors": _nameless_tar,
    "tar-behind-end.tar": lambda: tar_of({"a.pkl": HONEST}) + PAYLOAD,
    "torch-tar.pt": lambda: torch_tar(PAYLOAD),
    "torch-tar-storages.pt": lambda: torch_tar(storages=PAYLOAD + b"\x80\x02]."),
    "nemo.nemo": lambda: gzip.compress(tar_of({"./model_config.yaml": b"a: 1\n", "./w.ckpt": torch_zip(PAYLOAD)})),
    # one stream
    "stream.pkl.gz": lambda: gzip.compress(PAYLOAD, mtime=0),
    "stream.pkl.bz2": lambda: bz2.compress(PAYLOAD),
    "stream.pkl.xz": lambda: lzma.compress(PAYLOAD),
    "stream.joblib.lzma": lambda: lzma.compress(PAYLOAD, lzma.FORMAT_ALONE),
    "stream.joblib.z": lambda: zlib.compress(PAYLOAD),
    "stream-old.joblib": lambda: old_joblib(PAYLOAD),
    "stream-second.pkl.gz": lambda: gzip.compress(HONEST, mtime=0) + gzip.compress(PAYLOAD, mtime=0),
    "stream-second.pkl.bz2": lambda: bz2.compress(HONEST) + bz2.compress(PAYLOAD),
    "stream-second.pkl.xz": lambda: lzma.compress(HONEST) + lzma.compress(PAYLOAD),
    "stream-behind.pkl.gz": lambda: gzip.compress(HONEST, mtime=0) + PAYLOAD,
    "stream-behind.joblib.z": lambda: zlib.compress(HONEST) + PAYLOAD,
    "stream-twice.pkl.gz.bz2": lambda: bz2.compress(gzip.compress(PAYLOAD, mtime=0)),
    # 7z
    "seven.7z": lambda: seven_zip({"notes.txt": b"a", "model.pkl": PAYLOAD}),
    "seven-copied.7z": lambda: seven_zip({"model.pkl": PAYLOAD}, method=b"\0"),
    "seven-tail.7z": lambda: seven_zip({"model.pkl": HONEST}, tail=PAYLOAD),
    "seven-traversal.7z": lambda: seven_zip({"../../.bashrc": HONEST}),
    # kinds of models
    "object.npz": lambda: zip_of([Part("x.npy", npy(PAYLOAD))]),
    "member.npz": lambda: zip_of([Part("x.npy", npy(struct.pack("<d", 1.0), "<f8")), Part("y.npy", PAYLOAD)]),
    "handler.mar": lambda: mar("handler.py", Part("handler.py", b"import os\nos.system('touch canary')\n")),
    "handler-function.mar": lambda: mar("service:handle"),
    "model-file.mar": lambda: mar("image_classifier", model_file="net.py"),
    "shadow.mar": lambda: mar("image_classifier", Part("image_classifier.py", b"import os\n")),
    "model.mar": lambda: mar("image_classifier", Part("other.pt", torch_zip(PAYLOAD))),
    "handler-tar.mar": lambda: gzip.compress(
        tar_of({"MAR-INF/MANIFEST.json": b'{"model": {"handler": "h.py"}}', "h.py": b"import os\n"})
    ),
    "lambda.keras": lambda: zip_of([Part("metadata.json", b"{}"), Part("config.json", json.dumps(_LAMBDA).encode())]),
    "function.skops": lambda: zip_of([Part("schema.json", json.dumps(_SCHEMA).encode())]),
    "keras-and-torch.keras": lambda: torch_zip(_TENSOR, Part("config.json", b"{}"), Part("metadata.json", b"{}")),
}

MALFORMED: dict[str, Callable[[], bytes]] = {
    "truncated.zip": lambda: zip_of([Part("a.pkl", HONEST)])[:-10],
    "truncated-head.zip": lambda: torch_zip()[:200],
    "no-end.zip": lambda: torch_zip()[:-22],
    "no-directory.zip": lambda: zip_of([Part("a.pkl", HONEST)], end={"size": 0, "count": 0, "total": 0}),
    "directory-outside.zip": lambda: zip_of([Part("a.pkl", HONEST)], end={"offset": 0x7FFFFFFF}),
    "empty.zip": lambda: zip_of([]),
    "other-disk.zip": lambda: zip_of([Part("a.pkl", HONEST)], end={"disk": 1}),
    "encrypted.zip": lambda: zip_of([Part("a.pkl", HONEST, flags=1)]),
    "encrypted-by-aes.zip": lambda: zip_of([Part("a.pkl", HONEST, method=99, flags=1)]),
    "unknown-method.zip": lambda: zip_of([Part("a.pkl", HONEST, method=97)]),
    "wrong-checksum.zip": lambda: zip_of([Part("a.pkl", HONEST, crc=5)]),
    "wrong-checksum-deflated.zip": lambda: zip_of([deflated("a.pkl", HONEST, crc=5)]),
    "broken-deflate.zip": lambda: zip_of([Part("a.pkl", HONEST, b"\xff" * 30, 8)]),
    "cut-deflate.zip": lambda: zip_of([Part("a.pkl", HONEST, zlib.compress(HONEST, 9, -15)[:-4], 8)]),
    "wrong-storage.pt": lambda: zip_of([Part("m/data.pkl", HONEST), Part("m/data/0", _NUMBERS, crc=7)]),
    "bomb.zip": lambda: zip_of([Part("a.bin", b"", zeros(400), 8, size=400 << 20)]),
    "bomb.gz": lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + zeros(400) + bytes(8),
    "nested.zip": lambda: _nested(9, zip_of([Part("a.pkl", HONEST)])),
    "shared.zip": _shared,
    "many.zip": lambda: _many(200_000),
    "truncated.tar": lambda: tar_of({"a.pkl": HONEST * 40})[:1000],
    "no-end.tar": lambda: tar_of({"a.pkl": HONEST})[:1024],
    "wrong-sum.tar": lambda: tar_of({"a.pkl": HONEST}).replace(b"a.pkl", b"b.pkl", 1),
    "folder-with-bytes.tar": _full_folder,
    "holes.tar": lambda: tar_of({"a": HONEST}, form=tarfile.PAX_FORMAT, change=_pax(**{"GNU.sparse.major": "1"})),
    "unknown-kind.tar": lambda: tar_of({"a.pkl": b""}, change=_kind(b"M")),
    "truncated.pkl.gz": lambda: gzip.compress(HONEST, mtime=0)[:-9],
    "wrong-checksum.pkl.gz": lambda: gzip.compress(HONEST, mtime=0)[:-8] + bytes(8),
    "truncated.pkl.bz2": lambda: bz2.compress(HONEST)[:-9],
    "truncated.pkl.xz": lambda: lzma.compress(HONEST)[:-9],
    "truncated.joblib.z": lambda: zlib.compress(HONEST)[:-3],
    "wrong-size.joblib": lambda: old_joblib(HONEST).replace(hex(len(HONEST)).encode(), hex(len(HONEST) + 1).encode()),
    "truncated.7z": lambda: seven_zip({"a.pkl": HONEST})[:-5],
    "wrong-header.7z": lambda: seven_zip({"a.pkl": HONEST})[:-1] + b"\1",
    "wrong-checksum.7z": lambda: seven_zip({"a.pkl": HONEST, "b.json": b"{}"}, crc=1),
    "encrypted.7z": lambda: seven_zip({"a.pkl": HONEST}, method=b"\6\xf1\7\1"),
    "unknown-method.7z": lambda: seven_zip({"a.pkl": HONEST}, method=b"\3\4\1"),
}

BENIGN: dict[str, Callable[[], bytes]] = {
    "torch.pt": torch_zip,
    "torchscript.pt": torchscript,
    "exported.pt2": exported,
    "exported-sizes.pt2": lambda: exported(expression="Symbol('s31', positive=True, integer=True)"),
    "stored.zip": lambda: _python_zip(zipfile.ZIP_STORED),
    "deflated.zip": lambda: _python_zip(zipfile.ZIP_DEFLATED),
    "bzip2.zip": lambda: _python_zip(zipfile.ZIP_BZIP2),
    "lzma.zip": lambda: _python_zip(zipfile.ZIP_LZMA),
    "streamed.zip": lambda: _python_zip(zipfile.ZIP_DEFLATED, streamed=True),
    "torch-in-zip.zip": lambda: zip_of([Part("best.pt", torch_zip()), Part("models/", b"")]),
    "array.npz": lambda: zip_of([Part("x.npy", npy(struct.pack("<d", 1.0), "<f8")), Part("X.npy", npy(b"\1", "|b1"))]),
    "standard.mar": lambda: mar("image_classifier"),
    "ustar.tar": lambda: tar_of({"a.pkl": HONEST, "./models/b.pt": torch_zip()}),
    "gnu.tar": lambda: tar_of({"x" * 150: HONEST}, form=tarfile.GNU_FORMAT),
    "pax.tar": lambda: tar_of({"é" * 90: HONEST, "x" * 150: HONEST}, form=tarfile.PAX_FORMAT),
    "old.tar": lambda: _old_tar(HONEST),
    "nemo.nemo": lambda: tar_of({"./model_config.yaml": b"a: 1\n", "./model_weights.ckpt": torch_zip()}),
    "torch-tar.pt": torch_tar,
    "model.tar.gz": lambda: gzip.compress(tar_of({"a.pkl": HONEST}), mtime=0),
    "model.pkl.gz": lambda: gzip.compress(HONEST, mtime=0),
    "model.pkl.bz2": lambda: bz2.compress(HONEST),
    "model.pkl.xz": lambda: lzma.compress(HONEST),
    "model.joblib.lzma": lambda: lzma.compress(HONEST, lzma.FORMAT_ALONE),
    "model.joblib.z": lambda: zlib.compress(HONEST),
    "model-old.joblib": lambda: old_joblib(HONEST),
    "seven.7z": lambda: seven_zip({"a.pkl": HONEST, "b.json": b"{}"}),
    "seven-copied.7z": lambda: seven_zip({"a.pkl": HONEST}, method=b"\0"),
}
