# SPDX-License-Identifier: Apache-2.0
"""Pickles: what must not pass, what must, and what nobody can follow to its end."""

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pickle
import struct
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.modelfiles import pickles as corpus
from tests.corpus.modelfiles.pickles import call, named, proto, row, text, whole
from wardein.modelfiles.scan import Examined, examine_model

SEVERE = ("critical", "high")
JOBLIB = Path(__import__("joblib").__file__).parent / "test/data"


@pytest.fixture
def examined(tmp_path: Path) -> Callable[..., Examined]:
    def run(content: bytes, allow: list[str] = [], name: str = "model.pkl") -> Examined:  # noqa: B006
        path = tmp_path / name
        path.write_bytes(content)
        return examine_model(path, allow)

    return run


def severe(result: Examined) -> list[str]:
    return [f"{found.rule}: {found.message}" for found in result.found if found.severity in SEVERE]


def verdict(result: Examined) -> str:
    return "FAIL" if severe(result) else "ERROR" if result.skipped else "PASS"


# --- The corpus


@pytest.mark.parametrize("name", corpus.MALICIOUS)
def test_nothing_malicious_passes(name: str, examined: Callable[..., Examined]) -> None:
    assert verdict(examined(corpus.MALICIOUS[name])) == "FAIL"


@pytest.mark.parametrize("name", corpus.MALFORMED)
def test_nothing_malformed_passes(name: str, examined: Callable[..., Examined]) -> None:
    began = time.process_time()
    assert verdict(examined(corpus.MALFORMED[name])) != "PASS"
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", corpus.BENIGN)
def test_everything_benign_passes(name: str, examined: Callable[..., Examined]) -> None:
    result = examined(corpus.BENIGN[name])
    assert not severe(result)
    assert not result.skipped
    assert set(result.kinds) <= {"pickle", "npy", "torch"}


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(corpus.MALICIOUS) >= 600
    assert (
        len({name.partition("/")[2] for name in corpus.MALICIOUS if not name.startswith(("callable/", "walk/"))}) > 100
    )


# --- What is said of it


def test_a_finding_names_the_call_the_byte_and_the_severity(examined: Callable[..., Examined]) -> None:
    found = examined(whole(call(named("os", "system"), text("touch x")), 2)).found
    assert [(f.rule, str(f.severity)) for f in found] == [("model/pickle-runs-code", "critical")]
    assert found[0].message == "calls os.system('touch x') at byte 24"
    assert found[0].text == "calls os.system('touch x')"
    assert found[0].cwe == "CWE-502"


def test_an_unknown_name_says_how_to_allow_it(examined: Callable[..., Examined]) -> None:
    stream = whole(call(named("mycompany.models", "Net"), text("x")))
    (found,) = examined(stream).found
    assert found.rule == "model/pickle-unknown-global"
    assert "--allow mycompany.models.Net" in found.message
    assert verdict(examined(stream, ["mycompany.models.Net"])) == "PASS"
    assert verdict(examined(stream, ["mycompany.models.Other"])) == "FAIL"


def test_the_same_thing_is_told_once_and_many_things_end(examined: Callable[..., Examined]) -> None:
    again = examined(whole(b"(" + corpus.SYSTEM * 1000 + b"t"))
    assert len(again.found) == 1
    many = examined(whole(b"(" + b"".join(named("m", f"f{i}") for i in range(5000)) + b"t"))
    assert verdict(many) == "FAIL"
    assert 100 < len(many.found) < 1000
    assert many.skipped


def test_texts_of_the_file_are_shown_in_one_bounded_line(examined: Callable[..., Examined]) -> None:
    hostile = "a\n\x1b[31m\u202e" + "b" * 5000
    (found,) = examined(whole(call(named("os", "system"), text(hostile)))).found
    assert len(found.message) < 600
    assert found.message.isprintable()
    assert found.message.isascii()


def test_what_was_reached_before_it_breaks_off_is_told_too(examined: Callable[..., Examined]) -> None:
    result = examined(proto(4) + corpus.SYSTEM + b"\xff")
    assert severe(result)
    assert result.skipped


def test_the_order_of_runs_does_not_matter(examined: Callable[..., Examined]) -> None:
    stream = whole(row(corpus.SYSTEM, call(named("a", "b")), call(named("c", "d"), corpus.SYSTEM)))
    assert examined(stream).found == examined(stream).found


