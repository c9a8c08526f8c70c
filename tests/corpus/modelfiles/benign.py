# SPDX-License-Identifier: Apache-2.0
"""Honest model files, written by the libraries themselves: none of them may be stopped.

    .venv-models/bin/python -m tests.corpus.modelfiles.benign FOLDER             # all of them
    .venv-models/bin/python -m tests.corpus.modelfiles.benign FOLDER --selection # those that are in this repository

Each path two levels under the folder is one sample: ``FOLDER/<library>/<file or folder>``.
"""

from __future__ import annotations

import argparse
import bz2
import collections
import datetime
import decimal
import fractions
import gzip
import io
import ipaddress
import json
import lzma
import os
import pathlib
import pickle
import random
import re
import shutil
import sys
import tarfile
import tempfile
import types
import uuid
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROTOCOLS = range(6)
# What one library may take in this repository.
FILES_EACH, BYTES_EACH = 12, 24 * 1024
# What was stopped once.
ALWAYS = {
    "objects.npz",
    "hist-categories-p4.pkl",
    "hist-categories.joblib",
    "neighbours-tree-p4.pkl",
    "formula-two-p4.pkl",
}
WHEN = (2024, 1, 1, 0, 0, 0)


def _pickled(folder: Path, name: str, value: Any, protocols: Any = (2, 4, 5)) -> None:
    for protocol in protocols:
        (folder / f"{name}-p{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))


# The standard library -------------------------------------------------------------------------------------------------


def stdlib(folder: Path) -> None:
    plain = {
        "a": [1, 2.5, -3, 2**70, True, None, "text", "ünïcode \u2028", b"bytes", 1j],
        "set": {1, 2},
        "frozen": frozenset({"x"}),
        "tuple": (1, (2, (3,))),
        "range": range(0, 9, 3),
        "slice": slice(1, None),
        "bytearray": bytearray(b"abc"),
        "empty": [(), [], {}, set(), frozenset(), "", b"", bytearray()],
    }
    itself: list[Any] = [1]
    itself.append(itself)
    values: dict[str, Any] = {
        "plain": plain,
        "itself": itself,
        "vocabulary": {f"token{i}": i for i in range(400)},
        "collections": [
            collections.Counter("abracadabra"),
            collections.deque([1, 2], maxlen=4),
            collections.OrderedDict(a=1, b=[2]),
            collections.defaultdict(list, a=[1]),
            collections.defaultdict(int),
            collections.ChainMap({"a": 1}, {}),
        ],
        "times": [
            datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
            datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
            datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")),
            datetime.date(2024, 1, 2),
            datetime.time(1, 2),
            datetime.timedelta(days=1, seconds=2),
        ],
        "numbers": [decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5)],
        "paths": [pathlib.PurePosixPath("a/b"), pathlib.PosixPath("/x"), pathlib.PureWindowsPath("c:/x")],
        "addresses": [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")],
        "arrays": [array("i", [1, 2]), array("d", [0.5])],
        "namespace": types.SimpleNamespace(lr=0.1, layers=[1, 2]),
        "expression": re.compile(r"(?u)\b\w\w+\b", re.IGNORECASE),
        "random": random.Random(1),
        "error": {"fit failed": ValueError("n_samples=1"), "key": KeyError("a")},
        "types": [int, float, str, list, dict, bool, Ellipsis, NotImplemented],
    }
    for name, value in values.items():
        _pickled(folder, name, value, PROTOCOLS if name in ("plain", "collections", "times") else (0, 2, 4))
    with (folder / "three-in-a-row.pkl").open("wb") as file:
        for one in ({"epoch": 1}, [1, 2, 3], "end"):
            pickle.dump(one, file)
    python_pickler = io.BytesIO()
    pickle._Pickler(python_pickler, 4).dump(plain)  # type: ignore[attr-defined]
    (folder / "python-pickler-p4.pkl").write_bytes(python_pickler.getvalue())


# NumPy ----------------------------------------------------------------------------------------------------------------


def numpy(folder: Path) -> None:
    import numpy as np

    generator = np.random.default_rng(0)
    values: dict[str, Any] = {
        "array": generator.random((20, 5)),
        "fortran": np.asfortranarray(generator.random((5, 4))),
        "kinds": [np.ones(4, dtype=kind) for kind in ["i1", "u2", "i4", "i8", "f2", "f4", ">f8", "c16", "?"]],
        "texts": [np.array(["a", "bcd"]), np.array([b"a", b"bc"]), np.array(["a", "b"], dtype=object)],
        "times": [np.array(["2024-01-01", "NaT"], "M8[D]"), np.array([5], "m8[ns]")],
        "structured": np.array([(1, 2.0, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]),
        "nested": np.zeros(3, dtype=[("a", [("x", "f4"), ("y", "f4", (2, 2))])]),
        "objects": np.array([None, {"a": 1}, [1, 2], "x", np.float64(2)], dtype=object),
        "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
        "matrix": np.asmatrix([[1, 2], [3, 4]]),
        "records": np.rec.array([(1, 2.0)], names="a,b"),
        "characters": np.char.array(["ab", "c"]),
        "scalars": [
            np.float64(1),
            np.int32(2),
            np.bool_(True),
            np.str_("x"),
            np.datetime64("2024-01-01"),
            np.float16(1),
        ],
        "dtypes": [np.dtype("f8"), np.dtype([("a", "i4")]), np.float32, np.int64],
        "generators": [np.random.default_rng(1), np.random.RandomState(2), np.random.Generator(np.random.Philox(3))],
        "seed": np.random.SeedSequence(4),
        "polynomials": [np.polynomial.Polynomial([1, 2]), np.poly1d([1, 2])],
        "strings": np.array(["a", "longer text"], dtype=np.dtypes.StringDType()),
        "functions": [np.log1p, np.expm1, np.mean],
        "limits": np.finfo(np.float32),
        "dictionary": {"coef": generator.random(3), "intercept": 0.5},
    }
    for name, value in values.items():
        _pickled(folder, name, value, PROTOCOLS if name in ("array", "objects", "matrix") else (2, 4, 5))
    for name in ("array", "fortran", "texts", "structured", "nested", "times", "masked"):
        value = values[name][0] if isinstance(values[name], list) else values[name]
        np.save(folder / f"{name}.npy", np.asarray(value))
    np.save(folder / "objects.npy", values["objects"], allow_pickle=True)
    np.save(folder / "empty.npy", np.zeros((0, 3)))
    np.save(folder / "scalar.npy", np.float64(3))
    np.savez(folder / "several.npz", a=values["array"], b=values["texts"][0])
    np.savez_compressed(folder / "compressed.npz", a=np.zeros(10_000), b=np.arange(5))
    np.savez(folder / "objects.npz", a=values["objects"])


# pandas ---------------------------------------------------------------------------------------------------------------


def pandas(folder: Path) -> None:
    import numpy as np
    import pandas as pd

    days = pd.date_range("2024-01-01", periods=4, freq="D")
    frame = pd.DataFrame(
        {
            "number": [1.5, 2.5, np.nan, 4.0],
            "count": [1, 2, 3, 4],
            "text": ["a", "b", None, "d"],
            "flag": [True, False, True, True],
            "kind": pd.Categorical(["x", "y", "x", "y"], ordered=True),
            "day": days,
            "zone": days.tz_localize("UTC"),
            "span": pd.to_timedelta([1, 2, 3, 4], unit="h"),
        }
    )
    values: dict[str, Any] = {
        "frame": frame,
        "frame-by-day": frame.set_index("day")[["number", "count"]],
        "frame-by-two": frame.set_index(["kind", "count"])[["number"]],
        "numbers": pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=list("abcd")),
        "empty": pd.DataFrame(),
        "series": frame["number"],
        "texts": frame["text"],
        "categories": frame["kind"],
        "object-series": pd.Series(["a", 1, None], dtype=object),
        "nullable": pd.DataFrame(
            {
                "i": pd.array([1, None], "Int64"),
                "f": pd.array([1.5, None], "Float64"),
                "b": pd.array([True, None], "boolean"),
                "s": pd.array(["x", None], "string"),
            }
        ),
        "indexes": [
            pd.RangeIndex(5),
            pd.Index([1, 2]),
            pd.Index([1.5]),
            pd.Index(["a", "b"], name="n"),
            pd.CategoricalIndex(["a", "b"]),
            pd.interval_range(0, 3),
            pd.MultiIndex.from_product([[1, 2], ["a"]], names=["x", "y"]),
        ],
        "times": [
            days,
            days.tz_localize("UTC"),
            pd.timedelta_range("1h", periods=3),
            pd.Timestamp("2024-01-01"),
            pd.NaT,
        ],
        "periods": [pd.period_range("2024-01", periods=3, freq="M"), pd.Period("2024-01", "M"), pd.Timedelta("1h")],
        "intervals": [pd.cut(pd.Series([1, 2, 3]), 2), pd.Interval(0, 1)],
        "offsets": [
            pd.offsets.MonthEnd(),
            pd.offsets.BDay(2),
            pd.DateOffset(months=1),
            pd.tseries.frequencies.to_offset("h"),
        ],
        "sparse": pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
        "dtypes": [frame.dtypes.to_dict()["kind"], pd.Int64Dtype(), pd.NA],
    }
    for name, value in values.items():
        _pickled(folder, name, value, PROTOCOLS if name in ("frame", "indexes") else (2, 4, 5))
    frame.to_pickle(folder / "frame.pkl.gz", compression={"method": "gzip", "mtime": 1})
    frame.to_pickle(folder / "frame.pkl.zip")
    frame.to_pickle(folder / "frame.pkl.xz")
    frame.to_pickle(folder / "frame.pkl.zst")
    frame.to_pickle(folder / "frame.pkl.tar.gz")


# scikit-learn ---------------------------------------------------------------------------------------------------------

_NEEDS_ESTIMATOR = set(
    """
    ClassifierChain ColumnTransformer FeatureUnion FixedThresholdClassifier FrozenEstimator GridSearchCV
    HalvingGridSearchCV HalvingRandomSearchCV MultiOutputClassifier MultiOutputRegressor OneVsOneClassifier
    OneVsRestClassifier OutputCodeClassifier Pipeline RFE RFECV RandomizedSearchCV RegressorChain SelectFromModel
    SelfTrainingClassifier SequentialFeatureSelector SparseCoder StackingClassifier StackingRegressor
    TunedThresholdClassifierCV VotingClassifier VotingRegressor
    """.split()  # noqa: SIM905
)
_SLOW_OR_BIG = {"TSNE", "GaussianProcessClassifier", "MDS"}
_FEWER = {"n_estimators": 3, "max_iter": 20, "n_init": 1, "max_depth": 3}


def _data() -> Any:
    import numpy as np

    generator = np.random.default_rng(0)
    rows = generator.random((40, 4))
    return rows, (rows[:, 0] > 0.5).astype(int), rows @ [1.0, 2.0, 0.5, 0.0] + 0.1


def _fitted(name: str, kind: Any) -> Any:
    import numpy as np

    rows, classes, numbers = _data()
    estimator = kind()
    known = estimator.get_params()
    estimator.set_params(**{key: value for key, value in _FEWER.items() if isinstance(known.get(key), int)})
    if "RandomProjection" in name:
        estimator.set_params(n_components=2)
    if "random_state" in known:
        estimator.set_params(random_state=0)
    tags = estimator.__sklearn_tags__()
    own: dict[str, tuple[Any, ...]] = {
        "KernelCenterer": (rows @ rows.T,),
        "MultiLabelBinarizer": ([{"a"}, {"b", "c"}],),
        "LabelEncoder": (np.array(["no", "yes", "no"]),),
        "LabelBinarizer": (np.array(["no", "yes", "no"]),),
        "CategoricalNB": (np.round(rows * 3), classes),
    }
    if name in own:
        return estimator.fit(*own[name])
    if tags.input_tags.string and not tags.input_tags.two_d_array:
        return estimator.fit(["good text", "bad text"], [0, 1])
    if tags.input_tags.dict:
        return estimator.fit([{"a": 1.0, "b": "x"}])
    if tags.input_tags.one_d_array:
        return estimator.fit(rows[:, 0], numbers)
    if name.startswith("MultiTask") or "PLS" in name or name == "CCA":
        return estimator.fit(rows, np.c_[numbers, numbers**2])
    if name == "PatchExtractor":
        return estimator
    return estimator.fit(rows, numbers if tags.estimator_type == "regressor" else classes)


def _every_estimator() -> Iterator[tuple[str, Any]]:
    from sklearn.utils import all_estimators

    for name, kind in all_estimators():
        if name not in _NEEDS_ESTIMATOR | _SLOW_OR_BIG:
            try:
                yield name, _fitted(name, kind)
            except (ValueError, TypeError) as error:
                print(f"not fitted: {name}: {error}", file=sys.stderr)


def _composed() -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    from sklearn import feature_selection, metrics
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.decomposition import PCA
    from sklearn.ensemble import (
        AdaBoostClassifier,
        BaggingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
        StackingClassifier,
        VotingClassifier,
    )
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    rows, classes, numbers = _data()
    table = pd.DataFrame(rows, columns=list("abcd"))
    table["place"] = ["north", "south"] * 20
    mixed = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["place"]),
        ],
        remainder="passthrough",
    )
    by_type = ColumnTransformer([("n", StandardScaler(), make_column_selector(dtype_include=float))])
    forest = RandomForestClassifier(3, max_depth=3, random_state=0)
    boosted = HistGradientBoostingClassifier(max_iter=3, categorical_features=[4], random_state=0)
    coded = table.assign(place=(table["place"] == "north").astype(int))
    grid = {"C": [0.1, 1.0]}
    texts = ["good words here", "bad words there", "good again", "bad again"]
    return {
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, classes),
        "pipeline-columns": Pipeline([("prepare", mixed), ("forest", forest)]).fit(table, classes),
        "columns-by-type": by_type.fit(table),
        "union": FeatureUnion([("pca", PCA(2)), ("scale", StandardScaler())]).fit(rows),
        "grid": GridSearchCV(LogisticRegression(), grid, cv=3).fit(rows, classes),
        "grid-scored": GridSearchCV(SVC(), grid, cv=StratifiedKFold(3), scoring="f1").fit(rows, classes),
        "grid-metric": GridSearchCV(SVC(), grid, cv=3, scoring=metrics.make_scorer(metrics.f1_score)).fit(
            rows, classes
        ),
        "random-search": RandomizedSearchCV(LogisticRegression(), grid, n_iter=2, random_state=0).fit(rows, classes),
        "hist-categories": boosted.fit(coded, classes),
        "best-features": feature_selection.SelectKBest(feature_selection.f_classif, k=2).fit(rows, classes),
        "best-features-mutual": feature_selection.SelectKBest(feature_selection.mutual_info_classif, k=2).fit(
            rows, classes
        ),
        "logarithm": FunctionTransformer(np.log1p, np.expm1).fit(rows),
        "target-logarithm": TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1).fit(
            rows, numbers
        ),
        "calibrated": CalibratedClassifierCV(SVC(), cv=2).fit(rows, classes),
        "calibrated-isotonic": CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2).fit(rows, classes),
        "stack": StackingClassifier([("f", forest), ("t", DecisionTreeClassifier(max_depth=2))], cv=2).fit(
            rows, classes
        ),
        "vote": VotingClassifier([("f", forest), ("l", LogisticRegression())]).fit(rows, classes),
        "bagging": BaggingClassifier(KNeighborsClassifier(), 3, random_state=0).fit(rows, classes),
        "adaboost": AdaBoostClassifier(n_estimators=3, random_state=0).fit(rows, classes),
        "one-vs-rest": OneVsRestClassifier(LogisticRegression()).fit(rows, np.arange(40) % 3),
        "outputs": MultiOutputClassifier(LogisticRegression()).fit(rows, np.c_[classes, 1 - classes]),
        "chain": ClassifierChain(LogisticRegression()).fit(rows, np.c_[classes, 1 - classes]),
        "eliminated": feature_selection.RFE(LogisticRegression(), n_features_to_select=2).fit(rows, classes),
        "from-model": feature_selection.SelectFromModel(forest).fit(rows, classes),
        "texts": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, [1, 0, 1, 0]),
        "gaussian-process": GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=0).fit(
            rows[:10], numbers[:10]
        ),
        "neighbours-tree": KNeighborsClassifier(algorithm="kd_tree").fit(rows, classes),
        "neighbours-ball": KNeighborsClassifier(algorithm="ball_tree", metric="manhattan").fit(rows, classes),
        "unfitted": RandomForestClassifier(),
        "with-facts": {"model": forest.fit(rows, classes), "features": list("abcd"), "score": np.float64(0.9)},
        "list-of-models": [LogisticRegression(C=c).fit(rows, classes) for c in (0.1, 1.0)],
        "string-classes": RandomForestClassifier(3, max_depth=2, random_state=0).fit(
            rows, np.where(classes, "yes", "no")
        ),
    }


