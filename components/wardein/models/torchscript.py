# SPDX-License-Identifier: Apache-2.0
"""TorchScript: networks of torch with their code, as ``torch.jit.save`` writes them.

The code is a language of its own that torch interprets; the examination (:mod:`wardein.modelfiles`) has made sure that
it calls nothing but arithmetic. A network has no names for its columns: they travel in the archive, as the extra file
``wardein.json`` (:mod:`wardein.models.description`).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.models.container import Refused
from wardein.models.description import Description, described
from wardein.models.natives import Native

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EXTRA = "wardein.json"
_SAVE = "save the network with its code: torch.jit.save(torch.jit.script(module), path, …)"
_WHERE = 'written by torch.jit.save(module, path, _extra_files={"wardein.json": json.dumps(…)})'
# Rows that a network sees at once: pictures take a lot of memory between its layers.
BATCH = 4096

# Of scores, shape (n, classes), how much each of them counts, same shape.
Weigh = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True, kw_only=True)
class Differentiable(Native):
    """A model that tells gradients.

    Attributes:
        gradients: Of rows and weights, the scores of the classes before the softmax, shape (n, classes), and the
            gradient of their weighted sum with respect to the rows, shape (n, features).
    """

    gradients: Callable[[pd.DataFrame, Weigh], tuple[np.ndarray, np.ndarray]]


def torchscript(content: bytes) -> Native:
    """Load a network.

    Raises:
        Refused: If it does not say what its columns are, or answers something else than it says.
    """
    import pandas as pd
    import torch  # type: ignore[import-not-found]

    torch.set_num_threads(1)  # a sum depends on how it is shared out
    extra = {EXTRA: ""}
    try:
        module = torch.jit.load(io.BytesIO(content), map_location="cpu", _extra_files=extra)
    except RuntimeError as error:
        said = str(error).split("\n")[0][:160]
        raise Refused(f"is not a complete TorchScript archive ({said})", _SAVE) from None
    description = described(extra[EXTRA], _WHERE)
    module.eval()
    network = _Network(module, description)
    model = (
        Native("torch", description.features, None, network.scores)
        if description.classes is None
        else Differentiable(
            "torch", description.features, description.classes, network.scores, gradients=network.gradients
        )
    )
    blank = pd.DataFrame(0.0, index=range(3), columns=list(description.features))
    try:
        model.scores(blank)
    except Exception as error:  # the module can raise anything
        said = " ".join(str(error).split())[-160:]
        raise Refused(f"does not answer for three rows of zeros ({said})", _mend(description)) from None
    return model


def _mend(description: Description) -> str:
    shape = ", ".join(map(str, ("n", *description.shape)))
    return f"save a module that takes one tensor of shape ({shape}) and gives one with a row each, with its true output"


class _Network:
    """A module that was loaded, asked in batches."""

    def __init__(self, module: Any, description: Description) -> None:
        import torch

        self._module, self._description = module, description
        kinds = [part.dtype for part in module.parameters() if part.dtype.is_floating_point]
        self._kind = kinds[0] if kinds else torch.float32
        for part in module.parameters():
            part.requires_grad_(False)

    def scores(self, rows: pd.DataFrame) -> np.ndarray:
        """Probabilities, or a regressor's predictions."""
        import numpy as np
        import torch

        found = []
        with torch.inference_mode():
            for first in range(0, max(1, len(rows)), BATCH):
                outputs = self._outputs(self._tensor(rows.iloc[first : first + BATCH]))
                found.append(self._description.scores(outputs.double().numpy()))
        return np.concatenate(found)

    def gradients(self, rows: pd.DataFrame, weigh: Weigh) -> tuple[np.ndarray, np.ndarray]:
        """Scores, and the gradient of their weighted sum."""
        import torch

        tensor = self._tensor(rows).requires_grad_()
        scores = self._before_softmax(self._outputs(tensor))
        numbers = scores.detach().double().numpy()
        weights = torch.from_numpy(weigh(numbers)).to(scores.dtype)
        if scores.requires_grad:
            scores.backward(weights)
        slope = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        return numbers, slope.reshape(len(rows), -1).double().numpy()

    def _tensor(self, rows: pd.DataFrame) -> Any:
        import numpy as np
        import torch

        return torch.from_numpy(self._description.given(rows, np.float64)).to(self._kind)

    def _outputs(self, tensor: Any) -> Any:
        import torch

        with torch.jit.optimized_execution(False):  # what is made faster on the way answers otherwise in the end
            outputs = self._module(tensor)
        if not isinstance(outputs, torch.Tensor) or outputs.shape[:1] != tensor.shape[:1]:
            raise ValueError("the model gives something else than one tensor with a row each")
        return outputs

    def _before_softmax(self, outputs: Any) -> Any:
        import torch

        outputs = outputs.reshape(len(outputs), -1)
        single = outputs.shape[1] == 1
        if self._description.probabilities:
            both = torch.hstack([1 - outputs, outputs]) if single else outputs
            return both.clamp_min(torch.finfo(both.dtype).tiny).log()
        return torch.hstack([torch.zeros_like(outputs), outputs]) if single else outputs
