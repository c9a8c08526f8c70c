# SPDX-License-Identifier: Apache-2.0
"""The process that holds a model, seen from the one that asks: whatever it says or does, one line and no harm."""

from __future__ import annotations

import json
import os
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from wardein.errors import WardeinError
from wardein.models import exchange, process
from wardein.models.child import HOLD
from wardein.models.confinement import Limits
from wardein.models.held import Held
from wardein.models.libraries import libraries
from wardein.models.load import load, loaded
from wardein.models.predictors import Classifier, Regressor, predictor

ROWS, LABELS = load_iris(as_frame=True, return_X_y=True)
FACTS = {
    "kind": "classifier",
    "type": "Puppet",
    "format": "skops",
    "features": list(ROWS),
    "classes": {"type": "<i8", "values": [0, 1, 2]},
    "probabilities": True,
}
Line = bytes | dict[str, Any] | None


class Puppet:
    """Plays the other side: answers with lines that a test chose, and with whatever bytes it put into the memory."""

    def __init__(self, lines: Sequence[Line], memory: bytes = b"") -> None:
        self._lines, self._memory = list(lines), memory
        self._player: threading.Thread | None = None

    def tell(self, what: bytes, number: int, descriptors: Sequence[int] = ()) -> None:
        if what == HOLD:
            talk, _, _, answers, _ = (os.dup(descriptor) for descriptor in descriptors)
            os.pwrite(answers, self._memory, 0)
            self._player = threading.Thread(target=self._play, args=(socket.socket(fileno=talk),))
            self._player.start()

    def end(self, how: bytes, number: int) -> int:
        return -9

    def _play(self, talk: socket.socket) -> None:
        with talk, talk.makefile("rb") as asked:
            for line in self._lines:
                if not asked.readline() or line is None:
                    return
                said = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                try:
                    talk.sendall(said)
                except OSError:
                    return
            asked.readline()


@pytest.fixture
def puppet(monkeypatch, tmp_path) -> Callable[..., Any]:
    """A classifier that is held by a puppet, which first says honestly what it is."""

    @contextmanager
    def of(*lines: Line, memory: bytes = b"", facts: Any = FACTS, seconds: int = 5) -> Iterator[Classifier]:
        plays = Puppet([{"missing": []}, {"facts": facts}, *lines], memory)
        monkeypatch.setattr(process, "libraries", lambda _: plays)
        (tmp_path / "model").write_bytes(b"model")
        with loaded(tmp_path / "model", limits=Limits(seconds=seconds)) as held:
            yield held.model

    return of


def array(kind: Any = "<i8", shape: Any = (150,), at: Any = 0) -> dict[str, Any]:
    return {"arrays": [{"type": kind, "shape": list(shape) if isinstance(shape, tuple) else shape, "at": at}]}


def refused(work: Callable[[], Any]) -> str:
    with pytest.raises(WardeinError) as caught:
        work()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_what_an_honest_process_says_is_taken(puppet) -> None:
    places = np.arange(150) % 3
    with puppet(array(), memory=places.astype("<i8").tobytes()) as model:
        assert (model.predict(ROWS) == places).all()