def sklearn(folder: Path) -> None:
    import joblib
    import lz4.frame  # noqa: F401 - joblib finds it by itself

    for number, (name, estimator) in enumerate(_every_estimator()):
        protocol = (2, 3, 4, 5, 0, 1)[number % 6]
        _pickled(folder, name, estimator, (protocol,))
        if number % 4 == 0:
            joblib.dump(estimator, folder / f"{name}.joblib")
    for number, (name, model) in enumerate(_composed().items()):
        _pickled(folder, name, model, ((4,), (2, 5), (0, 4))[number % 3])
        joblib.dump(model, folder / f"{name}.joblib")
        method = ("zlib", "gzip", "bz2", "lzma", "xz", "lz4")[number % 6]
        joblib.dump(model, folder / f"{name}.joblib.{method}", compress=(method, 3))


# Gradient boosting ----------------------------------------------------------------------------------------------------


def xgboost(folder: Path) -> None:
    import joblib
    import xgboost as xgb

    rows, classes, numbers = _data()
    settings = {"n_estimators": 3, "max_depth": 2, "random_state": 0, "n_jobs": 1}
    models = {
        "classifier": xgb.XGBClassifier(**settings).fit(rows, classes),
        "regressor": xgb.XGBRegressor(**settings).fit(rows, numbers),
        "forest": xgb.XGBRFRegressor(**settings).fit(rows, numbers),
        "ranker": xgb.XGBRanker(**settings).fit(rows, classes, group=[20, 20]),
        "booster": xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(rows, numbers), 3),
        "linear": xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(rows, numbers), 3),
    }
    for name, model in models.items():
        _pickled(folder, name, model, (2, 4, 5) if name == "classifier" else (4,))
        joblib.dump(model, folder / f"{name}.joblib")
        model.save_model(folder / f"{name}.json")
        model.save_model(folder / f"{name}.ubj")


def lightgbm(folder: Path) -> None:
    import joblib
    import lightgbm as lgb

    rows, classes, numbers = _data()
    settings = {
        "n_estimators": 3,
        "num_leaves": 4,
        "min_child_samples": 2,
        "random_state": 0,
        "n_jobs": 1,
        "verbose": -1,
    }
    models = {
        "classifier": lgb.LGBMClassifier(**settings).fit(rows, classes),
        "named": lgb.LGBMClassifier(**settings).fit(rows, ["yes" if one else "no" for one in classes]),
        "regressor": lgb.LGBMRegressor(**settings).fit(rows, numbers),
        "ranker": lgb.LGBMRanker(**settings).fit(rows, classes, group=[20, 20]),
    }
    booster = models["classifier"].booster_
    for name, model in {**models, "booster": booster}.items():
        _pickled(folder, name, model, (2, 4, 5) if name in ("classifier", "booster") else (4,))
        joblib.dump(model, folder / f"{name}.joblib")
    booster.save_model(folder / "booster.txt")
    models["regressor"].booster_.save_model(folder / "regressor.txt")


def catboost(folder: Path) -> None:
    import catboost as cat
    import joblib

    rows, classes, numbers = _data()
    settings = {"iterations": 3, "depth": 2, "random_seed": 0, "verbose": False, "allow_writing_files": False}
    words = [[*row[:2], "north" if row[0] > 0.5 else "south"] for row in rows.tolist()]
    models = {
        "classifier": cat.CatBoostClassifier(**settings).fit(rows, classes),
        "regressor": cat.CatBoostRegressor(**settings).fit(rows, numbers),
        "categories": cat.CatBoostClassifier(**settings, cat_features=[2]).fit(words, classes),
    }
    for name, model in models.items():
        _pickled(folder, name, model, (2, 4, 5) if name == "classifier" else (4,))
        joblib.dump(model, folder / f"{name}.joblib")
        model.save_model(str(folder / f"{name}.cbm"))
        if name != "categories":
            model.save_model(str(folder / f"{name}.json"), format="json")


