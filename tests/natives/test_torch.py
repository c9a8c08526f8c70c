# SPDX-License-Identifier: Apache-2.0
"""Networks of torch and of ONNX: loaded, judged and attacked as they travel, by their own gradients.

These run where torch is installed: ``.venv-models/bin/python -m pytest tests/natives``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, make_classification

torch = pytest.importorskip("torch")

from wardein.attacks.differentiable import Differentiable  # noqa: E402
from wardein.attacks.gradient import WhiteBox  # noqa: E402
from wardein.attacks.network import unwrap  # noqa: E402
from wardein.attacks.space import Space, columns_of  # noqa: E402
from wardein.models.load import load, loaded  # noqa: E402

nn = torch.nn
torch.set_num_threads(1)
NAMES = list("abcdef")


def saved(path: Path, module: Any, description: dict[str, Any] | None, example: Any = None) -> Path:
    """A TorchScript archive, scripted, or traced on an example."""
    script = torch.jit.script(module.eval()) if example is None else torch.jit.trace(module.eval(), example)
    extra = {} if description is None else {"wardein.json": json.dumps(description)}
    torch.jit.save(script, str(path), _extra_files=extra)
    return path


def told(classes: Any = (0, 1), features: list[str] = NAMES, output: str = "logits", **more: Any) -> dict[str, Any]:
    said = {"features": features, "classes": None if classes is None else list(classes), **more}
    return said if classes is None else said | {"output": output}


def fitted(module: Any, rows: pd.DataFrame, labels: np.ndarray, steps: int = 150, attack: float = 0.0) -> Any:
    """A module trained on all rows at once; with ``attack``, on rows moved against its own gradient."""
    torch.manual_seed(0)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    given, truth = torch.tensor(rows.to_numpy(), dtype=torch.float32), torch.tensor(labels)
    optimiser = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(steps):
        moved = given
        if attack:
            probe = given.clone().requires_grad_()
            nn.functional.cross_entropy(module(probe), truth).backward()
            moved = given + attack * probe.grad.sign()
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(moved), truth).backward()
        optimiser.step()
    return module.eval()


def mlp(inputs: int = 6, classes: int = 2) -> Any:
    return nn.Sequential(nn.Linear(inputs, 24), nn.ReLU(), nn.Linear(24, classes))


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    inputs, labels = make_classification(300, 6, n_informative=4, n_redundant=0, class_sep=1.2, random_state=0)
    return pd.DataFrame(inputs, columns=NAMES), labels


@pytest.fixture(scope="module")
def plain(table) -> Any:
    return fitted(mlp(), *table)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, plain) -> Path:
    return saved(tmp_path_factory.mktemp("torch") / "model.pt", plain, told())


def arguments(folder: Path, archive: Path, rows: pd.DataFrame, labels: np.ndarray | None) -> list[str]:
    table = rows if labels is None else rows.assign(y=labels)
    table.to_csv(folder / "rows.csv", index=False)
    return ["--model", str(archive), "--data", str(folder / "rows.csv"), *([] if labels is None else ["--label", "y"])]


# --- loading


@pytest.mark.parametrize("traced", [False, True])
def test_a_network_answers_as_torch_does(tmp_path, table, plain, traced: bool) -> None:
    rows, _ = table
    example = torch.zeros(2, 6) if traced else None
    with load(saved(tmp_path / "m.pt", plain, told(["no", "yes"]), example)) as model:
        assert (model.type, model.format, model.features) == ("torch", "torchscript", tuple(NAMES))
        with torch.no_grad():
            scores = plain(torch.tensor(rows.to_numpy(), dtype=torch.float32)).double()
        expected = torch.softmax(scores, dim=1).numpy()
        np.testing.assert_allclose(model.predict_proba(rows), expected, atol=1e-6)
        assert (model.predict(rows) == np.array(["no", "yes"])[expected.argmax(axis=1)]).all()


def test_what_an_output_means_is_what_the_description_says(tmp_path, table, plain) -> None:
    rows, labels = table
    with load(saved(tmp_path / "a.pt", plain, told())) as model:
        expected = model.predict_proba(rows)
    with load(saved(tmp_path / "b.pt", nn.Sequential(plain, nn.Softmax(dim=1)), told(output="probabilities"))) as model:
        np.testing.assert_allclose(model.predict_proba(rows), expected, atol=1e-6)
    one = nn.Linear(6, 1)
    with load(saved(tmp_path / "c.pt", one, told())) as model:
        single = model.predict_proba(rows)
    with load(saved(tmp_path / "d.pt", nn.Sequential(one, nn.Sigmoid()), told(output="probabilities"))) as model:
        np.testing.assert_allclose(model.predict_proba(rows), single, atol=1e-6)
    with loaded(saved(tmp_path / "e.pt", one, told(None))) as held:
        assert held.model.kind == "regressor"
        with torch.no_grad():
            numbers = one(torch.tensor(rows.to_numpy(), dtype=torch.float32)).numpy()[:, 0]
        np.testing.assert_allclose(held.model.predict(rows), numbers, rtol=1e-6)


def test_pictures_and_double_precision(tmp_path) -> None:
    names = [f"p{i}" for i in range(64)]
    rows = pd.DataFrame(np.random.default_rng(0).random((20, 64)), columns=names)
    net = (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).double().eval()
    )
    path = saved(tmp_path / "m.pt", net, told(range(3), names, shape=[1, 8, 8]), torch.zeros(2, 1, 8, 8).double())
    with load(path) as model, torch.no_grad():
        scores = net(torch.tensor(rows.to_numpy()).reshape(-1, 1, 8, 8))
        np.testing.assert_allclose(model.predict_proba(rows), torch.softmax(scores, dim=1).numpy(), atol=1e-12)


def test_it_is_judged_from_the_command_line(wardein, tmp_path, archive, table) -> None:
    rows, labels = table
    smoke = wardein("smoke-test", *arguments(tmp_path, archive, rows, None), "--json")
    assert (smoke.code, smoke.report["verdict"]) == (0, "PASS"), smoke.err
    ran = wardein("evaluate-performance", *arguments(tmp_path, archive, rows, labels), "--json")
    assert ran.code == 0, ran.err
    assert {"accuracy"} <= {metric["name"] for metric in ran.report["metrics"]}


def test_a_network_that_answers_differently_each_time_fails_the_smoke_test(wardein, tmp_path, table) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(nn.functional.dropout(x, 0.5, True))

    path = saved(tmp_path / "m.pt", Noisy(), told())
    ran = wardein("smoke-test", *arguments(tmp_path, path, table[0], None), "--json")
    assert (ran.code, ran.report["verdict"]) == (1, "FAIL")


class _Two(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class _Fixed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 6)[:, :2]


@pytest.mark.parametrize(
    ("module", "description", "says"),
    [
        (mlp(), None, "_extra_files"),
        (mlp(), {"features": NAMES}, "without features and classes"),
        (mlp(), told() | {"ouput": 1}, "something else than"),
        (mlp(), {"features": NAMES, "classes": [0, 1]}, 'neither "logits" nor "probabilities"'),
        (mlp(), told(output="scores"), 'neither "logits" nor "probabilities"'),
        (mlp(), told(features=[*NAMES[:5], "a"]), "names a feature twice"),
        (mlp(), told(features="abcdef"), "no list of names"),
        (mlp(), told(["a", 1]), "classes are not"),
        (mlp(), told([0, 0]), "classes are not"),
        (mlp(), told([0]), "classes are not"),
        (mlp(), told(shape=[2, 2]), "no list of lengths"),
        (mlp(), told(shape=[6.0]), "no list of lengths"),
        (mlp(), told(shape=[-2, -3]), "no list of lengths"),
        (mlp(), told(range(3)), "gives 2 numbers a row for 3 classes"),
        (mlp(), told(None), "gives 2 numbers a row, not one"),
        (mlp(), told(features=NAMES[:5]), "does not answer for three rows"),
        (nn.Sequential(mlp(), nn.Softmax(dim=1)), told(), "says that they are logits"),
        (_Two(), told(), "something else than one tensor"),
        (_Fixed(), told(), "does not answer for three rows"),
    ],
)
def test_what_a_network_does_not_say_is_refused_in_one_line(
    wardein, tmp_path, table, module, description, says
) -> None:
    path = saved(tmp_path / "m.pt", module, description)
    ran = wardein("evaluate-performance", *arguments(tmp_path, path, *table))
    assert ran.code == 2
    assert says in ran.one_line


def test_what_is_no_torchscript_is_refused(wardein, tmp_path, table, plain) -> None:
    torch.save(plain.state_dict(), tmp_path / "weights.pt")
    ran = wardein("evaluate-performance", *arguments(tmp_path, tmp_path / "weights.pt", *table))
    assert ran.code == 2
    assert "torch.jit.save" in ran.one_line


def test_texts_and_missing_numbers_end_in_one_line(wardein, tmp_path, archive, table) -> None:
    rows, labels = table
    broken = rows.astype(object)
    broken.loc[3, "b"] = "lots"
    ran = wardein("evaluate-performance", *arguments(tmp_path, archive, broken, labels))
    assert ran.code == 2
    assert "cannot predict these rows" in ran.one_line


def test_numbers_that_are_not_finite_are_the_models_fault(wardein, tmp_path, table) -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.log(x[:, :2] - x[:, :2].abs() - 1)

    path = saved(tmp_path / "m.pt", Broken(), told())
    ran = wardein("evaluate-performance", *arguments(tmp_path, path, *table))
    assert ran.code == 2
    assert "not finite" in ran.one_line


def test_a_program_in_the_archive_is_refused_before_it_is_loaded(wardein, tmp_path, archive, table) -> None:
    """The examination comes first: of TorchScript that reads a file, nothing is loaded."""
    evil = tmp_path / "evil.pt"
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(evil, "w", zipfile.ZIP_STORED) as after:
        for member in before.infolist():
            content = before.read(member)
            if member.filename.endswith("container.py"):
                content = content.replace(b"return", b"x = torch.from_file('/etc/passwd')\n    return", 1)
            after.writestr(member, content)
    ran = wardein("evaluate-performance", *arguments(tmp_path, evil, *table))
    assert ran.code == 2
    assert "from_file" in ran.one_line


# --- gradients


def space_of(model, rows: pd.DataFrame, norm: str = "linf", held: tuple[str, ...] = ()) -> Space:
    return Space(model, rows, columns_of(rows, rows, list(held), []), norm)


def test_gradients_are_those_of_torch(archive, table, plain) -> None:
    rows, _ = table
    weighting = np.random.default_rng(0).normal(size=(len(rows), 2))
    given = torch.tensor(rows.to_numpy(), dtype=torch.float32, requires_grad=True)
    (plain(given) * torch.tensor(weighting)).sum().backward()
    with load(archive) as model:
        _, (scores, gradient) = model.inside("gradients", rows, weighting=weighting)
    np.testing.assert_allclose(scores, plain(given).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(gradient, given.grad.numpy(), atol=1e-5)


def test_other_models_have_no_gradients_of_this_kind(tmp_path, table) -> None:
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    rows, labels = table
    skops.io.dump(DecisionTreeClassifier(max_depth=3).fit(rows, labels), tmp_path / "tree.skops")
    with load(tmp_path / "tree.skops") as model:
        assert model.inside("gradients", rows, weighting=np.ones((len(rows), 2)))[1] == []
        assert unwrap(model, space_of(model, rows), 0) is None


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_a_view_is_the_model_with_columns_in_any_order(tmp_path, table, plain, output: str) -> None:
    rows, labels = table
    module = plain if output == "logits" else nn.Sequential(plain, nn.Softmax(dim=1))
    with load(saved(tmp_path / "m.pt", module, told(output=output))) as model:
        space = space_of(model, rows, held=("b", "e"))
        network = unwrap(model, space, 0)
        assert isinstance(network, Differentiable)
        truth = np.eye(2)[labels]
        scores, slope = network.ascent(network.inputs, truth, False)
        assert (scores.argmax(axis=1) == model.predict(rows)).all()
        assert not slope[:, 4:].any()
        step = 1e-3 * np.eye(6)[0]
        after, before = (network.forward(network.inputs + sign * step)[0] for sign in (1, -1))
        weights = np.array([1.0, -1.0])
        seen = ((after - before) @ weights) / 2e-3
        told_ = network.pull_back(network.inputs, np.tile(weights, (len(rows), 1)))[:, 0]
        assert np.median(np.abs(seen - told_) / (np.abs(told_) + 1e-3)) < 0.05


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_network_falls_exactly_as_the_closed_form_says(tmp_path, table, norm: str) -> None:
    rows, labels = table
    linear = fitted(nn.Linear(6, 2), rows, labels)
    weights = (linear.weight[1] - linear.weight[0]).detach().double().numpy() * rows.std(ddof=0).to_numpy()
    wide = pd.DataFrame(np.vstack([rows, 100 + rows[:1], rows[:1] - 100]), columns=NAMES)
    columns = columns_of(wide, rows, [], [])
    with load(saved(tmp_path / "m.pt", linear, told())) as model:
        space = Space(model, rows, columns, norm)
        network = unwrap(model, space, 0)
        white, right = WhiteBox(network, space, labels, 0), np.flatnonzero(model.predict(rows) == labels)
        with torch.no_grad():
            scores = linear(torch.tensor(rows.to_numpy(), dtype=torch.float32)).double().numpy()
        margin = (scores[:, 1] - scores[:, 0]) * np.where(labels == 1, 1, -1)
        for epsilon in (0.1, 0.4):
            size = np.abs(weights).sum() if norm == "linf" else np.linalg.norm(weights)
            exact = np.flatnonzero((margin > 0) & (margin <= epsilon * size))
            for fell in (white.fgsm(right, epsilon), white.pgd(right, epsilon, 0), white.apgd(right, epsilon, "ce", 0)):
                assert len(fell) == pytest.approx(len(exact), abs=1)  # float32 at the very boundary
        assert len(exact) > 20


def test_an_adversarially_trained_network_stands_longer(tmp_path, table, plain) -> None:
    rows, labels = table
    stand = {}
    for name, module in {"plain": plain, "robust": fitted(mlp(), rows, labels, attack=0.3)}.items():
        with load(saved(tmp_path / f"{name}.pt", module, told())) as model:
            space = space_of(model, rows)
            white, right = (
                WhiteBox(unwrap(model, space, 0), space, labels, 0),
                np.flatnonzero(model.predict(rows) == labels),
            )
            stand[name] = 1 - len(white.apgd(right, 0.3, "ce", 0)) / len(rows)
    assert stand["robust"] > stand["plain"] + 0.03


class _Scaled(nn.Module):
    """Scores so large that softmax and cross-entropy are rounded to nothing."""

    def __init__(self, net: Any, factor: float) -> None:
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.net(x)


class _Steps(nn.Module):
    """Scores that change in steps: the gradient is nothing almost everywhere."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.round(self.net(x) * 4)


