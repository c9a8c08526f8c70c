# SPDX-License-Identifier: Apache-2.0
"""Formats of data and text: what is hidden in them is found, what is honest passes, what is broken is an error."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Ran
from tests.corpus.modelfiles import native as corpus
from wardein.modelfiles.allowlist import Allowlist, Entry
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import jsonstream, skops
from wardein.modelfiles.scan import Examined, examine_model

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# The rule that a sample must be told under, by how its name begins.
RULES = {
    "safetensors-template": "model/template",
    "safetensors": "model/trailing-bytes",
    "gguf-behind": "model/trailing-bytes",
    "gguf-gap": "model/trailing-bytes",
    "gguf": "model/template",
    "template": "model/template",
    "tokenizer_config": "model/template",
    "auto_mapping": "model/instantiate",
    "auto_map": "model/remote-code",
    "custom_pipelines": "model/remote-code",
    "trust_remote_code": "model/remote-code",
    "attention": "model/remote-code",
    "weight_map": "model/path-outside",
    "jsonpickle": "model/instantiate",
    "zarr": "model/instantiate",
    "genai_config": "model/native-library",
    "lines": "model/instantiate",
    "apply": "model/instantiate",
    "target": "model/instantiate",
    "doctype": "model/xml-entity",
    "laughs": "model/xml-entity",
    "objects.msgpack": "model/msgpack-extension",
    "pickled.msgpack": "model/pickle-runs-code",
    "behind": "model/trailing-bytes",
    "extension.msgpack": "model/msgpack-extension",
    "extension": "model/xml-code",
    "script": "model/xml-code",
    "include": "model/xml-code",
    "stylesheet": "model/xml-code",
    "class": "model/xml-code",
    "library": "model/native-library",
    "program": "model/native-library",
    "Main": "model/native-library",
    "cached": "model/native-library",
    "module": "model/native-library",
}


def scan(folder: Path, name: str, content: bytes) -> Examined:
    """Examine one file."""
    path = folder / name
    path.write_bytes(content)
    return examine_model(path, [])


def failing(examined: Examined) -> set[str]:
    """The rules of what makes the check fail."""
    return {found.rule for found in examined.found if found.severity.value in ("critical", "high")}


@pytest.mark.parametrize("name", corpus.MALICIOUS)
def test_what_is_hidden_is_found(name: str, tmp_path: Path) -> None:
    expected = next(rule for start, rule in RULES.items() if name.startswith(start))
    assert expected in failing(scan(tmp_path, name, corpus.MALICIOUS[name]))


@pytest.mark.parametrize("name", corpus.MALFORMED)
def test_what_is_broken_is_not_examined(name: str, tmp_path: Path) -> None:
    examined = scan(tmp_path, name, corpus.MALFORMED[name])
    assert examined.skipped
    assert all("\n" not in entry.reason and len(entry.reason) < 300 for entry in examined.skipped)


@pytest.mark.parametrize("name", corpus.BENIGN)
def test_what_is_honest_passes(name: str, tmp_path: Path) -> None:
    examined = scan(tmp_path, name, corpus.BENIGN[name])
    assert not failing(examined)
    assert not examined.skipped
    assert examined.formats[name]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("one.safetensors", 0),
        ("tokenizer_config.json", 0),
        ("safetensors-behind.safetensors", 1),
        ("gguf-second.gguf", 1),
        ("apply.yaml", 1),
        ("breaks.ubj", 2),
        ("nested.json", 2),
        ("nested.yaml", 2),
        ("pointer.safetensors", 2),
    ],
)
def test_the_command_line_ends_as_it_should(name: str, code: int, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    (tmp_path / name).write_bytes({**corpus.BENIGN, **corpus.MALICIOUS, **corpus.MALFORMED}[name])
    ran = wardein("scan-model", "--model", tmp_path / name, "--json")
    assert ran.code == code
    assert "Traceback" not in ran.err
    if code == 1:
        assert any(finding["severity"] in ("critical", "high") for finding in ran.report["findings"])


def test_a_template_in_a_message_names_the_setting_and_what_it_does(tmp_path: Path) -> None:
    (found,) = scan(tmp_path, "a.json", b'{"chat_template": {"tools": "{{ x.__class__ }}"}}').found
    assert found.message == "chat_template.tools: reads the attribute '__class__'"


def test_a_setting_that_is_there_twice_is_told(tmp_path: Path) -> None:
    examined = scan(tmp_path, "a.json", b'{"chat_template": "a", "chat_template": "b"}')
    assert [found.rule for found in examined.found] == ["model/duplicate-key"]
    assert not failing(examined)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("train.py", "model/code"),
        ("run.sh", "model/code"),
        ("notes.ipynb", "model/code"),
        ("index.html", "model/active-document"),
        ("model.pmml", "model/extension"),
    ],
)
def test_what_does_not_fail_is_told(name: str, rule: str, tmp_path: Path) -> None:
    assert rule in {found.rule for found in scan(tmp_path, name, corpus.BENIGN[name]).found}


# A cut file is a broken one, wherever it is cut.


@pytest.mark.parametrize(
    "name",
    ["one.safetensors", "kinds.safetensors", "small.gguf", "model.ubj", "model.cbm", "picture.png", "config.json"],
)
def test_no_cut_file_passes(name: str, tmp_path: Path) -> None:
    content = corpus.BENIGN[name]
    for length in range(1, len(content)):
        examined = scan(tmp_path, name, content[:length])
        # GGUF's last bytes only align it; of no other format a single byte is too many.
        assert examined.skipped or failing(examined) or (name == "small.gguf" and length >= len(content) - 20), length


@pytest.mark.parametrize(
    "name",
    ["one.safetensors", "small.gguf", "model.ubj", "tables.cbm", "picture.png", "params.msgpack", "tokenizer.model"],
)
@FAST
@given(data=st.data())
def test_no_changed_file_breaks_the_scanner(name: str, data: st.DataObject) -> None:
    content = bytearray(corpus.BENIGN[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=9))
        if not content:
            return
    with tempfile.TemporaryDirectory() as folder:
        scan(Path(folder), name, bytes(content))


# JSON is read as Python reads it, or not at all.

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_KEYS = st.sampled_from(["a", "b", "wanted", "w\\anted", "\u00e9"]) | st.text(max_size=3)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_KEYS, inner, max_size=6), max_leaves=30
)


def streamed(text: bytes, folder: Path) -> list[Any] | None:
    """The values of wanted keys; None if it is not JSON."""
    (folder / "x").write_bytes(text)
    with (folder / "x").open("rb") as stream:
        content = Content("x", "", "x", stream.fileno(), 0, len(text))
        try:
            return [json.loads(text[v.start : v.end]) for v in jsonstream.values(content, lambda key: key == "wanted")]
        except (Unexamined, UnicodeDecodeError):
            return None


def outermost(value: Any) -> list[Any]:
    """The values of wanted keys that lie in none, in order; numbers are left out."""
    found = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "wanted":
                found += outermost(inner)
            elif isinstance(inner, bool) or not isinstance(inner, (int, float)):
                found.append(inner)
    elif isinstance(value, list):
        for inner in value:
            found += outermost(inner)
    return found


@FAST
@given(value=_JSON, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_json_is_read_as_python_reads_it(value: Any, indent: int | None, ascii_only: bool, tmp_path: Path) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    found = streamed(text, tmp_path)
    assert found is not None
    without_numbers = [item for item in found if isinstance(item, bool) or not isinstance(item, (int, float))]
    assert json.dumps(without_numbers) == json.dumps(outermost(value))


@settings(FAST, max_examples=400)
@given(value=_JSON, data=st.data())
def test_json_that_python_refuses_is_refused(value: Any, data: st.DataObject, tmp_path: Path) -> None:
    text = bytearray(json.dumps(value).encode())
    at = data.draw(st.integers(0, len(text)))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.sampled_from([b"", b",", b"]", b"}", b'"', b"1", b":", b"\\", b" ", b"-"])
    )
    try:
        json.loads(bytes(text))
        valid = True
    except ValueError:
        valid = False
    assert (streamed(bytes(text), tmp_path) is not None) == valid


def test_json_is_read_across_the_ends_of_what_is_read_at_a_time(tmp_path: Path) -> None:
    for shift in range(12):
        wanted = ["é" * 10, 12345, {"a": "\\"}]
        value = {"p": "x" * (256 * 1024 - 20 + shift), "wanted": wanted, "q": [1.5] * 5, "r": "y"}
        text = json.dumps(value, ensure_ascii=False).encode()
        assert streamed(text, tmp_path) == [value["wanted"]]


# skops.


def node(loader: str, name: str, **more: Any) -> dict[str, Any]:
    """A node of a schema."""
    module, _, cls = name.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": cls, **more}


def tell_schema(schema: Any, folder: Path, *entries: Entry) -> list[str]:
    """What is told of a schema."""
    (folder / "schema.json").write_text(json.dumps(schema))
    with (folder / "schema.json").open("rb") as stream:
        content = Content(
            "m.skops", "schema.json", "schema.json", stream.fileno(), 0, os.fstat(stream.fileno()).st_size
        )
        examination = Examination(Allowlist({entry.name: entry for entry in entries}), 0)
        skops.examine_schema(content, examination)
    return [found.message for found in examination.found]


TEXT = node("JsonNode", "builtins.str", content='"x"')
KNOWN = Entry("lib.Model", frozenset({"refer", "new"}), "a test")
FUNCTION = Entry("lib.compute", frozenset({"refer"}), "a test")


@pytest.mark.parametrize(
    "schema",
    [
        node("ObjectNode", "lib.Other"),
        node("ObjectNode", "lib.compute"),
        node("ConstructorFromReduceNode", "lib.Model", content=TEXT),
        node("FunctionNode", "os.system"),
        node("FunctionNode", "builtins.str", content={"module_path": "os", "function": "system"}),
        node("FunctionNode", "timeit.timeit", content={"module_path": "lib", "function": "compute"}),
        node("TypeNode", "builtins.eval"),
        node("TypeNode", "subprocess.Popen"),
        node("MethodNode", "lib.Model", content={"func": "run", "obj": node("ObjectNode", "lib.Model")}),
        node("OperatorFuncNode", "operator.methodcaller", attrs=TEXT),
        node("OperatorFuncNode", "operator.attrgetter", attrs=TEXT),
        node("PartialNode", "functools.partial", content={"func": node("FunctionNode", "os.system")}),
        node("ReduceNode", "lib.Model"),
        node("LossNode", "lib.Model"),
        node("ListNode", "lib.Model", content=[]),
        node("NdArrayNode", "os.system", type="json", content=[]),
        node("RandomGeneratorNode", "numpy.random.Generator", content={"bit_generator": TEXT}),
        node("NdArrayNode", "numpy.ndarray", type="numpy", file="../../x.npy"),
        node("BytesNode", "builtins.bytes", file="/etc/passwd"),
        node("ListNode", "builtins.list", content=[{"deep": [node("FunctionNode", "os.system")]}]),
        {"__loader__": "ObjectNode", "__class__": 1, "__module__": None},
    ],
)
def test_what_a_schema_must_not_ask_for_is_told(schema: dict[str, Any], tmp_path: Path) -> None:
    assert tell_schema(schema, tmp_path, KNOWN, FUNCTION)


def test_what_a_schema_may_ask_for_is_not_told(tmp_path: Path) -> None:
    state = {"bit_generator": {"content": {"bit_generator": node("JsonNode", "builtins.str", content='"PCG64"')}}}
    inner = [
        TEXT,
        node("ObjectNode", "lib.Model", content=node("DictNode", "builtins.dict", content={"a": TEXT})),
        node("FunctionNode", "lib.compute"),
        node("FunctionNode", "lib.function", content={"module_path": "lib", "function": "compute"}),
        node("PartialNode", "functools.partial", content={"func": node("FunctionNode", "lib.compute")}),
        node("OperatorFuncNode", "operator.itemgetter", attrs=TEXT),
        node("NdArrayNode", "numpy.ndarray", type="numpy", file="140.npy"),
        node("RandomGeneratorNode", "numpy.random._generator.Generator", content=state),
        node("TypeNode", "builtins.str"),
    ]
    assert tell_schema(node("ListNode", "builtins.list", content=inner), tmp_path, KNOWN, FUNCTION) == []


def test_what_is_no_schema_is_not_examined(tmp_path: Path) -> None:
    with pytest.raises(Unexamined):
        tell_schema({"a": 1}, tmp_path)


def test_a_schema_of_many_values_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(Unexamined, match="values"):
        tell_schema(node("ListNode", "builtins.list", content=[{}] * 300_000), tmp_path)


def test_all_yaml_of_a_model_together_is_bounded(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.yaml").write_text("- [a, b, c, d, e, f, g, h]\n" * 9000)
    assert [entry.what for entry in examine_model(tmp_path, []).skipped] == ["3.yaml"]


# Large files are passed over, not read.

LARGE = """
import re, sys, time
from pathlib import Path
from wardein.modelfiles.scan import examine_model
examined = examine_model(Path(sys.argv[1]), [])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(time.process_time(), int(peak) // 1024, len(examined.skipped), len(examined.found))
"""


def measured(path: Path) -> tuple[float, int]:
    """CPU seconds and MB that examining a file takes, which must pass."""
    ran = subprocess.run([sys.executable, "-c", LARGE, path], capture_output=True, text=True, check=True)
    seconds, peak, skipped, found = ran.stdout.split()
    assert (skipped, found) == ("0", "0")
    return float(seconds), int(peak)


def test_a_gigabyte_of_tensors_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    each = 1024**3 // 256
    header = {f"layers.{n}.weight": corpus.tensor(n * each, (n + 1) * each, "F32", [each // 4]) for n in range(256)}
    with path.open("wb") as stream:
        stream.write(corpus.safetensors(header))
        stream.truncate(stream.tell() + 1024**3)
    seconds, peak = measured(path)
    assert seconds < 0.5
    assert peak < 100


def test_a_large_vocabulary_takes_little_time(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    words = [f"word{n}" for n in range(150_000)]
    content = corpus.gguf({"tokenizer.ggml.tokens": words}, [("t", [1 << 28], 0, 0)])
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(len(content) + 4 * (1 << 28))
    seconds, peak = measured(path)
    assert seconds < 1
    assert peak < 100


def test_large_json_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.write(b'{"learner": {"trees": [')
        line = json.dumps({"split_conditions": [0.125] * 2000, "names": ["a"] * 50}).encode()
        stream.write(b",".join([line] * 3000))
        stream.write(b"]}}")
    seconds, peak = measured(path)
    assert seconds < 8
    assert peak < 100


@pytest.mark.parametrize(
    "text",
    [
        b'{"chat_template":' + (b'{"a":"b","' + b"k" * 80_000 + b'":') * 195 + b'"x"' + b"}" * 196,
        b'{"filters":[' + b",".join([b"[]"] * 5_000_000) + b"]}",
        b'{"py/a":' * 190 + b'"' + b"x" * 10_000_000 + b'"' + b"}" * 190,
        b'{"chat_template":"' + "\U0001f600".encode() * 3_000_000 + b'"}',
    ],
    ids=["long-keys", "brackets", "pickled", "wide"],
)
def test_settings_that_are_made_to_fill_memory_do_not(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text)
    ran = subprocess.run([sys.executable, "-c", LARGE, tmp_path / "a.json"], capture_output=True, text=True, check=True)
    seconds, peak = map(float, ran.stdout.split()[:2])
    assert seconds < 10
    assert peak < 100


def test_a_template_below_others_is_examined_once(tmp_path: Path) -> None:
    text = b'{"template": ' * 190 + json.dumps(corpus.CALL).encode() + b"}" * 190
    alone = scan(tmp_path, "b.json", json.dumps({"template": corpus.CALL}).encode()).found
    assert len(scan(tmp_path, "a.json", text).found) == len(alone) > 0


def test_a_setting_is_told_of_by_a_bounded_text(tmp_path: Path) -> None:
    one, other = ("os." + "x" * 100_000 + end for end in "ab")
    text = json.dumps([{"_target_": one}, {"_target_": other}]).encode()
    first, second = (found.text for found in scan(tmp_path, "a.json", text).found)
    assert first != second
    assert len(first) < 500


def test_numbers_without_end_are_refused_quickly(tmp_path: Path) -> None:
    assert scan(tmp_path, "a.json", b'{"a": ' + b"1" * 5_000_000).skipped
    assert scan(tmp_path, "b.json", b'{"a": "' + b"x" * 20_000_000).skipped
    assert scan(tmp_path, "c.gguf", b"GGUF" + struct.pack("<IQQ", 3, 499_999, 0)).skipped


_TOKENS = [
    "{{", "}}", "{%", "%}", "{#", "x", "__class__", "'a'", "|", "[", "]", "(", ")", ":", ",", "-", "&", "*", "!",
    "!!python/name:os.system", "<a b='c'>", "</a>", "<!DOCTYPE", "<?xml version='1.0'?>", "&e;", "for", "in", "if",
    "set", "=", "~", "+", "range", "endfor", "endif", "tree\nversion=", "Tree=0", "'k'", "1", "null", "%TAG",
]  # fmt: skip


@pytest.mark.parametrize("name", ["a.yaml", "a.xml", "a.jinja", "a.md", "a.txt", "MLmodel", "a.jsonl"])
@FAST
@given(
    text=st.lists(
        st.sampled_from(_TOKENS) | st.text(max_size=3),
        max_size=20,
    )
)
def test_no_text_breaks_the_scanner(name: str, text: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scan(Path(folder), name, " ".join(text).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "template",
    [
        "".join(f"{{% set a{n} = a{n + 1} %}}" for n in range(5000)) + "{% set a5000 = 'x' %}{{ x[a0] }}",
        "{{ x" + "[x" * 3000 + "]" * 3000 + " }}",
        "{% if x %}" * 2000 + "{% endif %}" * 2000,
        "{{ " + "(" * 20000,
        "{% macro f(a) %}{% endmacro %}" * 4000 + "{{ f(1) }}" * 4000,
        "{{ x[" + "+".join("a" * 10000) + "] }}",
    ],
    ids=["chain", "look-ups", "blocks", "brackets", "macros", "sums"],
)
def test_templates_that_are_made_to_last_end_soon(template: str, tmp_path: Path) -> None:
    assert scan(tmp_path, "a.jinja", template.encode()).skipped
