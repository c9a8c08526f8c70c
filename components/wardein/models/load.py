# SPDX-License-Identifier: Apache-2.0
"""Loading a classifier for evaluation without ever running what its file says.

skops files are read in this process, against an allowlist of exact type names. Pickle and joblib files
are first turned into skops by a child process (:mod:`wardein.models.transcode`). What a file *is* from its first
byte on decides (:mod:`wardein.models.container`), not its name. What was read is looked through before it is used
(:mod:`wardein.models.sanity`).
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.models.allowlist import allowed
from wardein.models.container import Refused, check_archive, check_members, is_archive
from wardein.models.sanity import make_safe
from wardein.models.transcode import REFUSED
from wardein.tools.run import run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_MEMORY = 8 * 1024**3
MAX_SECONDS = 300
FORMATS = "skops, or a pickle or joblib file of a scikit-learn model"
ADVICE = "save the fitted estimator itself (of a search, its best_estimator_), without functions of your own, again"


@dataclass(frozen=True)
class Classifier:
    """A loaded classifier.

    Attributes:
        estimator: The scikit-learn estimator or Pipeline.
        format: ``skops`` or ``pickle``.
        classes: The class labels, in the order of the probability columns.
        features: The names of the columns it was fitted on, in order.
    """

    estimator: Any
    format: str
    classes: np.ndarray
    features: tuple[str, ...]

    def rows(self, table: pd.DataFrame, where: str = "--data", *, complete: bool = True) -> pd.DataFrame:
        """The model's feature columns of a table, in the order of fitting.

        Args:
            table: The table.
            where: What to call it in an error.
            complete: Whether missing numbers are refused as well; a model may know what to do with them.

        Raises:
            WardeinError: If a column is missing, or a number is infinite (or missing).
        """
        import numpy as np

        from wardein.tables import require_columns

        require_columns(table, list(self.features), where)
        rows = table.loc[:, list(self.features)]
        numeric = rows.select_dtypes("number")
        for name in numeric:
            values = numeric[name].to_numpy(dtype=float)
            if not (np.isfinite(values) if complete else ~np.isinf(values)).all():
                what = "missing or infinite" if complete else "infinite"
                mend = "impute them as in training" if complete else "mend the data, or the step that made it"
                raise WardeinError(f"the feature {name!r} holds {what} numbers", where=where, mend=mend)
        return rows

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Predicted labels, shape (n,)."""
        import numpy as np

        return np.asarray(self.estimator.predict(rows))

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray | None:
        """Class probabilities, shape (n, classes); None if the model has none."""
        import numpy as np

        if not hasattr(self.estimator, "predict_proba"):
            return None
        return np.asarray(self.estimator.predict_proba(rows))


def load(path: Path) -> Classifier:
    """Load a fitted scikit-learn classifier.

    Raises:
        WardeinError: If the format is unknown, a name is not allowed, or it is no fitted classifier with names.
    """
    if path.is_dir():
        raise WardeinError("is a folder", where=str(path), mend=f"give the model's file: {FORMATS}")
    if is_archive(path):
        return _classifier(_read_skops(path, path), "skops", path)
    with tempfile.TemporaryDirectory(prefix="wardein-model-") as folder:
        converted = Path(folder) / "model.skops"
        _transcode(path, converted)
        return _classifier(_read_skops(converted, path), "pickle", path)


def _transcode(source: Path, target: Path) -> None:
    command = [sys.executable, "-I", "-m", "wardein.models.transcode", str(source.absolute()), str(target)]
    ended = run(
        command,
        time_limit=MAX_SECONDS,
        memory_limit=MAX_MEMORY,
        environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        what=str(source),
    )
    if ended.code == REFUSED:
        raise WardeinError(ended.stdout.decode("utf-8", "replace").strip()[:400], where=str(source), mend=ADVICE)
    if ended.code != 0 or not target.is_file():
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise WardeinError(
            f"cannot be read (the reading process ended with code {ended.code}: {lines[-1][:200]})", where=str(source)
        )


def _read_skops(path: Path, shown: Path) -> Any:
    import skops.io

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_archive(file)
            check_members(file)
            unknown = sorted(set(skops.io.get_untrusted_types(file=file)) - allowed())
            if unknown:
                raise Refused(f"holds {unknown[0]}, which is not on the list of harmless types")
            model = skops.io.load(file, trusted=sorted(allowed()))
            make_safe(model)
            return model
    except Refused as refused:
        mend = refused.mend or ADVICE
        raise WardeinError(str(refused), where=str(shown), mend=mend) from None
    except Exception as error:  # a damaged archive raises anything from zlib.error to KeyError
        raise WardeinError(
            f"is not a complete skops file ({type(error).__name__}: {str(error)[:160]})",
            where=str(shown),
            mend="save the model again",
        ) from None


def _classifier(estimator: Any, kind: str, path: Path) -> Classifier:
    import numpy as np
    from sklearn.base import is_classifier

    try:
        if not is_classifier(estimator):
            raise WardeinError(
                f"holds a {type(estimator).__name__}, not a classifier",
                where=str(path),
                mend="give a fitted scikit-learn classifier or Pipeline",
            )
    except (AttributeError, TypeError):
        raise WardeinError(
            f"holds a {type(estimator).__name__}, not a scikit-learn estimator", where=str(path)
        ) from None
    classes, features = getattr(estimator, "classes_", None), getattr(estimator, "feature_names_in_", None)
    if classes is None:
        raise WardeinError("is not fitted", where=str(path), mend="fit the model before saving it")
    if features is None:
        raise WardeinError(
            "was fitted on columns without names",
            where=str(path),
            mend="fit it on a pandas DataFrame, so that columns cannot be mixed up",
        )
    return Classifier(estimator, kind, np.asarray(classes), tuple(map(str, features)))
