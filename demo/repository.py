# SPDX-License-Identifier: Apache-2.0
"""Two small repositories: one as it should be, and one that switches its scanners off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_TRAIN = '''"""Train a classifier on a table."""

import json
from pathlib import Path

import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression


def train(table: Path, model: Path, label: str) -> None:
    """Fit, save, and note how many rows there were."""
    rows = pd.read_csv(table)
    estimator = LogisticRegression().fit(rows.drop(columns=label), rows[label])
    skops.io.dump(estimator, model)
    Path(f"{model}.json").write_text(json.dumps({"rows": len(rows)}))
'''
_NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A first look"]},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["(442, 11)\n"]}],
            "source": ["import pandas as pd\n", "rows = pd.read_csv('train.csv')\n", "print(rows.shape)"],
        },
    ],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
_REQUIREMENTS = "".join(
    f"{name}=={version} \\\n    --hash=sha256:{number:064x}\n"
    for number, (name, version) in enumerate({"pandas": "2.3.3", "scikit-learn": "1.7.2", "skops": "0.13.0"}.items(), 1)
)
_CONTAINERFILE = f"""FROM docker.io/library/python:3.11-slim@sha256:{"a" * 64}
COPY requirements.txt /app/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /app/requirements.txt
COPY train.py /app/train.py
HEALTHCHECK NONE
USER 10001
ENTRYPOINT ["python", "/app/train.py"]
"""
_WORKFLOW = f"""name: test
on: push
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@{"b" * 40}
        with:
          persist-credentials: false
      - run: python -m pytest
"""
CLEAN: Mapping[str, str] = {
    "train.py": _TRAIN,
    "look.ipynb": json.dumps(_NOTEBOOK, indent=1),
    "requirements.txt": _REQUIREMENTS,
    "Dockerfile": _CONTAINERFILE,
    ".dockerignore": "*\n!train.py\n!requirements.txt\n",
    ".github/workflows/test.yml": _WORKFLOW,
    "README.md": "# A classifier\n",
}
# What its scanners would find, and what it does so that they do not.
HOSTILE: Mapping[str, str] = CLEAN | {
    "serve.py": "import pickle\n\n\ndef load(path):\n    return pickle.load(open(path, 'rb'))  # nosec  # noqa: S301\n",
    ".bandit": "[bandit]\nexclude: /\nskips: B105,B301,B403\n",
    "ruff.toml": 'exclude = ["**"]\n',
    "settings.py": "TOKEN = 'glpat-" + "x7Kq2Lm9Rt4Vw8Yz3BnC" + "'  # gitleaks:allow\n",
    ".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n",
    "Dockerfile": "#trivy:ignore:*\n" + _CONTAINERFILE.replace("USER 10001\n", "USER root\n"),
    ".trivyignore": "DS-0002\nAVD-DS-0002\n",
    "trivy.yaml": "severity: [CRITICAL]\nscan:\n  skip-dirs: ['**']\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a repository's files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder
