# SPDX-License-Identifier: Apache-2.0
"""The trees of a model, as arrays.

Whatever the library, they are brought to one form. A node asks whether a number is at most a threshold, compared as
float64; each leaf adds to one score per class; the class with the largest score is predicted, the first of equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from wardein.models.insides import Answer
from wardein.models.natives import Native

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# More are not handed over: they would take gigabytes, here and there.
MAX_NUMBERS = 40_000_000


@dataclass(frozen=True)
class Tree:
    """One tree; node 0 is its root, and children come after their parents.

    Attributes:
        feature: Which column each node asks about, -1 for a leaf.
        threshold: What it compares with.
        left: Where a number goes that is at most the threshold.
        right: Where a larger one goes.
        missing_left: Whether a missing one goes left.
        value: What each leaf adds to the scores, shape (nodes, classes).
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray


def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
    """All nodes of all trees in a row: feature, threshold, left, right, missing_left, value, roots and base scores."""
    import numpy as np

    from wardein.models.insides.natives import trees_of_native

    found = trees_of_native(model) if isinstance(model, Native) else _trees(model)
    if found is None:
        return {}, []
    base, trees = found
    if not trees or sum(tree.value.size for tree in trees) > MAX_NUMBERS:
        return {}, []
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    children = [
        np.concatenate([np.where(tree.feature < 0, 0, getattr(tree, side)) + start
                        for tree, start in zip(trees, starts[:-1], strict=True)])
        for side in ("left", "right")
    ]  # fmt: skip
    arrays = [
        np.concatenate([tree.feature for tree in trees]).astype(np.int64),
        np.concatenate([tree.threshold for tree in trees]).astype(float),
        *(side.astype(np.int64) for side in children),
        np.concatenate([tree.missing_left for tree in trees]).astype(bool),
        np.concatenate([tree.value for tree in trees]).astype(float),
        starts[:-1].astype(np.int64),
        np.asarray(base, dtype=float),
    ]
    return {"trees": len(trees)}, arrays


def as_float64(threshold: np.ndarray, *, below: bool = False) -> np.ndarray:
    """The largest float64 that still goes left where numbers are rounded to float32 before they are compared.

    Args:
        threshold: What the rounded number is compared with.
        below: Whether it goes left only if it is smaller, not if it is equal.
    """
    import numpy as np

    nearest = threshold.astype(np.float32)
    too_large = nearest >= threshold if below else nearest > threshold
    last = np.where(too_large, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    after = np.nextafter(last, np.float32(np.inf)).astype(float)
    middle = (last.astype(float) + after) / 2  # exact: a float64 has room for it
    even = last.view(np.uint32) % 2 == 0  # half-way is rounded to the even one of both
    found: np.ndarray = np.where(even, middle, np.nextafter(middle, -np.inf))
    return found


def both(raw: np.ndarray) -> np.ndarray:
    """Of the score for the second of two classes, the scores of both."""
    import numpy as np

    return np.column_stack([np.zeros_like(raw), raw])


def in_column(raw: np.ndarray, column: int, classes: int) -> np.ndarray:
    """Of what leaves add to the score of one class, what they add to all of them."""
    import numpy as np

    if classes == 1:
        return both(raw)
    value = np.zeros((len(raw), classes))
    value[:, column] = raw
    return value


def _trees(model: Any) -> tuple[np.ndarray, Sequence[Tree]] | None:
    from sklearn.ensemble import (
        BaggingClassifier,
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier

    final = model[-1] if isinstance(model, Pipeline) else model
    kind = type(final)  # not what was derived from it, which may predict otherwise
    if kind.__module__.partition(".")[0] != "sklearn":
        return None
    if isinstance(final, DecisionTreeClassifier):
        return _voting([final], final)
    if isinstance(final, RandomForestClassifier | ExtraTreesClassifier):
        return _voting(final.estimators_, final)
    if isinstance(final, BaggingClassifier):
        return _voting(final.estimators_, final, final.estimators_features_)
    if isinstance(final, GradientBoostingClassifier):
        return _boosted(final)
    if isinstance(final, HistGradientBoostingClassifier):
        return _histograms(final)
    return None


def _voting(
    estimators: Sequence[Any], whole: Any, columns: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, list[Tree]] | None:
    """Each tree gives the share of the classes in a leaf; their sum decides."""
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier

    classes = len(whole.classes_)
    trees = []
    for estimator, own in zip_longest(estimators, columns):
        if not isinstance(estimator, DecisionTreeClassifier) or estimator.tree_.n_outputs != 1:
            return None
        shares = estimator.tree_.value[:, 0, :]
        shares = shares / shares.sum(axis=1, keepdims=True)
        value = np.zeros((len(shares), classes))
        # A tree of a bag may have seen fewer classes, and counts those that it saw by their places.
        places = estimator.classes_.astype(int) if shares.shape[1] < classes else np.arange(classes)
        value[:, places] = shares
        trees.append(_grown(estimator.tree_, value, own))
    return np.zeros(classes), trees


def _boosted(final: Any) -> tuple[np.ndarray, list[Tree]] | None:
    import numpy as np
    from sklearn.dummy import DummyClassifier

    if final.init_ != "zero" and not isinstance(final.init_, DummyClassifier):
        return None
    raw = np.asarray(final._raw_predict_init(np.zeros((1, final.n_features_in_), dtype=np.float32)))[0]
    width = final.estimators_.shape[1]
    trees = [
        _grown(one.tree_, in_column(final.learning_rate * one.tree_.value[:, 0, 0], column, width))
        for stage in final.estimators_
        for column, one in enumerate(stage)
    ]
    return (both(raw)[0] if width == 1 else raw), trees


def _histograms(final: Any) -> tuple[np.ndarray, list[Tree]] | None:
    """HistGradientBoosting compares float64; a split by category asks about no threshold."""
    import numpy as np

    raw = np.asarray(final._baseline_prediction, dtype=float).ravel()
    width, trees = len(raw), []
    if final.is_categorical_ is not None:
        return None
    for stage in final._predictors:
        for column, one in enumerate(stage):
            nodes = one.nodes
            leaf = nodes["is_leaf"].astype(bool)
            trees.append(
                Tree(
                    np.where(leaf, -1, nodes["feature_idx"].astype(int)),
                    np.where(leaf, 0.0, nodes["num_threshold"]),
                    nodes["left"].astype(int),
                    nodes["right"].astype(int),
                    nodes["missing_go_to_left"].astype(bool),
                    in_column(nodes["value"], column, width),
                )
            )
    return (both(raw)[0] if width == 1 else raw), trees


def _grown(tree: Any, value: np.ndarray, columns: np.ndarray | None = None) -> Tree:
    """A tree of scikit-learn, which rounds what it compares to float32."""
    import numpy as np

    leaf = tree.children_left < 0
    feature = np.where(leaf, 0, tree.feature)
    feature = feature if columns is None else np.asarray(columns)[feature]
    return Tree(
        np.where(leaf, -1, feature),
        np.where(leaf, 0.0, as_float64(tree.threshold)),
        tree.children_left,
        tree.children_right,
        tree.missing_go_to_left.astype(bool),
        value,
    )
