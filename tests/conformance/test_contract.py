# SPDX-License-Identifier: Apache-2.0
"""The contract that every step keeps, read off its specification."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from wardein import cli, spec
from wardein.airflow import operators
from wardein.airflow.base import StepOperator, argv
from wardein.execute import Options

ROOT = Path(__file__).parents[2]
STEPS = [spec.load(name) for name in spec.STEPS]
ARTIFACT_NAMES = {
    "certificates",
    "model", "data", "train", "reference", "source", "image", "artifact", "evidence",
    "suite", "signature", "trust", "policy", "claims", "database", "signer", "vsa", "auditor",
    "advisories", "baseline", "findings", "model_evidence", "subject",
    "features", "champion", "script", "promotion", "log",
}  # fmt: skip
SECRET = re.compile(r"password|passphrase|secret_|token|private|credential|api_?key")
every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)


@every_step
def test_names_agree(step: spec.Step) -> None:
    package = "checks" if step.kind == "check" else "release"
    module = importlib.import_module(f"wardein.{package}.{step.name}")
    assert step.function is getattr(module, step.name)
    public = [
        n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__ and n[0] != "_"
    ]
    assert public == [step.name]


@every_step
def test_every_parameter_is_documented_and_typed(step: spec.Step) -> None:
    assert step.summary.endswith(".")
    assert step.description
    assert step.returns
    for param in step.params:
        assert len(param.doc) > 10, param.name
        assert param.type in ("str", "int", "float", "bool", "path", "paths") or re.match(r"(list|dict)\[", param.type)
        assert not SECRET.search(param.name), param.name
        assert param.artifact or param.output or param.required or param.default is not None, param.name


@every_step
def test_first_parameter_is_the_subject(step: spec.Step) -> None:
    assert step.subject.artifact
    assert step.subject.required
    assert {param.name for param in step.params if param.artifact} <= ARTIFACT_NAMES


@every_step
def test_no_parameter_hides_an_option_that_every_step_has(step: spec.Step) -> None:
    common = set(Options.__dataclass_fields__) | set(inspect.signature(StepOperator.__init__).parameters)
    common |= {"json", "exit_zero", "report", "summary", "metrics", "verdict", "passed"}
    assert {param.name for param in step.params} & (common - {"policy", "tier", "self"}) == set()


@every_step
def test_help_suffices(step: spec.Step, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([step.command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for flag in [param.flag for param in step.params] + ["--evidence", "--key", "--html", "--json", "--exit-zero"]:
        assert flag in text


@every_step
def test_operator_mirrors_the_step(step: spec.Step) -> None:
    operator = getattr(operators, step.operator)
    signature = inspect.signature(operator.__init__.__wrapped__)
    assert operator.step == step.name
    names = [param.name for param in step.params]
    assert set(names) <= set(signature.parameters)
    for param in step.params:
        given = signature.parameters[param.name]
        assert (given.default is inspect.Parameter.empty) == param.required, param.name
    assert "parameters" in operator.template_fields


@every_step
def test_kubeflow_placeholders_come_back_as_what_was_meant(step: spec.Step) -> None:
    """What a template renders, the command line parses to the same value."""
    samples = {
        "str": "a b'\"$x",
        "int": 3,
        "float": 0.25,
        "bool": True,
        "path": Path("/x/y"),
        "paths": [Path("/x"), Path("/y")],
        "list[str]": ["a,b", "c"],
        "list[float]": [0.1, 1.0],
        "dict[str, str]": {"a": "1=2"},
        "dict[str, float]": {"a": 0.5},
    }
    given = {p.name: p.choices[0] if p.choices else samples[p.type] for p in step.params}
    rendered = {
        name: [str(item) for item in v] if isinstance(v, list) and isinstance(v[0], Path) else v
        for name, v in given.items()
    }
    parsed = vars(cli.step_parser(step).parse_args(argv(step.name, **rendered)[1:]))
    for param in step.params:
        assert cli.parse_value(param, parsed[param.name]) == given[param.name], param.name


def test_registry_is_what_lies_there() -> None:
    for kind, package in ((spec.CHECKS, "checks"), (spec.RELEASE, "release")):
        files = {path.stem for path in (ROOT / "components/wardein" / package).glob("*.py")} - {"__init__"}
        assert set(kind) <= files
        machinery = files - set(kind)
        assert all(not hasattr(importlib.import_module(f"wardein.{package}.{name}"), name) for name in machinery)
    assert all(step.kind == "release" or step.name.split("_")[0] in VERBS for step in STEPS)


VERBS = {"validate", "detect", "scan", "smoke", "evaluate", "compare", "probe", "import", "verify"}


def test_a_signature_that_no_shell_can_express_is_refused() -> None:
    def step(model: complex) -> None:
        """Do it.

        Args:
            model: What is not a type for a shell.
        """

    with pytest.raises(TypeError, match="every shell"):
        spec.describe(step)


def test_an_undocumented_parameter_is_refused() -> None:
    def step(rows: int) -> None:
        """Do it."""

    with pytest.raises(TypeError, match="no line under Args"):
        spec.describe(step)


def test_a_none_default_is_refused() -> None:
    def step(rows: int | None = None) -> None:
        """Do it.

        Args:
            rows: How many.
        """

    with pytest.raises(TypeError, match="only an artifact may be absent"):
        spec.describe(step)
