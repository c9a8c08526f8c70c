# SPDX-License-Identifier: Apache-2.0
"""Loading models: whatever a file holds, nothing it says is ever run, and no broken one counts as loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from wardein.cli import main
from wardein.errors import WardeinError
from wardein.modelfiles.content import Content
from wardein.models.container import Refused, check_archive, is_archive
from wardein.models.load import load, loaded
from wardein.models.reading import read
from wardein.models.sanity import make_safe


@pytest.fixture(scope="module")
def flowers() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.to_numpy()


@pytest.fixture(scope="module")
def fitted(flowers) -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(*flowers)


def read_here(path: Path, *allow: str):
    """The model in a file, read by the guarded reader alone: it must hold without scanner and without sandbox."""
    with path.open("rb") as file:
        content = Content(path.name, "", path.name, file.fileno(), 0, path.stat().st_size)
        return read(content, "skops" if is_archive(content) else "pickle", allow)


def refusal(path: Path) -> str:
    """Why the guarded reader alone refuses a file."""
    with pytest.raises(Refused) as caught:
        read_here(path)
    said = f"{caught.value}; {caught.value.mend}"
    assert len(said.splitlines()) == 1, said
    return said


def load_and_leave(path: Path) -> None:
    with loaded(path):
        pass


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


def write_packed(value, path: Path) -> None:
    joblib.dump(value, path, compress=("lz4", 3), protocol=2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", [write_pickle, write_joblib])
def test_a_call_is_refused_and_named(tmp_path, canary, name, write):
    write(payloads(canary)[name], tmp_path / "model")
    assert "not on the list of harmless constructors" in refusal(tmp_path / "model")


@pytest.mark.parametrize("file", ["model.pkl", "model.skops"])
def test_a_call_is_refused_whatever_the_file_is_called(tmp_path, canary, file):
    write_pickle(payloads(canary)["system"], tmp_path / file)
    with pytest.raises(WardeinError, match=r"posix\.system"):
        load_and_leave(tmp_path / file)


def test_a_call_inside_a_real_model_is_refused(tmp_path, canary, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = payloads(canary)["system"]
    write_joblib(model, tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")


def test_a_call_inside_an_object_array_is_refused(tmp_path, canary):
    """Joblib stores such an array as a pickle inside the pickle."""
    write_joblib(np.array([payloads(canary)["system"], 1], dtype=object), tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")


def test_a_call_inside_a_models_object_array_is_refused(tmp_path, canary, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = np.array([payloads(canary)["popen"], None], dtype=object)
    write_joblib(model, tmp_path / "model.joblib")
    assert "subprocess.Popen" in refusal(tmp_path / "model.joblib")


def test_a_compressed_joblib_file_is_no_way_round(tmp_path, canary):
    joblib.dump(payloads(canary)["system"], tmp_path / "model.joblib", compress=3)
    assert "posix.system" in refusal(tmp_path / "model.joblib")


@pytest.mark.parametrize("text", [b"cos\nsystem\n(S'touch CANARY'\ntR.", b"(S'touch CANARY'\nios\nsystem\n."])
def test_pickles_of_protocol_0_are_no_way_round(tmp_path, canary, text):
    (tmp_path / "model.pkl").write_bytes(text.replace(b"CANARY", str(canary).encode()))
    assert "os.system" in refusal(tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("module", "name"),
    [("sklearn.pipeline", "os.system"), ("sklearn", "pipeline.os.system"), ("builtins", "int.__subclasses__")],
)
def test_a_dotted_walk_from_a_harmless_name_is_refused(tmp_path, canary, module, name):
    texts = [module.encode(), name.encode(), f"touch {canary}".encode()]
    one, two, three = (b"\x8c" + bytes([len(text)]) + text for text in texts)
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + one + two + b"\x93" + three + b"\x85R.")
    assert "not on the list" in refusal(tmp_path / "model.pkl")


def test_a_function_transformer_cannot_smuggle_a_call(tmp_path, canary):
    model = make_pipeline(FunctionTransformer(os.system), LogisticRegression())
    write_joblib(model, tmp_path / "model.joblib")
    assert "posix.system" in refusal(tmp_path / "model.joblib")
    skops.io.dump(model, tmp_path / "model.skops")
    assert "not on the list of harmless types" in refusal(tmp_path / "model.skops")


def test_a_skops_file_with_an_unknown_type_is_refused(tmp_path, flowers):
    model = GaussianNB().fit(*flowers)
    model.extra_ = Strange()
    skops.io.dump(model, tmp_path / "model.skops")
    assert "Strange, which is not on the list" in refusal(tmp_path / "model.skops")


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
def test_a_damaged_pickle_is_refused_in_one_line(tmp_path, fitted, name):
    assert "is not a complete pickle" in refusal(broken_files(fitted, tmp_path)[name])


@pytest.mark.parametrize("value", [[1, 2, 3], None, {"coef_": [1]}, "model"])
def test_harmless_data_is_no_model(tmp_path, value):
    skops.io.dump(value, tmp_path / "model.skops")
    with pytest.raises(WardeinError, match="not a"):
        load_and_leave(tmp_path / "model.skops")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(WardeinError, match="is a folder"):
        load_and_leave(tmp_path)


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
    with pytest.raises(WardeinError, match=says), load(tmp_path / "model"):
        pass


def test_what_cannot_be_judged_is_refused_as_a_pickle_too(tmp_path, flowers):
    write_joblib(LinearRegression().fit(*flowers), tmp_path / "model")
    with pytest.raises(WardeinError, match="not a classifier"), load(tmp_path / "model"):
        pass


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
def test_a_pickle_is_read_as_the_model_it_was(tmp_path, flowers, estimator):
    rows, labels = flowers
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    estimator.fit(rows, names)
    for write in (write_pickle, write_joblib, lambda value, path: joblib.dump(value, path, compress=3)):
        write(estimator, tmp_path / "model")
        with load(tmp_path / "model") as model:
            assert (model.features, list(model.classes), model.format) == (tuple(rows), sorted(set(names)), "pickle")
            assert (model.predict(model.rows(rows)) == estimator.predict(rows)).all()
            if hasattr(estimator, "predict_proba"):
                assert np.array_equal(model.predict_proba(rows), estimator.predict_proba(rows))


def test_a_pipeline_over_text_columns_loads(tmp_path):
    rows = pd.DataFrame({"town": ["a", "b"] * 20, "x": np.arange(40.0)})
    encode = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["x"]))
    model = make_pipeline(encode, LogisticRegression()).fit(rows, np.arange(40) > 20)
    write_joblib(model, tmp_path / "model.joblib")
    with load(tmp_path / "model.joblib") as there:
        assert (there.predict(there.rows(rows)) == model.predict(rows)).all()


# One file, one model: what a file is, is decided from its first byte to its last.


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_skops_loads(tmp_path, flowers, fitted, compression):
    skops.io.dump(fitted, tmp_path / "model", compression=compression)
    with load(tmp_path / "model") as model:
        assert model.format == "skops"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("compress", [None, 0, "zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_every_way_of_pickling_loads(tmp_path, flowers, protocol, compress):
    """Object arrays, arrays in Fortran order, of another byte order and without elements among them."""
    model = GaussianNB().fit(flowers[0], np.array(["a", "b", "c"], dtype=object)[flowers[1]])
    model.fortran_, model.swapped_ = np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">i4")
    model.empty_, model.point_ = np.zeros((0, 3)), np.array(7.0)
    path = tmp_path / "model"
    if compress is None:
        path.write_bytes(pickle.dumps(model, protocol=protocol))
    else:
        joblib.dump(model, path, compress=compress and (compress, 3), protocol=protocol)
    loaded = read_here(path)
    assert (loaded.predict(flowers[0]) == model.predict(flowers[0])).all()
    for name in ("fortran_", "swapped_", "empty_", "point_"):
        assert (getattr(loaded, name) == getattr(model, name)).all()
        assert getattr(loaded, name).shape == getattr(model, name).shape


def dumped(model) -> bytes:
    return skops.io.dumps(model)


def test_a_pickle_before_an_archive_is_refused(tmp_path, canary, fitted):
    path = tmp_path / "model.skops"
    path.write_bytes(pickle.dumps(payloads(canary)["system"]) + dumped(fitted))
    assert "a pickle and an archive at once" in refusal(path)
    path.write_bytes(pickle.dumps(fitted) + dumped(fitted))
    assert "a pickle and an archive at once" in refusal(path)


def archives(good: bytes) -> dict[str, bytes]:
    """The same archive, each time with something that one reader sees and another does not."""
    start = int.from_bytes(good[-6:-2], "little")
    second = good.index(b"PK\x03\x04", 4)

    def moved(content: bytes, by: int) -> bytes:
        return content[:-6] + (start + by).to_bytes(4, "little") + content[-2:]

    found = {
        "tail": good + b"tail",
        "second archive": good + good,
        "comment": good[:-2] + b"\x04\x00tail",
        "before directory": moved(good[:start] + b"gap!" + good[start:], 4),
        "after directory": good[:-22] + b"gap!" + good[-22:],
        "local name": good[:30] + b"X" + good[31:],
        "local size": good[:22] + (7).to_bytes(4, "little") + good[26:],
        "gap": good[:second] + b"gap!" + good[second:],
        "prefix in archive": b"PK\x03\x04" + good,
    }
    twice = io.BytesIO(good)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("schema.json", "{}")
    hidden = io.BytesIO(good)  # a member that the directory leaves out
    with zipfile.ZipFile(hidden, "a") as archive:
        archive.writestr("hidden", "evil")
        archive.filelist.pop()
    return {**found, "hidden member": hidden.getvalue(), "name twice": twice.getvalue()}


def test_a_name_twice_and_a_gap_between_members_are_refused():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("name", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("name", "two")
    with pytest.raises(Refused, match="holds a name twice"):
        check_archive(content)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("one", "one")
        content.seek(archive.start_dir)
        content.write(b"gap!")
        archive.start_dir += 4
        archive.writestr("two", "two")
    with pytest.raises(Refused, match="belong to no member, before 'two'"):
        check_archive(content)


def test_an_archive_that_readers_could_see_differently_is_refused(tmp_path, fitted):
    for name, content in archives(dumped(fitted)).items():
        (tmp_path / "model").write_bytes(content)
        assert re.search("is an archive|is not a complete skops file", refusal(tmp_path / "model")), name
        with pytest.raises(WardeinError) as caught:
            load_and_leave(tmp_path / "model")
        assert len(str(caught.value).splitlines()) == 1, name


def test_large_archives_have_their_own_records():
    """Beyond 65535 members and for members of 4 GiB a zip file is written differently."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        with archive.open("large", "w", force_zip64=True) as member:
            member.write(b"large")
        for number in range(65536):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    check_archive(content)
    content.seek(0, io.SEEK_END)
    content.write(b"tail")
    with pytest.raises(Refused, match="follows"):
        check_archive(content)


