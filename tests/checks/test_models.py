# SPDX-License-Identifier: Apache-2.0
"""Loading models: whatever a file holds, nothing it says is ever run, and no broken one counts as loaded."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from wardein.cli import main
from wardein.errors import WardeinError
from wardein.models import transcode
from wardein.models.load import load


@pytest.fixture(scope="module")
def flowers() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.to_numpy()


@pytest.fixture(scope="module")
def fitted(flowers) -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(*flowers)


@pytest.fixture
def refusal(monkeypatch, capsys):
    """What the child process would say of a file, without the seconds that starting one takes."""
    monkeypatch.setattr(transcode, "_leave_network", lambda: None)

    def of(path: Path) -> str:
        code = transcode.main(str(path), str(path.with_name("converted.skops")))
        said = capsys.readouterr().out
        assert (code, len(said.splitlines())) == (transcode.REFUSED, 1), said
        return said

    return of


class Strange:
    """A type that no list names."""


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.fixture
def canary(tmp_path):
    """A file that appears if anything a model file says is run."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def payloads(canary: Path) -> dict[str, Evil]:
    touch = f"touch {canary}"
    return {
        "system": Evil(os.system, touch),
        "popen": Evil(subprocess.Popen, ["/bin/sh", "-c", touch]),
        "eval": Evil(eval, f"open({str(canary)!r}, 'w')"),
        "exec": Evil(exec, f"open({str(canary)!r}, 'w')"),
        "open": Evil(open, str(canary), "w"),
        "getattr": Evil(getattr, "os", "upper"),
        "load": Evil(joblib.load, str(canary)),
        "touch": Evil(Path.touch, canary),
    }


NAMES = list(payloads(Path("canary")))


def write_pickle(value, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def write_joblib(value, path: Path) -> None:
    joblib.dump(value, path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", [write_pickle, write_joblib])
def test_a_call_is_refused_and_named(tmp_path, canary, refusal, name, write):
    write(payloads(canary)[name], tmp_path / "model")
    assert "not on the list of harmless constructors" in refusal(tmp_path / "model")


@pytest.mark.parametrize("file", ["model.pkl", "model.skops"])
def test_a_call_is_refused_whatever_the_file_is_called(tmp_path, canary, file):
    write_pickle(payloads(canary)["system"], tmp_path / file)
    with pytest.raises(WardeinError, match=r"posix\.system, which is not on the list"):
        load(tmp_path / file)


def test_a_call_inside_a_real_model_is_refused(tmp_path, canary, refusal, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = payloads(canary)["system"]
    write_joblib(model, tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")


def test_a_call_inside_an_object_array_is_refused(tmp_path, canary, refusal):
    """Joblib stores such an array as a pickle inside the pickle."""
    write_joblib(np.array([payloads(canary)["system"], 1], dtype=object), tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")


def test_a_call_inside_a_models_object_array_is_refused(tmp_path, canary, refusal, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = np.array([payloads(canary)["popen"], None], dtype=object)
    write_joblib(model, tmp_path / "model.joblib")
    assert "subprocess.Popen" in refusal(tmp_path / "model.joblib")


def test_a_compressed_joblib_file_is_no_way_round(tmp_path, canary, refusal):
    joblib.dump(payloads(canary)["system"], tmp_path / "model.joblib", compress=3)
    assert "posix.system" in refusal(tmp_path / "model.joblib")


@pytest.mark.parametrize("text", [b"cos\nsystem\n(S'touch CANARY'\ntR.", b"(S'touch CANARY'\nios\nsystem\n."])
def test_pickles_of_protocol_0_are_no_way_round(tmp_path, canary, refusal, text):
    (tmp_path / "model.pkl").write_bytes(text.replace(b"CANARY", str(canary).encode()))
    assert "os.system" in refusal(tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("module", "name"),
    [("sklearn.pipeline", "os.system"), ("sklearn", "pipeline.os.system"), ("builtins", "int.__subclasses__")],
)
def test_a_dotted_walk_from_a_harmless_name_is_refused(tmp_path, canary, refusal, module, name):
    texts = [module.encode(), name.encode(), f"touch {canary}".encode()]
    one, two, three = (b"\x8c" + bytes([len(text)]) + text for text in texts)
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + one + two + b"\x93" + three + b"\x85R.")
    assert "not on the list" in refusal(tmp_path / "model.pkl")


def test_a_function_transformer_cannot_smuggle_a_call(tmp_path, canary, refusal):
    model = make_pipeline(FunctionTransformer(os.system), LogisticRegression())
    write_joblib(model, tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(WardeinError, match="not on the list of harmless types"):
        load(tmp_path / "model.skops")


def test_a_skops_file_with_an_unknown_type_is_refused(tmp_path, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = Strange()
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(WardeinError, match=r"Strange, which is not on the list"):
        load(tmp_path / "model.skops")


def broken_files(fitted, folder: Path) -> dict[str, Path]:
    good_skops, good_joblib = folder / "good.skops", folder / "good.joblib"
    skops.io.dump(fitted, good_skops)
    joblib.dump(fitted, good_joblib)
    contents = {
        "empty.pkl": b"",
        "random.skops": np.random.default_rng(0).bytes(5000),
        "random.pkl": np.random.default_rng(1).bytes(5000),
        "text.pkl": b"this is not a model\n",
        "half.skops": good_skops.read_bytes()[:-200],
        "half.joblib": good_joblib.read_bytes()[: good_joblib.stat().st_size // 2],
        "tail.joblib": good_joblib.read_bytes()[:-1],
        "list.pkl": pickle.dumps([1, 2, 3]),
        "table.pkl": pickle.dumps(np.eye(3)),
        "none.pkl": pickle.dumps(None),
    }
    found = {}
    for name, content in contents.items():
        found[name] = folder / name
        found[name].write_bytes(content)
    with zipfile.ZipFile(folder / "zip.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    return {**found, "zip.skops": folder / "zip.skops"}


@pytest.mark.parametrize("name", ["empty.pkl", "half.joblib", "half.skops", "zip.skops", "random.skops", "list.pkl"])
def test_what_is_no_model_is_one_line_and_exit_2(tmp_path, capsys, flowers, fitted, name):
    path, data = broken_files(fitted, tmp_path)[name], tmp_path / "data.csv"
    flowers[0].assign(y=flowers[1]).to_csv(data, index=False)
    code = main(["evaluate-robustness", "--model", str(path), "--data", str(data), "--label", "y"])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1), lines
    assert "WARDEIN_DEBUG" not in lines[0]


@pytest.mark.parametrize("name", ["random.pkl", "random.skops", "text.pkl", "half.joblib", "tail.joblib"])
def test_a_damaged_pickle_is_refused_in_one_line(tmp_path, refusal, fitted, name):
    assert "is not a complete pickle" in refusal(broken_files(fitted, tmp_path)[name])


@pytest.mark.parametrize("value", [[1, 2, 3], None, {"coef_": [1]}, "model"])
def test_harmless_data_is_no_model(tmp_path, value):
    skops.io.dump(value, tmp_path / "model.skops")
    with pytest.raises(WardeinError, match="not a"):
        load(tmp_path / "model.skops")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(WardeinError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x, y: LogisticRegression(), "is not fitted"),
        (lambda x, y: make_pipeline(StandardScaler(), LogisticRegression()), "is not fitted"),
        (lambda x, y: LinearRegression().fit(x, y), "not a classifier"),
        (lambda x, y: StandardScaler().fit(x), "not a classifier"),
        (lambda x, y: LogisticRegression(max_iter=500).fit(x.to_numpy(), y), "columns without names"),
    ],
)
def test_what_cannot_be_judged_is_refused(tmp_path, flowers, make, says):
    skops.io.dump(make(*flowers), tmp_path / "model")
    with pytest.raises(WardeinError, match=says):
        load(tmp_path / "model")


def test_what_cannot_be_judged_is_refused_as_a_pickle_too(tmp_path, flowers):
    write_joblib(LinearRegression().fit(*flowers), tmp_path / "model")
    with pytest.raises(WardeinError, match="not a classifier"):
        load(tmp_path / "model")


# Their loss objects rebuild through functions that the list does not name yet.


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=500),
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        KNeighborsClassifier(),
        GaussianNB(),
        SVC(),
        SGDClassifier(random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier((3,), max_iter=5, random_state=0)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_pickle_is_read_as_the_model_it_was(tmp_path, monkeypatch, flowers, estimator):
    rows, labels = flowers
    monkeypatch.setattr(transcode, "_leave_network", lambda: None)
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    estimator.fit(rows, names)
    for write in (write_pickle, write_joblib, lambda value, path: joblib.dump(value, path, compress=3)):
        write(estimator, tmp_path / "model")
        assert transcode.main(str(tmp_path / "model"), str(tmp_path / "model.skops")) == 0
        loaded = load(tmp_path / "model.skops")
        assert (loaded.features, list(loaded.classes)) == (tuple(rows), sorted(set(names)))
        assert (loaded.predict(loaded.rows(rows)) == estimator.predict(rows)).all()


def test_a_pipeline_over_text_columns_loads(tmp_path):
    rows = pd.DataFrame({"town": ["a", "b"] * 20, "x": np.arange(40.0)})
    encode = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["x"]))
    model = make_pipeline(encode, LogisticRegression()).fit(rows, np.arange(40) > 20)
    write_joblib(model, tmp_path / "model.joblib")
    loaded = load(tmp_path / "model.joblib")
    assert loaded.format == "pickle"
    assert (loaded.predict(loaded.rows(rows)) == model.predict(rows)).all()
