# SPDX-License-Identifier: Apache-2.0
"""smoke_test through the command line: honest models pass, and whatever another one does, it is not done and is told.

The hostile models get past the loader by what ``--allow`` names, as if the list of harmless names had a hole: what
holds then is the sandbox.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from tests.conftest import Ran
from wardein.models import confinement, process
from wardein.models.answers import Answers

Run = Callable[..., Ran]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: its kernel confines")


@pytest.fixture(scope="module")
def flowers() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.map({0: "setosa", 1: "versicolor", 2: "virginica"}).to_numpy()


@pytest.fixture(scope="module")
def fitted(flowers) -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(*flowers)


@pytest.fixture
def smoke(wardein, tmp_path, flowers) -> Run:
    def run(model: Any, *arguments: object, data: pd.DataFrame | None = None) -> Ran:
        path, rows = tmp_path / "model.pkl", tmp_path / "rows.csv"
        path.write_bytes(model if isinstance(model, bytes) else pickle.dumps(model))
        (flowers[0] if data is None else data).to_csv(rows, index=False)
        return wardein("smoke-test", "--model", path, "--data", rows, "--json", *arguments)

    return run


def hostile(code: str, honest: Any) -> bytes:
    """The pickle of an honest model that runs some code before it is built."""
    text = code.encode()
    call = b"cbuiltins\nexec\n(" + pickle.BINUNICODE + struct.pack("<I", len(text)) + text + b"}tR0"
    return pickle.PROTO + b"\4" + call + pickle.dumps(honest, protocol=4)[2:]


def patched(code: str, honest: Any) -> bytes:
    """The pickle of an honest model, whose class does something else from then on; ``old`` is what it did."""
    lines = ["import numpy as np, time", f"from {type(honest).__module__} import {type(honest).__name__} as Model"]
    return hostile("\n".join([*lines, code]), honest)


def rules(ran: Ran) -> list[str]:
    return [finding["ruleId"] for finding in ran.report["findings"]]


def test_an_honest_classifier_passes(smoke, fitted):
    ran = smoke(fitted)
    assert (ran.code, ran.report["verdict"], rules(ran)) == (0, "PASS", [])
    assert {m["name"]: float(m["value"]) for m in ran.report["metrics"]} == {
        "forbidden_actions": 0,
        "rows": 100,
        "distinct_predictions": 3,
    }


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        RandomForestClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        LinearSVC(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_honest_models_of_many_kinds_pass(smoke, flowers, model):
    ran = smoke(model.fit(*flowers))
    assert (ran.code, rules(ran)) == (0, [])


def test_libraries_that_ask_for_the_cores_are_no_hostile_models(tmp_path, flowers):
    """Without this setting scikit-learn counts the cores when it predicts, and runs a program for that."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(HistGradientBoostingClassifier(max_iter=2).fit(*flowers)))
    flowers[0].to_csv(tmp_path / "rows.csv", index=False)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "wardein", "smoke-test", "--model", "model.pkl", "--data", "rows.csv"]
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode == 0


def test_a_skops_file_passes(wardein, tmp_path, flowers, fitted):
    skops.io.dump(fitted, tmp_path / "model.skops")
    flowers[0].to_parquet(tmp_path / "rows.parquet")
    assert wardein("smoke-test", "--model", tmp_path / "model.skops", "--data", tmp_path / "rows.parquet").code == 0


def test_a_column_of_text_and_a_missing_number_are_for_the_model_to_judge(smoke):
    rows = pd.DataFrame({"colour": ["red", "blue"] * 30, "size": np.arange(60.0)})
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=2)).fit(rows, rows["size"] > 30)
    rows.loc[3, "size"] = np.nan
    assert smoke(model, data=rows).code == 0


def test_an_honest_regressor_passes_and_keeps_its_bounds(smoke):
    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    model = RandomForestRegressor(10, random_state=0).fit(rows, target)
    ran = smoke(model, "--bounds", 0, "--bounds", 400, data=rows)
    assert (ran.code, rules(ran)) == (0, [])
    measured = {m["name"]: float(m["value"]) for m in ran.report["metrics"]}
    assert 0 < measured["lowest_prediction"] < measured["highest_prediction"] < 400
    ran = smoke(model, "--bounds", 100, "--bounds", 400, data=rows)
    assert (ran.code, rules(ran)) == (1, ["smoke/out-of-bounds"])


def test_the_core_is_the_same_in_every_run(smoke, fitted):
    cores = [smoke(fitted).report for _ in range(2)]
    for report in cores:
        del report["execution"]
    assert cores[0] == cores[1]