PACK = {"plain": bytes, "zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("pack", PACK)
def test_nothing_follows_a_pickle(tmp_path, pack):
    model, path = pickle.dumps({"a": 1}), tmp_path / "model"
    for content in (
        PACK[pack](model + b"tail"),
        PACK[pack](model + model),
        PACK[pack](model) + b"tail",
        PACK[pack](model) + PACK[pack](model),
        PACK[pack](b"\x80\x04\x95\x03" + b"\0" * 7 + b"N.N"),
    ):
        path.write_bytes(content)
        assert "something after the end of its" in refusal(path)


@pytest.mark.parametrize("pack", ["zlib", "gzip", "bz2", "xz"])
def test_a_stream_that_breaks_off_is_refused(tmp_path, pack):
    (tmp_path / "model").write_bytes(PACK[pack](pickle.dumps(list(range(1000))))[:-5])
    assert "is not a complete pickle" in refusal(tmp_path / "model")


def state_of_an_array(*more) -> bytes:
    """The pickle of a place holder for an object array, as joblib writes it, and what its state is set to."""
    state = {"subclass": np.ndarray, "shape": (1,), "order": "C", "dtype": np.dtype("O"), "allow_mmap": False}
    body = pickle.dumps((state, *more) if more else state, protocol=2)[2:-1]
    return b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + body + b"b"


@pytest.mark.parametrize("more", [(), ({"__class__": NumpyArrayWrapper},), ({"order": "C"},)])
def test_joblib_never_reads_an_object_array_itself(tmp_path, canary, more):
    inner = pickle.dumps([payloads(canary)["system"]], protocol=2)
    (tmp_path / "model").write_bytes(state_of_an_array(*more) + inner + b".")
    assert "which is not on the list" in refusal(tmp_path / "model") or more


def test_no_code_of_joblib_reads_a_model(tmp_path, monkeypatch, flowers):
    """Not even of a joblib that does not guard nested pickles."""
    monkeypatch.setattr(NumpyArrayWrapper, "read", None)
    model = GaussianNB().fit(flowers[0], np.array(["a", "b", "c"], dtype=object)[flowers[1]])
    write_joblib(model, tmp_path / "model")
    assert (read_here(tmp_path / "model").predict(flowers[0]) == model.predict(flowers[0])).all()


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"c__builtin__\nobject\n)\x81N}U\x09__class__c__builtin__\nset\ns\x86b.", "name of Python's own on a object"),
        (b"csklearn.pipeline\nPipeline\nN}U\x07predictK\x01s\x86b.", "changes the class Pipeline"),
    ],
)
def test_a_state_cannot_change_what_an_object_is(tmp_path, stream, says):
    (tmp_path / "model").write_bytes(b"\x80\x02" + stream)
    assert says in refusal(tmp_path / "model")


