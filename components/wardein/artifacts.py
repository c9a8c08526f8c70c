# SPDX-License-Identifier: Apache-2.0
"""The types that a step's signature is written in: which parameters are artifacts, and of what kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True)
class In:
    """Marks a parameter as an artifact that the step reads; its content, not its path, is recorded."""

    kind: str


@dataclass(frozen=True)
class Out:
    """Marks a parameter as a file or folder that the step writes."""

    kind: str


@dataclass(frozen=True)
class Judged:
    """Marks a setting that only judges what was measured: the gate judges again, by the policy.

    Every other setting changes what is measured. A run leaves it at its default, or at what the policy pins.
    """


Model = Annotated[Path, In("Model")]
Dataset = Annotated[Path, In("Dataset")]
Artifact = Annotated[Path, In("Artifact")]
# The root folder of somebody's code: scripts, notebooks, configuration. Links that stay inside are allowed.
Source = Annotated[Path, In("Source")]
# Earlier evidence of the same check, whose findings are no news. It counts only if the policy lists its digest.
Baseline = Annotated[Path, In("Baseline")]
# A folder of advisories in the OSV format, one JSON file each.
Advisories = Annotated[Path, In("Advisories")]
# What a table's columns are, and how an attacker may change them (docs/features.md).
Features = Annotated[Path, In("Features")]
# A Python script that attacks a model, and says by contract what it found.
Script = Annotated[Path, In("Script")]
# What a tool of somebody else's wrote.
ForeignReport = Annotated[Path, In("ForeignReport")]
# Evidence that a document is filled in from; no verdict depends on it.
Evidence = Annotated[Path, In("Evidence")]
# The sha256 of something that is not here (sha256:HEX); the step's setting ``kind`` says what the gate is shown it as.
Digest = Annotated[str, In("Digest")]
Suite = Annotated[Path, In("Suite")]
Signature = Annotated[Path, In("Signature")]
# The public certificates of a key that signs, in PEM.
Certificates = Annotated[Path, In("Certificates")]
# Evidence that holds a gate's decision.
Summary = Annotated[Path, In("Summary")]
# The log of what was promoted to a folder that models are served from.
AuditLog = Annotated[Path, In("AuditLog")]
TrustRoot = Annotated[Path, In("TrustRoot")]
PolicyFolder = Annotated[Path, In("Policy")]
# A folder with an OCI layout, a docker-archive file, or a registry reference that is pinned by digest.
Image = Annotated[str, In("Image")]
# The URI of a private key. It is used, and neither hashed nor recorded.
KeyUri = Annotated[str, In("Key")]
# A folder that holds a vulnerability database.
Database = Annotated[Path, In("Database")]
# Evidence files, any number of them: one envelope a line.
Claims = Annotated[list[Path], In("Claims")]
# A threshold, and which number has to meet it; a run is free to choose them, as the gate does not believe them.
Threshold = Annotated[float, Judged()]
OutputFile = Annotated[Path, Out("File")]
OutputFolder = Annotated[Path, Out("Folder")]
# A log that the step appends to.
OutputLog = Annotated[Path, Out("Log")]