def test_rows_are_spread_over_the_table(smoke, fitted, flowers):
    rows = flowers[0].copy()
    ran = smoke(fitted, "--rows", 2, data=rows)
    measured = {m["name"]: float(m["value"]) for m in ran.report["metrics"]}
    assert (measured["rows"], measured["distinct_predictions"]) == (2, 2)  # the first and the last


# What a hostile model tries while it is loaded, and what the report says of it.
DEEDS = {
    "connect": ("import socket; socket.create_connection(('127.0.0.1', PORT), 5)", "open a network connection"),
    "system": ("import os; os.system('touch CANARY')", "start a process"),
    "popen": ("import subprocess; subprocess.Popen(['touch', 'CANARY'])", "start a process"),
    "execute": ("import os; os.execv('/bin/touch', ['touch', 'CANARY'])", "start a program"),
    "fork": ("import os; os.fork()", "start a process"),
    "write": ("open('CANARY', 'w')", "write a file"),
    "remove": ("import os; os.unlink('SECRET')", "change files"),
    "kill": ("import os; os.kill(PID, 9)", "stop another process"),
    "kill the process above": ("import os; os.kill(os.getppid(), 9)", "stop another process"),
    "limits": ("import resource; resource.prlimit(PID, resource.RLIMIT_CPU, (1, 1))", "change its own limits"),
}


@pytest.fixture
def scene(tmp_path):
    """A listening socket, a secret, a canary that must not appear, and the code that gets their names."""
    (tmp_path / "secret.pem").write_text("secret")
    canary = tmp_path / "canary"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        names = {
            "PORT": server.getsockname()[1],
            "CANARY": canary,
            "PID": os.getpid(),
            "SECRET": tmp_path / "secret.pem",
        }

        def filled(code: str) -> str:
            for name, value in names.items():
                code = code.replace(name, str(value))
            return code

        yield filled
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not canary.exists()
    assert (tmp_path / "secret.pem").read_text() == "secret"


@LINUX
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("silent", [False, True], ids=["raising", "silent"])
def test_what_a_model_does_while_it_is_loaded_is_not_done_and_told(smoke, fitted, scene, deed, silent):
    code, told = DEEDS[deed]
    if silent:
        code = f"try:\n  {code}\nexcept OSError: pass"
    ran = smoke(hostile(scene(code), fitted), "--allow", "builtins.exec")
    assert (ran.code, ran.report["verdict"]) == (1, "FAIL"), ran
    assert rules(ran) == ["smoke/forbidden-action"]
    assert f"the model tried to {told} (" in ran.report["reason"]
    assert ran.report["findings"][0]["severity"] == "critical"
    if silent:  # it goes on to an honest model's predictions, and the report has them beside what it did
        assert "rows" in {m["name"] for m in ran.report["metrics"]}


@LINUX
@pytest.mark.parametrize(
    "stolen", ["SECRET", "/proc/PID/environ", "/proc/PID/mem", "/etc/passwd", "/proc/PID/cwd", "/proc/PID/fd/0"]
)
def test_a_model_reads_no_file_of_others(smoke, fitted, scene, stolen):
    # What it reads it would answer with, in the name of a class.
    code = f"open('{stolen}', 'rb').read(1)"
    ran = smoke(hostile(scene(code), fitted), "--allow", "builtins.exec")
    assert ran.code == 2
    assert "PermissionError" in ran.one_line


@LINUX
def test_what_a_model_does_while_it_predicts_is_told(smoke, flowers):
    rows = flowers[0].rename(columns=dict(zip(flowers[0].columns, ["touch", "canary", "c", "d"], strict=True)))
    model = make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=500)).fit(rows, flowers[1])
    model[0].func = subprocess.Popen  # of a table it takes the columns for a command
    ran = smoke(model, "--allow", "subprocess.Popen", data=rows)
    assert ran.code == 1
    assert rules(ran) == ["smoke/forbidden-action", "smoke/cannot-predict"]


def test_without_the_hole_the_loader_refuses(smoke, fitted, scene):
    ran = smoke(hostile(scene("open('CANARY', 'w')"), fitted))
    assert ran.code == 2
    assert "builtins.exec" in ran.one_line


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import time; time.sleep(60)", "smoke/too-slow"),
        ("while True: pass", "smoke/too-slow"),
        ("a = bytearray(1 << 31)", "smoke/too-much-memory"),
        ("a = []\nwhile True: a.append(bytearray(1 << 20))", "smoke/too-much-memory"),
    ],
)
def test_a_model_that_takes_too_much_fails(smoke, fitted, code, rule):
    started = time.monotonic()
    ran = smoke(hostile(code, fitted), "--allow", "builtins.exec", "--max-seconds", 5, "--max-memory-mib", 512)
    assert (ran.code, rules(ran)) == (1, [rule])
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(0)", "ended by itself, with code 0"),
        ("import os, signal; signal.raise_signal(signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("raise SystemExit(0)", "SystemExit"),
        ("import os; [os.close(n) for n in range(3, 200) if n != 99]", ""),
    ],
)
def test_a_model_whose_process_dies_is_an_error(smoke, fitted, code, said):
    ran = smoke(hostile(code, fitted), "--allow", "builtins.exec", "--max-seconds", 20)
    assert ran.code == 2
    assert said in ran.one_line