# A model of harmless types can still open files, call things, and point outside its own memory.


@pytest.fixture(scope="module")
def texts() -> tuple[pd.DataFrame, np.ndarray]:
    return pd.DataFrame({"text": ["good day", "bad day"] * 10}), np.array([1, 0] * 10)


def reader(texts, vectorizer):
    return make_pipeline(make_column_transformer((vectorizer, "text")), LogisticRegression()).fit(*texts)


def refuses(path: Path, model, says: str) -> None:
    skops.io.dump(model, path)
    assert re.search(says, refusal(path))


@pytest.mark.parametrize("vectorizer", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
@pytest.mark.parametrize("source", ["filename", "file"])
def test_a_model_that_opens_files_is_refused(tmp_path, texts, vectorizer, source):
    model = reader(texts, vectorizer())
    assert (load_again(tmp_path / "model", model).predict(texts[0]) == texts[1]).all()
    model[0].transformers_[0][1].input = source
    refuses(tmp_path / "model", model, rf"{vectorizer.__name__}\(input='{source}'\), which opens files")


def load_again(path: Path, model):
    skops.io.dump(model, path)
    return read_here(path)


def test_a_model_that_opens_files_is_one_line_and_exit_2(tmp_path, capsys, texts):
    model = reader(texts, CountVectorizer())
    model[0].transformers_[0][1].input = "filename"
    skops.io.dump(model, tmp_path / "model")
    texts[0].assign(y=texts[1]).to_csv(tmp_path / "data.csv", index=False)
    arguments = ["--model", str(tmp_path / "model"), "--data", str(tmp_path / "data.csv"), "--label", "y"]
    assert main(["evaluate-performance", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_cache_on_disk_is_refused(tmp_path, flowers):
    model = make_pipeline(StandardScaler(), GaussianNB(), memory=str(tmp_path / "cache")).fit(*flowers)
    refuses(tmp_path / "model", model, r"Pipeline\(memory=\.\.\.\), which writes files.*memory=None")


@pytest.mark.parametrize("call", [list, StandardScaler, {"nested": [dict]}, (1, bytearray)])
def test_something_to_call_is_refused_and_its_parameter_named(tmp_path, flowers, call):
    model = make_pipeline(FunctionTransformer(), GaussianNB()).fit(*flowers)
    model[0].func = call
    refuses(tmp_path / "model", model, r"gives FunctionTransformer\.func something to call")


PICKLED = b"\x80\x02"


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"csklearn.pipeline\nPipeline\n]\x85R.", "calls the constructor of sklearn.pipeline.Pipeline"),
        (b"csklearn.feature_selection._univariate_selection\nf_classif\nK\x01K\x02\x86R.", "as a value only"),
        (b"csklearn.feature_selection._univariate_selection\nf_classif\n)\x81.", "as a value only"),
        (b"cfunctools\npartial\ncsklearn.pipeline\nPipeline\n\x85R.", "holds sklearn.pipeline.Pipeline to call it"),
        (b"cfunctools\npartial\ncsklearn.utils.validation\ncheck_array\n\x85R)R.", "calls a partial that it made"),
        (b"csklearn.pipeline\nPipeline\n)\x81)R.", "calls a Pipeline that it made itself"),
        (
            b"ccopy_reg\n_reconstructor\ncsklearn.pipeline\nPipeline\ncsklearn.pipeline\nFeatureUnion\nN\x87R.",
            "another",
        ),
        (b"csklearn.pipeline\nPipeline\n)\x81K\x01a.", "fills something that is no container"),
        (b"csklearn.pipeline\nPipeline\n)\x81(K\x01K\x02u.", "fills something that is no container"),
        (b"csklearn.utils.validation\ncheck_array\n}U\x01aK\x01sb.", "changes the class check_array"),
        (b"\x82\x01.", "is not a complete pickle"),
        (b"K\x01Q.", "is not a complete pickle"),
    ],
)
def test_a_name_is_only_used_as_the_list_says(tmp_path, stream, says):
    (tmp_path / "model").write_bytes(PICKLED + stream)
    assert says in refusal(tmp_path / "model")


