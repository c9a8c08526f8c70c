# SPDX-License-Identifier: Apache-2.0
"""Files that are an honest model to wardein and something else to whoever loads them afterwards."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from tests.conftest import Ran
from wardein.modelfiles.content import Content
from wardein.models.container import Refused, is_archive
from wardein.models.reading import read


@dataclass(frozen=True)
class Trap:
    """An honest model, and opcodes that leave a mark if anybody runs them."""

    folder: Path
    model: LogisticRegression

    @property
    def mark(self) -> Path:
        return self.folder / "ran"

    @property
    def evil(self) -> bytes:
        """Opcodes with no net effect on the stack."""
        command = f"touch {self.mark}".encode()
        return b"cposix\nsystem\nX" + struct.pack("<I", len(command)) + command + b"\x85R0"

    @property
    def honest(self) -> bytes:
        file = io.BytesIO()
        joblib.dump(self.model, file, protocol=3)
        return file.getvalue()


def bare(value: object) -> bytes:
    """A pickle without its header and its end, to be put into another."""
    return pickle.dumps(value, protocol=3)[2:-1]


def place_holder(shape: tuple[int, ...], dtype: str, **more: object) -> bytes:
    state = {"subclass": np.ndarray, "shape": shape, "order": "C", "dtype": np.dtype(dtype), "allow_mmap": False}
    return b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + bare(state | more) + b"b"


def nested(trap: Trap) -> bytes:
    """Opcodes in the objects of an array, which joblib reads as a plain pickle."""
    inner = b"\x80\x03" + place_holder((len(trap.evil),), "u1") + trap.evil + b"0"
    inner += bare(np.array([None], dtype=object)) + b"."
    return b"\x80\x03" + place_holder((1,), "O") + inner + b"0" + trap.honest


def method_of_its_own(trap: Trap) -> bytes:
    """A place holder whose state replaces the method that joblib calls."""
    return b"\x80\x03" + place_holder((len(trap.evil),), "u1", read=slice) + trap.evil + b"0" + trap.honest


def plain_pickle(trap: Trap) -> bytes:
    """Bytes that are an array's for joblib, and opcodes for pickle."""
    return b"\x80\x03" + place_holder((len(trap.evil),), "u1") + trap.evil + b"0" + trap.honest


TRAPS: dict[str, Callable[[Trap], bytes]] = {
    "nested": nested,
    "method of its own": method_of_its_own,
    "plain pickle": plain_pickle,
}


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(400, 2)), columns=["a", "b"])
    label = (table.a > 0).astype(int)
    table.assign(y=label).to_csv(tmp_path / "d.csv", index=False)
    return Trap(tmp_path, LogisticRegression().fit(table, label))


def evaluate(trap: Trap, name: str, wardein: Callable[..., Ran]) -> Ran:
    data = ["--data", trap.folder / "d.csv", "--label", "y"]
    return wardein("evaluate-performance", "--model", trap.folder / name, *data)


@pytest.mark.parametrize("make", TRAPS.values(), ids=TRAPS)
def test_what_another_reader_would_run_is_refused(
    make: Callable[[Trap], bytes], trap: Trap, wardein: Callable[..., Ran]
) -> None:
    (trap.folder / "model.joblib").write_bytes(make(trap))
    ran = evaluate(trap, "model.joblib", wardein)
    assert ran.code == 2, ran.out
    assert not trap.mark.exists()


def refused_by_the_reader_alone(path: Path) -> str:
    """What is said of a file that the scanner would have let through."""
    with path.open("rb") as file:
        content = Content(path.name, "", path.name, file.fileno(), 0, path.stat().st_size)
        with pytest.raises(Refused) as caught:
            read(content, "skops" if is_archive(content) else "pickle", ())
    return str(caught.value)


READERS: dict[str, Callable[[Path], object]] = {
    "joblib": joblib.load,
    "pickle": lambda path: pickle.loads(path.read_bytes()),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_the_traps_are_real(reader: Callable[[Path], object], trap: Trap) -> None:
    """Without this the test above could be about files that harm nobody."""
    make = method_of_its_own if reader is joblib.load else plain_pickle
    (trap.folder / "model.joblib").write_bytes(make(trap))
    with contextlib.suppress(Exception):  # by then it has happened
        reader(trap.folder / "model.joblib")
    assert trap.mark.exists()


@pytest.mark.parametrize("name", ["__main__.py", "MAR-INF/MANIFEST.json", "archive/data.pkl", "../schema.json"])
def test_a_skops_file_with_more_in_it(name: str, trap: Trap, wardein: Callable[..., Ran]) -> None:
    skops.io.dump(trap.model, trap.folder / "model.skops")
    assert evaluate(trap, "model.skops", wardein).code == 0
    with zipfile.ZipFile(trap.folder / "model.skops", "a") as archive:
        archive.writestr(name, "print('code of the model file ran')")
    ran = evaluate(trap, "model.skops", wardein)
    assert ran.code == 2
    assert ran.one_line
    assert "no skops model has" in refused_by_the_reader_alone(trap.folder / "model.skops")


def test_a_pickle_that_is_an_archive_as_well(trap: Trap, wardein: Callable[..., Ran]) -> None:
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("__main__.py", "print('code of the model file ran')")
    plain = pickle.dumps(trap.model, protocol=3)
    hidden = b"B" + struct.pack("<I", len(inside.getvalue())) + inside.getvalue() + b"0"
    (trap.folder / "model.pkl").write_bytes(plain[:-1] + hidden + b".")
    ran = evaluate(trap, "model.pkl", wardein)
    assert ran.code == 2
    assert ran.one_line
    assert "an archive at once" in refused_by_the_reader_alone(trap.folder / "model.pkl")
    (trap.folder / "model.pkl").write_bytes(plain)
    assert evaluate(trap, "model.pkl", wardein).code == 0