@LINUX
def test_a_model_that_prints_without_end_fills_nothing(smoke, fitted):
    code = "import os\nfor n in (1, 2):\n  for _ in range(2000): os.write(n, b'x' * 1_000_000)"
    ran = smoke(hostile(code, fitted), "--allow", "builtins.exec")
    assert ran.code == 0
    assert len(ran.out) < 20_000
    assert "xxx" not in ran.err


@LINUX
def test_a_model_that_answers_by_itself_is_not_believed(smoke, fitted):
    code = "import os\nfor n in range(3, 200):\n  try: os.write(n, b'{\"facts\": 1}\\n' * 10)\n  except OSError: pass"
    ran = smoke(hostile(code, fitted), "--allow", "builtins.exec")
    assert ran.code == 2
    assert "makes no sense" in ran.one_line


def test_a_missing_column_is_named(smoke, fitted, flowers):
    rows = flowers[0].drop(columns=["petal width (cm)"])
    ran = smoke(fitted, data=rows)
    assert (ran.code, rules(ran)) == (1, ["smoke/missing-column"])
    assert "'petal width (cm)'" in ran.report["reason"]


def test_text_where_numbers_were_is_named(smoke, fitted, flowers):
    rows = flowers[0].astype({"petal width (cm)": object})
    rows.loc[7, "petal width (cm)"] = "wide"
    ran = smoke(fitted, "--rows", 150, data=rows)
    assert (ran.code, rules(ran)) == (1, ["smoke/cannot-predict"])
    assert "columns of text: petal width (cm)" in ran.report["reason"]


CLASSIFIES = {
    "not-repeatable": "old = Model.predict\nModel.predict = lambda self, X: np.roll(old(self, X), time.time_ns())",
    "not-repeatable, in the last digit": (
        "old, calls = Model.predict_proba, []\n"
        "Model.predict_proba = lambda self, X: calls.append(0) or old(self, X) * (1 + 1e-12 * len(calls))"
    ),
    "batch-dependent": (
        "old = Model.predict_proba\ndef new(self, X):\n  p = old(self, X)\n  return p if len(X) > 1 else p[:, ::-1]\n"
        "Model.predict_proba = new"
    ),
    "batch-dependent, by labels": (
        "old = Model.predict\nModel.predict = lambda self, X: old(self, X) if len(X) > 1 else self.classes_[[1]]"
    ),
    "batch-dependent, by order": (
        "old = Model.predict_proba\ndef new(self, X):\n  p = old(self, X)\n"
        "  return p if len(X) < 2 or X.iloc[0, 0] < X.iloc[-1, 0] else p[::-1]\nModel.predict_proba = new"
    ),
    "no-probabilities": "old = Model.predict_proba\nModel.predict_proba = lambda self, X: old(self, X) * 2",
    "no-probabilities, by their sum": (
        "old = Model.predict_proba\nModel.predict_proba = lambda self, X: old(self, X) / 2"
    ),
    "no-probabilities, negative": (
        "old = Model.predict_proba\nModel.predict_proba = lambda self, X: old(self, X) + [[1, 0, -1]]"
    ),
    "cannot-predict, probabilities of another shape": "Model.predict_proba = lambda self, X: np.ones(len(X))",
    "cannot-predict, probabilities of another size": "Model.predict_proba = lambda self, X: np.ones((2, 1))",
    "not-finite": "old = Model.predict_proba\nModel.predict_proba = lambda self, X: old(self, X) * np.nan",
    "cannot-predict": "def new(self, X): raise ValueError('no')\nModel.predict = new",
    "cannot-predict, of another type": "Model.predict_proba = lambda self, X: np.array([object()] * len(X))",
    "cannot-predict, no class": "Model.predict = lambda self, X: np.full(len(X), 'tulip')",
    "cannot-predict, too few": "Model.predict = lambda self, X: self.classes_[:1]",
}


@pytest.mark.parametrize("case", CLASSIFIES)
def test_senseless_classifiers_fail(smoke, fitted, case):
    ran = smoke(patched(CLASSIFIES[case], fitted), "--allow", "builtins.exec")
    assert ran.code == 1, ran
    assert set(rules(ran)) == {f"smoke/{case.partition(',')[0]}"}


