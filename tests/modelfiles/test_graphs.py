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
from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.graphs import checkpoint, protobuf, textproto
from wardein.modelfiles.scan import Examined, examine_model

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
