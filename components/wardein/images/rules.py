# SPDX-License-Identifier: Apache-2.0
"""The rules about images that are wardein's own, and trivy's where wardein gives them another severity."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

END_OF_LIFE = Rule(
    "image/end-of-life-os",
    Severity.HIGH,
    "the distribution no longer gets security updates",
    "Whatever is found in it from now on stays, and nobody publishes advisories that a scan could tell of.",
    "Build on a release of the distribution that is maintained.",
    "CWE-1104",
)
ACCEPTED = Rule(
    "image/unexamined-accepted",
    Severity.INFO,
    "packages that nobody publishes advisories on were let pass by --accept-unexamined",
    "It was asked for; it is told so that a reader of the report sees what was not looked at.",
    "Install them from a source with advisories.",
)
SECRET_VARIABLE = Rule(
    "image/secret-variable",
    Severity.HIGH,
    "a variable whose name says that it is a secret has its value in the image",
    "Everybody who can pull the image reads its settings and its build history. Tokens of model hubs and experiment "
    "trackers are given this way, and let their finder replace models.",
    "Pass it when the container starts, or with --mount=type=secret while it is built; revoke the value.",
    "CWE-798",
)
CREDENTIALS_IN_URL = Rule(
    "image/credentials-in-url",
    Severity.HIGH,
    "an address in the image's settings or build history holds a password",
    "Passwords of package indexes and of artifact stores end up in the build history, where everybody who can pull the "
    "image reads them, and with them can publish packages that the next training run installs.",
    "Use --mount=type=secret with a netrc file while the image is built; revoke the password.",
    "CWE-798",
)
KNOWN_BY_TAG = Rule(
    "image/known-by-tag",
    Severity.INFO,
    "the archive names its image by a tag only",
    "The tag can be another image's by the time that it is deployed; what was scanned is known by its digest alone.",
    "Deploy by digest.",
    "CWE-494",
)
BASE_NOT_PINNED = Rule(
    "image/base-not-pinned",
    Severity.LOW,
    "the image says which base image it was built on by a tag, without a digest",
    "A later build of the same sources can be another image, so that what was evaluated cannot be built again.",
    "Write FROM name@sha256:…, and label the image with org.opencontainers.image.base.digest.",
    "CWE-494",
)
EVIDENCE_LEFT_OUT = Rule(
    "image/evidence-left-out",
    Severity.INFO,
    "evidence that was given for the model card is about something else",
    "The card tells only of the very model that is in the document; nothing is decided by it.",
    "Give the evidence of the checks of this model.",
)

RULES = (
    END_OF_LIFE,
    ACCEPTED,
    SECRET_VARIABLE,
    CREDENTIALS_IN_URL,
    KNOWN_BY_TAG,
    BASE_NOT_PINNED,
    EVIDENCE_LEFT_OUT,
)
