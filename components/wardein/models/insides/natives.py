# SPDX-License-Identifier: Apache-2.0
"""The trees of models of XGBoost and LightGBM, in the form of :mod:`wardein.models.insides.trees`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from wardein.models.insides.trees import Tree
    from wardein.models.natives import Native

    Listed = tuple[np.ndarray, Sequence[Tree]]


def trees_of_native(model: Native) -> Listed | None:
    """Base scores and trees; None of a model of another kind, and of one that splits by categories."""
    read = _READERS.get(model.library)
    return None if read is None or model.booster is None or model.classes is None else read(model)


def _xgboost(model: Native) -> Listed | None:
    """XGBoost rounds to float32, and what is smaller goes left."""
    import numpy as np

    from wardein.models.insides.trees import Tree, as_float64, both, in_column

    learner = json.loads(bytes(model.booster.save_raw("json")))["learner"]
    if learner["gradient_booster"]["name"] != "gbtree" or model.classes is None:
        return None
    grown, trees = learner["gradient_booster"]["model"], []
    width = max(int(learner["learner_model_param"]["num_class"]), 1)
    for one, column in zip(grown["trees"], grown["tree_info"], strict=True):
        if one.get("categories_nodes") or int(one["tree_param"].get("size_leaf_vector", 1)) > 1:
            return None
        left = np.array(one["left_children"])
        leaf = left < 0
        # Written in as few digits as tell two float32 apart, which is what they are.
        condition = np.array(one["split_conditions"], dtype=np.float32).astype(float)
        trees.append(
            Tree(
                np.where(leaf, -1, np.array(one["split_indices"])),
                np.where(leaf, 0.0, as_float64(condition, below=True)),
                left,
                np.array(one["right_children"]),
                np.array(one["default_left"]).astype(bool),
                in_column(np.where(leaf, condition, 0.0), column, width),
            )
        )
    said = json.loads(learner["learner_model_param"]["base_score"])
    base = np.resize(np.asarray(said, dtype=float).ravel(), width)
    if width == 1:  # a probability, where trees add to its logarithmic odds
        base = both(np.log(base) - np.log1p(-base))[0]
    return base, trees


def _lightgbm(model: Native) -> Listed | None:
    """LightGBM compares float64."""
    import numpy as np

    from wardein.models.insides.trees import in_column

    said = model.booster.dump_model()
    width, trees = int(said["num_tree_per_iteration"]), []
    for number, one in enumerate(said["tree_info"]):
        tree = _flat(one["tree_structure"], partial(in_column, column=number % width, classes=width))
        if tree is None:
            return None
        trees.append(tree)
    return np.zeros(max(width, 2)), trees


def _flat(root: Mapping[str, Any], spread: Callable[[np.ndarray], np.ndarray]) -> Tree | None:
    """A tree of nested nodes as arrays; None if it splits by categories, or takes zeros for missing."""
    import numpy as np

    from wardein.models.insides.trees import Tree

    rows: list[list[float]] = []
    waiting: list[tuple[Mapping[str, Any], int, int]] = [(root, -1, 0)]
    while waiting:
        node, parent, side = waiting.pop()
        if parent >= 0:
            rows[parent][side] = len(rows)
        if "split_feature" not in node:
            if "leaf_coeff" in node:
                return None
            rows.append([-1, 0.0, 0, 0, 0, node["leaf_value"]])
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            return None
        # Where training saw no missing number, one is taken for 0.
        left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        waiting += [(node["left_child"], len(rows), 2), (node["right_child"], len(rows), 3)]
        rows.append([node["split_feature"], node["threshold"], 0, 0, left, 0.0])
    table = np.array(rows, dtype=float)
    feature, left_child, right_child = (table[:, i].astype(int) for i in (0, 2, 3))
    return Tree(feature, table[:, 1], left_child, right_child, table[:, 4].astype(bool), spread(table[:, 5]))


_READERS = {"XGBoost": _xgboost, "LightGBM": _lightgbm}