def replaced(value, old: bytes, new: bytes) -> bytes:
    content = pickle.dumps(value, protocol=2)
    assert content.count(old) == 1
    return content.replace(old, new)


LYING = {
    "objects that are none": replaced(np.array(["a", "b"], dtype=object), b"K?t", b"K\x00t"),
    "numbers that are objects": replaced(np.arange(300.0), b"K\x00tq", b"K?tq"),
    "more objects than there are": replaced(np.array(["a", "b"], dtype=object), b"K\x02\x85", b"K\xd2\x85"),
    "a field of another type": replaced(np.dtype([("a", "f8")]), b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8"),
    "fields beyond the end": replaced(np.zeros(1, dtype=[("a", "f8"), ("b", "f8")]), b"K\x08\x86", b"K\x7f\x86"),
    "no names": replaced(np.array(["a"], dtype=object), b"NNNJ", b"NK\x01NJ"),
    "a part of a number": replaced(np.array(["a"], dtype=object), b"NNNJ", b"K\x01NNJ"),
}


@pytest.mark.parametrize("name", LYING)
def test_an_array_that_lies_about_its_memory_is_refused(tmp_path, name):
    """In a process of its own: numpy believes what a file says of pointers, and most of these end the process."""
    (tmp_path / "model").write_bytes(LYING[name])
    code = "import sys, pathlib, tests.checks.test_models as t; t.read_here(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "Refused" in ended.stderr) == (1, True), ended.stderr[-300:]


KINDS = ["f8", "O", "U7", "S3", "V5", "?", "M8[ns]", "M8[25s]", "m8", "c16", "g", [("a", "f8"), ("b", "i4", (2, 3))]]


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("kind", [*KINDS, np.dtype([("a", "i1"), ("b", "f8")], align=True)], ids=str)
def test_every_data_type_is_read_as_it_was(tmp_path, kind, protocol):
    array = np.zeros((2, 3), dtype=kind)
    (tmp_path / "model").write_bytes(pickle.dumps((array, array.dtype, [array.dtype]), protocol=protocol))
    again, alone, (held,) = read_here(tmp_path / "model")
    assert (again == array).all()
    for kind in (again.dtype, alone, held):
        assert (kind, kind.flags, kind.isalignedstruct) == (array.dtype, array.dtype.flags, array.dtype.isalignedstruct)


def test_what_a_run_allows_is_allowed_in_every_way(tmp_path):
    (tmp_path / "model").write_bytes(PICKLED + b"csklearn.pipeline\nPipeline\n]\x85R.")
    assert read_here(tmp_path / "model", "sklearn.pipeline.Pipeline").steps == []


def test_a_partial_of_another_function_is_refused_in_its_state_too(tmp_path):
    held = b"csklearn.utils.validation\ncheck_array\n\x85"
    state = b"(csklearn.pipeline\nPipeline\n)}Nt"
    (tmp_path / "model").write_bytes(PICKLED + b"cfunctools\npartial\n" + held + b"R" + state + b"b.")
    assert "holds sklearn.pipeline.Pipeline to call it later" in refusal(tmp_path / "model")


def test_a_library_that_is_missing_is_named_with_its_command(tmp_path):
    (tmp_path / "model").write_bytes(PICKLED + b"cxgboost.sklearn\nXGBClassifier\n)\x81.")
    assert "xgboost is not installed here; run: pip install xgboost" in refusal(tmp_path / "model")


def test_a_method_cannot_be_put_in_the_place_of_another(fitted):
    model = pickle.loads(pickle.dumps(fitted))
    model.predict = np.zeros(3).tofile
    with pytest.raises(Refused, match=r"LogisticRegression\.predict something to call"):
        make_safe(model)


def test_arithmetic_of_numpy_and_data_types_are_no_calls(tmp_path, flowers):
    model = make_pipeline(FunctionTransformer(np.log1p), OneHotEncoder(dtype=np.float32, handle_unknown="ignore"))
    model = make_pipeline(model, LogisticRegression()).fit(*flowers)
    assert (load_again(tmp_path / "model", model).predict(flowers[0]) == model.predict(flowers[0])).all()


def test_no_process_is_started_and_nothing_printed(tmp_path, flowers):
    inner = RandomForestClassifier(3, n_jobs=-1, verbose=2)
    model = load_again(tmp_path / "model", make_pipeline(StandardScaler(), inner).fit(*flowers))
    assert (model[1].n_jobs, model[1].verbose) == (1, 0)


def honest_models(flowers) -> dict[str, object]:
    rows, labels = flowers
    towns = rows.assign(town=pd.Categorical(np.array(["a", "b", "c"])[labels]))
    infrequent = make_column_transformer(
        (OneHotEncoder(min_frequency=60, drop="first", handle_unknown="infrequent_if_exist"), ["town"]),
        remainder="passthrough",
    )
    linear = LogisticRegression(max_iter=500)
    by_type = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
    )
    stack = StackingClassifier([("tree", DecisionTreeClassifier()), ("near", KNeighborsClassifier(3))], linear)
    return {
        "tree": DecisionTreeClassifier().fit(rows, labels),
        "stump of two classes": GradientBoostingClassifier(n_estimators=2).fit(rows, labels > 0),
        "forest": RandomForestClassifier(3).fit(rows, labels),
        "bagging": BaggingClassifier(max_features=2, n_estimators=3).fit(rows, labels),
        "adaboost": AdaBoostClassifier(n_estimators=3).fit(rows, labels),
        "histogram": HistGradientBoostingClassifier(max_iter=3).fit(rows, labels),
        "kd": KNeighborsClassifier(algorithm="kd_tree", metric="manhattan").fit(rows, labels),
        "ball": KNeighborsClassifier(algorithm="ball_tree").fit(rows, labels),
        "brute": KNeighborsClassifier(algorithm="brute").fit(rows, labels),
        "radius": RadiusNeighborsClassifier(radius=5).fit(rows, labels),
        "nu": NuSVC(kernel="linear").fit(rows, labels > 0),
        "sparse": make_pipeline(OneHotEncoder(handle_unknown="ignore"), SVC()).fit(rows, labels),
        "infrequent": make_pipeline(infrequent, linear).fit(towns, labels),
        "calibrated": CalibratedClassifierCV(LinearSVC()).fit(rows, labels),
        "stack": stack.fit(rows, labels),
        "categories": HistGradientBoostingClassifier(max_iter=3).fit(towns, labels),
        "categories in numbers": HistGradientBoostingClassifier(max_iter=3, categorical_features=[3]).fit(
            rows.round(), labels
        ),
        "search": GridSearchCV(linear, {"C": [1, 2]}, cv=2, scoring="f1_macro").fit(rows, labels),
        "random search": RandomizedSearchCV(linear, {"C": [1, 2]}, cv=2, n_iter=1).fit(rows, labels),
        "scorer": GridSearchCV(linear, {"C": [1, 2]}, cv=2, scoring=make_scorer(f1_score, average="macro")).fit(
            rows, labels
        ),
        "by type": make_pipeline(by_type, GaussianNB()).fit(towns, labels),
        "best": make_pipeline(SelectKBest(f_classif, k=2), GaussianNB()).fit(rows, labels),
        "isotonic": CalibratedClassifierCV(linear, method="isotonic", cv=2).fit(rows, labels),
        "bins": make_pipeline(KBinsDiscretizer(3), LogisticRegression()).fit(rows, labels),
    }


