# SPDX-License-Identifier: Apache-2.0
"""Where promoted models are served from: one folder per digest, a link to the current one, an audit log.

What is served has the names and contents that the digest binds, and nothing else of its origin: no file may be
executed, no folder is empty.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import UsageError, WardeinError
from wardein.outputs import AUDIT_LOG
from wardein.release.audit import AuditLog
from wardein.release.journal import Journal
from wardein.subject import PrivateCopy, digest_of

CURRENT, EVIDENCE = "current", "claims.jsonl"
PROMOTE = "promote"
_LOCK = ".promoting"
_FOLDER, _FILE = 0o755, 0o644


@dataclass(frozen=True)
class Store:
    """A folder that models are served from, in one environment."""

    folder: Path
    environment: str

    def check_usable(self) -> None:
        """Find out before anything is moved whether a release can be put here.

        Raises:
            UsageError: If something is in the way of the link, or the folder serves another environment.
            WardeinError: If the audit log cannot be read, or does not tell of the model that is current.
        """
        current = self.folder / CURRENT
        if current.exists() and not current.is_symlink():
            mend = "it is not a link that promote made; move it away"
            raise UsageError("is in the way", where=str(current), mend=mend)
        served = self.log.opened_for()
        if served and served != self.environment:
            mend = "promote to the folder of this environment"
            raise UsageError(f"serves {served}, not {self.environment}", where=str(self.folder), mend=mend)
        if current.is_symlink():
            standing, told = os.readlink(current), (entry.record for entry in self.log.entries())
            if all((said.get("action"), said.get("model")) != (PROMOTE, standing) for said in told):
                mend = f"put back the whole {AUDIT_LOG}, or move the link away to begin anew"
                raise WardeinError("leads to what the audit log does not tell of", where=str(current), mend=mend)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other promotions out, so that what was looked at is what is still there when something is put.

        Raises:
            WardeinError: If another promotion goes on for too long, or the folder cannot be written to.
        """
        with Journal(self.folder / _LOCK).held() as held:
            try:
                yield
            finally:
                held.path.unlink(missing_ok=True)  # who waits for it finds it gone, and makes another

    def put(self, copy: PrivateCopy, evidence: bytes, record: Mapping[str, str]) -> Path:
        """Give a verified copy its place, and make it the current model.

        Args:
            copy: The copy of the model, alone in a folder below the store's own (:func:`wardein.files.landing`), so
                that a rename puts it in place. Its digest is that of the bytes that were copied.
            evidence: The claims, kept beside the model.
            record: What to note in the audit log.

        Returns:
            Where the model lies.

        Raises:
            UsageError: If the model has the name of the evidence file.
            WardeinError: If the place of this digest holds anything else than the same under the same name; nothing is
                promoted then.
        """
        if copy.name == EVIDENCE:
            raise UsageError(f"a model cannot be called {EVIDENCE}", where=copy.name, mend="rename it")
        (copy.parent / EVIDENCE).write_bytes(evidence)
        _normalize(copy.parent)
        final = self.folder / copy.digest
        if os.path.lexists(final):
            if not _is_as_put(final, copy):
                mend = "it was tampered with, or put under another name; remove it and promote again"
                raise WardeinError("no longer holds the model that it is named after", where=str(final), mend=mend)
            _normalize(final)
            os.replace(copy.parent / EVIDENCE, final / EVIDENCE)
        else:
            os.rename(copy.parent, final)
        self.log.append({"action": PROMOTE, "model": copy.digest, **record})
        self._make_current(copy.digest)
        return final / str(copy.name)

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


def _normalize(folder: Path) -> None:
    """Leave names and contents: what else was copied is no part of the digest, and so of no evidence."""
    for place, _, files in os.walk(folder, topdown=False):
        if not os.listdir(place):
            os.rmdir(place)
            continue
        for path, mode in ((place, _FOLDER), *((os.path.join(place, name), _FILE) for name in files)):
            if stat.S_IMODE(os.lstat(path).st_mode) != mode:
                os.chmod(path, mode)


def _is_as_put(final: Path, copy: PrivateCopy) -> bool:
    """Whether a folder holds what :meth:`Store.put` would put there, and nothing else."""
    if final.is_symlink() or not final.is_dir():
        return False
    held, evidence = final / copy.name, final / EVIDENCE
    if {path.name for path in final.iterdir()} - {EVIDENCE} != {copy.name} or held.is_dir() != copy.is_dir():
        return False
    if os.path.lexists(evidence) and not stat.S_ISREG(evidence.lstat().st_mode):
        return False
    try:
        return digest_of(held) == copy.digest
    except WardeinError:
        return False
