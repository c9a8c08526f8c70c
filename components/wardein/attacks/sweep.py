# SPDX-License-Identifier: Apache-2.0
"""All attacks on all rows, block by block: for every attack and row, the smallest change that made the model wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from wardein.attacks.arms import WHITE, Arms
from wardein.attacks.budget import Exhausted
from wardein.attacks.decision import hopskipjump, reachable
from wardein.attacks.gradient import WhiteBox
from wardein.attacks.space import SLACK, Space
from wardein.attacks.square import square
from wardein.attacks.trees import attack as attack_trees
from wardein.attacks.trees import certified
from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np

# The first block of rows, the largest one, and how many rows no block has fewer of.
_FIRST, _LARGEST, _LEAST = 64, 256, 32


class Sweep:
    """What the attacks did to the rows of a space.

    All arrays have one line a row of the space.

    Attributes:
        done: The rows that every attack is through with.
        fell_at: Per attack, the smallest change that made the model wrong: with gradients and by random search one of
            the epsilons, else the distance found. 0 where it was wrong from the start, infinite where the row stood.
        scope: Per attack, the rows that it tried, among them those that were wrong from the start.
        points: Per attack, the coordinates of the adversarial example.
        asked: Per attack, how many ``queries`` and ``gradients`` it took.
        certified: Which rows no change within each epsilon can make fall, shape (n, epsilons); None without trees.
        unmoved: The rows that stood even when all columns could move over their whole range, by gradients.
        movable: Those of them that decisions alone found a way for.
        flat: The rows around which gradients are practically nothing.
        exhausted: Why not all rows were attacked; None if they were.
    """

    def __init__(
        self, space: Space, labels: np.ndarray, right: np.ndarray, epsilons: Sequence[float], arms: Arms, seed: int
    ) -> None:
        """Prepare.

        Args:
            space: The rows and what may move.
            labels: The index of the true class of each row, shape (n,).
            right: Whether the model is right on each row, shape (n,).
            epsilons: Ascending.
            arms: What to attack with.
            seed: Two sweeps with the same seed are the same.
        """
        import numpy as np

        n = len(labels)
        self.right, self.epsilons, self.arms = right, tuple(epsilons), arms
        self.done: np.ndarray = np.zeros(n, dtype=bool)
        self.fell_at: dict[str, np.ndarray] = {}
        self.scope: dict[str, np.ndarray] = {}
        self.points: dict[str, np.ndarray] = {}
        self.asked: dict[tuple[str, str], int] = {}
        self.certified = None if arms.ensemble is None else np.zeros((n, len(epsilons)), dtype=bool)
        self.unmoved: np.ndarray = np.zeros(n, dtype=bool)
        self.movable: np.ndarray = np.zeros(n, dtype=bool)
        self.flat: np.ndarray = np.zeros(n, dtype=bool)
        self.exhausted: Exhausted | None = None
        self._space, self._labels, self._seed = space, labels, seed
        self._white = None if arms.network is None else WhiteBox(arms.network, space, labels, seed)
        self._control_left = arms.control

    def run(self, order: np.ndarray, settled: Callable[[Sweep], bool]) -> None:
        """Attack all rows, or as many as it takes.

        Args:
            order: The rows, in the order in which they are attacked.
            settled: Asked after every block whether the rest is still worth attacking.
        """
        try:
            for block in blocks(order):
                self._attack(block)
                self.done[block] = True
                if settled(self):
                    break
        except Exhausted as error:
            self.exhausted = error
        except WardeinError:
            if not self._space.budget.late:
                raise
            self.exhausted = self._space.budget.over  # its process was ended, as that took too long
        finally:
            _progress("")

    @property
    def together(self) -> np.ndarray:
        """The smallest change of any attack that made the model wrong on each row."""
        import numpy as np

        nothing = np.where(self.right, np.inf, 0.0)
        return np.asarray(np.min([nothing, *self.fell_at.values()], axis=0))

    @property
    def examined(self) -> np.ndarray:
        """The rows that are done and that at least one attack could try."""
        import numpy as np

        tried = np.any([~self.right, *self.scope.values()], axis=0)
        return np.asarray(tried & self.done)

    def _attack(self, block: np.ndarray) -> None:
        import numpy as np

        rows = np.sort(block[self.right[block]])
        for name in self.arms.names:
            self._count(name, block)
            if name in WHITE:
                self._by_gradients(name, rows)
            elif name == "trees":
                self._by_trees(rows)
            elif name == "square":
                self._by_search(rows, self.epsilons)
            else:
                self._by_decisions(rows)
            self._counted(name)
        if self._white is not None:
            self._check_gradients(block, rows)
        if self.certified is not None:
            self._check_certificates(rows)

    def _count(self, name: str, block: np.ndarray) -> None:
        """From here on, what is asked is asked by this attack."""
        import numpy as np

        if name not in self.fell_at:
            self.fell_at[name] = np.where(self.right, np.inf, 0.0)
            self.scope[name] = np.zeros(len(self.right), dtype=bool)
            self.points[name] = self._space.origin.copy()
        self.scope[name][block[~self.right[block]]] = True
        self._before = self._space.queries, self._white.gradients if self._white else 0

    def _counted(self, name: str) -> None:
        used = {"queries": self._space.queries - self._before[0]}
        if self._white and name in WHITE:
            used["gradients"] = self._white.gradients - self._before[1]
        for what, count in used.items():
            self.asked[name, what] = self.asked.get((name, what), 0) + count

    def _by_gradients(self, name: str, rows: np.ndarray) -> None:
        """At every epsilon, the smallest first; what fell is not attacked again."""
        import numpy as np

        white, standing = self._white, rows
        assert white is not None  # noqa: S101 - these attacks run only where there are gradients
        for i, epsilon in enumerate(self.epsilons):
            _progress(f"{name}: {len(rows)} rows, epsilon {i + 1} of {len(self.epsilons)}")
            self._space.budget.check()
            if name == "fgsm":
                fallen = white.fgsm(standing, epsilon)
            elif name == "pgd":
                fallen = white.pgd(standing, epsilon, self.arms.restarts)
            else:
                fallen = white.apgd(standing, epsilon, "ce", self.arms.restarts)
                self._note(name, fallen, epsilon, white.found[fallen])
                standing = np.setdiff1d(standing, fallen)
                fallen = white.apgd(standing, epsilon, "dlr", self.arms.restarts)
            self._note(name, fallen, epsilon, white.found[fallen])
            standing = np.setdiff1d(standing, fallen)
        self.scope[name][rows] = True

    def _by_trees(self, rows: np.ndarray) -> None:
        _progress(f"trees: {len(rows)} rows")
        space, ensemble = self._space, self.arms.ensemble
        assert ensemble is not None  # noqa: S101 - as above
        assert self.certified is not None  # noqa: S101
        distance, points = attack_trees(space, ensemble, rows, self._labels, self.arms.pool, self._seed)
        self._note("trees", rows, _as_epsilon(distance), points)
        self.scope["trees"][rows] = True
        # A box of an epsilon holds everything that is within it by either norm.
        self.certified[rows] = certified(space, ensemble, rows, self._labels, self.epsilons)

    def _by_decisions(self, rows: np.ndarray) -> None:
        import numpy as np

        distance, points = hopskipjump(self._space, rows, self._labels, self.arms.pool, self._seed, _progress)
        self._note("hopskipjump", rows, _as_epsilon(distance), points)
        self.scope["hopskipjump"][rows[np.isfinite(distance)]] = True
        left = rows[np.isinf(distance) & ~self._tried(rows)]
        if len(left) and "square" not in self.arms.names and self._space.gives_probabilities:
            # Nothing to start from: what is left is to see whether the probabilities at least answer to changes.
            self._counted("hopskipjump")
            self._count("square", rows[:0])
            self._by_search(left, self.epsilons[-1:])
            self._counted("square")
            self._count("hopskipjump", rows[:0])

    def _by_search(self, rows: np.ndarray, epsilons: Sequence[float]) -> None:
        import numpy as np

        standing, answers = rows, np.zeros(len(rows), dtype=bool)
        for i, epsilon in enumerate(epsilons):
            _progress(f"square: {len(rows)} rows, epsilon {i + 1} of {len(epsilons)}")
            fell, points, moved = square(self._space, standing, self._labels, epsilon, self._seed)
            self._note("square", standing[fell], epsilon, points[fell])
            answers[np.searchsorted(rows, standing[moved | fell])] = True
            standing = standing[~fell]
        self.scope["square"][rows[answers]] = True

    def _check_gradients(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Whether decisions alone get further than the gradients, and whether these get anywhere at all."""
        import numpy as np

        white = self._white
        assert white is not None  # noqa: S101 - as above
        stood = rows[np.isinf(self.together[rows])]
        _progress(f"unbounded: {len(stood)} rows")
        self.flat[white.flat(rows)] = True
        unmoved = white.unbounded(stood, self.arms.restarts)
        self.unmoved[unmoved] = True
        found = reachable(self._space, unmoved, self._labels, self.arms.pool, self._seed)
        self.movable[unmoved[found]] = True
        if self._control_left > 0 and "hopskipjump" not in self.arms.names:
            through = int(np.flatnonzero(np.cumsum(self.right[block]) <= self._control_left)[-1]) + 1
            sample = block[:through]
            checked = np.sort(sample[self.right[sample]])
            self._control_left -= len(checked)
            self._count("hopskipjump", sample)
            self._by_decisions(checked)
            self._counted("hopskipjump")

    def _check_certificates(self, rows: np.ndarray) -> None:
        """A row that falls where it is proven to stand shows that the trees told are not the model."""
        import numpy as np

        assert self.certified is not None  # noqa: S101 - as above
        broken = self.certified[rows] & (self.together[rows, None] <= np.array(self.epsilons))
        if broken.any():
            raise WardeinError(
                f"{int(broken.any(axis=1).sum())} rows fell to changes that its trees are proven to withstand: what "
                "the model says of its trees is not how it predicts",
                where="--model",
                mend="save the model anew; if that does not help, choose --attack hopskipjump",
            )

    def _tried(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(np.any([scope[rows] for scope in self.scope.values()], axis=0))

    def _note(self, name: str, rows: np.ndarray, fell_at: np.ndarray | float, points: np.ndarray) -> None:
        self.fell_at[name][rows] = fell_at
        self.points[name][rows] = points


def blocks(order: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of the rows, each twice as long as the one before: many questions at once, and yet an early first look."""
    first, size = 0, _FIRST
    while first < len(order):
        last = first + size if len(order) - first - size >= _LEAST else len(order)
        yield order[first:last]
        first, size = last, min(2 * size, _LARGEST)


def _as_epsilon(distance: np.ndarray) -> np.ndarray:
    """The largest epsilon that a distance is beyond: what counts as within epsilon is the same for every attack."""
    import numpy as np

    return np.maximum((distance - SLACK) / (1 + SLACK), np.finfo(float).tiny)


def _progress(text: str) -> None:
    """One line that overwrites itself, for people only; an empty text clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