def test_dill_and_cloudpickle_are_called_by_their_names(examined: Callable[..., Examined]) -> None:
    (found,) = examined(whole(call(named("dill._dill", "_create_type"), text("x")))).found
    assert "packs code" in found.message
    assert "--allow" not in found.message


@pytest.mark.parametrize(
    "content",
    [
        b"I am a text that begins as a number does.\n",
        b"class Model:\n    pass\n",
        b"import os\nos.system('x')\n",
        b"c\n",
        b"cat\ndog\nbird\n",
        b"(this is set in brackets)\n",
        b"]}\n",
        b"a: 1\nb: [1, 2]\n",
        b'{"a": 1}\n',
        b"Name,Age\nN.,3\n",
        b"# A model\n\nText.\n",
        b"\x08\x07\x12\x0bonnx.export",
        struct.pack("<Q", 40) + b"{" + b" " * 39,
        struct.pack("<Q", 46) + b"{" + b" " * 45,
    ],
)
def test_what_is_no_pickle_is_not_taken_for_one(content: bytes, examined: Callable[..., Examined]) -> None:
    result = examined(content, name="file.txt")
    assert "pickle" not in result.kinds
    assert "model/polyglot" not in {found.rule for found in result.found}


def test_an_archive_with_a_pickle_in_it_is_not_one_itself(examined: Callable[..., Examined]) -> None:
    """It begins with P, which is an opcode with a line behind it; and a header of numpy's ends the line."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([1, "a"], object))
    assert verdict(examined(buffer.getvalue())) == "PASS"


def test_a_text_that_an_unpickler_would_run_is_a_pickle(examined: Callable[..., Examined]) -> None:
    result = examined(b"cos\nsystem\n(S'touch canary/pickled'\ntR.\n# and the rest is text\n", name="README.md")
    assert "pickle" in result.kinds
    assert verdict(result) == "FAIL"


# --- What honest picklers write


VALUES: list[Any] = [
    {"a": [1, 2.5, None, True, -7, 2**80, b"x", ""], "b": (1, (2, (3,))), "c": {1, 2}, "d": frozenset([3])},
    ["é", "日本", "\ud800", "a" * 70_000, b"b" * 70_000],
    [datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), datetime.timedelta(3), decimal.Decimal("1.5")],
    collections.OrderedDict([("a", 1), ("__class__", 2)]),
    collections.Counter("abracadabra"),
    collections.deque([1, 2, 3], maxlen=5),
    collections.defaultdict(list, {"a": [1]}),
    [[i, {"k": i}] for i in range(3000)],
    [complex(1, 2), range(3), slice(1, 2), bytearray(b"abc"), float("inf"), 1e-300],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("index", range(len(VALUES)))
@pytest.mark.parametrize("pickler", [pickle.dumps, pickle._dumps])  # type: ignore[attr-defined]
def test_plain_data_passes_in_every_protocol(
    pickler: Callable[..., bytes], index: int, protocol: int, examined: Callable[..., Examined]
) -> None:
    result = examined(pickler(VALUES[index], protocol))
    assert severe(result) == []
    assert not result.skipped


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_estimators_pass_in_every_protocol(protocol: int, examined: Callable[..., Examined]) -> None:
    import joblib
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    data = np.arange(40.0).reshape(10, 4)
    forest = RandomForestClassifier(3, random_state=0).fit(data, data[:, 0] > 18)
    fields = np.zeros(2, dtype=[("a", "<f8"), ("b", "<i4", (2,)), ("c", "O")])
    times = np.array(["2026-01-01"], dtype="M8[ns]")
    several = {"x": data, "t": times, "f": fields, "o": np.array([1, "a"], object), "u": np.array(["a", "bc"])}
    for value in (forest, several, np.float64(3), data.T, np.ma.array([1, 2], mask=[0, 1])):
        result = examined(pickle.dumps(value, protocol))
        assert severe(result) == []
        assert not result.skipped
    for value in (forest, several, [data, data.T, data[:0]]):
        buffer = io.BytesIO()
        joblib.dump(value, buffer, protocol=protocol)
        result = examined(buffer.getvalue())
        assert severe(result) == []
        assert not result.skipped


def test_arrays_of_every_kind_are_passed_over_exactly(examined: Callable[..., Examined]) -> None:
    import joblib
    import numpy as np

    kinds = ["?", "b1", "i1", "<u2", ">i4", "<i8", "f2", "f4", ">f8", "c8", "c16", "S3", "U5", "V7", "M8[D]", "m8[us]"]
    for kind in kinds:
        array = np.zeros(5, dtype=kind)
        buffer = io.BytesIO()
        joblib.dump([array, "end"], buffer)
        assert verdict(examined(buffer.getvalue())) == "PASS", kind
        assert verdict(examined(buffer.getvalue()[:-9])) == "ERROR", kind
        buffer = io.BytesIO()
        np.save(buffer, array)
        assert verdict(examined(buffer.getvalue())) == "PASS", kind
        assert verdict(examined(buffer.getvalue()[:-1])) == "ERROR", kind
        assert verdict(examined(buffer.getvalue() + b"\0")) == "FAIL", kind


@pytest.mark.skipif(not JOBLIB.is_dir(), reason="joblib was installed without its test data")
def test_what_old_versions_of_joblib_wrote_passes() -> None:
    files = sorted([*JOBLIB.glob("*.pkl"), *JOBLIB.glob("*.npy")])
    assert files
    for path in files:
        result = examine_model(path, [])
        assert not severe(result), path.name
        assert not result.skipped, path.name


def test_many_objects_are_followed_to_the_last(examined: Callable[..., Examined]) -> None:
    many = [types.SimpleNamespace(number=i, name=str(i), parts=[i], more={"a": (i, i)}) for i in range(60_000)]
    result = examined(pickle.dumps(many))
    assert severe(result) == []
    assert not result.skipped


# --- Readers that differ


def test_an_array_of_objects_is_the_same_pickle_to_every_loader(examined: Callable[..., Examined]) -> None:
    """joblib reads it with an empty memo, pickle.load goes on with the one of the stream around it."""
    objects = corpus.dtype("O8", *corpus._OBJECTS)
    inner = text("collections") + b"\x94" + text("OrderedDict") + b"\x94" + b"00" + b"h\x00h\x01\x93)R"
    outer = text("os") + b"\x94" + text("system") + b"\x94" + b"00"
    stream = proto(4) + outer + corpus.wrapper(row(corpus.number(1)), objects) + whole(inner) + b"."
    assert verdict(examined(stream)) == "ERROR"


def test_bytes_of_an_old_array_must_not_be_opcodes(examined: Callable[..., Examined]) -> None:
    payload = corpus.SYSTEM + b"."
    stream = proto(2) + corpus.wrapper(row(corpus.number(len(payload))), corpus.dtype("u1"), aligned=False) + payload
    assert verdict(examined(stream + b".")) == "ERROR"


def test_joblibs_arrays_are_only_joblibs(examined: Callable[..., Examined]) -> None:
    inside = whole(corpus.wrapper(row(corpus.number(2)), corpus.dtype("f8")) + corpus._PADDED, 2)
    assert verdict(examined(corpus.npy("'|O'", "(1,)", inside))) == "ERROR"


def test_bytes_behind_the_last_pickle_are_told(examined: Callable[..., Examined]) -> None:
    for rest in (b"\0", b"N", b"PK\x03\x04", proto(4)):
        (found,) = examined(whole(b"N") + rest).found
        assert (found.rule, str(found.severity)) == ("model/trailing-bytes", "high")
        assert "at byte 4" in found.message


def test_a_truncated_pickle_of_text_is_a_pickle(examined: Callable[..., Examined]) -> None:
    result = examined(corpus.BENIGN["protocol-0"][:-5])
    assert result.kinds == {"pickle": 1}
    assert [entry.reason for entry in result.skipped] == ["as pickle: breaks off"]


def test_named_arguments_are_no_way_round_a_rule(examined: Callable[..., Examined]) -> None:
    made = named("collections", "OrderedDict") + row() + corpus.mapping(__setstate__=corpus.LIST) + b"\x92"
    assert verdict(examined(whole(made))) == "FAIL"
    assert verdict(examined(whole(named("collections", "OrderedDict") + b")}" + b"\x92"))) == "PASS"


def test_what_is_made_and_not_returned_is_told(examined: Callable[..., Examined]) -> None:
    (found,) = examined(whole(b"]N")).found
    assert (found.rule, str(found.severity)) == ("model/pickle-leftover", "high")


def test_names_of_python_2_are_translated_where_python_3_does(examined: Callable[..., Examined]) -> None:
    made = call(named("__builtin__", "set"), corpus.rows(text("a")))
    assert verdict(examined(whole(made, 2))) == "PASS"
    assert verdict(examined(whole(call(named("UserDict", "UserDict"))))) == "FAIL"
    moved = corpus.made(named("UserDict", "UserDict")) + corpus.mapping(data=corpus.mapping()) + b"b"
    assert verdict(examined(whole(moved, 2))) == "PASS"
    # What the run allows it allows by the name that is looked up: the one of Python 3.
    assert (
        verdict(examined(whole(call(named("commands", "getoutput"), text("x")), 2), ["commands.getoutput"])) == "FAIL"
    )
    # Names that only Python 3 has are none of Python 2, and the other way round.
    assert verdict(examined(whole(call(named("exceptions", "StandardError")), 2))) == "PASS"
    assert verdict(examined(whole(call(named("exceptions", "StandardError")), 4))) == "FAIL"


def test_keys_of_a_state_are_known_texts(examined: Callable[..., Examined]) -> None:
    """numpy.str_ is as good as a text to a mapping, and a stream can make one."""
    name = "__setstate__".encode("utf-32-le")
    state = (
        corpus.number(3),
        text("<"),
        b"N",
        b"N",
        b"N",
        corpus.number(len(name)),
        corpus.number(4),
        corpus.number(8),
    )
    key = call(named("numpy.core.multiarray", "scalar"), corpus.dtype("U12", *state), corpus.raw(name))
    assert verdict(examined(whole(key))) == "PASS"
    stream = whole(corpus.made(corpus._SVC) + b"}" + key + corpus.LIST + b"sb")
    assert "computed name" in severe(examined(stream))[0]


def test_formulas_are_names_and_operators(examined: Callable[..., Examined]) -> None:
    def verdict_of(formula: str) -> str:
        made = corpus.made(named("statsmodels.base.data", "PandasData"))
        stream = whole(made + corpus.mapping(formula=text(formula)) + b"b")
        return verdict(examined(stream, ["statsmodels.base.data.PandasData"]))

    assert {verdict_of(f) for f in ("y ~ x", "y ~ x1 + x2:x3 - 1", "y ~ C(x) + np.log(z)", "y ~ (a + b)**2")} == {
        "PASS"
    }
    for formula in (
        "y ~ eval('1')",
        "y ~ x.__class__",
        "y ~ np.load(x)",
        "y ~ {f(x)}",
        "y ~ C(f(x))",
        "y ~ os.system(x)",
    ):
        assert verdict_of(formula) == "FAIL", formula


def test_looking_at_the_same_state_again_and_again_ends(
    examined: Callable[..., Examined], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wardein.modelfiles.pickles import atoms

    monkeypatch.setattr(atoms, "_MOST_WORK", 100_000)
    state = corpus.mapping(**{f"a{i}": b"N" for i in range(200)}) + corpus.put(1) + b"0"
    stream = whole(corpus.made(corpus._SVC) + corpus.put(0) + b"0" + state + b"h\x00h\x01b0" * 2000 + b"N")
    assert [entry.reason for entry in examined(stream).skipped] == ["as pickle: takes more work than it is worth"]


def test_storages_of_old_torch_files_are_accounted_for(examined: Callable[..., Examined]) -> None:
    good = corpus.BENIGN["torch"]
    assert examined(good).kinds == {"torch": 1}
    assert verdict(examined(good + b"\0")) == "FAIL"
    assert verdict(examined(good[:-1])) == "ERROR"


# --- Through the command line


def test_the_command_fails_on_a_gadget(tmp_path: Path, wardein: Callable[..., Any]) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(whole(call(named("importlib", "import_module"), text("evil"))))
    ran = wardein("scan-model", "--model", path, "--json")
    assert ran.code == 1
    assert ran.report["findings"][0]["ruleId"] == "model/pickle-runs-code"


def test_the_command_passes_an_honest_model(tmp_path: Path, wardein: Callable[..., Any]) -> None:
    from sklearn.linear_model import LogisticRegression

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression().fit([[0], [1]], [0, 1])))
    assert wardein("scan-model", "--model", path).code == 0


@pytest.mark.parametrize("name", ["one-byte", "no-opcode", "memo-unset", "length-far-beyond", "npy/short"])
def test_the_command_ends_in_error_on_what_is_broken(name: str, tmp_path: Path, wardein: Callable[..., Any]) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(corpus.MALFORMED[name])
    ran = wardein("scan-model", "--model", path, "--json")
    assert ran.code == 2
    assert ran.report["verdict"] == "ERROR"
    assert "Traceback" not in ran.err


# --- Time and memory


def _sparse(path: Path, *parts: bytes | int) -> Path:
    """A file of these parts; a number stands for so many zeros, which take no room on the disk."""
    with path.open("wb") as file:
        for part in parts:
            if isinstance(part, bytes):
                file.write(part)
            else:
                file.seek(part, 1)
        file.truncate()
    return path


GIGABYTE = 1024**3
BIG = {
    "bytes": [proto(4) + b"\x8e" + struct.pack("<Q", GIGABYTE), GIGABYTE, b"."],
    "text": [proto(2) + b"X" + struct.pack("<I", GIGABYTE), GIGABYTE, b"."],
    "joblib": [
        proto(2) + corpus.wrapper(row(b"J" + struct.pack("<i", GIGABYTE // 8)), corpus.dtype("f8")) + b"\x02\xff\xff",
        GIGABYTE,
        b".",
    ],
    "npy": [corpus.npy("'<f8'", f"({GIGABYTE // 8},)", b""), GIGABYTE],
    "torch": [
        corpus.torch_file(whole(corpus.storage("0", 9), 2), whole(corpus.rows(text("0")), 2))
        + struct.pack("<q", GIGABYTE // 4),
        GIGABYTE,
    ],
}


@pytest.mark.parametrize("kind", BIG)
def test_a_gigabyte_is_passed_over_not_read(kind: str, tmp_path: Path) -> None:
    path = _sparse(tmp_path / "model", *BIG[kind])
    began = time.process_time()
    result = examine_model(path, [])
    assert verdict(result) == "PASS"
    assert time.process_time() - began < 0.5


_CHILD = """
import re, sys
from pathlib import Path
from wardein.modelfiles.scan import examine_model
result = examine_model(Path(sys.argv[1]), [])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(len(result.found), len(result.skipped), int(peak) // 1024)
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("vocabulary", 0), ("tuples", 0), ("nested", 1), ("values", 1), ("boxes", 0), ("memoized", 0)],
)
def test_memory_is_bounded_whatever_the_file_holds(kind: str, expected: int, tmp_path: Path) -> None:
    word = text("token-0001")
    streams = {
        "vocabulary": b"}(" + (word + b"\x94K\x01") * 1000 + b"u",
        "tuples": b"](" + b"K\x01K\x02K\x03\x87\x94" * 1000 + b"e",
        "nested": b"]" * 1_000_000,
        "values": b"K\x01" * 1_500_000,
        "boxes": b"](" + b"](NNNNNNNNe" * 1000 + b"e",
        "memoized": b"](" + (b"](" + b"N" * 200 + b"e\x94") * 100 + b"e",
    }
    repeated = {"vocabulary": 300, "tuples": 200, "boxes": 100, "memoized": 100}
    body = streams[kind]
    if kind in repeated:
        body = b"]" + (body + b"a") * repeated[kind]
    path = tmp_path / "model.pkl"
    path.write_bytes(whole(body))
    ran = subprocess.run([sys.executable, "-c", _CHILD, path], capture_output=True, text=True, check=True)
    found, left_out, megabytes = map(int, ran.stdout.split())
    assert min(found + left_out, 1) == expected
    assert megabytes < 100


def test_opcodes_end_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself takes minutes; a lower one shows that it is kept."""
    from wardein.modelfiles.pickles import machine

    monkeypatch.setattr(machine.Machine.__init__, "__defaults__", (4,))
    path = tmp_path / "model.pkl"
    path.write_bytes(whole(b"N0" * 2_000_000 + b"N"))
    assert [entry.reason for entry in examine_model(path, []).skipped] == [
        "as pickle: has more opcodes than can be followed"
    ]