def test_honest_models_are_not_taken_for_damaged(tmp_path, flowers):
    rows = flowers[0].assign(town=pd.Categorical(np.array(["a", "b", "c"])[flowers[1]]))
    for name, model in honest_models(flowers).items():
        given = rows[list(model.feature_names_in_)]
        for write in (skops.io.dump, write_pickle, write_joblib, write_packed):
            write(model, tmp_path / "model")
            assert (read_here(tmp_path / "model").predict(given) == model.predict(given)).all(), (name, write)


def wild_tree(field, value):
    def harm(model):
        tree = (model if isinstance(model, DecisionTreeClassifier) else np.ravel(model.estimators_)[0]).tree_
        state = tree.__getstate__()
        state["nodes"] = state["nodes"].copy()
        state["nodes"][field][0] = value
        tree.__setstate__(state)

    return harm


def more_nodes(model):
    model.tree_.__setstate__({**model.tree_.__getstate__(), "node_count": 10**9})


def no_nodes(model):
    model.tree_ = Tree(4, np.array([3]), 1)


def narrow(model):
    model.n_features_in_ = 2


def wild_node(field, value):
    def harm(model):
        model._predictors[0][0].nodes[field][0] = value

    return harm


def as_category(model):
    model._predictors[0][0].nodes["is_categorical"][0] = 1


