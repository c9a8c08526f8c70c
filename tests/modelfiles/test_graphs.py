# SPDX-License-Identifier: Apache-2.0
"""Graphs: what does more than compute is found, what a library saves passes, what is broken is an error."""

from __future__ import annotations

import contextlib
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Ran
from tests.corpus.modelfiles.graphs import (
    BENIGN,
    MALFORMED,
    MALICIOUS,
    SAVED,
    keras,
    layer,
    onnx_external,
    onnx_model,
    onnx_node,
    proto,
    saved_model,
    tensorflow_node,
)
from wardein.modelfiles import examination
from wardein.modelfiles.examination import MAX_TOLD, Unexamined
from wardein.modelfiles.graphs import checkpoint, protobuf, textproto
from wardein.modelfiles.scan import Examined, examine_model
from wardein.report import Severity

RULES = {
    "tf": {"model/graph-operation", "model/custom-operator", "model/outside-reference"},
    "onnx": {"model/graph-operation", "model/custom-operator", "model/outside-reference"},
    "tflite": {"model/graph-operation", "model/custom-operator"},
    "keras": {
        "model/keras-lambda",
        "model/keras-object",
        "model/keras-file-reference",
        "model/keras-duplicate-name",
        "model/custom-operator",
    },
    "h5": set(),
}


def verdict(examined: Examined) -> str:
    if examined.skipped:
        return "ERROR"
    return "FAIL" if any(one.severity.rank <= 1 for one in examined.found) else "PASS"


def fails(examined: Examined) -> set[str]:
    return {one.rule for one in examined.found if one.severity.rank <= 1}


@pytest.mark.parametrize("name", MALICIOUS)
def test_harm_is_found(name: str, tmp_path: Path) -> None:
    examined = examine_model(MALICIOUS[name](tmp_path), [])
    expected = RULES[name.partition("-")[0]]
    assert fails(examined) & expected if expected else fails(examined), (examined.found, examined.skipped)


@pytest.mark.parametrize("name", BENIGN)
def test_honest_passes(name: str, tmp_path: Path) -> None:
    examined = examine_model(BENIGN[name](tmp_path), [])
    assert (examined.found, examined.skipped) == ([], [])


