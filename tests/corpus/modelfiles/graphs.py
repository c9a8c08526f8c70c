# SPDX-License-Identifier: Apache-2.0
"""Graphs and their configurations: ONNX, TensorFlow, TensorFlow Lite, Keras, HDF5.

What lies in ``graphs/`` was saved by the libraries themselves, the harmful ones by harmless calls of them; the rest is
made here. Nothing of it is ever loaded. Each entry makes one file, or a folder, and gives its path.
"""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SAVED = Path(__file__).with_name("graphs")
Make = Callable[[Path], Path]


def saved(name: str, change: Callable[[bytes], bytes] | None = None, called: str = "") -> Make:
    """A file or a folder as a library saved it, or one file of it changed."""

    def make(folder: Path) -> Path:
        to = folder / (called or Path(name).name)
        if (SAVED / name).is_dir():
            shutil.copytree(SAVED / name, to)
        else:
            data = (SAVED / name).read_bytes()
            to.write_bytes(change(data) if change else data)
        return to

    return make


def written(name: str, data: bytes) -> Make:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        to = folder / name
        to.write_bytes(data)
        return to

    return make


def varint(value: int) -> bytes:
    """A number of protocol buffers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def proto(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A message: numbers are varints, texts and bytes have their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def onnx_model(*graph: tuple[int, int | str | bytes], **more: Any) -> bytes:
    """An ONNX model whose graph has these fields."""
    return proto((1, 8), (2, "test"), (7, proto(*graph, (2, "g"))), (8, proto((2, 18))), *more.get("fields", ()))


def onnx_node(operation: str, domain: str = "", *attributes: bytes) -> tuple[int, bytes]:
    """A node of an ONNX graph."""
    fields: list[tuple[int, int | str | bytes]] = [(1, "x"), (2, "y"), (4, operation)]
    fields += [(5, attribute) for attribute in attributes]
    return 1, proto(*fields, *([(7, domain)] if domain else []))


def onnx_external(location: str) -> bytes:
    """A model with a tensor that lies in a file of its own."""
    where = proto((1, "location"), (2, location))
    return onnx_model(onnx_node("Relu"), (5, proto((1, 3), (2, 1), (8, "w"), (13, where), (14, 1))))


def tensorflow_node(name: str, operation: str, *inputs: str, **attributes: bytes) -> tuple[int, bytes]:
    """A node of a TensorFlow graph."""
    pairs = [(5, proto((1, key), (2, value))) for key, value in attributes.items()]
    return 1, proto((1, name), (2, operation), *((3, one) for one in inputs), *pairs)


def text_constant(name: str, text: str) -> tuple[int, bytes]:
    """A constant text in a TensorFlow graph."""
    return tensorflow_node(name, "Const", value=proto((8, proto((1, 7), (8, text)))), dtype=proto((6, 7)))


def saved_model(*graph: tuple[int, bytes], more: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """A saved model with one graph."""
    meta = proto((1, proto((4, "serve"))), (2, proto(*graph)), *more)
    return proto((1, 1), (2, meta))


def function(name: str, argument: str, *nodes: tuple[int, bytes]) -> bytes:
    """A function of a graph's library."""
    signature = proto((1, name), (2, proto((1, argument), (3, 7))))
    return proto((1, signature), *((3, node) for _, node in nodes))


def keras(*layers: Mapping[str, Any], **more: Any) -> bytes:
    """The configuration of a sequential model."""
    config = {"name": "sequential", "layers": list(layers)}
    model = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None, **more}
    return json.dumps(model).encode()


