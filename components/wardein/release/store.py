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
from wardein.release.audit import AuditLog
from wardein.subject import copy_of, digest_of

AUDIT_LOG, CURRENT, EVIDENCE = "audit.jsonl", "current", "claims.jsonl"


@dataclass(frozen=True)
class Store:
    """A folder that models are served from."""

    folder: Path

    def put(self, model: Path, digest: str, evidence: bytes, record: Mapping[str, str]) -> Path:
        """Copy a model, and make it the current one only if the copy has the expected digest.

        Args:
            model: The model's file or folder.
            digest: The sha256 that was verified; the copy is hashed, not the source, so a swap in between fails.
            evidence: The claims, kept beside the model.
            record: What to note in the audit log.

        Raises:
            UsageError: If the folder cannot be written to.
            WardeinError: If the copy's digest is not the expected one; nothing is promoted then.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".incoming-"))
        except OSError as error:
            raise UsageError(f"cannot be written to ({error.strerror})", where=str(self.folder)) from None
        try:
            if model.name == EVIDENCE:
                raise UsageError(f"a model cannot be called {EVIDENCE}", where=str(model), mend="rename it")
            if copy_of(model, temporary).digest != digest:
                mend = "nothing was promoted; find out who writes to it"
                raise WardeinError("was changed after it was verified", where=str(model), mend=mend)
            (temporary / EVIDENCE).write_bytes(evidence)
            os.chmod(temporary, 0o755)  # noqa: S103 - mkdtemp makes it private; who serves models must read it
            return self._make_current(temporary, digest, record)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _make_current(self, temporary: Path, digest: str, record: Mapping[str, str]) -> Path:
        current = self.folder / CURRENT
        if current.exists() and not current.is_symlink():
            mend = "it is not a link that promote made; move it away"
            raise UsageError("is in the way", where=str(current), mend=mend)
        final = self.folder / digest
        if final.exists():
            standing = [path for path in final.iterdir() if path.name != EVIDENCE]
            if [digest_of(path) for path in standing] != [digest]:
                mend = "it was tampered with; remove it and promote again"
                raise WardeinError("no longer holds the model that it is named after", where=str(final), mend=mend)
            os.replace(temporary / EVIDENCE, final / EVIDENCE)
        else:
            os.rename(temporary, final)
        AuditLog(self.folder / AUDIT_LOG).append({"action": "promote", "model": digest, **record})
        link = Path(tempfile.mkdtemp(dir=self.folder, prefix=".link-")) / CURRENT
        try:
            link.symlink_to(digest)
            os.replace(link, self.folder / CURRENT)
        finally:
            shutil.rmtree(link.parent)
        return final