# Statistics, imbalanced data ------------------------------------------------------------------------------------------


def statsmodels(folder: Path) -> None:
    import numpy as np
    import pandas as pd
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    rows, classes, numbers = _data()
    table = pd.DataFrame(rows, columns=list("abcd")).assign(place=["north", "south"] * 20, y=numbers, k=classes)
    for name, formula in {
        "two": "y ~ a + b",
        "logarithm": "y ~ np.log(a) + b - 1",
        "categories": "y ~ a * C(place)",
        "products": "y ~ a:b + (a + b)",
    }.items():
        _pickled(folder, f"formula-{name}", smf.ols(formula, table).fit(), (2, 4))
    noisy = (np.arange(40) % 3 == 0).astype(int)
    _pickled(folder, "formula-logit", smf.logit("k ~ b", table.assign(k=noisy)).fit(disp=0), (4,))
    _pickled(folder, "poisson", sm.Poisson(noisy, sm.add_constant(rows[:, :1])).fit(disp=0), (4,))
    with_constant = sm.add_constant(rows[:, :2])
    results = {
        "ols": sm.OLS(numbers, with_constant).fit(),
        "logit": sm.Logit(classes, with_constant).fit(disp=0),
        "glm": sm.GLM(classes, with_constant, family=sm.families.Binomial()).fit(),
    }
    for name, result in results.items():
        for keep in (True, False):
            _pickled(folder, name if keep else f"{name}-without-data", result, (4,))
            if keep:
                result.remove_data()