def layer(name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """An object of a Keras configuration."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def _code() -> str:
    return base64.b64encode(marshal.dumps(compile("x", "x", "eval"))).decode()


class Harm:
    """Something that a pickle calls."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Call something."""
        return print, ("canary",)


PICKLE = pickle.dumps({"a": Harm()}, 4)


def hdf5(fill: Callable[[Any], None], name: str = "m.h5", **how: Any) -> Make:
    """An HDF5 file."""

    def make(folder: Path) -> Path:
        import h5py

        with h5py.File(folder / name, "w", **how) as file:
            fill(file)
        return folder / name

    return make


def _vlen(file: Any) -> None:
    import h5py
    import numpy as np

    rows = file.create_dataset("objects", (2,), dtype=h5py.vlen_dtype("u1"))
    rows[0], rows[1] = np.frombuffer(b"abc", "u1"), np.frombuffer(PICKLE, "u1")


def _bytes(file: Any) -> None:
    import numpy as np

    file["model"] = np.frombuffer(PICKLE, "u1")


def _opaque(file: Any) -> None:
    import numpy as np

    file.create_group("deep/er").attrs["estimator"] = np.void(PICKLE)


def _old(file: Any) -> None:
    import numpy as np

    file.attrs["info"] = np.bytes_(pickle.dumps(Harm(), 0))


def _link(file: Any) -> None:
    import h5py

    file["weights"] = h5py.ExternalLink("/etc/shadow", "/x")


def _virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("../../other.h5", "a", (3,))
    file.create_virtual_dataset("v", layout)


# A pickle of the first protocol, behind whose end there is more; and one that begins as none that is saved does.
_ENDED = b"cos\nsystem\n(S'true'\ntR.xx"
_ODD = b"\x880" + _ENDED[:-2]


def _rows(kind: str, *values: bytes, **attributes: str) -> Callable[[Any], None]:
    """Rows of numbers, each of its own length."""

    def fill(file: Any) -> None:
        import h5py
        import numpy as np

        rows = file.create_dataset("rows", (len(values),), dtype=h5py.vlen_dtype(kind))
        for index, value in enumerate(values):
            whole = value + b"." * (-len(value) % np.dtype(kind).itemsize)
            rows[index] = np.frombuffer(whole, kind)
        rows.attrs.update(attributes)

    return fill


def _attribute(file: Any) -> None:
    import h5py
    import numpy as np

    rows = np.empty(1, dtype=object)
    rows[0] = np.frombuffer(_ENDED.ljust(32, b"x"), "i8")
    file.attrs.create("rows", rows, dtype=h5py.vlen_dtype("i8"))


def _compound(file: Any) -> None:
    import h5py
    import numpy as np

    rows = file.create_dataset("rows", (1,), dtype=np.dtype([("number", "i4"), ("object", h5py.vlen_dtype("u1"))]))
    rows[0] = (1, np.frombuffer(_ENDED, "u1"))


def _opaques(file: Any) -> None:
    import numpy as np

    file["a"] = np.array([[np.void(_ENDED)]])


def _texts(file: Any) -> None:
    import numpy as np

    file["a"] = np.array(["x", _ENDED.decode()], dtype=object)


def _ordinary_rows(file: Any) -> None:
    """More rows than anyone would look at one by one, of any bytes; texts; axes that refer to each other."""
    import h5py
    import numpy as np

    random = np.random.default_rng(0)
    rows = file.create_dataset("rows", (21_000,), dtype=h5py.vlen_dtype("u1"), chunks=(1000,))
    whole = np.empty(21_000, dtype=object)
    whole[:] = [random.integers(0, 256, 20 + i % 2).astype("u1") for i in range(21_000)]
    rows[:] = whole
    file["flat"] = random.integers(0, 256, 17_000_000).astype("u1")
    file["texts"] = np.array(["cats are\nnice\n and so", "{not JSON}", "[1, 2]", "I\n", "Paris"] * 100, dtype=object)
    file["x"], file["y"] = np.arange(3), np.arange(3)
    file["x"].make_scale("x")
    file["y"].dims[0].attach_scale(file["x"])


def _good(file: Any) -> None:
    import h5py
    import numpy as np

    file["a"] = np.arange(200.0).reshape(2, 100)
    file.create_dataset("z", data=np.arange(1000), compression="gzip", shuffle=True)
    file.create_dataset("l", data=np.arange(1000), compression="lzf")
    file["text"], file["empty"] = "A sentence, with a full stop.", h5py.Empty("f4")
    file["texts"] = np.array(["a", "b"], dtype=object)
    file["group/soft"], file["group/hard"] = h5py.SoftLink("/a"), file["a"]
    file["group/loop"], file["ref"] = file["group"], file["a"].ref
    file["compound"] = np.zeros(3, [("a", "f4"), ("b", "S3")])
    file["images"] = np.zeros((4, 8, 8, 3), "u1")
    file.attrs["note"], file.attrs["settings"] = "(see the paper.", '{"caf\\u00e9": "https://example.org"}'


def _config(text: bytes) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        file.attrs["model_config"] = text.decode()
        file.create_group("model_weights")

    return fill


def _plugin(folder: Path) -> Path:
    """A data set whose filter is renumbered to one that HDF5 would look for as a library."""
    import h5py
    import numpy as np

    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("a", data=np.arange(1000), chunks=(100,), fletcher32=True)
        place = file["a"].id
        assert place.get_create_plist().get_nfilters() == 1
    data = (folder / "m.h5").read_bytes()
    # A message of filters: version 1, one of them, reserved; number 3, then the length of its name.
    start = data.index(b"\x01\x01\0\0\0\0\0\0\x03\0")
    (folder / "m.h5").write_bytes(data[: start + 8] + struct.pack("<H", 31000) + data[start + 10 :])
    return folder / "m.h5"


def tflite(name: str, number: int = 32) -> bytes:
    """A model of TensorFlow Lite with one custom operation."""
    text = struct.pack("<I", len(name)) + name.encode() + b"\0" * (4 - len(name) % 4)
    # Root at 16: its fields at 8, of which the second is the list of operations.
    head = struct.pack("<I4s", 20, b"TFL3") + struct.pack("<4H", 8, 8, 0, 4) + b"\0" * 4
    root = struct.pack("<iI", 20 - 8, 4) + struct.pack("<II", 1, 16)
    # The vector lies at 28, its only item at 32 leads to the table at 48, whose fields lie at 36.
    code = (
        struct.pack("<6H", 12, 16, 4, 8, 0, 12)
        + struct.pack("<i", 12)
        + struct.pack("<B3xIi", min(number, 127), 8, number)
    )
    return head + root + code + text


def keras_text(name: str, *layers: Mapping[str, Any], **more: Any) -> Make:
    """A configuration in a file of its own."""
    return written(f"{name}.json", keras(*layers, **more))


def zipped_config(text: bytes) -> Make:
    """An archive of Keras with its configuration alone."""

    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "m.keras", "w") as archive:
            archive.writestr("config.json", text)
        return folder / "m.keras"

    return make