class _Detached(nn.Module):
    """Scores that hide where they come from."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.detach()) + 1e-6 * x[:, :2]


def attacked(path: Path, rows: pd.DataFrame, labels: np.ndarray, epsilon: float = 0.3) -> dict[str, float]:
    """What is left after each attack, and the share of rows that each sign of hidden gradients accuses."""
    with load(path) as model:
        space = space_of(model, rows)
        network = unwrap(model, space, 0)
        if network is None:
            return {}
        white, right = WhiteBox(network, space, labels, 0), np.flatnonzero(model.predict(rows) == labels)
        found = {loss: 1 - len(white.apgd(right, epsilon, loss, 0)) / len(right) for loss in ("ce", "dlr")}
        accused = {"flat": len(white.flat(right)), "unbounded": len(white.unbounded(right, 0))}
        return found | {name: count / len(right) for name, count in accused.items()}


def test_scores_scaled_up_hide_nothing(tmp_path, table, plain) -> None:
    honest = attacked(saved(tmp_path / "a.pt", plain, told()), *table)
    masked = attacked(saved(tmp_path / "b.pt", _Scaled(plain, 1e4), told()), *table)
    assert masked["ce"] == pytest.approx(honest["ce"], abs=0.02)
    assert masked["dlr"] == pytest.approx(honest["dlr"], abs=0.02)
    assert honest["flat"] == honest["unbounded"] == masked["flat"] == 0


def test_probabilities_that_are_rounded_to_certainty_are_exposed(tmp_path, table, plain) -> None:
    sure = nn.Sequential(_Scaled(plain, 1e4), nn.Softmax(dim=1))
    found = attacked(saved(tmp_path / "m.pt", sure, told(output="probabilities")), *table)
    assert found["ce"] > 0.9  # it looks robust
    assert found["flat"] > 0.9
    assert found["unbounded"] > 0.2


def test_scores_in_steps_are_exposed(tmp_path, table, plain) -> None:
    found = attacked(saved(tmp_path / "m.pt", _Steps(plain), told()), *table)
    assert found["ce"] > 0.9
    assert found["flat"] > 0.9
    assert found["unbounded"] > 0.2


def test_gradients_that_foretell_nothing_are_not_used(tmp_path, table, plain) -> None:
    assert attacked(saved(tmp_path / "m.pt", _Detached(plain), told()), *table) == {}


def test_a_picture_is_attacked_as_pictures_are(tmp_path) -> None:
    pixels, labels = load_digits(return_X_y=True)
    names = [f"p{i}" for i in range(64)]
    rows = pd.DataFrame(pixels / 16, columns=names)[:600]
    net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    fitted(net, rows, labels[:600], 60)
    path = saved(tmp_path / "m.pt", nn.Sequential(*net[1:]), told(range(10), names, shape=[1, 8, 8]))
    with load(path) as model:
        judged = rows[:40].reset_index(drop=True)
        space = space_of(model, judged)
        white = WhiteBox(unwrap(model, space, 0), space, labels[:40], 0)
        right = np.flatnonzero(model.predict(judged) == labels[:40])
        ce, dlr, pgd = (white.apgd(right, 0.4, "ce", 0), white.apgd(right, 0.4, "dlr", 0), white.pgd(right, 0.4, 2))
    assert len(ce) > 0.2 * len(right)
    assert len(np.union1d(ce, dlr)) >= len(pgd) - 0.02 * len(right)


def test_the_same_seed_gives_the_same_examples(archive, table) -> None:
    rows, labels = table
    found = []
    for _ in range(2):
        with load(archive) as model:
            space = space_of(model, rows)
            white = WhiteBox(unwrap(model, space, 0), space, labels, 3)
            white.apgd(np.flatnonzero(model.predict(rows) == labels), 0.2, "dlr", 1)
            found.append(white.found.tobytes())
    assert found[0] == found[1]


def test_it_is_attacked_from_the_command_line(wardein, tmp_path, archive, table) -> None:
    rows, labels = table
    ran = wardein("evaluate-robustness", *arguments(tmp_path, archive, rows, labels), "--max-rows", "60", "--json")
    assert ran.code == 0, ran.err
    assert "robustness/black-box" not in {finding["ruleId"] for finding in ran.report["findings"]}


# --- answers that a hostile process could give


class _Lying:
    """A classifier of which one answer about gradients is replaced."""

    def __init__(self, model: Any, change) -> None:
        self._model, self._change = model, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def inside(self, *arguments: Any, **more: Any) -> Any:
        said, arrays = self._model.inside(*arguments, **more)
        return said, self._change(arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays[:1],
        lambda arrays: [arrays[0], arrays[1][:, :2]],
        lambda arrays: [arrays[0][:1], arrays[1]],
        lambda arrays: [arrays[0], np.ones(arrays[1].shape, dtype=bool)],
        lambda arrays: [-arrays[0], -arrays[1]],
        lambda arrays: [arrays[0], -arrays[1]],
        lambda arrays: [arrays[0], np.full_like(arrays[1], np.nan)],
        lambda arrays: [np.full_like(arrays[0], np.nan), arrays[1]],
    ],
)
def test_a_lie_about_gradients_makes_no_white_box(archive, table, change) -> None:
    rows, _ = table
    with load(archive) as model:
        space = space_of(model, rows)
        assert unwrap(model, space, 0) is not None
        assert unwrap(_Lying(model, change), space, 0) is None
