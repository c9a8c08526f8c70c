# SPDX-License-Identifier: Apache-2.0
"""Getting a model for evaluation without ever running what its file says, nor holding it where keys and labels are.

The file is read, and every prediction made, by a process of its own (:mod:`wardein.models.child`). What is in this one
stands for the model: it asks the other, and takes nothing but numbers of the expected types and shapes for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.models.confinement import Limits
from wardein.models.predictors import Classifier, Regressor, predictor
from wardein.models.process import Failed, Session

if TYPE_CHECKING:
    from wardein.models.supervision import Attempt

# An evaluation asks many questions; a model that takes a day to answer them is stopped.
EVALUATION = Limits(seconds=24 * 60 * 60)
FORMATS = "skops, or a pickle or joblib file of a scikit-learn model"
ADVICE = "save the fitted estimator itself (of a search, its best_estimator_), without functions of your own, again"


@dataclass(frozen=True)
class Loaded:
    """A model, and the process that holds it.

    Attributes:
        model: What stands for the model.
        session: The process.
    """

    model: Classifier | Regressor
    session: Session

    @property
    def attempts(self) -> Sequence[Attempt]:
        """What the model tried and may not do, so far."""
        return self.session.attempts


@contextmanager
def loaded(path: Path, *, allow: Sequence[str] = (), limits: Limits = EVALUATION) -> Iterator[Loaded]:
    """Load a fitted scikit-learn classifier or regressor in a process of its own, for as long as the context lasts.

    Args:
        path: The model file.
        allow: Names that a pickle may refer to on top of the audited ones, each as ``module.name``.
        limits: What it may take in memory and time; both to load and to answer every question.

    Raises:
        WardeinError: If the format is unknown, a name is not allowed, it is no fitted model with names, or its process
            ends or takes too long.
    """
    if path.is_dir():
        raise WardeinError("is a folder", where=str(path), mend=f"give the model's file: {FORMATS}")
    with Session(path, limits) as session:
        yield Loaded(read_by(session, path, allow), session)


def read_by(session: Session, path: Path, allow: Sequence[str] = ()) -> Classifier | Regressor:
    """Let a process read its model, and return what stands for it.

    Raises:
        WardeinError: As for :func:`loaded`; it names the file.
    """
    try:
        facts = session.load(allow)
    except Failed as error:
        if error.kind == "Refused":
            raise WardeinError(str(error), where=str(path), mend=error.mend or ADVICE) from None
        raise WardeinError(f"cannot be read ({error.kind}: {str(error)[:200]})", where=str(path)) from None
    return predictor(facts, session.ask, path)


@contextmanager
def load(path: Path, *, allow: Sequence[str] = (), limits: Limits = EVALUATION) -> Iterator[Classifier]:
    """Load a fitted scikit-learn classifier in a process of its own, for as long as the context lasts.

    Arguments as for :func:`loaded`.

    Raises:
        WardeinError: As there, and if it is no classifier.
    """
    with loaded(path, allow=allow, limits=limits) as held:
        if not isinstance(held.model, Classifier):
            raise WardeinError(
                f"holds a {held.model.type}, not a classifier",
                where=str(path),
                mend="give a fitted scikit-learn classifier or Pipeline",
            )
        yield held.model