PREDICTS = {
    "not-finite": "Model.predict = lambda self, X: np.full(len(X), np.inf)",
    "out-of-bounds": "old = Model.predict\nModel.predict = lambda self, X: np.minimum(old(self, X) * 1e6, 1e9)",
    "not-repeatable": "rng = np.random.default_rng()\nModel.predict = lambda self, X: rng.random(len(X))",
    "batch-dependent": "old = Model.predict\nModel.predict = lambda self, X: old(self, X) - old(self, X).mean()",
    "cannot-predict": "Model.predict = lambda self, X: np.zeros(())",
}


@pytest.mark.parametrize("case", PREDICTS)
def test_senseless_regressors_fail(smoke, case):
    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    model = LinearRegression().fit(rows, target)
    bounds = ["--bounds", -10_000, "--bounds", 10_000]
    ran = smoke(patched(PREDICTS[case], model), "--allow", "builtins.exec", *bounds, data=rows)
    assert ran.code == 1, ran
    assert set(rules(ran)) == {f"smoke/{case}"}


def test_a_model_that_always_says_the_same_is_told_of(smoke, flowers):
    ran = smoke(DummyClassifier(strategy="most_frequent").fit(*flowers))
    assert (ran.code, rules(ran)) == (0, ["smoke/constant"])


@pytest.mark.parametrize(
    ("missing", "code"),
    [(confinement.NO_LANDLOCK, 0), (confinement.NO_NAMESPACE, 0), *((text, 2) for text in confinement.UNWATCHED)],
)
def test_what_the_kernel_does_not_give_is_told(smoke, fitted, monkeypatch, missing, code):
    """Where nobody can watch what the model attempts, that was not examined."""
    load = process.Session.load

    def lacking(session: process.Session, *arguments: Any) -> Any:
        facts = load(session, *arguments)
        session.missing = (missing,)
        return facts

    monkeypatch.setattr(process.Session, "load", lacking)
    ran = smoke(fitted)
    assert (ran.code, rules(ran)) == (code, ["smoke/confinement"])
    assert missing in ran.report["findings"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", 0], "--rows"),
        (["--max-seconds", 0.5], "--max-seconds"),
        (["--max-seconds", "nan"], "--max-seconds"),
        (["--max-memory-mib", 1], "--max-memory-mib"),
        (["--bounds", 1], "--bounds"),
        (["--bounds", 2, "--bounds", 1], "--bounds"),
        (["--bounds", 1, "--bounds", "nan"], "--bounds"),
    ],
)
def test_settings_that_make_no_sense_are_errors(smoke, fitted, arguments, said):
    ran = smoke(fitted, *arguments)
    assert ran.code == 2
    assert said in ran.one_line


def test_broken_inputs_are_errors(wardein, smoke, tmp_path, fitted, flowers):
    whole = pickle.dumps(fitted)
    flowers[0].to_csv(tmp_path / "good.csv", index=False)
    for name, content in {
        "cut": whole[:-20],
        "tail": whole + b"x",
        "text": b"a,b\n1,2\n",
        "zeros": b"\0" * 100,
    }.items():
        (tmp_path / name).write_bytes(content)
        ran = wardein("smoke-test", "--model", tmp_path / name, "--data", tmp_path / "good.csv")
        assert ran.code == 2, name
        assert ran.one_line
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.pkl").write_bytes(whole)
    assert (
        "is a folder" in wardein("smoke-test", "--model", tmp_path / "folder", "--data", tmp_path / "good.csv").one_line
    )
    assert wardein("smoke-test", "--model", tmp_path / "none", "--data", tmp_path / "good.csv").code == 2
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    (tmp_path / "good.pkl").write_bytes(whole)
    assert wardein("smoke-test", "--model", tmp_path / "good.pkl", "--data", tmp_path / "bad.csv").code == 2
    for honest in (StandardScaler().fit(flowers[0]), LogisticRegression(), {"a": 1}):
        assert smoke(honest).one_line
    infinite = flowers[0].copy()
    infinite.iloc[0, 0] = np.inf
    assert "infinite" in smoke(fitted, data=infinite).one_line


def test_rounding_is_no_difference():
    numbers = np.array([[0.5, 0.5], [0.9, 0.1]])
    one = Answers(np.array(["a", "a"]), numbers)
    assert one.differing(Answers(np.array(["b", "a"]), numbers + 1e-9)) == 0  # a tie
    assert one.differing(Answers(np.array(["a", "b"]), numbers)) == 1
    assert one.differing(Answers(np.array(["a", "a"]), numbers + 1e-3)) == 2
    assert not one.is_exactly(Answers(one.labels, numbers + 1e-12))