def _called_as(name: str | None, registered: str, module: str, **more: Any) -> dict[str, Any]:
    return {"class_name": name, "registered_name": registered, "module": module, "config": {}, **more}


_RUN = layer("run", "subprocess", args="id")
_NAMED = {"module": "builtins", "class_name": "function", "config": "get_file", "registered_name": "function"}
_LAMBDA = {"class_name": "__lambda__", "config": {"code": _code(), "defaults": None, "closure": None}}
_OLD_LAMBDA = {"name": "l", "function": [_code(), None, None], "function_type": "lambda"}
_WRITE = (text_constant("path", "/var/x/canary"), text_constant("data", "x"))
_SAVER = (3, proto((1, "place:0"), (2, "s:0"), (3, "r")))
_PLACE = tensorflow_node("place", "Placeholder", dtype=proto((6, 7)))
_CALLED = (2, proto((1, function("saves", "where", tensorflow_node("s", "SaveV2", "where", "where", "where")))))
_CALL = proto((10, proto((1, "saves"))))
_PBTXT = """
saved_model_schema_version: 1
meta_graphs { graph_def { # the graph
  node { name: "f" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
    attr { key: 'value' value < tensor { dtype: DT_STRING string_val: "/var/x/" 'canary' } > } }
  node { name: "w" op: "%s" input: ["f", "f"] }
} }
"""

_ASSET = proto((1, proto((1, "asset:0"))), (2, "vocab.txt"))
_FILL = tensorflow_node("fill", "InitializeTableFromTextFileV2", "table", "asset")
_OUTPUT = tensorflow_node("y", "Identity", "x")


def _signature(key: str, output: str) -> tuple[int, bytes]:
    """What a saved model can be asked for."""
    return 5, proto((1, key), (2, proto((2, proto((1, "y"), (2, proto((1, output))))))))


def _vocabulary(
    *graph: tuple[int, bytes], fetched: str = "y:0", more: tuple[tuple[int, bytes], ...] = (), text: str = "/data/v.txt"
) -> Make:
    """A saved model of TensorFlow 1 with a table of words, whose asset is named in a collection."""
    anything = proto((1, "type.googleapis.com/tensorflow.AssetFileDef"), (2, _ASSET))
    collection = (4, proto((1, "saved_model_assets"), (2, proto((5, proto((1, anything)))))))
    nodes = (
        text_constant("asset", text),
        tensorflow_node("table", "HashTableV2"),
        _FILL,
        tensorflow_node("init", "NoOp", "^fill"),
        tensorflow_node("x", "Placeholder", dtype=proto((6, 7))),
    )
    signatures = (_signature("__saved_model_init_op", "init"), _signature("serve", fetched))
    return written("saved_model.pb", saved_model(*nodes, *(graph or (_OUTPUT,)), more=(collection, *signatures, *more)))


def _asset(*graph: tuple[int, bytes]) -> Make:
    """A saved model of TensorFlow 2 that reads a file."""
    place = tensorflow_node("asset", "Placeholder", dtype=proto((6, 7)))
    return written("saved_model.pb", saved_model(place, *graph, more=((6, _ASSET),)))


def _kept_in_variable(*graph: tuple[int, bytes]) -> Make:
    """A saved model that keeps the name of its asset in a variable, and reads the file."""
    text = proto((6, 7))
    return _asset(
        tensorflow_node("v", "VarHandleOp", shared_name=proto((2, "v")), dtype=text),
        tensorflow_node("keep", "AssignVariableOp", "v", "asset", dtype=text),
        tensorflow_node("name", "ReadVariableOp", "v", dtype=text),
        tensorflow_node("r", "ReadFile", "name"),
        text_constant("other", "/var/x/secret"),
        *graph,
    )


def _claimed(name: str, data: bytes) -> Make:
    """A file that an ONNX model says is a tensor of its own."""

    def make(folder: Path) -> Path:
        to = folder / "model"
        to.mkdir()
        (to / name).write_bytes(data)
        where = proto((1, "location"), (2, name))
        tensor = proto((1, len(data)), (2, 2), (8, "w"), (13, where), (14, 1))
        (to / "a.onnx").write_bytes(onnx_model(onnx_node("Relu"), (5, tensor)))
        return to

    return make


