# SPDX-License-Identifier: Apache-2.0
"""Containers: nothing hides in one, none is read otherwise than its loaders do; honest ones pass, broken do not."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import resource
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Ran
from tests.corpus.modelfiles.archives import (
    BENIGN,
    HONEST,
    MALFORMED,
    MALICIOUS,
    PAYLOAD,
    Part,
    npy,
    old_joblib,
    seven_zip,
    tar_of,
    torch_zip,
    torchscript,
    zip_of,
)
from wardein.modelfiles.scan import Examined, examine_model
from wardein.report import Severity

# Which rule must have spoken, where it is not enough that one did.
_RULES = {
    "zip-bad-first.pt": "model/archive-ambiguous",
    "zip-name-before-bytes.pt": "model/archive-ambiguous",
    "zip-method-before-bytes.pt": "model/archive-ambiguous",
    "zip-flags-before-bytes.pt": "model/archive-ambiguous",
    "zip-size-before-bytes.pt": "model/archive-ambiguous",
    "zip-smaller-than-it-is.pt": "model/archive-ambiguous",
    "zip-stored-size-lies.pt": "model/archive-ambiguous",
    "zip-two-ends.zip": "model/archive-ambiguous",
    "zip-ends-contradict.pt": "model/archive-ambiguous",
    "zip-second-name.zip": "model/archive-ambiguous",
    "zip-count-lies.zip": "model/archive-ambiguous",
    "zip-folder-with-bytes.zip": "model/archive-ambiguous",
    "zip-behind-deflate.zip": "model/trailing-bytes",
    "zip-in-a-gap.zip": "model/trailing-bytes",
    "zip-before-directory.zip": "model/trailing-bytes",
    "zip-front.zip": "model/polyglot",
    "zip-tail.zip": "model/trailing-bytes",
    "zip-tail-of-text.zip": "model/trailing-bytes",
    "zip-one-in-the-other.zip": "model/archive-ambiguous",
    "tar-renamed-at-once.tar": "model/archive-ambiguous",
    "zip-comment.zip": "model/trailing-bytes",
    "zip-padding.pt": "model/trailing-bytes",
    "zip-field.zip": "model/trailing-bytes",
    "keras-and-torch.keras": "model/polyglot",
    "tar-renamed.tar": "model/archive-ambiguous",
    "tar-resized.tar": "model/archive-ambiguous",
    "tar-twice-honest.tar": "model/archive-ambiguous",
    "tar-concatenated.tar": "model/trailing-bytes",
    "tar-in-padding.tar": "model/trailing-bytes",
    "tar-behind-end.tar": "model/trailing-bytes",
    "stream-second.pkl.gz": "model/trailing-bytes",
    "stream-second.pkl.bz2": "model/trailing-bytes",
    "stream-second.pkl.xz": "model/trailing-bytes",
    "stream-behind.pkl.gz": "model/trailing-bytes",
    "stream-behind.joblib.z": "model/trailing-bytes",
    "seven-tail.7z": "model/trailing-bytes",
    "handler.mar": "model/handler-code",
    "handler-function.mar": "model/handler-code",
    "model-file.mar": "model/handler-code",
    "shadow.mar": "model/handler-code",
    "handler-tar.mar": "model/handler-code",
    **{name: "model/torch-operation" for name in MALICIOUS if name.startswith(("torchscript-", "export-"))},
    **{
        name: "model/archive-path"
        for name in MALICIOUS
        if name.rpartition("-")[2].split(".")[0]
        in {"traversal", "absolute", "drive", "backslash", "name", "utf8", "link", "device", "pipe"}
        and not name.startswith(("zip-second", "tar-long"))
    },
    "export-weight.pt2": "model/pickle-runs-code",
    "torchscript-foreign-global.pt": "model/pickle-unknown-global",
}


def _examined(path: Path, data: bytes) -> Examined:
    path.write_bytes(data)
    return examine_model(path, [])


def _failing(examined: Examined) -> list[str]:
    return [found.rule for found in examined.found if found.severity.rank <= Severity.HIGH.rank]


def _passes(examined: Examined) -> bool:
    return not _failing(examined) and not examined.skipped


@pytest.mark.parametrize("name", MALICIOUS)
def test_nothing_hides_in_an_archive(name: str, tmp_path: Path) -> None:
    rules = _failing(_examined(tmp_path / name, MALICIOUS[name]()))
    assert rules, "nothing was told"
    assert _RULES.get(name, rules[0]) in rules


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_broken_does_not_pass(name: str, tmp_path: Path) -> None:
    examined = _examined(tmp_path / name, MALFORMED[name]())
    assert examined.skipped or _failing(examined)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("many.zip", "holds more than 100000 members"),
        ("shared.zip", "share bytes"),
        ("bomb.zip", "far more than it takes"),
        ("nested.zip", "more than 6 containers"),
        ("folder-with-bytes.tar", "no file and has bytes"),
        ("encrypted.zip", "is encrypted"),
    ],
)
def test_why_it_was_not_examined(name: str, why: str, tmp_path: Path) -> None:
    assert why in _examined(tmp_path / name, MALFORMED[name]()).skipped[-1].reason


@pytest.mark.parametrize("name", BENIGN)
def test_what_is_honest_passes(name: str, tmp_path: Path) -> None:
    examined = _examined(tmp_path / name, BENIGN[name]())
    assert _passes(examined), (examined.found, examined.skipped)
    assert examined == examine_model(tmp_path / name, [])


def test_a_kind_of_model_is_called_by_its_name(tmp_path: Path) -> None:
    kinds = {"torch.pt": "torch", "array.npz": "npz", "standard.mar": "torchserve", "stored.zip": "zip"}
    kinds |= {"seven.7z": "7z", "ustar.tar": "tar", "model.pkl.gz": "gzip"}
    for name, kind in kinds.items():
        assert _examined(tmp_path / name, BENIGN[name]()).formats == {name: kind}


def test_the_command_line_tells_where(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(MALICIOUS["zip-bad-first.pt"]())
    ran = wardein("scan-model", "--model", model, "--json")
    assert ran.code == 1
    found = {(finding["ruleId"], finding.get("part", "")) for finding in ran.report["findings"]}
    assert {rule for rule, _ in found} == {"model/archive-ambiguous", "model/pickle-runs-code"}


def test_the_command_line_passes_what_is_honest(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    (tmp_path / "model.pt").write_bytes(BENIGN["torch.pt"]())
    assert wardein("scan-model", "--model", tmp_path / "model.pt", "--json").code == 0


@pytest.mark.parametrize(
    "name", ["truncated.zip", "encrypted.zip", "bomb.gz", "shared.zip", "wrong-sum.tar", "truncated.7z", "many.zip"]
)
def test_the_command_line_says_what_was_not_examined(name: str, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    (tmp_path / name).write_bytes(MALFORMED[name]())
    ran = wardein("scan-model", "--model", tmp_path / name, "--json")
    assert ran.code in (1, 2)
    assert ran.report["coverage"]["complete"] is False
    assert "Traceback" not in ran.err


def test_names_that_no_terminal_can_show(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    raw = tar_of({"a.pkl": PAYLOAD}).replace(b"a.pkl", b"\xff\x1b[\n1", 1)
    header = bytearray(raw[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "model.tar").write_bytes(bytes(header) + raw[512:])
    ran = wardein("scan-model", "--model", tmp_path / "model.tar", "--json")
    assert ran.code == 1
    assert {"model/archive-path", "model/pickle-runs-code"} == {f["ruleId"] for f in ran.report["findings"]}


def test_a_comment_is_told_and_does_not_fail(tmp_path: Path) -> None:
    examined = _examined(tmp_path / "a.zip", zip_of([Part("a.pkl", HONEST)], comment=b"made by hand"))
    assert _passes(examined)
    assert [found.rule for found in examined.found] == ["model/archive-note"]


def test_the_classes_of_a_torchscript_archive_are_its_own(tmp_path: Path) -> None:
    stray = b"\x80\x02c__torch__\nNet\n)\x81."
    assert _passes(_examined(tmp_path / "a.pt", torchscript()))
    examined = _examined(tmp_path / "a.zip", zip_of([Part("net.pt", torchscript()), Part("stray.pkl", stray)]))
    assert _failing(examined) == ["model/pickle-unknown-global"]


def test_requirements_are_told(tmp_path: Path) -> None:
    from tests.corpus.modelfiles.archives import mar

    archive = mar("image_classifier", Part("requirements.txt", b"numpy\n"), requirements="requirements.txt")
    examined = _examined(tmp_path / "a.mar", archive)
    assert _passes(examined)
    assert {found.rule for found in examined.found} == {"model/requirements"}


def test_an_archive_of_very_many_members_takes_seconds(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(zip_of([Part(f"{number}.json", b"{}") for number in range(10_000)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert _passes(examine_model(path, []))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


def _far_zip(path: Path, size: int) -> None:
    """A checkpoint with one storage of that size, most of it a hole in the file."""
    program = zip_of([Part("m/data.pkl", HONEST)])
    start = program.index(b"PK\1\2")
    entry = program[start:-22]
    name = b"m/data/0"
    with path.open("wb") as file:
        file.write(program[:start])
        file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 45, 8, 0, 0, 0, 0, 0, 0, len(name), 0) + name)
        file.seek(size, os.SEEK_CUR)
        file.write(struct.pack("<4sL2Q", b"PK\7\x08", 0, size, size))
        begin = file.tell()
        fixed = (b"PK\1\2", 45, 45, 8, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), 20, 0, 0, 0, 0, start)
        file.write(entry + struct.pack("<4s6H3L5H2L", *fixed) + name + struct.pack("<2H2Q", 1, 16, size, size))
        length, end = file.tell() - begin, file.tell()
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, length, begin))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, length, 0xFFFFFFFF, 0))


def test_a_large_checkpoint_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    _far_zip(path, 5 << 30)
    assert [info.file_size for info in zipfile.ZipFile(path).infolist()] == [len(HONEST), 5 << 30]
    code = (
        "import resource, sys; from pathlib import Path; from wardein.modelfiles.scan import examine_model\n"
        "examined = examine_model(Path(sys.argv[1]), [])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "most = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(examined.found, examined.skipped, used.ru_utime + used.ru_stime < 1.5, most < 100_000)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] [] True True"


def test_archives_of_the_libraries_themselves_pass(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    numpy.savez(tmp_path / "a.npz", x=numpy.arange(5), X=numpy.zeros((2, 3)))
    numpy.savez_compressed(tmp_path / "b.npz", x=numpy.zeros(10_000))
    for name in ("a.npz", "b.npz"):
        assert _passes(examine_model(tmp_path / name, [])), name


@pytest.mark.parametrize("compressor", ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_what_joblib_writes_passes_and_its_payload_does_not(compressor: str, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    if compressor == "lz4":
        pytest.importorskip("lz4")
    path = tmp_path / "a.joblib"
    joblib.dump({"a": [1, 2.5, "text"]}, path, compress=(compressor, 3))
    assert _passes(examine_model(path, []))
    path.write_bytes(path.read_bytes() + b"more")
    assert not _passes(examine_model(path, []))


def test_zstandard(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    honest, bad = (zstandard.ZstdCompressor(write_checksum=True).compress(data) for data in (HONEST, PAYLOAD))
    assert _passes(_examined(tmp_path / "a.pkl.zst", honest))
    assert "model/pickle-runs-code" in _failing(_examined(tmp_path / "b.pkl.zst", bad))
    assert "model/trailing-bytes" in _failing(_examined(tmp_path / "c.pkl.zst", honest + bad))
    for broken in (honest[:-2], honest[:-1] + b"\0"):
        assert _examined(tmp_path / "d.pkl.zst", broken).skipped


def test_a_missing_library_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    examined = _examined(tmp_path / "a.lz4", b"\x04\x22\x4d\x18" + bytes(20))
    assert "wardein[scan]" in examined.skipped[0].reason


@pytest.mark.parametrize("method", ["lzma2", "lzma", "bzip2", "deflate", "copy", "delta", "x86"])
def test_what_7z_programs_write(method: str, tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    lzma2 = {"id": py7zr.FILTER_LZMA2, "preset": 3}
    filters = {
        "lzma2": [lzma2],
        "lzma": [{"id": py7zr.FILTER_LZMA}],
        "bzip2": [{"id": py7zr.FILTER_BZIP2}],
        "deflate": [{"id": py7zr.FILTER_DEFLATE}],
        "copy": [{"id": py7zr.FILTER_COPY}],
        "delta": [{"id": py7zr.FILTER_DELTA}, lzma2],
        "x86": [{"id": py7zr.FILTER_X86}, lzma2],
    }[method]
    for name, data, passes in (("a.7z", HONEST, True), ("b.7z", PAYLOAD, False)):
        with py7zr.SevenZipFile(tmp_path / name, "w", filters=filters) as archive:
            archive.writestr(b"{}", "settings.json")
            archive.writestr(b"", "empty.txt")
            archive.writestr(data, "models/model.pkl")
        examined = examine_model(tmp_path / name, [])
        assert not examined.skipped
        assert _passes(examined) is passes


def test_an_encrypted_7z_archive_is_not_examined(tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    for hides_names in (False, True):
        with py7zr.SevenZipFile(tmp_path / "a.7z", "w", password="x", header_encryption=hides_names) as archive:
            archive.writestr(HONEST, "model.pkl")
        assert "encrypted" in examine_model(tmp_path / "a.7z", []).skipped[0].reason


def _zip_members(data: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                try:
                    yield archive.open(info).read(len(PAYLOAD))
                except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError):
                    continue
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, OverflowError, struct.error):
        return


def _tar_members(data: bytes) -> Iterator[bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for info in archive:
                inner = archive.extractfile(info) if info.isreg() else None
                yield inner.read(len(PAYLOAD)) if inner else b""
    except (tarfile.TarError, ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError):
        return


def _streams(data: bytes) -> Iterator[bytes]:
    for undo in (gzip.decompress, bz2.decompress, lzma.decompress, zlib.decompress):
        try:
            yield undo(data)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            continue


_HIDDEN = torch_zip(HONEST, storage=b"\0\1\2\3" + zip_of([Part("model/data.pkl", PAYLOAD)]) + bytes(4))
_SEEDS: list[tuple[Callable[[bytes], Iterator[bytes]], bytes]] = [
    (_zip_members, torch_zip(PAYLOAD)),
    (_zip_members, _HIDDEN),
    (_zip_members, zip_of([Part("a.pkl", PAYLOAD, zlib.compress(PAYLOAD, 9, -15), 8)])),
    (_zip_members, zip_of([Part("a.txt", b"text"), Part("x.npy", npy(PAYLOAD))])),
    (_tar_members, tar_of({"a.txt": b"text", "model.pkl": PAYLOAD})),
    (_tar_members, tar_of({"é" * 90: PAYLOAD}, form=tarfile.PAX_FORMAT)),
    (_streams, gzip.compress(PAYLOAD, mtime=0)),
    (_streams, bz2.compress(PAYLOAD)),
    (_streams, lzma.compress(PAYLOAD)),
    (_streams, zlib.compress(PAYLOAD)),
]
_EDIT = st.tuples(
    st.sampled_from(["flip", "set", "cut", "insert", "copy"]), st.floats(0, 1), st.binary(min_size=1, max_size=6)
)


def _edited(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, new in edits:
        at = int(where * max(len(data) - 1, 0))
        if how == "flip":
            data = data[:at] + bytes([data[at] ^ new[0]]) + data[at + 1 :] if data else new
        elif how == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "cut":
            data = data[:at] + data[at + new[0] % 64 + 1 :]
        elif how == "insert":
            data = data[:at] + new + data[at:]
        else:
            data = data[:at] + data[at : at + new[0]] + data[at:]
    return data


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.sampled_from(_SEEDS), edits=st.lists(_EDIT, min_size=1, max_size=5))
def test_what_a_reader_still_delivers_never_passes(
    tmp_path: Path, seed: tuple[Callable[[bytes], Iterator[bytes]], bytes], edits: list[tuple[str, float, bytes]]
) -> None:
    reader, data = seed
    edited = _edited(data, edits)
    if _passes(_examined(tmp_path / "model.bin", edited)):
        assert not any(PAYLOAD[:20] in member for member in reader(edited))


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.sampled_from([seven_zip({"a.pkl": HONEST, "b": b"{}"}), old_joblib(HONEST), BENIGN["exported.pt2"]()]),
    edits=st.lists(_EDIT, min_size=1, max_size=4),
)
def test_no_damage_breaks_a_reader(tmp_path: Path, seed: bytes, edits: list[tuple[str, float, bytes]]) -> None:
    _examined(tmp_path / "model.bin", _edited(seed, edits))


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.floats(0, 1, exclude_max=True), name=st.sampled_from(sorted(set(BENIGN) - {"torch-tar.pt"})))
def test_what_is_cut_off_never_passes(tmp_path: Path, cut: float, name: str) -> None:
    data = BENIGN[name]()
    # The last zeros of a tar archive only fill it up.
    whole = len(data.rstrip(b"\0")) if name.endswith((".tar", ".nemo")) else len(data)
    length = int(cut * whole)
    assert not length or not _passes(_examined(tmp_path / "model.bin", data[:length]))


def test_members_of_every_way_python_has_of_writing_one(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
            archive.writestr("a/b.pkl", pickle.dumps([1, 2, 3], 2))
            archive.writestr(zipfile.ZipInfo("a/"), b"")
            archive.writestr("é.json", json.dumps({"a": "é"}))
        assert _passes(examine_model(tmp_path / "a.zip", [])), method