def imblearn(folder: Path) -> None:
    import joblib
    from imblearn.ensemble import BalancedRandomForestClassifier, EasyEnsembleClassifier, RUSBoostClassifier
    from imblearn.over_sampling import ADASYN, SMOTE, RandomOverSampler
    from imblearn.pipeline import make_pipeline
    from imblearn.under_sampling import NearMiss, RandomUnderSampler
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, classes, _ = _data()
    classes = classes.copy()
    classes[:6], classes[6:] = 1, 0
    models = {
        "smote-pipeline": make_pipeline(StandardScaler(), SMOTE(k_neighbors=2, random_state=0), LogisticRegression()),
        "under-pipeline": make_pipeline(RandomUnderSampler(random_state=0), LogisticRegression()),
        "adasyn-pipeline": make_pipeline(ADASYN(n_neighbors=2, random_state=0), LogisticRegression()),
        "nearmiss-pipeline": make_pipeline(NearMiss(), LogisticRegression()),
        "over-pipeline": make_pipeline(RandomOverSampler(random_state=0), LogisticRegression()),
        "balanced-forest": BalancedRandomForestClassifier(3, max_depth=2, random_state=0),
        "easy-ensemble": EasyEnsembleClassifier(2, random_state=0),
        "rusboost": RUSBoostClassifier(n_estimators=2, random_state=0),
    }
    for name, model in models.items():
        model.fit(rows, classes)
        _pickled(folder, name, model, (4,))
        joblib.dump(model, folder / f"{name}.joblib")
    sampler = SMOTE(k_neighbors=2, random_state=0)
    sampler.fit_resample(rows, classes)
    _pickled(folder, "sampler", sampler, (2, 5))


# PyTorch --------------------------------------------------------------------------------------------------------------


def torch(folder: Path) -> None:
    import torch as t
    from torch import nn

    t.manual_seed(0)
    t.set_num_threads(1)
    small = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    images = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2)
    )
    sequences = nn.ModuleDict(
        {"embed": nn.Embedding(10, 4), "lstm": nn.LSTM(4, 3, bidirectional=True), "gru": nn.GRU(3, 2)}
    )
    attention = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), 1)
    modules = {"small": small, "images": images, "sequences": sequences, "attention": attention}
    for name, module in modules.items():
        t.save(module.state_dict(), folder / f"{name}-state.pt")
        t.save(module.state_dict(), folder / f"{name}-state-legacy.pth", _use_new_zipfile_serialization=False)
        t.save(module, folder / f"{name}-module.pt")
    t.save(small, folder / "small-module-legacy.pth", _use_new_zipfile_serialization=False)
    for kind in (t.optim.SGD, t.optim.Adam, t.optim.AdamW):
        optimizer = kind(small.parameters(), lr=0.01)
        small(t.ones(3, 4)).sum().backward()
        optimizer.step()
        schedule = t.optim.lr_scheduler.StepLR(optimizer, 1)
        checkpoint = {
            "epoch": 3,
            "model_state_dict": small.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "scheduler": schedule.state_dict(),
            "loss": t.tensor(0.5),
            "rng": t.get_rng_state(),
            "arguments": types.SimpleNamespace(lr=0.1) if kind is t.optim.SGD else {"lr": 0.1},
        }
        t.save(checkpoint, folder / f"checkpoint-{kind.__name__}.ckpt")
    tensors = {
        "kinds": [
            t.ones(2, dtype=k)
            for k in (t.float16, t.bfloat16, t.float64, t.int8, t.uint8, t.int64, t.bool, t.complex64)
        ],
        "views": [t.arange(12).reshape(3, 4).t(), t.arange(5)[1:3]],
        "sparse": t.eye(3).to_sparse(),
        "parameter": nn.Parameter(t.ones(2)),
        "shape": [t.ones(2, 3).shape, t.float32, t.device("cpu")],
        "quantized": t.quantize_per_tensor(t.ones(3), 0.1, 0, t.quint8),
        "empty": t.empty(0),
    }
    for name, value in tensors.items():
        t.save(value, folder / f"tensors-{name}.pt")
    for protocol in (3, 4, 5):
        t.save(small.state_dict(), folder / f"small-state-p{protocol}.pt", pickle_protocol=protocol)
    _pickled(folder, "tensor-plain-pickle", t.arange(3), (2, 4))
    _pickled(folder, "state-plain-pickle", small.state_dict(), (2, 4))
    t.jit.script(small).save(str(folder / "small-scripted.pt"))
    t.jit.trace(images.eval(), t.ones(1, 1, 8, 8)).save(str(folder / "images-traced.pt"))
    t.export.save(t.export.export(small.eval(), (t.ones(3, 4),)), folder / "small-exported.pt2")


# ONNX -----------------------------------------------------------------------------------------------------------------