def preprocessed(model):
    model._preprocessor = make_column_transformer(("passthrough", [0])).fit(np.zeros((2, 4)))


def wild_table(model):
    split = model._predictors[0][0].nodes["is_categorical"].argmax()
    model._predictors[0][0].nodes["bitset_idx"][split] = 10**9


def narrow_tables(model):
    model._predictors[0][0].raw_left_cat_bitsets = np.zeros((9, 1), dtype=np.uint32)


def other_categories(model):
    model._bin_mapper.is_categorical_ = np.zeros(9, dtype=bool)


def no_category(model):
    model._bin_mapper.is_categorical_ = np.zeros(4, dtype=bool)


def wild_category(model):
    model._bin_mapper.bin_thresholds_[3] = np.array([1e9])


def fewer_columns(model):
    name, step, columns = model._preprocessor.transformers_[0]
    step.categories_, step.n_features_in_ = step.categories_[1:], 3
    step.feature_names_in_ = step.feature_names_in_[1:]
    model._preprocessor.transformers_[0] = (name, step, np.arange(4) > 0)


def other_function(model):
    model._preprocessor.transformers_[1][1].func = np.log1p


def hot(model):
    model._preprocessor.transformers_[0] = ("encoder", OneHotEncoder(), model._preprocessor.transformers_[0][2])


