# SPDX-License-Identifier: Apache-2.0
"""git, for one thing: lines in a note of a repository.

The note is on the empty tree, which every repository has and none can lose: unlike a commit it is there before the
first commit, in a shallow clone, after history was rewritten, and after garbage was collected.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError
from wardein.tools import run

VARIABLE = "WARDEIN_GIT"
INSTALL = f"run: apt-get install git, or set {VARIABLE} to its absolute path"
REF = "wardein-audit"
TIME_LIMIT = 60.0
# Nothing that the repository's own configuration names is run, and nothing is fetched.
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_AUTHOR_NAME": "wardein",
    "GIT_AUTHOR_EMAIL": "wardein",
    "GIT_COMMITTER_NAME": "wardein",
    "GIT_COMMITTER_EMAIL": "wardein",
}


@dataclass(frozen=True)
class Note:
    """The lines in ``refs/notes/wardein-audit`` of a repository; write them from one place at a time."""

    path: Path

    def lines(self) -> Iterator[bytes]:
        """The lines of the note; none if there is no note.

        Raises:
            WardeinError: If it is not a repository, or git fails.
        """
        yield from self._content().splitlines()

    def append(self, line: bytes) -> None:
        """Add one line to the note.

        Raises:
            WardeinError: As :meth:`lines`.
        """
        content = self._content() + line + b"\n"
        try:
            with tempfile.NamedTemporaryFile(prefix="wardein-note-") as file:
                file.write(content)
                file.flush()
                blob = self._git("hash-object", "-w", "--no-filters", file.name).decode().strip()
        except OSError as error:
            mend = "make room where TMPDIR points, or set it to another folder"
            raise WardeinError(f"cannot be written ({error.strerror})", where="TMPDIR", mend=mend) from None
        self._git("notes", f"--ref={REF}", "add", "-f", "-C", blob, self._empty_tree())

    def _content(self) -> bytes:
        listed = [line.split() for line in self._git("notes", f"--ref={REF}", "list").decode().splitlines()]
        blob = {noted: blob for blob, noted in listed}.get(self._empty_tree())
        return self._git("cat-file", "blob", blob) if blob else b""

    def _empty_tree(self) -> str:
        """Its object id, which depends on the repository's hash."""
        return self._git("hash-object", "-t", "tree", "/dev/null").decode().strip()

    def _git(self, *arguments: str) -> bytes:
        """Run git in the repository itself, never in one that happens to lie around it."""
        program, folder = run.find("git", variable=VARIABLE, mend=INSTALL), self.path.resolve()
        ended = run.run(
            [program.path, "-C", folder, *_SETTINGS, *arguments],
            time_limit=TIME_LIMIT,
            environment={**_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        )
        if ended.code != 0:
            said = ended.stderr.strip().splitlines()[:1] or [f"exit code {ended.code}"]
            raise WardeinError(f"git fails: {said[0]}", where=f"git:{self.path}", mend="give a git repository of yours")
        return ended.stdout