def onnx(folder: Path) -> None:
    import numpy as np
    import onnx as o
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from sklearn.cluster import KMeans
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rows, classes, numbers = _data()
    rows = rows.astype(np.float32)
    models = {
        "logistic": LogisticRegression().fit(rows, classes),
        "forest": RandomForestClassifier(3, max_depth=3, random_state=0).fit(rows, classes),
        "boosting": GradientBoostingRegressor(n_estimators=3, random_state=0).fit(rows, numbers),
        "pipeline": make_pipeline(StandardScaler(), SVC()).fit(rows, classes),
        "network": MLPClassifier((4,), max_iter=20, random_state=0).fit(rows, classes),
        "clusters": KMeans(2, n_init=1, random_state=0).fit(rows),
    }
    for name, model in models.items():
        (folder / f"{name}.onnx").write_bytes(to_onnx(model, rows[:1]).SerializeToString())

    def tensor(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def saved(name: str, nodes: list[Any], weights: list[Any], shape: list[Any], **more: Any) -> Any:
        graph = helper.make_graph(nodes, name, [tensor("x", shape)], [tensor("y", [])], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="corpus", **more)

    def weight(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(np.ones(shape, np.float32), name)

    simple = "Relu Sigmoid Tanh Exp Log Sqrt Abs Neg Floor Ceil Softmax Identity Erf Softplus Elu LeakyRelu Selu Sin"
    for kind in simple.split():
        o.save(saved(kind, [helper.make_node(kind, ["x"], ["y"])], [], ["n", 4]), folder / f"op-{kind}.onnx")
    convolution = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "m"], ["y"]),
    ]
    weights = [weight("w", 4, 1, 3, 3), weight("b", 4), weight("m", 4, 2)]
    o.save(saved("convolution", convolution, weights, [1, 1, 8, 8]), folder / "convolution.onnx")
    branch = [
        helper.make_graph([helper.make_node(kind, ["x"], [out])], kind, [], [tensor(out, [])])
        for kind, out in (("Relu", "a"), ("Neg", "b"))
    ]
    truth = numpy_helper.from_array(np.array(True), "t")
    choice = helper.make_node("If", ["t"], ["y"], then_branch=branch[0], else_branch=branch[1])
    o.save(saved("choice", [choice], [truth], [3]), folder / "choice.onnx")
    doubled = helper.make_function(
        "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    local = saved("function", [helper.make_node("Twice", ["x"], ["y"], domain="local")], [], [3], functions=[doubled])
    local.opset_import.append(helper.make_opsetid("local", 1))
    o.save(local, folder / "function.onnx")
    beside = folder / "external"
    beside.mkdir()
    big = saved("external", [helper.make_node("MatMul", ["x", "w"], ["y"])], [weight("w", 16, 32)], [1, 16])
    o.save(big, beside / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)


# Keras, TensorFlow ----------------------------------------------------------------------------------------------------


def keras(folder: Path) -> None:
    import keras as k

    k.utils.set_random_seed(0)
    layers = k.layers
    dense = k.Sequential([k.Input((4,)), layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(2, "softmax")])
    dense.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    given = k.Input((5,))
    embedded = layers.Embedding(10, 4)(given)
    recurrent = layers.Bidirectional(layers.LSTM(3))(embedded)
    attended = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 2)(embedded, embedded))
    functional = k.Model(given, layers.Dense(2)(layers.Concatenate()([recurrent, attended])))
    functional.compile(k.optimizers.SGD(0.01), k.losses.SparseCategoricalCrossentropy(from_logits=True))
    for name, model in {"dense": dense, "images": images, "functional": functional}.items():
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        model.save_weights(folder / f"{name}.weights.h5")
        (folder / f"{name}.json").write_text(model.to_json())


def tensorflow(folder: Path) -> None:
    import keras as k
    import tensorflow as tf

    k.utils.set_random_seed(0)
    model = k.Sequential([k.Input((4,)), k.layers.Dense(3, "relu"), k.layers.Dense(1)])
    model.export(folder / "exported", verbose=False)

    class Adder(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable([[1.0], [2.0]])

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])  # type: ignore[misc]
        def __call__(self, rows: Any) -> Any:
            return tf.nn.relu(rows @ self.weight) + 1.0

    module = Adder()
    tf.saved_model.save(module, str(folder / "module"))
    concrete = module.__call__.get_concrete_function()
    graph = concrete.graph.as_graph_def()
    (folder / "graph.pb").write_bytes(graph.SerializeToString())
    (folder / "graph.pbtxt").write_text(str(graph))
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    tf.train.Checkpoint(module=module).write(str(checkpoint / "model"))
    for name, converter in {
        "dense": tf.lite.TFLiteConverter.from_keras_model(model),
        "module": tf.lite.TFLiteConverter.from_concrete_functions([concrete], module),
    }.items():
        (folder / f"{name}.tflite").write_bytes(converter.convert())


# Formats without code -------------------------------------------------------------------------------------------------