def _labelled(name: str, data: bytes, between: bytes = b"") -> Make:
    """A model of TensorFlow Lite with a file behind it, as its metadata have it."""

    def make(folder: Path) -> Path:
        shutil.copy(SAVED / "mod.tflite", folder / "m.tflite")
        with (folder / "m.tflite").open("ab") as file:
            file.write(between)
        with zipfile.ZipFile(folder / "m.tflite", "a") as archive:
            archive.writestr(name, data)
        return folder / "m.tflite"

    return make


_TEXT_WRITE = 'node %s name: "c" op: "WriteFile" %s versions { producer: 987 }'

MALICIOUS: Mapping[str, Make] = {
    "tf-write-file": saved("evil_write"),
    "tf-save-elsewhere": saved("evil_save"),
    "tf-restore-what-is-asked": saved("evil_restore"),
    "tf-python": saved("evil_py"),
    "tf-read-file": written(
        "saved_model.pb", saved_model(*_WRITE, tensorflow_node("r", "ReadFile", "path"), more=((3, proto((1, "p:0"))),))
    ),
    "tf-graph-write": written("graph.pb", proto(*_WRITE, tensorflow_node("w", "WriteFile", "path", "data"))),
    "tf-graph-custom": written("graph.pb", proto(tensorflow_node("a", "NoOp"), tensorflow_node("w", "ZeroOut", "a"))),
    "tf-meta-matching": written(
        "m.meta", proto((1, proto((1, "1"))), (2, proto(*_WRITE, tensorflow_node("w", "MatchingFiles", "path"))))
    ),
    "tf-print-into-file": written(
        "saved_model.pb",
        saved_model(*_WRITE, tensorflow_node("p", "PrintV2", "data", output_stream=proto((2, "file:///var/x")))),
    ),
    "tf-mapped-file": written(
        "saved_model.pb", saved_model(tensorflow_node("i", "ImmutableConst", memory_region_name=proto((2, "/etc/x"))))
    ),
    "tf-saver-and-serving": written(
        "saved_model.pb",
        saved_model(
            _PLACE,
            text_constant("path", "/var/x/canary"),
            tensorflow_node("a", "StatefulPartitionedCall", "place", f=_CALL),
            tensorflow_node("b", "StatefulPartitionedCall", "path", f=_CALL),
            _CALLED,
            more=(_SAVER,),
        ),
    ),
    "tf-saver-given-by-users": written(
        "saved_model.pb",
        saved_model(
            _PLACE,
            tensorflow_node("a", "StatefulPartitionedCall", "place", f=_CALL),
            _CALLED,
            more=(_SAVER, (5, proto((1, "serve"), (2, proto((1, proto((1, "in"), (2, proto((1, "place:0")))))))))),
        ),
    ),
    "tf-saver-prefixed": written(
        "saved_model.pb",
        saved_model(
            _PLACE,
            text_constant("path", "s3://elsewhere/"),
            tensorflow_node("j", "StringJoin", "path", "place"),
            tensorflow_node("s", "SaveV2", "j", "j", "j"),
            more=(_SAVER,),
        ),
    ),
    "tf-saver-as-a-method": written(
        "saved_model.pb",
        saved_model(
            _PLACE,
            tensorflow_node("a", "StatefulPartitionedCall", "place", f=_CALL),
            _CALLED,
            more=(_SAVER, (7, proto((2, proto((1, "saves"), (2, b"")))))),
        ),
    ),
    "tf-asset-outside": written(
        "saved_model.pb", saved_model(_PLACE, more=((6, proto((1, proto((1, "place:0"))), (2, "../../secret"))),))
    ),
    "tf-asset-read-later": _vocabulary(tensorflow_node("r", "ReadFile", "asset"), _OUTPUT, more=((6, _ASSET),)),
    "tf-asset-in-the-working-folder": _vocabulary(tensorflow_node("r", "ReadFile", "asset"), _OUTPUT, text="id_rsa"),
    "tf-asset-filled-later": _vocabulary(tensorflow_node("y", "Identity", "x", "^init"), more=((6, _ASSET),)),
    "tf-asset-filled-when-asked": _vocabulary(_OUTPUT, fetched="init", more=((6, _ASSET),)),
    "tf-asset-filled-when-restored": _vocabulary(_OUTPUT, more=((3, proto((1, "p:0"), (2, "s:0"), (3, "init"))),)),
    "tf-asset-separator": _asset(
        text_constant("end", "hostname"),
        tensorflow_node("j", "StringJoin", "asset", "end", separator=proto((2, "/../../etc/"))),
        tensorflow_node("r", "ReadFile", "j"),
    ),
    "tf-asset-long-separator": _asset(
        text_constant("end", "hostname"),
        tensorflow_node("j", "StringJoin", "asset", "end", separator=proto((2, "/.." * 500 + "/etc/"))),
        tensorflow_node("r", "ReadFile", "j"),
    ),
    "tf-asset-or-another": _asset(
        text_constant("end", "id_rsa"),
        tensorflow_node("j", "Pack", "asset", "end"),
        tensorflow_node("r", "ReadFile", "j"),
    ),
    "tf-asset-with-default": written(
        "saved_model.pb",
        saved_model(
            text_constant("path", "/etc/x"),
            tensorflow_node("asset", "PlaceholderWithDefault", "path"),
            tensorflow_node("r", "ReadFile", "asset"),
            more=((6, _ASSET),),
        ),
    ),
    "tf-variable-by-another-way": _kept_in_variable(
        tensorflow_node("w", "IdentityN", "v"),
        tensorflow_node("change", "AssignVariableOp", "w", "other", dtype=proto((6, 7))),
    ),
    "tf-variable-changed": _kept_in_variable(
        tensorflow_node("change", "ResourceScatterUpdate", "v", "i", "other", dtype=proto((6, 7)))
    ),
    "tf-save-under-a-usual-name": written(
        "saved_model.pb",
        saved_model(text_constant("a/save/Const", "train.py"), tensorflow_node("s", "Save", "a/save/Const", "n", "x")),
    ),
    "tf-text-comment-inside": written("graph.pbtxt", (_TEXT_WRITE % ("#x\n<", ">")).encode()),
    "tf-text-comment-in-front": written(
        "saved_model.pbtxt", b"#" + b"x" * 70_000 + b"\n" + (_PBTXT % "WriteFile").encode()
    ),
    "tf-text-long-comment-inside": written("graph.pbtxt", (_TEXT_WRITE % ("#" + "x" * 70_000 + "\n{", "}")).encode()),
    "tf-text-mark": written("graph.pbtxt", b"\xef\xbb\xbf" + (_TEXT_WRITE % ("{", "}")).encode()),
    "tf-text-number-first": written("graph.pbtxt", b"version: 1 " + (_TEXT_WRITE % ("[ #\n <", ">]")).encode()),
    "tf-text-write": written("saved_model.pbtxt", (_PBTXT % "WriteFile").encode()),
    "tf-text-graph": written("graph.pbtxt", b'node { name: "a" op: "PyFunc" }\n'),
    "tf-text-function": written(
        "graph.pbtxt", b'library { function { signature { name: "f" } node_def { name: "a" op: "EagerPyFunc" } } }\n'
    ),
    "onnx-custom": written("m.onnx", onnx_model(onnx_node("Foo", "my.library"))),
    "onnx-python": written("m.onnx", onnx_model(onnx_node("PythonOp", "com.microsoft"))),
    "onnx-context": written("m.onnx", onnx_model(onnx_node("EPContext", "com.microsoft"))),
    "onnx-subgraph": saved("evil_sub.onnx"),
    "onnx-in-function": written(
        "m.onnx",
        onnx_model(
            onnx_node("Twice", "local"),
            fields=((25, proto((1, "Twice"), (7, onnx_node("Evil", "evil")[1]), (10, "local"))),),
        ),
    ),
    "onnx-in-training": written(
        "m.onnx", onnx_model(onnx_node("Relu"), fields=((20, proto((2, proto(onnx_node("Evil", "evil"))))),))
    ),
    **{
        f"onnx-external-{index}": written("m.onnx", onnx_external(location))
        for index, location in enumerate(
            (
                "../../etc/passwd",
                "/etc/passwd",
                "a/../../b",
                "..\\..\\b",
                "C:\\x",
                "file:///etc/passwd",
                "~/.ssh/id",
                "",
            )
        )
    },
    "tflite-custom": written("m.tflite", tflite("MyOwn")),
    "tflite-flex-write": written("m.tflite", tflite("FlexWriteFile")),
    "tflite-flex-options": saved("evil_flex.tflite"),
    "keras-lambda": keras_text("m", layer("Lambda", function=_LAMBDA)),
    "keras-lambda-nested": keras_text("m", layer("TimeDistributed", layer=layer("Lambda", function="f"))),
    "keras-lambda-deep": keras_text(
        "m",
        layer("Bidirectional", layer=layer("TimeDistributed", layer=layer("Sequential", "keras", layers=[_LAMBDA]))),
    ),
    "keras-lambda-old": written(
        "m.json",
        json.dumps({"class_name": "Sequential", "config": [{"class_name": "Lambda", "config": _OLD_LAMBDA}]}).encode(),
    ),
    "keras-lambda-merge": written(
        "m.json",
        json.dumps({"class_name": "Model", "config": {"layers": [{"mode": _code(), "mode_type": "lambda"}]}}).encode(),
    ),
    "keras-import": keras_text("m", layer("run", "subprocess", args="id")),
    "keras-import-function": keras_text(
        "m", layer("Activation", activation={"class_name": "function", "config": "system", "module": "os"})
    ),
    "keras-get-file": keras_text("m", layer("Dense", activation=_NAMED)),
    "keras-get-file-module": keras_text("m", layer("get_file", "keras.utils", origin="http://x/y", fname="z")),
    "keras-torch": keras_text("m", layer("TorchModuleWrapper", module="AAAA")),
    "keras-tfsm": keras_text("m", layer("TFSMLayer", filepath="/x")),
    "keras-load": keras_text("m", layer("load_model", "keras.models", filepath="m.keras")),
    "keras-unsafe": keras_text("m", layer("enable_unsafe_deserialization", "keras.config")),
    "keras-custom": keras_text("m", {**layer("Mine", None), "registered_name": "pkg>Mine"}),
    "keras-registered": keras_text("m", {**layer("Dense"), "registered_name": "pkg>Dense"}),
    "keras-typespec": keras_text("m", {"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess"}),
    "keras-vocabulary": keras_text("m", layer("StringLookup", vocabulary="/etc/passwd")),
    "keras-vocabulary-relative": keras_text("m", layer("TextVectorization", vocabulary="secret.txt")),
    "keras-address": keras_text("m", layer("IntegerLookup", vocabulary="http://169.254.169.254/")),
    "keras-weights": keras_text("m", layer("StringLookup", vocabulary=["a"], idf_weights="../x")),
    "keras-compile": keras_text("m", layer("Dense"), compile_config={"loss": layer("eval", "builtins")}),
    "keras-build": keras_text("m", layer("Dense"), build_config={"x": layer("Lambda", None)}),
    "keras-operation": keras_text("m", layer("TFOpLambda", function="io.write_file")),
    "keras-node": keras_text("m", layer("TensorFlowOpLayer", node_def='{"op": "WriteFile"}')),
    "keras-twice": written("m.json", keras().replace(b'"module": "keras"', b'"module": "os", "module": "keras"')),
    "keras-in-text": keras_text("m", layer("Dense", inner=json.dumps(layer("Lambda")))),
    "keras-metadata": written(
        "keras_metadata.pb",
        proto(
            (1, proto((2, 1), (3, "root"), (4, "_tf_keras_sequential"), (5, keras(layer("Lambda"))))), (1, b"\x10\x02")
        ),
    ),
    "keras-in-saved-model": written(
        "saved_model.pb",
        saved_model(
            _PLACE, more=((7, proto((1, proto((4, proto((1, "_tf_keras_layer"), (3, keras(layer("Lambda"))))))))),)
        ),
    ),
    **{
        f"keras-{name}": keras_text("m", layer(kind, **config))
        for name, kind, config in (
            ("class-of-functions", "ClassMethod", {"cls_symbol": "io.write_file", "method_name": "__call__"}),
            ("class-and-none", "ClassMethod", {"cls_ref": None, "cls_symbol": "None", "method_name": "from_tensor"}),
            ("class-and-call", "ClassMethod", {"cls_symbol": "RaggedTensor", "method_name": "__init_subclass__"}),
            ("method", "InstanceMethod", {"attr_name": "__reduce_ex__"}),
            ("property", "InstanceProperty", {"attr_name": "__class__"}),
            ("slice", "SlicingOpLambda", {"function": "io.write_file"}),
            ("text-in-list", "Dense", {"inner": ["", json.dumps(_RUN)]}),
            ("text-behind-blanks", "Dense", {"inner": " \n\t" + json.dumps([_RUN])}),
            ("text-in-text", "Dense", {"inner": json.dumps({"class_name": "Dense", "config": [json.dumps(_RUN)]})}),
            ("text-by-numbers", "Dense", {"inner": [json.dumps(_RUN).replace("class_name", "class\\u005Fname")]}),
        )
    },
    **{
        f"keras-{name}": keras_text("m", harm)
        for name, harm in (
            ("fallback", _called_as("function", "model_from_json", "keras.src.models.model", config="relu")),
            ("fallback-of-activations", _called_as("function", "get", "keras.activations", config="relu")),
            ("fallback-of-a-layer", _called_as("Dense", "model_from_json", "keras.src.models.model")),
            ("fallback-of-a-value", _called_as("slice", "getoutput", "subprocess")),
            (
                "fallback-of-a-type",
                _called_as("TypeSpec", "x", "tensorflow.python.framework.x", spec_name="TensorSpec"),
            ),
            ("fallback-of-an-operation", _called_as("TFOpLambda", "system", "os", config={"function": "math.abs"})),
            ("other-room", layer("Dense", "keras.src.utils.file_utils")),
            ("other-type", {"class_name": "TypeSpec", "spec_name": "TensorSpec", "type_spec": "os.Popen"}),
            ("custom", layer("Custom>Dense", None)),
            ("function-as-a-layer", {**_called_as("function", "function", "builtins"), "config": "relu"}),
        )
    },
    "keras-behind-blanks": written("m.json", b" " * 5000 + keras(_RUN)),
    "keras-in-an-object": written("m.json", b'{"a": {"b": [' + keras(_RUN) + b"]}}"),
    "keras-in-a-list": written("m.json", b"[" + keras(_RUN) + b"]"),
    "keras-by-numbers": written("m.json", keras(_RUN).replace(b"class_name", b"cl\\u0061ss_name")),
    "keras-config-alone": zipped_config(b'{"a": ' + keras(_RUN) + b"}"),
    "h5-rows-ended": hdf5(_rows("u1", b"abc", _ENDED)),
    "h5-rows-odd": hdf5(_rows("u1", _ODD)),
    "h5-rows-of-numbers": hdf5(_rows("i8", _ENDED)),
    "h5-rows-of-objects": hdf5(_rows("i8", b"\x82\x01.", PSEUDOATOM="object")),
    "h5-rows-in-an-attribute": hdf5(_attribute),
    "h5-rows-of-records": hdf5(_compound),
    "h5-opaque-values": hdf5(_opaques),
    "h5-texts": hdf5(_texts),
    "h5-lambda": saved("evil_lambda_td.h5"),
    "h5-config": hdf5(_config(keras(layer("run", "subprocess")))),
    "h5-config-fixed": hdf5(lambda f: f.attrs.create("model_config", keras(layer("Lambda")))),
    "h5-config-latest": hdf5(_config(keras(layer("Lambda"))), libver="latest"),
    "h5-vlen-pickle": hdf5(_vlen),
    "h5-bytes-pickle": hdf5(_bytes),
    "h5-opaque-pickle": hdf5(_opaque),
    "h5-old-pickle": hdf5(_old),
    "h5-link": hdf5(_link),
    "h5-storage": hdf5(lambda f: f.create_dataset("s", (10,), "u1", external=[("/etc/passwd", 0, 10)])),
    "h5-virtual": hdf5(_virtual),
    "h5-plugin": _plugin,
    "h5-behind": lambda folder: written("m.h5", hdf5(_good)(folder).read_bytes() + PICKLE)(folder),
    "h5-in-front": lambda folder: written(
        "m.h5", PICKLE.ljust(512, b"\0") + hdf5(_good, userblock_size=512)(folder).read_bytes()[512:]
    )(folder),
}

