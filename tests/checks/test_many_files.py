# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand files: none is left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran

pytestmark = [pytest.mark.scanners, pytest.mark.slow]
FOLDERS, EACH = 100, 1000


def test_every_one_of_a_hundred_thousand_files_is_searched(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    for number in range(FOLDERS):
        folder = tmp_path / "source" / f"folder-{number}"
        folder.mkdir(parents=True)
        for name in range(EACH):
            (folder / f"{name}.txt").write_text("x")
    last = tmp_path / "source" / f"folder-{FOLDERS - 1}" / f"{EACH - 1}.txt"
    last.write_text("token = 'glpat-" + "x7Kq2Lm9Rt4Vw8Yz3BnC" + "'\n")
    ran = wardein("scan-secrets", "--source", tmp_path / "source", "--json")
    shutil.rmtree(tmp_path / "source")
    assert ran.code == 1
    assert ran.report["coverage"]["examined"] == FOLDERS * EACH
    assert [f["location"] for f in ran.report["findings"]] == [last.relative_to(tmp_path / "source").as_posix()]