@pytest.mark.parametrize("name", MALFORMED)
def test_broken_does_not_pass(name: str, tmp_path: Path) -> None:
    assert verdict(examine_model(MALFORMED[name](tmp_path), [])) != "PASS"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("tf-write-file", "model/graph-operation"),
        ("tf-graph-custom", "model/custom-operator"),
        ("onnx-external-0", "model/outside-reference"),
        ("keras-lambda-nested", "model/keras-lambda"),
        ("keras-import", "model/keras-object"),
        ("keras-vocabulary", "model/keras-file-reference"),
        ("h5-plugin", "model/hdf5-filter"),
        ("h5-link", "model/outside-reference"),
        ("h5-lambda", "model/keras-lambda"),
        ("h5-behind", "model/trailing-bytes"),
        ("tflite-custom", "model/custom-operator"),
    ],
)
def test_rule_through_command_line(name: str, rule: str, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    ran = wardein("scan-model", "--model", MALICIOUS[name](tmp_path), "--json")
    assert ran.code == 1
    assert rule in {finding["ruleId"] for finding in ran.report["findings"] if finding["fails"]}


def test_command_line_passes_and_errs(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    assert wardein("scan-model", "--model", BENIGN["vocab"](tmp_path), "--json").code == 0
    ran = wardein("scan-model", "--model", MALFORMED["data-alone"](tmp_path))
    assert ran.code == 2
    assert ran.one_line


def test_tensors_beside_a_model_are_accounted_for(tmp_path: Path) -> None:
    folder = BENIGN["external"](tmp_path)
    assert examine_model(folder, []).kinds["numbers"] == 1
    data = folder / "m.onnx.data"
    data.write_bytes(data.read_bytes() + b"more")
    assert [one.reason for one in examine_model(folder, []).skipped] == ["holds bytes that are no tensor of the model"]
    data.write_bytes(data.read_bytes()[:100])
    assert verdict(examine_model(folder, [])) == "ERROR"
    data.unlink()
    assert "is not there" in examine_model(folder, []).skipped[0].reason


def test_saver_alone_may_write(tmp_path: Path) -> None:
    """The same operations that fail elsewhere are what every saved model has for its saver."""
    folder = BENIGN["module"](tmp_path)
    assert b"SaveV2" in (folder / "saved_model.pb").read_bytes()
    assert verdict(examine_model(folder, [])) == "PASS"
    data = (folder / "saved_model.pb").read_bytes()
    assert data.count(b"\x0a\x10saver_filename:0") == 1
    (folder / "saved_model.pb").write_bytes(data.replace(b"\x0a\x10saver_filename:0", b"\x0a\x10other_filename:0"))
    assert fails(examine_model(folder, [])) == {"model/graph-operation"}


def test_asset_is_read_by_its_own_name_alone(tmp_path: Path) -> None:
    """A table of words that reads another file than the model's asset."""
    folder = BENIGN["vocab"](tmp_path)
    data = (folder / "saved_model.pb").read_bytes()
    name = b"asset_path_initializer:0"
    assert data.count(name) == 1
    (folder / "saved_model.pb").write_bytes(data.replace(name, b"another_path_initial_r:0"))
    assert fails(examine_model(folder, [])) == {"model/graph-operation"}


def test_unknown_field_hides_nothing(tmp_path: Path) -> None:
    """What one reader takes for a field it does not know, another may run."""
    model = saved_model(tensorflow_node("a", "NoOp"), more=((50, b"hidden"),))
    (tmp_path / "saved_model.pb").write_bytes(model)
    assert verdict(examine_model(tmp_path / "saved_model.pb", [])) == "ERROR"


def test_fields_that_are_there_twice_are_not_examined(tmp_path: Path) -> None:
    node = proto((1, "a"), (2, "NoOp"), (2, "WriteFile"))
    (tmp_path / "g.pb").write_bytes(proto((1, proto((1, "b"), (2, "NoOp"))), (1, node)))
    assert "twice" in examine_model(tmp_path / "g.pb", []).skipped[0].reason


def test_text_and_binary_form_say_the_same(tmp_path: Path) -> None:
    text = b'node { name: "a\\x62\\143" op: "NoOp" device: "\\n" } versions { producer: 0x10 min_consumer: -1 }'
    (tmp_path / "g.pbtxt").write_bytes(text)
    parsed = textproto._Parser(text.decode()).message("tensorflow.GraphDef", "", 0)
    node, versions = proto((1, "abc"), (2, "NoOp"), (4, "\n")), proto((1, 16), (2, 2**64 - 1))
    assert parsed == proto((1, node), (4, versions))
    assert verdict(examine_model(tmp_path / "g.pbtxt", [])) == "PASS"


@pytest.mark.parametrize("stream", [None, "stderr", "log(info)"])
def test_printing_to_a_console_is_noted(stream: str | None, tmp_path: Path) -> None:
    """TensorFlow leaves out what is as it is by default."""
    attributes = {} if stream is None else {"output_stream": proto((2, stream))}
    (tmp_path / "saved_model.pb").write_bytes(saved_model(tensorflow_node("p", "PrintV2", "x", **attributes)))
    examined = examine_model(tmp_path / "saved_model.pb", [])
    assert [one.rule for one in examined.found] == ["model/graph-print"]
    assert verdict(examined) == "PASS"


def test_many_ways_to_one_name_do_not_take_long(tmp_path: Path) -> None:
    joins = [tensorflow_node(f"j{i}", "StringJoin", f"j{i + 1}", f"j{i + 1}") for i in range(100)]
    end = tensorflow_node("s", "SaveV2", "j0", "n", "x")
    (tmp_path / "g.pb").write_bytes(proto(*joins, end))
    start = time.process_time()
    assert fails(examine_model(tmp_path / "g.pb", [])) == {"model/graph-operation"}
    assert time.process_time() - start < 5


def test_options_of_another_operation_are_told_through(tmp_path: Path) -> None:
    """The name that the model has for it is harmless, what TensorFlow runs is not."""
    found = examine_model(MALICIOUS["tflite-flex-options"](tmp_path), []).found
    assert [one.message for one in found] == [
        "calls an operation 'FlexIdentity' and has TensorFlow run 'ReadFile' for it"
    ]


def test_labels_behind_a_model_are_examined(tmp_path: Path) -> None:
    examined = examine_model(BENIGN["tflite-labels"](tmp_path), [])
    assert examined.kinds == {"tflite": 1, "zip": 1, "text": 1}
    assert examined.formats == {"m.tflite": "tflite"}


def test_tables_that_are_one_table_do_not_take_long(tmp_path: Path) -> None:
    """A list of graphs that are all the same, with a list of operations that are all the same."""
    n = 5000
    graphs, graph, operations, operation = 44, 60 + 4 * n, 68 + 4 * n, 80 + 8 * n
    data = bytearray(operation + 8)
    struct.pack_into("<I4s", data, 0, 20, b"TFL3")
    struct.pack_into("<5H", data, 8, 10, 12, 0, 8, 4)
    struct.pack_into("<iII", data, 20, 12, graphs - 24, operations - 28)
    struct.pack_into(f"<I{n}I", data, graphs, n, *(graph - graphs - 4 - 4 * i for i in range(n)))
    struct.pack_into(f"<I{n}I", data, operations, n, *(operation - operations - 4 - 4 * i for i in range(n)))
    struct.pack_into("<6H", data, graph - 12, 12, 8, 0, 0, 0, 4)
    struct.pack_into("<iI", data, graph, 12, operations - graph - 4)
    struct.pack_into("<2H", data, operation - 4, 4, 4)
    struct.pack_into("<i", data, operation, 4)
    start = time.process_time()
    (tmp_path / "m.tflite").write_bytes(data)
    assert "more tables" in examine_model(tmp_path / "m.tflite", []).skipped[0].reason
    assert time.process_time() - start < 5


def test_blocks_that_are_one_block_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index whose entries all lead to the same block."""

    def block(entries: list[tuple[bytes, bytes]]) -> bytes:
        data = b"".join(b"\0" + bytes([len(k), len(v)]) + k + v for k, v in entries) + b"\0\0\0\0\1\0\0\0"
        return data + b"\0" + struct.pack("<I", checkpoint._checksum(data + b"\0"))

    one, none = block([(b"", b"\x08\x01")]), block([])
    main = block([(b"%04d" % i, bytes([0, len(one) - 5])) for i in range(1000)])
    places = (len(one), len(none) - 5, len(one) + len(none), len(main) - 5)
    footer = b"".join(protobuf_varint(n) for n in places).ljust(40, b"\0") + checkpoint._MAGIC
    (tmp_path / "a.index").write_bytes(one + none + main + footer)
    read: list[object] = []
    monkeypatch.setattr(checkpoint, "_shards", lambda value: read.append(value) or 1)
    assert "overlap" in examine_model(tmp_path / "a.index", []).skipped[0].reason
    assert len(read) == 1


@pytest.mark.parametrize("text", ["version: 2\nname: x\n", "graph:\n  a: 1\n", "node:\n- a\n", "domain: example.org\n"])
def test_other_texts_are_left_to_others(text: str, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    assert "protobuf-text" not in examine_model(tmp_path / "settings.yaml", []).kinds


def test_snappy() -> None:
    run = bytes([20, (6 - 1) << 2]) + b"abcdef" + bytes([2 << 2 & 0xFF | 1 << 2 >> 2, 6])
    assert checkpoint._unsnapped(bytes([10, 3 << 2]) + b"abcd" + bytes([(6 - 4) << 2 | 1, 4])) == b"abcdabcdab"
    for broken in (run[:3], bytes([4, 12]) + b"abc", bytes([4, 1 << 2 | 1, 9])):
        with pytest.raises((ValueError, IndexError)):
            checkpoint._unsnapped(broken)


def test_bytes_between_blocks_are_told(tmp_path: Path) -> None:
    data = (SAVED / "module/variables/variables.index").read_bytes()
    numbers, index = [], len(data) - 48
    for _ in range(4):
        number, index = protobuf.number(data, index)
        numbers.append(number)
    meta, meta_size, blocks, blocks_size = numbers
    handles = b"".join(protobuf_varint(n) for n in (meta + 8, meta_size, blocks + 8, blocks_size))
    moved = data[:meta] + b"PAYLOAD!" + data[meta:-48] + handles.ljust(40, b"\0") + data[-8:]
    (tmp_path / "variables.index").write_bytes(moved)
    assert fails(examine_model(tmp_path / "variables.index", [])) == {"model/trailing-bytes"}


def test_hdf5_without_its_reader_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wardein.tools import run as tools

    path = BENIGN["norm.h5"](tmp_path)
    monkeypatch.setattr(tools, "run", lambda *_, **__: tools.Ended(0, b'{"missing": "h5py"}', ""))
    assert "pip install 'wardein[scan]'" in examine_model(path, []).skipped[0].reason


@pytest.mark.parametrize("ended", [(-11, b"", ""), (1, b"", "Traceback\nOSError: x"), (0, b"", ""), (0, b"{}", "")])
def test_hdf5_reader_that_crashes_is_an_error(
    ended: tuple[int, bytes, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wardein.tools import run as tools

    path = BENIGN["norm.h5"](tmp_path)
    monkeypatch.setattr(tools, "run", lambda *_, **__: tools.Ended(*ended))
    assert verdict(examine_model(path, [])) == "ERROR"


def test_large_files_are_passed_over_by_their_structure(tmp_path: Path) -> None:
    """Tensors of a gigabyte are not read."""
    size = 2**30
    tensor = proto((1, size // 4), (2, 1), (8, "w")) + b"\x4a" + protobuf_varint(size)
    node = onnx_node("Relu")
    graph = proto(node, (2, "g")) + b"\x2a" + protobuf_varint(len(tensor) + size) + tensor
    head = proto((1, 8), (2, "test")) + b"\x3a" + protobuf_varint(len(graph) + size) + graph
    path = tmp_path / "big.onnx"
    with path.open("wb") as file:
        file.write(head)
        file.seek(size, 1)
        file.write(proto((8, proto((2, 18)))))
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert verdict(examine_model(path, [])) == "PASS"
    assert time.process_time() - start < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def protobuf_varint(value: int) -> bytes:
    return proto((1, value))[1:]


def test_verdict_knows_no_order(tmp_path: Path) -> None:
    path = MALICIOUS["tf-write-file"](tmp_path)
    first, second = examine_model(path, []), examine_model(path, [])
    assert first.found == second.found


def test_duplicate_keys_do_not_take_long(tmp_path: Path) -> None:
    text = b'{"class_name": "Sequential", "config": {' + b",".join(b'"a%d": 1' % (i % 50_000) for i in range(100_000))
    (tmp_path / "m.json").write_bytes(text + b"}}")
    start = time.process_time()
    assert "model/keras-duplicate-name" in fails(examine_model(tmp_path / "m.json", []))
    assert time.process_time() - start < 5


KINDS = ("tiny.onnx", "func.onnx", "frozen.pb", "m.ckpt", "mod.tflite", "func.json", "module/saved_model.pb")
# What changes nothing that is looked at: a name, a number of a shape, a weight.
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", KINDS)
@fuzz
@given(data=st.data())
def test_broken_bytes_never_crash(name: str, data: st.DataObject, tmp_path: Path) -> None:
    bytes_ = bytearray((SAVED / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bytes_) - 1))
        bytes_[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(len(bytes_) // 2, len(bytes_)))
    path = tmp_path / Path(name).name
    path.write_bytes(bytes_[:cut])
    examine_model(path, [])


@pytest.mark.parametrize("name", [n for n in KINDS if not n.endswith("m.ckpt")])
def test_cut_short_never_passes(name: str, tmp_path: Path) -> None:
    whole = (SAVED / name).read_bytes()
    path = tmp_path / Path(name).name
    for size in {len(whole) * part // 40 for part in range(1, 40)} | {len(whole) - 1}:
        path.write_bytes(whole[:size])
        at_a_field = _ends_at_a_field(whole, size) if name.endswith((".onnx", ".pb")) else False
        assert at_a_field or verdict(examine_model(path, [])) != "PASS", size


def _ends_at_a_field(data: bytes, size: int) -> bool:
    """Whether a message ends between two of its outermost fields, which makes it a whole one."""
    position = 0
    while position < size:
        tag, position = protobuf.number(data, position)
        length, position = protobuf.number(data, position)
        position += length if tag & 7 == 2 else 0
    return position == size


@fuzz
@given(st.binary(max_size=300))
def test_walk_ends_on_any_bytes(data: bytes) -> None:
    for kind in ("onnx.ModelProto", "tensorflow.SavedModel", "tensorflow.GraphDef", "tensorflow.MetaGraphDef"):
        with contextlib.suppress(ValueError, EOFError, Unexamined):
            protobuf.walk(protobuf.held(data), kind, {})


@fuzz
@given(st.text(alphabet="node{}<>:\"abc\\'[],;#\n 019.-x", max_size=200))
def test_text_parser_ends_on_any_text(text: str) -> None:
    with contextlib.suppress(ValueError, Unexamined, KeyError, struct.error):
        textproto._Parser(text).message("tensorflow.GraphDef", "", 0)


def test_nesting_is_bounded(tmp_path: Path) -> None:
    graph: tuple[int, bytes] = onnx_node("Relu")
    for _ in range(200):
        attribute = proto((1, "body"), (6, proto(graph)))
        graph = onnx_node("Loop", "", attribute)
    (tmp_path / "m.onnx").write_bytes(onnx_model(graph))
    assert "nested deeper" in examine_model(tmp_path / "m.onnx", []).skipped[0].reason
    (tmp_path / "m.onnx").unlink()
    config: dict[str, object] = layer("Dense")
    for _ in range(250):
        config = layer("TimeDistributed", layer=config)
    (tmp_path / "m.json").write_bytes(keras(config))
    assert "nested deeper" in examine_model(tmp_path / "m.json", []).skipped[0].reason


def test_a_single_file_with_tensors_elsewhere_was_not_examined(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(onnx_external("weights.bin"))
    (tmp_path / "weights.bin").write_bytes(b"\0" * 12)
    assert verdict(examine_model(tmp_path / "m.onnx", [])) == "ERROR"
    assert verdict(examine_model(tmp_path, [])) == "PASS"


def test_what_matlab_puts_in_front_is_told_and_passes(tmp_path: Path) -> None:
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 .".ljust(116)
    front = (text + b"\0" * 8 + b"\0\2IM").ljust(512, b"\0")
    path = tmp_path / "m.mat"
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = 1
    data = path.read_bytes()[512:]
    path.write_bytes(front + data)
    examined = examine_model(path, [])
    assert [(one.rule, one.severity) for one in examined.found] == [("model/trailing-bytes", Severity.LOW)]
    assert verdict(examined) == "PASS"
    for other in (front[:-1] + b"x", front.replace(b"MATLAB 7.3", b"MATLAB 9.9")):
        path.write_bytes(other + data)
        assert verdict(examine_model(path, [])) == "FAIL"


def test_findings_beyond_what_helps_anyone_are_counted_alone(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(keras(*({"class_name": f"Mine{i}", "config": {}} for i in range(1500))))
    examined = examine_model(tmp_path / "m.json", [])
    assert len(examined.found) == MAX_TOLD
    assert [one.reason for one in examined.skipped] == [
        f"gives more than {MAX_TOLD} findings, of which the rest are not told"
    ]


def test_places_are_put_together_only_to_be_told(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(keras(layer("Dense", **{"k" * 3_000_000: [[]] * 100_000})))
    start = time.process_time()
    assert verdict(examine_model(tmp_path / "m.json", [])) == "PASS"
    assert time.process_time() - start < 20


def test_readers_of_hdf5_are_not_started_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = BENIGN["norm.h5"](tmp_path).read_bytes()
    (tmp_path / "norm.h5").unlink()
    for number in range(4):
        (tmp_path / f"{number}.h5").write_bytes(data)
    assert verdict(examine_model(tmp_path, [])) == "PASS"
    monkeypatch.setattr(examination, "MAX_PROCESSES", 3)
    examined = examine_model(tmp_path, [])
    assert [one.what for one in examined.skipped] == ["3.h5"]
    assert "takes more than the 3 processes" in examined.skipped[0].reason