MALFORMED: Mapping[str, Make] = {
    **{
        f"{name}-cut-{part}": saved(name, lambda d, part=part: d[: len(d) * part // 10])  # type: ignore[misc]
        for name in (
            "skl_rf.onnx",
            "torch.onnx",
            "tf1.meta",
            "frozen.pb",
            "mod.tflite",
            "norm.h5",
            "func.json",
            "m.ckpt",
        )
        for part in (3, 9)
    },
    "onnx-behind": saved("skl_rf.onnx", lambda d: d + b"PAYLOAD" * 4),
    "onnx-behind-zeros": saved("skl_rf.onnx", lambda d: d + b"\0" * 100),
    "onnx-unknown-field": saved("skl_rf.onnx", lambda d: d + proto((99, b"x"))),
    "onnx-twice": saved("skl_rf.onnx", lambda d: d + d),
    "onnx-deep": written("m.onnx", onnx_model((1, proto((4, "If"))), (2, "x")) + b"\x3a\xff\xff\xff\xff\x0f"),
    "onnx-claims-a-saved-model": _claimed("saved_model.pb", b"\xd8\x3e\0" + saved_model(*_WRITE)),
    "onnx-claims-a-graph": _claimed("model.pb", b"\xd8\x3e\0" + saved_model(*_WRITE)),
    "onnx-claims-metadata": _claimed("keras_metadata.pb", b"\xd8\x3e\0" + b"\x0a\x02{}"),
    "tf-text-unknown": written("graph.pbtxt", (_TEXT_WRITE % ("{ surprise: 1", "}")).encode()),
    "tf-text-broken": written("graph.pbtxt", (_TEXT_WRITE % ("<", "}")).encode()),
    "tf-text-many-messages": written("graph.pbtxt", b"node: [" + b"{}," * 600_000 + b"{}]"),
    "tf-many-operations": written("graph.pb", proto(tensorflow_node("a", "NoOp"), *[(1, b"")] * 500_000)),
    "tflite-bytes-before-labels": _labelled("labels.txt", b"cat\ndog\n", b"PAYLOAD" * 20),
    "tflite-pickle-for-labels": _labelled("labels.txt", PICKLE),
    "tflite-program-for-labels": _labelled("labels.so", b"cat\ndog\n"),
    "onnx-external-missing": written("m.onnx", onnx_external("weights.bin")),
    "tf-functions-of-one-name": written(
        "graph.pb",
        proto(
            tensorflow_node("n", "NoOp"),
            (2, proto(*((1, function("f", "x", tensorflow_node("w", name))) for name in ("WriteFile", "NoOp")))),
        ),
    ),
    "meta-behind": saved("tf1.meta", lambda d: d + b"\0\0\0\0"),
    "index-behind": saved("module/variables/variables.index", lambda d: d + b"x"),
    "index-in-front": saved("module/variables/variables.index", lambda d: b"x" + d),
    "index-broken": saved("module/variables/variables.index", lambda d: d[:20] + b"\xff\xff\xff" + d[23:]),
    "data-alone": saved("module/variables/variables.data-00000-of-00001"),
    "pbtxt-cut": written("saved_model.pbtxt", (_PBTXT % "NoOp").encode()[:-10]),
    "pbtxt-unknown": written("saved_model.pbtxt", b"saved_model_schema_version: 1 surprise: 2"),
    "tflite-behind": saved("mod.tflite", lambda d: d + b"PAYLOAD" * 20),
    "tflite-loop": saved("mod.tflite", lambda d: struct.pack("<I", len(d) - 2) + d[4:]),
    "h5-head": saved("norm.h5", lambda d: d[:8]),
    "keras-deep": written("m.json", b'{"class_name": "Sequential", "config": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "keras-large": written("m.json", keras(_RUN, more=["x" * 1000] * 17_000)),
    "keras-large-behind-blanks": written(
        "m.json", keras(_RUN).replace(b'"class_name":', b'"class_name"' + b" " * 17_000_000 + b":")
    ),
    "keras-many": written("m.json", keras(layer("Dense", more=[[]] * 300_000))),
    "keras-wide-letters": zipped_config(keras(_RUN).decode().encode("utf-16")),
    "keras-broken": written("m.json", b'{"class_name": "Sequential", "config": {"layers": [}}'),
}

BENIGN: Mapping[str, Make] = {
    **{
        name: saved(name)
        for name in (
            "module",
            "vocab",
            "tf1_text",
            "external",
            "tf1.meta",
            "frozen.pb",
            "m.ckpt",
            "mod.tflite",
            "quant.tflite",
            "flex.tflite",
            "tiny.onnx",
            "func.onnx",
            "skl_rf.onnx",
            "torch.onnx",
            "func.json",
            "rnn.json",
            "norm.h5",
        )
    },
    "onnx-tensor": written("test_data_0.pb", proto((1, 2), (2, 1), (8, "x"), (9, b"\0" * 8))),
    "onnx-microsoft": written("m.onnx", onnx_model(onnx_node("FusedMatMul", "com.microsoft"))),
    "tflite-detection": written("m.tflite", tflite("TFLite_Detection_PostProcess")),
    "tf1-vocabulary": _vocabulary(),
    "tf-asset-in-variable": _kept_in_variable(),
    "tf-text-comments": written(
        "graph.pbtxt", b"# a graph\nnode # one\n{ name: 'a' op: 'NoOp' }\nversions < producer: 9 >"
    ),
    "onnx-numbers-beside": _claimed("weights.bin", b"\xd8\x3e\0\xff"),
    "keras-2-in-saved-model": written(
        "saved_model.pb",
        saved_model(_PLACE, more=((7, proto((1, proto((4, proto((1, "_tf_keras_layer"), (2, proto((1, 1))))))))),)),
    ),
    "tflite-labels": _labelled("labels.txt", b"cat\ndog\n"),
    "tflite-flex": written("m.tflite", tflite("FlexErf")),
    "keras-vocabulary": keras_text("m", layer("StringLookup", vocabulary=["/etc", "http://x", "../"])),
    "keras-functions": keras_text(
        "m", layer("Dense", activation={**_NAMED, "config": "softmax"}), compile_config={"loss": "mse"}
    ),
    "keras-operation": keras_text("m", layer("TFOpLambda", function="math.reduce_mean")),
    "keras-old": written(
        "m.json",
        json.dumps({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"units": 1}}]}).encode(),
    ),
    "keras-ragged": keras_text(
        "m",
        layer("ClassMethod", cls_symbol="RaggedTensor", method_name="from_row_splits"),
        layer("InstanceMethod", attr_name="to_tensor"),
        layer("InstanceProperty", attr_name="row_splits"),
        layer("SlicingOpLambda", function="__operators__.getitem"),
        {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": [None, "float32"]},
    ),
    "keras-applications": keras_text(
        "m",
        _called_as("LayerScale", "LayerScale", "keras.src.applications.convnext"),
        _called_as("CustomScaleLayer", "Custom>CustomScaleLayer", "keras.src.applications.inception_resnet_v2"),
        _called_as("Constant", "Constant", "tensorflow.python.ops.init_ops_v2"),
        _called_as("TFOpLambda", "TFOpLambda", "keras.src.layers.core.tf_op_layer", config={"function": "math.abs"}),
    ),
    "keras-compiled": hdf5(
        lambda f: f.attrs.update(
            training_config=json.dumps(
                [
                    {"optimizer_config": {"class_name": name, "config": {"learning_rate": 0.1}}}
                    for name in ("Custom>Adam", "Custom>SGD", "Custom>RMSprop", "LossScaleOptimizerV3")
                ]
            )
        )
    ),
    "keras-texts": keras_text("m", layer("StringLookup", vocabulary=["{", "[x]", '{"class_name"', " [", "[" * 9])),
    "keras-no-model": written("labels.json", b'[{"class_name": "cat", "config": 1}]'.replace(b"config", b"number")),
    "keras-no-words": written("vocab.json", b'{"class_name": 1, "config": 2}'),
    "h5-rows": hdf5(_ordinary_rows),
    "h5-data": hdf5(_good),
    "h5-data-latest": hdf5(_good, libver="latest"),
    "h5-userblock": hdf5(_good, userblock_size=1024),
    "h5-config": hdf5(_config(keras(layer("Dense", units=2)))),
}