CHAT = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content|trim + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<tool_response>' + message.content + '</tool_response>' }}
    {%- else %}
        {{- raise_exception('Unknown role') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
ALPACA = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)


def safetensors(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    generator = np.random.default_rng(0)
    tensors = {"w": generator.random((4, 3)).astype(np.float32), "b": np.zeros(3, np.float16), "n": np.arange(2)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({}, folder / "empty.safetensors")
    save_file({f"layer.{i}.weight": np.ones((2, 2), np.float32) for i in range(40)}, folder / "layers.safetensors")
    shards = folder / "sharded"
    shards.mkdir()
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for name, key in zip(names, ("w", "b"), strict=True):
        save_file({key: tensors[key]}, shards / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 54}, "weight_map": {"w": names[0], "b": names[1]}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def gguf(folder: Path) -> None:
    import numpy as np
    from gguf import GGUFWriter

    for name, template in {"chat": CHAT, "instruct": ALPACA, "plain": ""}.items():
        writer = GGUFWriter(folder / f"{name}.gguf", "llama")
        writer.add_context_length(128)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["<s>", "</s>", "a", "b"])
        writer.add_token_types([3, 3, 1, 1])
        if template:
            writer.add_chat_template(template)
        writer.add_tensor("token_embd.weight", np.ones((4, 8), np.float32))
        writer.add_tensor("output.weight", np.ones((8, 4), np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def skops(folder: Path) -> None:
    import skops.io as sio

    wanted = (
        "pipeline pipeline-columns grid hist-categories best-features logarithm stack vote texts string-classes "
        "neighbours-tree"
    )
    for name, model in _composed().items():
        if name in wanted.split():
            sio.dump(model, folder / f"{name}.skops")
    sio.dump(_composed()["pipeline"], folder / "compressed.skops", compression=zipfile.ZIP_DEFLATED)


def pmml(folder: Path) -> None:
    text = """<?xml version="1.0" encoding="UTF-8"?>
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">
  <Header copyright="corpus"><Application name="hand" version="1"/><Timestamp>2024-01-01</Timestamp></Header>
  <DataDictionary numberOfFields="2">
    <DataField name="x" optype="continuous" dataType="double"/>
    <DataField name="y" optype="continuous" dataType="double"/>
  </DataDictionary>
  <RegressionModel functionName="regression" modelName="line">
    <MiningSchema><MiningField name="x"/><MiningField name="y" usageType="target"/></MiningSchema>
    <RegressionTable intercept="1.0"><NumericPredictor name="x" coefficient="2.0"/></RegressionTable>
  </RegressionModel>
</PMML>
"""
    (folder / "line.pmml").write_text(text)
    tree = text.replace("RegressionModel", "TreeModel").replace(
        '<RegressionTable intercept="1.0"><NumericPredictor name="x" coefficient="2.0"/></RegressionTable>',
        '<Node score="1"><True/><Node score="2">'
        '<SimplePredicate field="x" operator="lessThan" value="3"/></Node></Node>',
    )
    (folder / "tree.pmml").write_text(tree)


# Folders and archives -------------------------------------------------------------------------------------------------


def folders(folder: Path) -> None:
    import numpy as np
    import torch as t
    from safetensors.numpy import save_file

    weights = {"model.embed.weight": np.ones((4, 4), np.float32)}
    for name in ("hub-safetensors", "hub-bin"):
        hub = folder / name
        hub.mkdir()
        config = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": 4,
            "torch_dtype": "float32",
        }
        (hub / "config.json").write_text(json.dumps(config, indent=2))
        (hub / "generation_config.json").write_text('{"eos_token_id": 1, "temperature": 0.7}\n')
        tokenizer = {
            "version": "1.0",
            "added_tokens": [{"id": 0, "content": "<s>", "special": True}],
            "model": {"type": "BPE", "vocab": {"<s>": 0, "a": 1}, "merges": []},
        }
        (hub / "tokenizer.json").write_text(json.dumps(tokenizer))
        (hub / "tokenizer_config.json").write_text(
            json.dumps(
                {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT if "safe" in name else ALPACA}
            )
        )
        (hub / "special_tokens_map.json").write_text('{"bos_token": "<s>", "eos_token": "</s>"}')
        (hub / "vocab.json").write_text('{"<s>": 0, "a": 1}')
        (hub / "merges.txt").write_text("#version: 0.2\na b\n")
        (hub / "README.md").write_text(
            "---\nlicense: apache-2.0\ntags:\n- text-generation\n---\n\n# A model\n\nIt says `a`.\n\n"
            "```python\nfrom transformers import pipeline\n```\n"
        )
        (hub / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
        if name == "hub-safetensors":
            save_file(weights, hub / "model.safetensors", metadata={"format": "pt"})
        else:
            t.save({key: t.from_numpy(value) for key, value in weights.items()}, hub / "pytorch_model.bin")
    _mlflow(folder / "mlflow-sklearn")
    companion = folder / "joblib-with-companions"
    companion.mkdir()
    old = Path(__import__("joblib").__file__).parent / "test" / "data"
    for path in sorted(old.glob("joblib_0.9.2_pickle_py35_np19.pkl*")):
        shutil.copyfile(path, companion / path.name)


def _mlflow(folder: Path) -> None:
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(_composed()["pipeline"], 4))
    (folder / "MLmodel").write_text(
        "artifact_path: model\nflavors:\n  python_function:\n    env:\n      conda: conda.yaml\n"
        "      virtualenv: python_env.yaml\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"
        "    predict_fn: predict\n    python_version: 3.11.7\n  sklearn:\n    code: null\n"
        "    pickled_model: model.pkl\n    serialization_format: cloudpickle\n    sklearn_version: 1.9.1\n"
        "mlflow_version: 3.1.0\nmodel_uuid: 0123456789abcdef0123456789abcdef\nrun_id: null\n"
        "utc_time_created: '2024-01-01 00:00:00.000000'\n"
    )
    (folder / "requirements.txt").write_text("mlflow==3.1.0\nscikit-learn==1.9.1\n")
    (folder / "python_env.yaml").write_text(
        "python: 3.11.7\nbuild_dependencies:\n- pip==24.0\ndependencies:\n- -r requirements.txt\n"
    )
    (folder / "conda.yaml").write_text(
        "channels:\n- conda-forge\ndependencies:\n- python=3.11.7\n- pip:\n  - mlflow==3.1.0\nname: mlflow-env\n"
    )


def archives(folder: Path) -> None:
    import backports.zstd as zstd
    import lz4.frame
    import numpy as np
    import py7zr
    import torch as t

    model = pickle.dumps(_composed()["pipeline"], 4)
    table = pickle.dumps({"a": np.arange(5), "b": "x"}, 2)
    for name, packed in {
        "model.pkl.gz": gzip.compress(model, mtime=1),
        "model.pkl.bz2": bz2.compress(model),
        "model.pkl.xz": lzma.compress(model),
        "model.pkl.lzma": lzma.compress(model, lzma.FORMAT_ALONE),
        "model.pkl.z": zlib.compress(model),
        "model.pkl.zst": zstd.compress(model),
        "model.pkl.lz4": lz4.frame.compress(model),
    }.items():
        (folder / name).write_bytes(packed)
    for name, method in {
        "stored": zipfile.ZIP_STORED,
        "deflated": zipfile.ZIP_DEFLATED,
        "bz2": zipfile.ZIP_BZIP2,
    }.items():
        _zipped(
            folder / f"models-{name}.zip",
            {"model.pkl": model, "data/table.pkl": table, "notes.txt": b"two models\n"},
            method,
        )
    for name, mode in {"models.tar": "w", "models.tar.gz": "w:gz", "models.tar.xz": "w:xz"}.items():
        _tarred(folder / name, {"model.pkl": model, "data/table.pkl": table}, mode)
    with py7zr.SevenZipFile(folder / "models.7z", "w") as seven:
        seven.writestr(model, "model.pkl")
        seven.writestr(table, "table.pkl")
    buffer = io.BytesIO()
    t.manual_seed(0)
    t.save(t.nn.Linear(2, 2).state_dict(), buffer)
    manifest = {
        "createdOn": "01/01/2024 00:00:00",
        "runtime": "python",
        "model": {
            "modelName": "small",
            "serializedFile": "model.pt",
            "handler": "image_classifier",
            "modelVersion": "1.0",
        },
        "archiverVersion": "0.9.0",
    }
    mar = {"model.pt": buffer.getvalue(), "MAR-INF/MANIFEST.json": json.dumps(manifest).encode()}
    _zipped(folder / "small.mar", mar, zipfile.ZIP_DEFLATED)
    nemo = {
        "./model_config.yaml": b"sample_rate: 16000\ntarget: nemo.collections.asr.models.EncDecCTCModel\n"
        b"encoder:\n  _target_: nemo.collections.asr.modules.ConvASREncoder\n",
        "./model_weights.ckpt": buffer.getvalue(),
    }
    _tarred(folder / "small.nemo", nemo, "w:gz")


def _zipped(path: Path, members: dict[str, bytes], method: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, WHEN), content, method)


def _tarred(path: Path, members: dict[str, bytes], mode: Any) -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def documents(folder: Path) -> None:
    for name, text in {
        "config.json": '{"learning_rate": 0.1, "layers": [1, 2, {"a": null}], "name": "x"}\n',
        "metrics.jsonl": '{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n',
        "params.yaml": "lr: 0.1\nlayers:\n  - 1\n  - 2\nname: text\n",
        "README.md": "# A model\n\nTrained on rows.\n\n- one\n- two\n",
        "labels.txt": "cat\ndog\nclass of things\nitem\n",
        "table.csv": "a,b,c\n1,2,x\n3,4,y\n",
        "notes.txt": "(notes)\nI trained this. Nothing else.\n",
    }.items():
        (folder / name).write_text(text)


LIBRARIES: tuple[Callable[[Path], None], ...] = (
    stdlib, numpy, pandas, sklearn, xgboost, lightgbm, catboost, statsmodels, imblearn, torch, onnx, keras, tensorflow,
    safetensors, gguf, skops, pmml, folders, archives, documents,
)  # fmt: skip


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


def selected(folder: Path) -> list[Path]:
    """Some small samples of one library, spread over what there is of it."""
    small = [path for path in sorted(folder.iterdir()) if _size(path) <= BYTES_EACH]
    step = max(1, -(-len(small) // FILES_EACH))
    return [path for number, path in enumerate(small) if number % step == 0 or path.name in ALWAYS]


def _copied(path: Path, to: Path) -> None:
    if path.is_dir():
        # What tells git how to keep a hub's files would tell it the same of ours.
        shutil.copytree(path, to, ignore=shutil.ignore_patterns(".gitattributes"))
    else:
        shutil.copyfile(path, to)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--selection", action="store_true", help="keep a few small samples of each library")
    parser.add_argument("--only", nargs="*", default=[], help="libraries to write")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for write in LIBRARIES:
        if arguments.only and write.__name__ not in arguments.only:
            continue
        target = arguments.folder / write.__name__
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as aside:
            made = target if not arguments.selection else Path(aside)
            write(made)
            if arguments.selection:
                for path in selected(made):
                    _copied(path, target / path.name)
        print(write.__name__, len(list(target.iterdir())), file=sys.stderr)


if __name__ == "__main__":
    os.environ.update(
        OMP_NUM_THREADS="1", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES=""
    )
    main()
