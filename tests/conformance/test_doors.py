# SPDX-License-Identifier: Apache-2.0
"""Which room may know which, and what must not be imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "components" / "wardein"
CORE = {"__init__", "artifacts", "errors", "files", "hashing", "jsontext", "report", "spec", "subject", "wire"}
SCANNING = ("scan", "code", "config", "dependencies", "foreign", "images", "secrecy")
HEAVY = [
    "art",
    "fairlearn",
    "great_expectations",
    "jinja2",
    "kfp",
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "skops",
    "securesystemslib",
    "yaml",
    "cryptography",
]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]


@pytest.mark.parametrize("name", sorted(CORE))
def test_core_imports_the_standard_library_and_itself(name: str) -> None:
    for module in imports(PACKAGE / f"{name}.py"):
        top, _, rest = module.partition(".")
        allowed = (
            rest.split(".")[0] in CORE | {"__version__"} or rest == "__version__"
            if top == "wardein"
            else top in sys.stdlib_module_names
        )
        assert allowed, module


@pytest.mark.parametrize(
    ("rooms", "closed"),
    [
        (("checks", "models", "attacks", "images", "statistics", "suites"), ("release", "kfp", "airflow", "kfp_task")),
        (SCANNING, ("checks", "release", "kfp", "airflow", "kfp_task", "policy")),
        (("release",), ("checks", "kfp", "airflow", "models")),
        (("kfp",), ("airflow", "checks", "release")),
        (("airflow",), ("kfp", "kfp_task", "checks", "release")),
        (("evidence", "policy", "tools"), ("checks", "release", "kfp", "airflow")),
    ],
)  # fmt: skip
def test_doors_are_shut(rooms: tuple[str, ...], closed: tuple[str, ...]) -> None:
    found = files(*rooms)
    assert found
    for path in found:
        for module in imports(path):
            assert not module.startswith(tuple(f"wardein.{room}." for room in closed)), f"{path.name}: {module}"
            assert module not in {f"wardein.{room}" for room in closed}, f"{path.name}: {module}"


@pytest.mark.parametrize(
    "code",
    [
        "import wardein",
        "import wardein.cli",
        "from wardein import spec; [spec.load(name) for name in spec.STEPS]",
        "import wardein.kfp_task",
    ],
)
def test_nothing_heavy_is_imported_early(code: str) -> None:
    loaded = f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.airflow
def test_airflow_adds_nothing_heavy_to_airflow() -> None:
    code = (
        "import airflow.sdk, sys; before = set(sys.modules); import wardein.airflow;"
        f"print([name for name in {HEAVY!r} if name in set(sys.modules) - before])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip().splitlines()[-1] == "[]"


def test_no_room_is_called_utils() -> None:
    assert not [path for path in files(".") if path.stem in ("utils", "util", "helpers", "common", "misc")]
