# SPDX-License-Identifier: Apache-2.0
"""Where promoted models are served from: one folder per digest, a link to the current one, an audit log."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import UsageError, WardeinError
from wardein.outputs import AUDIT_LOG
from wardein.release.audit import AuditLog
from wardein.subject import PrivateCopy, digest_of

CURRENT, EVIDENCE = "current", "claims.jsonl"
PROMOTE = "promote"


@dataclass(frozen=True)
class Store:
    """A folder that models are served from, in one environment."""

    folder: Path
    environment: str

    def check_usable(self) -> None:
        """Find out before anything is moved whether a release can be put here.

        Raises:
            UsageError: If something is in the way of the link, or the folder serves another environment.
            WardeinError: If the audit log cannot be read.
        """
        current = self.folder / CURRENT
        if current.exists() and not current.is_symlink():
            mend = "it is not a link that promote made; move it away"
            raise UsageError("is in the way", where=str(current), mend=mend)
        served = self.log.opened_for()
        if served and served != self.environment:
            mend = "promote to the folder of this environment"
            raise UsageError(f"serves {served}, not {self.environment}", where=str(self.folder), mend=mend)

    def put(self, copy: PrivateCopy, evidence: bytes, record: Mapping[str, str]) -> Path:
        """Give a verified copy its place, and make it the current model.

        Args:
            copy: The copy of the model, alone in a folder below the store's own (:func:`wardein.files.landing`), so
                that a rename puts it in place. Its digest is that of the bytes that were copied.
            evidence: The claims, kept beside the model.
            record: What to note in the audit log.

        Returns:
            Where the model lies; under the name that it had when the same bytes were first promoted.

        Raises:
            UsageError: If the model has the name of the evidence file.
            WardeinError: If the place of this digest holds something else; nothing is promoted then.
        """
        if copy.name == EVIDENCE:
            raise UsageError(f"a model cannot be called {EVIDENCE}", where=copy.name, mend="rename it")
        (copy.parent / EVIDENCE).write_bytes(evidence)
        os.chmod(copy.parent, 0o755)  # noqa: S103 - it was private while it was made; who serves models must read it
        final = self.folder / copy.digest
        name: str = copy.name
        if final.exists():
            standing = [path for path in final.iterdir() if path.name != EVIDENCE]
            if [digest_of(path) for path in standing] != [copy.digest]:
                mend = "it was tampered with; remove it and promote again"
                raise WardeinError("no longer holds the model that it is named after", where=str(final), mend=mend)
            os.replace(copy.parent / EVIDENCE, final / EVIDENCE)
            name = standing[0].name
        else:
            os.rename(copy.parent, final)
        self.log.append({"action": PROMOTE, "model": copy.digest, **record})
        self._make_current(copy.digest)
        return final / name

    @property
    def log(self) -> AuditLog:
        """The log of what was done here."""
        return AuditLog(self.folder / AUDIT_LOG, self.environment)

    def _make_current(self, digest: str) -> None:
        link = Path(tempfile.mkdtemp(dir=self.folder, prefix=".link-")) / CURRENT
        try:
            link.symlink_to(digest)
            os.replace(link, self.folder / CURRENT)
        finally:
            shutil.rmtree(link.parent)
