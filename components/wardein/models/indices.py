# SPDX-License-Identifier: Apache-2.0
"""The indices inside fitted models that compiled code follows without looking: each must stay within its arrays.

An index beyond them ends the process at best; at worst it reads or writes the memory of the process that holds the
signing key.
"""

from __future__ import annotations

from typing import Any

from wardein.models.container import Refused

_MEND = "train and save the model again: no training writes this"


def _require(fits: Any, what: str) -> None:
    if not fits:
        raise Refused(f"is damaged: {what}", _MEND)


def check_indices(part: Any) -> None:
    """Hold the indices of one part of a model against its own arrays.

    Raises:
        Refused: If one points elsewhere.
    """
    import scipy.sparse
    from scipy.interpolate import BSpline
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier, RadiusNeighborsClassifier
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.svm._base import BaseLibSVM
    from sklearn.tree import BaseDecisionTree
    from sklearn.tree._tree import Tree

    if isinstance(part, Tree):
        _check_tree(part)
    elif isinstance(part, BaseDecisionTree) and hasattr(part, "tree_"):
        _require(part.tree_.n_features == part.n_features_in_, "a tree was grown on other features than it is given")
    elif isinstance(part, KDTree | BallTree):
        _check_space_tree(part)
    elif isinstance(part, KNeighborsClassifier | RadiusNeighborsClassifier) and hasattr(part, "_y"):
        _check_neighbours(part)
    elif isinstance(part, BaseLibSVM) and hasattr(part, "support_"):
        _check_support_vectors(part)
    elif isinstance(part, OneHotEncoder) and hasattr(part, "categories_"):
        _check_encoder(part)
    elif isinstance(part, CountVectorizer | DictVectorizer) and hasattr(part, "vocabulary_"):
        words = part.vocabulary_
        _require(all(0 <= place < len(words) for place in words.values()), "a vocabulary points beyond its end")
    elif isinstance(part, BSpline):
        BSpline(part.t, part.c, part.k)  # raises if its knots and coefficients do not fit
    elif scipy.sparse.issparse(part):
        _require(part.format in ("csr", "csc", "coo"), f"it holds a sparse matrix of the kind {part.format}")
        part._check() if part.format == "coo" else part.check_format(full_check=True)