NONSENSE: dict[str, Line] = {
    "no JSON": b"yes\n",
    "a number": b"7\n",
    "no arrays": {},
    "arrays of nothing": {"arrays": [None]},
    "two answers at once": b"{}\n{}\n",
    "twice the same key": b'{"arrays": [], "arrays": []}\n',
    "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "not UTF-8": b'{"arrays": "\xff"}\n',
    "NaN": b'{"arrays": NaN}\n',
    "objects": array("|O"),
    "text": array("<U8"),
    "a structure": array([["a", "<i8"]]),
    "times": array("<M8[ns]"),
    "more than there is": array(shape=(10**7,)),
    "behind the end": array(at=2**40),
    "before the beginning": array(at=-8),
    "negative": array(shape=(-150,)),
    "endless": array(shape=(2**40, 2**40)),
    "overflowing": array(shape=(2**31, 2**31, 2**31)),
    "many dimensions": array(shape=(1,) * 40),
    "true rows": array(shape=[True]),
    "broken rows": array(shape=[1.5]),
    "needs too much": {"needs": 2**60},
    "needs text": {"needs": "1"},
    "needs nothing": {"needs": 0},
    "nothing": None,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_ends_the_process_in_one_line(puppet, name: str) -> None:
    with puppet(NONSENSE[name], None) as model:
        said = refused(lambda: model.predict(ROWS))
        assert "the process that holds the model" in said
        assert refused(lambda: model.predict(ROWS)) == said  # and it stays ended


@pytest.mark.parametrize(
    ("line", "memory"),
    [
        (array(shape=(149,)), b""),
        (array(shape=(150, 1)), b""),
        (array("<f8"), b""),
        (array("|b1"), b""),
        (array(), np.full(150, 3).tobytes()),
        (array(), np.full(150, -1).tobytes()),
        (array(), np.full(150, 2**62).tobytes()),
        ({"arrays": []}, b""),
        ({"arrays": array()["arrays"] * 2}, b""),
        ({**array(), "unknown": "x" * 10**6}, b""),
        ({**array(), "shape": [150, 2]}, b""),
        ({**array(), "shape": "wide"}, b""),
        ({"failure": "ValueError", "text": "a\x1b[31m\n" * 1000}, b""),
    ],
)
def test_predictions_of_another_kind_are_refused(puppet, line: Line, memory: bytes) -> None:
    with puppet(line, memory=memory) as model:
        said = refused(lambda: model.predict(ROWS))
        assert len(said) < 1000
        assert "\x1b" not in said


@pytest.mark.parametrize(
    "facts",
    [
        None,
        [],
        {},
        FACTS | {"kind": "clusterer"},
        FACTS | {"features": None},
        FACTS | {"features": [1]},
        FACTS | {"type": 3},
        FACTS | {"classes": None},
        FACTS | {"classes": {"type": "<i8", "values": []}},
        FACTS | {"classes": {"type": "<i8", "values": [[1], [2]]}},
        FACTS | {"classes": {"type": "<i8", "values": ["a", "b"]}},
        FACTS | {"classes": {"type": "|i1", "values": [1, 2**70]}},
        FACTS | {"classes": {"type": "<M8[ns]", "values": [1, 2]}},
        FACTS | {"classes": {"type": "<U9999999999", "values": ["a", "b"]}},
        FACTS | {"classes": {"type": ["<i8"], "values": [1, 2]}},
    ],
)
def test_facts_that_make_no_sense_are_refused(puppet, facts: Any) -> None:
    def enter() -> None:
        with puppet(facts=facts):
            pass

    refused(enter)


def layers(*shapes: tuple[int, ...], activation: Any = "relu", value: float = 1.0) -> tuple[Line, bytes]:
    said, values = exchange.lay_out([np.full(shape, value) for shape in shapes])
    return {"arrays": said, "activation": activation}, np.full(values // 8, value).tobytes()


@pytest.mark.parametrize(
    ("line", "memory"),
    [
        layers((4, 3), (2,)),
        layers((4, 2), (2,)),
        layers((4, 5), (6, 3), (5,), (3,)),
        layers((4,), (3,)),
        layers((4, 3), (3,), activation="softmax"),
        layers((4, 3), (3,), activation=["relu"]),
        layers((4, 3), (3,), value=np.nan),
        layers((4, 3)),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(puppet, line: Line, memory: bytes) -> None:
    with puppet(line, memory=memory) as model:
        assert "do not fit together" in refused(model.layers)


def test_layers_that_fit_together_are_taken(puppet) -> None:
    line, memory = layers((4, 5), (5, 3), (5,), (3,))
    with puppet(line, memory=memory) as model:
        assert [weight.shape for weight in model.layers()[0]] == [(4, 5), (5, 3)]


@pytest.mark.parametrize("line", [b"", b'{"arrays": ', b" " * 10])
def test_a_process_that_does_not_finish_its_answer_is_ended(puppet, line: Line) -> None:
    with puppet(line, seconds=1) as model:
        began = time.monotonic()
        assert "did not answer within" in refused(lambda: model.predict(ROWS))
        assert time.monotonic() - began < 5


def test_a_flood_is_ended(puppet) -> None:
    with puppet(b"1" * (17 * 1024**2)) as model:
        assert "answers without end" in refused(lambda: model.predict(ROWS))


@given(
    said=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["type", "shape", "at", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_description_of_arrays_is_read_or_refused(said: Any) -> None:
    memory = exchange.memory()
    os.ftruncate(memory, 64)
    try:
        assert all(part.nbytes <= 64 for part in exchange.fetch(memory, said))
    except ValueError:
        pass
    finally:
        os.close(memory)


# Real processes


def saved(folder: Path, estimator: Any, rows: pd.DataFrame = ROWS, labels: Any = LABELS) -> Path:
    skops.io.dump(estimator.fit(rows, labels), folder / "model")
    return folder / "model"


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.to_numpy(),
        LABELS.to_numpy().astype(float),
        LABELS.to_numpy().astype("int8"),
        LABELS.to_numpy() > 0,
        np.array(["x", "ü\u2028", ""])[LABELS],
        np.array(["x", "y", "z"], dtype=object)[LABELS],
        pd.Series(np.array(["x", "y", "z"])[LABELS], dtype="category"),
    ],
)
def test_labels_come_back_as_they_were(tmp_path, labels: Any) -> None:
    estimator = LogisticRegression(max_iter=500)
    with load(saved(tmp_path, estimator, labels=labels)) as model:
        mine, theirs = model.predict(ROWS), estimator.predict(ROWS)
        assert mine.dtype == theirs.dtype
        assert (mine == theirs).all()
        assert model.classes.dtype == estimator.classes_.dtype


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ROWS.astype("float32"),
        ROWS.round().astype(int),
        ROWS.assign(**{ROWS.columns[0]: LABELS}),
        ROWS[ROWS.columns[::-1]].iloc[::-1],
        ROWS.iloc[:0:-3],
        pd.DataFrame(np.asfortranarray(ROWS.to_numpy()), columns=ROWS.columns),
        ROWS.iloc[:1].copy(),
    ],
)
def test_rows_arrive_as_they_were(tmp_path, rows: pd.DataFrame) -> None:
    """To the last bit of what is computed from them, whatever their types and their order in memory."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    path = saved(tmp_path, estimator, ROWS[rows.columns])
    estimator = skops.io.load(path)  # whose arrays may lie in another order than those of the one that was fitted
    with load(path) as model:
        assert model.predict_proba(rows).tobytes() == estimator.predict_proba(rows).tobytes()


def test_rows_of_text_and_dates_arrive_as_they_were() -> None:
    memory = exchange.memory()
    table = pd.DataFrame({"a": ["x", None, "ü"], "b": pd.date_range("2026-01-01", periods=3), "c": [1, 2, 3]})
    for rows in (table, table.astype({"a": "category"}), table.iloc[[2, 0]], table[["c"]], table.astype({"a": object})):
        pd.testing.assert_frame_equal(exchange.Inbox(memory).take(exchange.give(memory, rows), rows.columns), rows)
    os.close(memory)


def test_rows_of_a_model_can_be_written_to(tmp_path) -> None:
    """As in one process: some estimators work in place."""
    memory = exchange.memory()
    for rows in (ROWS, ROWS.round().astype(int)):
        rows = exchange.Inbox(memory).take(exchange.give(memory, rows), rows.columns)
        assert rows.to_numpy(copy=False).base is not None
        values = rows.to_numpy()
        values.flags.writeable = True
        values[:] = 0
    os.close(memory)


def test_an_answer_larger_than_the_room_for_it(tmp_path) -> None:
    many = pd.concat([ROWS] * 2000, ignore_index=True)
    estimator = LogisticRegression(max_iter=500)
    with load(saved(tmp_path, estimator)) as model:
        for rows in (ROWS, many, ROWS, many):
            assert np.array_equal(model.predict_proba(rows), estimator.predict_proba(rows))


def test_a_regressor_is_loaded_as_one(tmp_path) -> None:
    estimator = LinearRegression()
    path = saved(tmp_path, estimator, labels=np.column_stack([LABELS, LABELS]))
    with loaded(path) as held:
        assert isinstance(held.model, Regressor)
        assert held.model.predict(ROWS).tobytes() == estimator.predict(ROWS).tobytes()
        assert (held.attempts, held.session.missing) == ([], ()) or held.session.missing
    with pytest.raises(WardeinError, match="holds a LinearRegression, not a classifier"), load(path):
        pass


def test_more_than_one_label_a_row_is_refused(tmp_path) -> None:
    labels = np.column_stack([LABELS, LABELS > 0])
    path = saved(tmp_path, MultiOutputClassifier(LogisticRegression(max_iter=500)), labels=labels)
    assert "neither texts nor numbers" in refused(lambda: load(path).__enter__())


def test_an_estimators_complaint_is_one_line(tmp_path) -> None:
    with load(saved(tmp_path, LogisticRegression(max_iter=500))) as model:
        said = refused(lambda: model.predict(ROWS.iloc[:, :2]))
        assert "the model cannot predict these rows (ValueError: " in said
        assert len(model.predict(ROWS)) == 150  # and it goes on


def test_what_a_model_prints_goes_nowhere(tmp_path, capfd) -> None:
    path = pickled(tmp_path, "builtins", "print", "x" * 10**6)
    with load(path, allow=["builtins.print"]) as model:
        assert len(model.predict(ROWS)) == 150
    assert capfd.readouterr() == ("", "")


def pickled(folder: Path, module: str, name: str, *arguments: Any) -> Path:
    """A model, in a pickle that first calls something."""
    model = pickle.dumps(RandomForestClassifier(2, random_state=0).fit(ROWS, LABELS), protocol=2)[2:]
    called = b"c" + module.encode() + b"\n" + name.encode() + b"\n" + pickle.dumps(arguments, protocol=2)[2:-1] + b"R0"
    (folder / "model.pkl").write_bytes(b"\x80\x02" + called + model)
    return folder / "model.pkl"


@pytest.mark.parametrize(
    ("call", "arguments", "says"),
    [
        ("os._exit", (0,), "ended by itself, with code 0"),
        ("os._exit", (7,), "ended by itself, with code 7"),
        ("os.abort", (), "was killed by SIGABRT"),
        ("ctypes.string_at", (1,), "was killed by SIGSEGV"),
        ("time.sleep", (60,), "did not answer within 3 seconds"),
        ("builtins.bytearray", (2**40,), "MemoryError"),
        ("sys.exit", (0,), "SystemExit"),
    ],
)
def test_a_model_that_ends_its_process_is_one_line(tmp_path, call: str, arguments: tuple[Any, ...], says: str) -> None:
    """Its names are allowed by the run: the process alone has to hold."""
    path = pickled(tmp_path, *call.rsplit(".", 1), *arguments)

    def enter() -> None:
        with load(path, allow=[call], limits=Limits(seconds=3)):
            pass

    assert says in refused(enter)


def test_endless_work_is_ended_by_the_kernel_or_by_the_clock(tmp_path) -> None:
    path = pickled(tmp_path, "builtins", "sum", range(10**12))
    began = time.monotonic()

    def enter() -> None:
        with load(path, allow=["builtins.sum", "builtins.range"], limits=Limits(seconds=2)):
            pass

    assert "within 2 seconds" in (said := refused(enter)) or "SIGXCPU" in said
    assert time.monotonic() - began < 10


def test_no_process_is_left_behind(tmp_path) -> None:
    path = saved(tmp_path, LogisticRegression(max_iter=500))
    with loaded(path) as held:
        held.model.predict(ROWS)
        parent = held.session._libraries.running.process
        assert len(children(parent)) == 1
    assert children(parent) == []


def children(process_id: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def test_a_process_with_libraries_that_dies_is_started_again(tmp_path) -> None:
    path = saved(tmp_path, LogisticRegression(max_iter=500))
    with loaded(path) as held:
        held.session._libraries.running.end()
        refused(lambda: [held.model.predict(ROWS) for _ in range(100)])
    with load(path) as model:
        assert len(model.predict(ROWS)) == 150


def test_two_models_at_once(tmp_path) -> None:
    (tmp_path / "two").mkdir()
    one, two = LogisticRegression(max_iter=500), RandomForestClassifier(3, random_state=0)
    with load(saved(tmp_path, one)) as first, load(saved(tmp_path / "two", two)) as second:
        for _ in range(3):
            assert np.array_equal(first.predict_proba(ROWS), one.predict_proba(ROWS))
            assert np.array_equal(second.predict_proba(ROWS), two.predict_proba(ROWS))


def test_neither_environment_nor_arguments_reach_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WARDEIN_KEY", "secret")
    libraries.cache_clear()
    with loaded(saved(tmp_path, LogisticRegression(max_iter=500))) as held:
        parent = held.session._libraries.running.process
        assert b"WARDEIN" not in Path(f"/proc/{parent}/environ").read_bytes()
        opened = {
            os.readlink(f"/proc/{parent}/fd/{name}").partition(":")[0] for name in os.listdir(f"/proc/{parent}/fd")
        }
        assert not any("model" in name for name in opened)  # the process that makes the copies never sees one


def test_what_a_model_reads_is_what_was_opened(tmp_path) -> None:
    """Once the file is opened, another one in its place changes nothing."""
    path = saved(tmp_path, LogisticRegression(max_iter=500))
    with loaded(path) as held:
        path.unlink()
        path.write_bytes(b"something else")
        assert held.model.type == "LogisticRegression"


def test_a_transformer_may_call_what_only_computes(tmp_path) -> None:
    estimator = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=500))
    with load(saved(tmp_path, estimator)) as model:
        assert (model.predict(ROWS) == estimator.predict(ROWS)).all()


def test_a_message_to_the_process_fits_its_frame() -> None:
    from wardein.models.child import ENDED, ORDER

    assert (ORDER.size, ENDED.size) == (struct.calcsize("<cI"), 4)
    assert predictor(FACTS, lambda *_: ({}, []), Path("m")).classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("estimator", "arrays"),
    [
        (LogisticRegression(max_iter=500), True),
        (make_pipeline(StandardScaler(), RandomForestClassifier(2)), True),
        (make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=500)), False),
        (make_pipeline(make_column_transformer((StandardScaler(), list(ROWS)[:2])), LogisticRegression()), False),
        (make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression(max_iter=500)), False),
    ],
)
def test_a_model_that_may_look_at_a_table_gets_one(tmp_path, estimator: Any, arrays: bool) -> None:
    """Either way it says the same to the last bit as when it is given the table here."""
    path = saved(tmp_path, estimator)
    assert Held(estimator, "skops")._takes_arrays == arrays
    assert not Held(estimator, "skops", vouched=True)._takes_arrays
    here = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    with load(path) as model:
        assert model.predict_proba(ROWS).tobytes() == here.predict_proba(ROWS).tobytes()


def test_a_process_that_speaks_unasked_is_ended(puppet) -> None:
    """It could answer the next question before it was asked."""
    line = json.dumps(array()).encode() + b"\n"
    with puppet(line + line, line, memory=np.zeros(150, dtype="<i8").tobytes()) as model:
        assert (model.predict(ROWS) == 0).all()
        assert "makes no sense" in refused(lambda: model.predict(ROWS))
