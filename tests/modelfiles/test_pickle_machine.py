# SPDX-License-Identifier: Apache-2.0
"""The abstract unpickler against the two that Python has: what they would come to, it must have come to before."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.corpus.modelfiles import pickles as corpus
from tests.modelfiles.test_pickles import severe
from wardein.modelfiles.scan import Examined, examine_model

FEW = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)


class _Inert:
    """Stands for whatever a stream names: it can be called, made and changed, and does nothing."""

    def __new__(cls, *args: Any, **more: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any, **more: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __call__(self, *args: Any) -> _Inert:
        return self

    def append(self, item: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Named(Exception):
    """Only so that the tests can tell what was named."""


def _unpickler(base: Any, stream: bytes) -> tuple[list[str], bool]:
    """What an unpickler asks for, by which names, and whether it comes to the end; nothing is imported."""
    named: list[str] = []

    class Unpickler(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            named.append(f"{module}.{name}")
            return _Inert

        def persistent_load(self, identifier: Any) -> Any:
            named.append("persistent")
            return _Inert()

        def get_extension(self, code: int) -> Any:
            named.append("extension")
            raise pickle.UnpicklingError

    try:
        Unpickler(io.BytesIO(stream)).load()
    except Exception:
        return named, False
    return named, True


UNPICKLERS = [pickle.Unpickler, pickle._Unpickler]  # type: ignore[attr-defined]


def _examined(tmp_path: Path, stream: bytes) -> Examined:
    path = tmp_path / "model.pkl"
    path.write_bytes(stream)
    return examine_model(path, [])


_index = st.integers(0, 6)
_word = st.sampled_from(["m", "f", "os", "a.b", ""])
_frame = st.builds(lambda n: b"\x95" + struct.pack("<Q", n), st.integers(0, 40))
OPCODES = st.one_of(
    st.sampled_from([b"N", b"\x88", b"]", b"}", b")", b"\x8f", b"(", b"(", b"2", b"0", b"1"]),
    st.sampled_from([b"t", b"l", b"d", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u", b"\x90", b"\x91"]),
    st.sampled_from([b"\x94", b"\x94", b"\x93", b"\x93", b"R", b"b", b"\x81", b"\x92", b"o", b"Q"]),
    st.builds(corpus.text, _word),
    st.builds(corpus.text, _word),
    st.builds(corpus.old_text, _word),
    st.builds(lambda w: f"V{w}\n".encode(), _word),
    st.builds(lambda w: f"S'{w}'\n".encode(), _word),
    st.builds(corpus.raw, st.binary(max_size=4)),
    st.builds(corpus.number, st.integers(-5, 300)),
    st.builds(corpus.put, _index),
    st.builds(corpus.get, _index),
    st.builds(lambda i: f"p{i}\n".encode(), _index),
    st.builds(lambda i: f"g{i}\n".encode(), _index),
    st.builds(lambda m, n: f"c{m}\n{n}\n".encode(), _word, _word),
    st.builds(lambda m, n: f"i{m}\n{n}\n".encode(), _word, _word),
    _frame,
    st.builds(corpus.proto, st.integers(0, 6)),
)
STREAMS = st.builds(
    lambda parts, end: b"\x80\x04" + b"".join(parts) + end, st.lists(OPCODES, max_size=30), st.just(b".")
)


@FEW
@given(STREAMS)
@example(b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00cm\nf\n)R.")
@example(b"\x80\x04\x8c\x01mq\x05\x8c\x01f\x94h\x05h\x01\x93.")
def test_what_an_unpickler_would_name_is_told(tmp_path: Path, stream: bytes) -> None:
    """A stream that names anything that is not allowed is no pass, whichever unpickler reads it."""
    result = _examined(tmp_path, stream)
    for base in UNPICKLERS:
        named, _ = _unpickler(base, stream)
        if named:
            assert severe(result) or result.skipped
        if named and not result.skipped:
            assert severe(result)


@FEW
@given(STREAMS)
def test_what_passes_comes_to_its_end_in_both(tmp_path: Path, stream: bytes) -> None:
    """And the other way round: of what passes, neither unpickler names anything, and the data is data."""
    result = _examined(tmp_path, stream)
    if not result.found and not result.skipped:
        for base in UNPICKLERS:
            named, ended = _unpickler(base, stream)
            assert not named
            # A list as a key of a mapping, for example: the types of values are not followed that far.
            assert ended or _only_a_type_error(base, stream)


def _only_a_type_error(base: Any, stream: bytes) -> bool:
    try:
        base(io.BytesIO(stream)).load()
    except (TypeError, AttributeError, IndexError):
        return True
    except Exception:
        return False
    return True


_HONEST = [
    stream for name, stream in corpus.BENIGN.items() if len(stream) < 2000 and not name.startswith(("npy", "torch"))
]


@FEW
@given(st.sampled_from(_HONEST), st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_never_hides_what_is_named(tmp_path: Path, stream: bytes, at: int, change: int) -> None:
    at %= len(stream)
    changed = stream[:at] + bytes([stream[at] ^ change]) + stream[at + 1 :]
    result = _examined(tmp_path, changed)
    if not result.found and not result.skipped and "pickle" in result.kinds:
        honest = {name for base in UNPICKLERS for name in _unpickler(base, stream)[0]}
        for base in UNPICKLERS:
            assert set(_unpickler(base, changed)[0]) <= honest | _ALLOWED


_ALLOWED = {line.partition("\t")[0] for path in Path("components/wardein/modelfiles/allowed").glob("*.tsv")
            for line in path.read_text().splitlines()}  # fmt: skip


@FEW
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x04", b"\x80\x02", b"\x93NUMPY\x01\x00", corpus.MAGIC]))
def test_any_bytes_come_to_an_end(tmp_path: Path, content: bytes, head: bytes) -> None:
    _examined(tmp_path, head + content)


@FEW
@given(st.sampled_from([corpus.BENIGN[name] for name in ("npy", "npy-fields", "npy-objects", "torch", "joblib")]),
       st.integers(0, 500), st.binary(min_size=0, max_size=4))  # fmt: skip
def test_broken_files_never_pass_for_whole_ones(tmp_path: Path, content: bytes, at: int, instead: bytes) -> None:
    """Cut anywhere, they do not pass; changed anywhere, they end."""
    at %= len(content)
    _examined(tmp_path, content[:at] + instead + content[at + 1 :])
    cut = _examined(tmp_path, content[: max(at, 1)])
    assert cut.found or cut.skipped


@pytest.mark.parametrize("base", UNPICKLERS)
def test_both_unpicklers_read_what_is_benign_here(base: Any) -> None:
    """The corpus is honest: its benign streams load, as far as nothing of them is imported."""
    for name in ("good", "protocol-0", "protocol-0-string", "python-2-memo", "set", "frozenset", "bytearray", "none"):
        assert _unpickler(base, corpus.BENIGN[name])[1], name