def check_widths(part: Any) -> None:
    """Hold what an ensemble hands to its trees without looking against what they take.

    Raises:
        Refused: If a tree would read features, or write columns, that are not there.
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting

    if isinstance(part, BaseHistGradientBoosting) and hasattr(part, "_predictors"):
        _check_histogram_trees(part)
    elif isinstance(part, BaseForest | BaseGradientBoosting | IsolationForest) and hasattr(part, "estimators_"):
        chosen = getattr(part, "estimators_features_", None)
        trees = np.asarray(part.estimators_, dtype=object).ravel()
        widths = [part.n_features_in_] * len(trees) if chosen is None else [len(columns) for columns in chosen]
        _require(
            len(widths) == len(trees)
            and all(tree.tree_.n_features == width for tree, width in zip(trees, widths, strict=True)),
            f"a tree of the {type(part).__name__} was grown on other features than it is given",
        )
        if isinstance(part, BaseGradientBoosting):
            started = part._raw_predict_init(np.zeros((1, part.n_features_in_), dtype=np.float32))
            _require(started.shape[1] == part.estimators_.shape[1], "its trees and its classes differ in number")


def _check_tree(tree: Any) -> None:
    """Children come after their parent, so that every walk ends, and features exist."""
    import numpy as np

    # Looked at first: beyond its capacity the tree's own arrays are somebody else's memory.
    _require(0 < tree.node_count <= tree.capacity, "a tree counts more nodes than it has")
    _require(tree.n_outputs > 0 and tree.max_n_classes > 0, "a tree has no outputs")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    place = np.arange(tree.node_count)[inner]
    for child in (left[inner], right[inner]):
        _require(((child > place) & (child < tree.node_count)).all(), "a node of a tree points outside the tree")
    _require(((feature[inner] >= 0) & (feature[inner] < tree.n_features)).all(), "a node asks for a missing feature")


def _check_histogram_trees(model: Any) -> None:
    """The same for these, and for their splits by category, which look numbers up in tables of bits."""
    import numpy as np
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    if model._preprocessor is not None:
        _check_preprocessor(model._preprocessor, model.n_features_in_)
    categorical = np.asarray(model._bin_mapper.is_categorical_, dtype=bool)
    _require(categorical.shape == (model.n_features_in_,), "it was told of the categories of other features")
    model._bin_mapper.make_known_categories_bitsets()  # raises if a category is none that fits in its table
    for tree in (tree for trees in model._predictors for tree in trees):
        nodes, tables = tree.nodes, tree.raw_left_cat_bitsets
        _require(nodes.dtype == PREDICTOR_RECORD_DTYPE and nodes.ndim == 1 and len(nodes), "a tree has no nodes")
        _require(tables.dtype == np.uint32 and tables.ndim == 2 and tables.shape[1] == 8, "a tree has other tables")
        inner = nodes[nodes["is_leaf"] == 0]
        place = np.arange(len(nodes))[nodes["is_leaf"] == 0]
        for child in (inner["left"], inner["right"]):
            _require(((child > place) & (child < len(nodes))).all(), "a node of a tree points outside the tree")
        feature = inner["feature_idx"]
        _require(((feature >= 0) & (feature < model.n_features_in_)).all(), "a node asks for a missing feature")
        splits = inner[inner["is_categorical"] != 0]
        _require(categorical[splits["feature_idx"]].all(), "a node takes a number for a category")
        _require((splits["bitset_idx"] < len(tables)).all(), "a node asks for a missing table")


def _check_preprocessor(preprocessor: Any, features: int) -> None:
    """What turns categories into numbers before the trees see them hands on as many columns as it takes."""
    from functools import partial

    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
    from sklearn.utils import check_array

    def usual(step: Any) -> bool:
        if type(step) is FunctionTransformer:
            return isinstance(step.func, partial) and step.func.func is check_array
        return type(step) is OrdinalEncoder or step == "drop"

    steps = [step for _, step, _ in preprocessor.transformers_] if type(preprocessor) is ColumnTransformer else [None]
    _require(all(map(usual, steps)), "it encodes categories in a way that no training writes")
    values: list[Any] = [np.nan] * features
    for _, step, columns in preprocessor.transformers_:
        if type(step) is OrdinalEncoder:
            for place, categories in zip(np.arange(features)[columns], step.categories_, strict=True):
                values[place] = categories[0]
    columns = getattr(preprocessor, "feature_names_in_", range(features))
    row = preprocessor.transform(pd.DataFrame({name: [value] for name, value in zip(columns, values, strict=True)}))
    _require(row.shape == (1, features), "it encodes categories in other columns than the trees look at")


def _check_space_tree(tree: Any) -> None:
    """KDTree and BallTree: node i has the children 2i+1 and 2i+2 and holds a range of places in a permutation."""
    import numpy as np

    data, order, nodes, bounds = (np.asarray(array) for array in tree.__getstate__()[:4])
    count, metric, weights = tree.__getstate__()[6], tree.__getstate__()[11], tree.__getstate__()[12]
    _require(0 < len(nodes) == count == bounds.shape[1], "a neighbour tree counts more nodes than it has")
    sides = 2 if type(tree).__name__.startswith("KD") else 1
    _require(bounds.shape == (sides, count, data.shape[1]), "a neighbour tree has bounds of another shape")
    _require(len(order) == len(data) and ((order >= 0) & (order < len(data))).all(), "a neighbour is missing")
    _require(
        ((nodes["idx_start"] >= 0) & (nodes["idx_start"] <= nodes["idx_end"]) & (nodes["idx_end"] <= len(data))).all(),
        "a node of a neighbour tree points outside the data",
    )
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    _require((2 * inner + 2 < count).all(), "a node of a neighbour tree points outside the tree")
    _require(metric is not None and type(metric).__module__ == "sklearn.metrics._dist_metrics", "no distance")
    scales = np.asarray(metric.__getstate__()[1])
    plain = type(metric).__name__ in ("EuclideanDistance64", "ManhattanDistance64")
    _require(plain or len(scales) in (0, data.shape[1]) or not scales.any(), "a distance of another dimension")
    _require(weights is None or len(weights) == len(data), "a neighbour tree has weights for other data")


def _check_neighbours(model: Any) -> None:
    import numpy as np

    classes = model.classes_ if model.outputs_2d_ else [model.classes_]
    answers = np.asarray(model._y).reshape(len(model._y), -1)
    _require(answers.dtype.kind in "iu" and answers.shape == (model._fit_X.shape[0], len(classes)), "labels are lost")
    for column, names in zip(answers.T, classes, strict=True):
        _require(((column >= 0) & (column < len(names))).all(), "a neighbour has a label that is no class")


def _check_support_vectors(model: Any) -> None:
    """All sizes that libsvm takes come from the number of classes and of support vectors."""
    import numpy as np
    from sklearn.svm._base import BaseSVC

    counts, vectors = np.asarray(model._n_support), model.support_vectors_.shape[0]
    classes, pairs = len(counts), len(counts) * (len(counts) - 1) // 2
    classifies = isinstance(model, BaseSVC)
    held = counts.sum() if classifies else counts[0]
    _require("_impl" not in vars(model), "it names another solver than its own")
    _require(classes == (len(model.classes_) if classifies else 2), "support vectors of other classes")
    _require((counts >= 0).all() and held == vectors == len(model.support_), "it counts other support vectors")
    _require(model._dual_coef_.shape == (classes - 1, vectors), "coefficients of other support vectors")
    # Once more by count, as a sparse matrix may store fewer than its shape says.
    _require(model._dual_coef_.size == (classes - 1) * vectors, "coefficients are missing")
    _require(np.shape(model._intercept_) == (pairs,), "intercepts are missing")
    _require(all(len(side) in (0, pairs) for side in (model._probA, model._probB)), "calibration is missing")
    _require(len(model._probA) == len(model._probB), "calibration is missing")
    places = np.asarray(model.support_)
    _require(((places >= 0) & (places < model.shape_fit_[0])).all(), "a support vector was never seen")
    if model.kernel != "precomputed":
        _require(model.support_vectors_.shape[1] == model.n_features_in_, "support vectors of other features")


def _check_encoder(encoder: Any) -> None:
    import numpy as np

    wide = encoder._compute_n_features_outs()
    _require(list(encoder._n_features_outs) == wide, "an encoder writes other columns than it has")
    dropped = encoder._drop_idx_after_grouping
    dropped = [None] * len(wide) if dropped is None else dropped
    for drop, width in zip(dropped, wide, strict=True):
        _require(drop is None or 0 <= drop <= width, "an encoder drops a missing category")
    mappings = getattr(encoder, "_default_to_infrequent_mappings", [None] * len(wide))
    for mapping, categories, drop, width in zip(mappings, encoder.categories_, dropped, wide, strict=True):
        if mapping is not None:
            places = np.asarray(mapping)
            fits = len(places) == len(categories) and ((places >= 0) & (places < width + (drop is not None))).all()
            _require(fits, "an encoder groups categories that are missing")