def categorical():
    return HistGradientBoostingClassifier(max_iter=2, categorical_features=[0, 1, 2, 3])


def wider_stage(model):
    model.estimators_ = np.hstack([model.estimators_] * 5)


def wild_neighbour(place, value):
    def harm(model):
        state = list(model._tree.__getstate__())
        state[place] = np.array(state[place])
        array = state[place] if state[place].dtype.names is None else state[place][value[0]]
        array[0] = value[-1]
        model._tree.__setstate__(tuple(state))

    return harm


def fewer_bounds(model):
    state = list(model._tree.__getstate__())
    state[3] = np.array(state[3])[:, :1].copy()
    model._tree.__setstate__(tuple(state))


def wild_label(model):
    model._y = np.array(model._y)
    model._y[0] = 10**9


def fewer_coefficients(model):
    model._dual_coef_ = model._dual_coef_[:, :1].copy()


def wild_support(model):
    model._n_support = np.array([10**6, 0, 0], dtype=np.int32)


def no_intercept(model):
    model._intercept_ = np.zeros(0)


@pytest.mark.parametrize(
    ("make", "harm"),
    [
        *((DecisionTreeClassifier, wild_tree("feature", wild)) for wild in (4, 2**40, -1)),
        *((DecisionTreeClassifier, wild_tree("left_child", wild)) for wild in (2**40, -7, 0)),
        (DecisionTreeClassifier, wild_tree("right_child", 10**6)),
        (DecisionTreeClassifier, more_nodes),
        (DecisionTreeClassifier, no_nodes),
        (DecisionTreeClassifier, narrow),
        (lambda: RandomForestClassifier(2), wild_tree("feature", 2**40)),
        (lambda: RandomForestClassifier(2), narrow),
        (lambda: GradientBoostingClassifier(n_estimators=2), wild_tree("feature", 4)),
        (lambda: GradientBoostingClassifier(n_estimators=2), wider_stage),
        *(
            (lambda: HistGradientBoostingClassifier(max_iter=2), wild_node("feature_idx", w))
            for w in (4, 2**31 - 1, -1)
        ),
        *((lambda: HistGradientBoostingClassifier(max_iter=2), wild_node("left", wild)) for wild in (0, 10**6)),
        (lambda: HistGradientBoostingClassifier(max_iter=2), wild_node("right", 2**32 - 1)),
        (lambda: HistGradientBoostingClassifier(max_iter=2), as_category),
        (lambda: HistGradientBoostingClassifier(max_iter=2), preprocessed),
        *((categorical, harm) for harm in (wild_table, narrow_tables, other_categories, no_category, wild_category)),
        *((categorical, harm) for harm in (fewer_columns, other_function, hot)),
        (KNeighborsClassifier, wild_neighbour(1, [10**9])),
        (KNeighborsClassifier, wild_neighbour(2, ["idx_end", 10**9])),
        (lambda: KNeighborsClassifier(leaf_size=200), wild_neighbour(2, ["is_leaf", 0])),
        (KNeighborsClassifier, fewer_bounds),
        (lambda: KNeighborsClassifier(algorithm="brute"), wild_label),
        (SVC, fewer_coefficients),
        (SVC, wild_support),
        (SVC, no_intercept),
    ],
)
def test_an_index_that_points_outside_the_model_is_refused(flowers, make, harm):
    model = make().fit(flowers[0].round(), flowers[1])
    make_safe(model)
    harm(model)
    with pytest.raises(Refused, match="is damaged|does not fit together"):
        make_safe(model)


def test_a_wild_place_in_a_sparse_matrix_is_refused(flowers):
    model = make_pipeline(OneHotEncoder(), SVC()).fit(*flowers)
    model[1].support_vectors_.indices[0] = 10**6
    with pytest.raises(Refused, match="does not fit together"):
        make_safe(model)


def test_a_wild_place_in_a_vocabulary_or_an_encoder_is_refused(texts, flowers):
    model = reader(texts, CountVectorizer())
    model[0].transformers_[0][1].vocabulary_["day"] = 10**6
    with pytest.raises(Refused, match="vocabulary points beyond"):
        make_safe(model)
    encoder = OneHotEncoder().fit(flowers[0])
    encoder._n_features_outs[0] = 1
    with pytest.raises(Refused, match="encoder writes other columns"):
        make_safe(encoder)


def test_a_wild_index_in_a_file_is_one_line_and_exit_2(tmp_path, flowers):
    """In a process of its own: unguarded, this one is killed by the kernel."""
    model = HistGradientBoostingClassifier(max_iter=2).fit(*flowers)
    model._predictors[0][0].nodes["feature_idx"][0] = 2**31 - 1
    skops.io.dump(model, tmp_path / "model")
    flowers[0].assign(y=flowers[1]).to_csv(tmp_path / "data.csv", index=False)
    arguments = ["--model", str(tmp_path / "model"), "--data", str(tmp_path / "data.csv"), "--label", "y"]
    command = [sys.executable, "-m", "wardein", "evaluate-performance", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (2, 1), ended.stderr
    assert "a node asks for a missing feature" in ended.stderr


@pytest.mark.parametrize("kind", ["imputer", "native"])
def test_a_model_that_knows_missing_numbers_is_evaluated_on_them(kind, tmp_path, wardein):
    """The imputation is in the model; only the model can say that a missing number is too much for it.

    An attack has no number to start from there: those rows are left out, and that is told.
    """
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=400), "z": rng.normal(size=400)})
    table["y"] = (table["x"] > 0).astype(int)
    table.loc[::7, "x"] = np.nan
    native = HistGradientBoostingClassifier(max_iter=5)
    model = native if kind == "native" else make_pipeline(SimpleImputer(), LogisticRegression())
    skops.io.dump(model.fit(table[["x", "z"]], table["y"]), tmp_path / "m.skops")
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--model", tmp_path / "m.skops", "--data", tmp_path / "t.csv", "--label", "y"]
    assert wardein("evaluate-performance", *arguments).code == 0
    attacked = wardein("evaluate-robustness", *arguments, "--json")
    assert attacked.code == 0
    left_out = [f for f in attacked.report["findings"] if f["ruleId"] == "robustness/incomplete-rows"]
    assert [f["severity"] for f in left_out] == ["medium"]
    assert left_out[0]["message"].startswith("58 rows of 400 ")


CORPUS = Path(__file__).parents[1] / "corpus" / "modelfiles" / "benign"


def natives() -> dict[str, list[Path]]:
    """Models in the formats of other libraries, none of which is installed where these tests run."""
    patterns = {"xgboost": "xgboost/*.[ju][sb]*", "lightgbm": "lightgbm/*.txt", "catboost": "catboost/*.cbm"}
    return {library: sorted(CORPUS.glob(pattern)) for library, pattern in patterns.items()}


@pytest.mark.parametrize("library", natives())
def test_a_model_of_another_library_names_what_it_takes(library):
    files = natives()[library]
    assert files
    for path in files:
        with pytest.raises(WardeinError) as caught:
            load_and_leave(path)
        assert f"is a model of {library}, which takes {library} to load; run: pip install {library}" in str(
            caught.value
        )


@pytest.mark.parametrize("write", [write_pickle, write_joblib, write_packed])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path, write):
    """Without the scanner: whatever the reader is given, it says in words that it cannot read it."""
    rows = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})
    write(make_pipeline(StandardScaler(), GaussianNB()).fit(rows, np.array(["x", "y"], dtype=object)), tmp_path / "m")
    content, random = (tmp_path / "m").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), random.integers(1, 5)):
            damaged[place] = random.integers(0, 256)
        (tmp_path / "m").write_bytes(damaged[: None if random.random() < 0.8 else random.integers(1, len(content))])
        try:
            read_here(tmp_path / "m")
        except (Refused, MemoryError):
            refused += 1
    assert refused > 50
