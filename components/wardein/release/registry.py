# SPDX-License-Identifier: Apache-2.0
"""Promotion to a model registry: an alias of MLflow's moves last, to a version whose bytes came back unchanged.

A version's artifacts lie in a run of their own::

    released/…       the model's file, or its folder's files: what ``models:/NAME@ALIAS`` downloads
    claims.jsonl     its evidence, beside it, so that the digest stays that of the model

The tags of a version are for finding it. Nobody may believe them, as everybody who can write to the registry can
set them: :mod:`wardein.commands.reconcile` believes the evidence and the bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import UsageError, WardeinError
from wardein.release.mlflow_server import EVIDENCE, Held, asking, connect, is_proxied, versions_of
from wardein.subject import digest_of

FILES = "released"
TAG = "wardein."
# What a version was signed as, by the names that the audit log has for it.
LABEL = ("signedName", "signedVersion")

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}"
_ALIAS = r"(?!(?i:latest|v[0-9]+)$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_MEND = "names are of letters, digits and . _ -; aliases of letters, digits and _ -, but not 'latest' or 'v1'"


@dataclass(frozen=True)
class Destination:
    """A registered model and the alias of it that what serves models looks at."""

    name: str
    alias: str

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read ``models:/NAME@ALIAS``.

        Raises:
            UsageError: If it is anything else.
        """
        found = re.fullmatch(f"models:/({_NAME})@({_ALIAS})", text, re.ASCII)
        if found is None:
            raise UsageError(f"{text[:200]!r} is not models:/NAME@ALIAS", where="the registry", mend=_MEND)
        return cls(found[1], found[2])

    @property
    def uri(self) -> str:
        """As MLflow writes it."""
        return f"models:/{self.name}@{self.alias}"


def parse_name(text: str) -> str:
    """Read ``models:/NAME``.

    Raises:
        UsageError: If it is anything else.
    """
    found = re.fullmatch(f"models:/({_NAME})", text, re.ASCII)
    if found is None:
        raise UsageError(f"{text[:200]!r} is not models:/NAME", where="the registry", mend=_MEND)
    return found[1]


def check_reachable(destination: Destination) -> None:
    """Find out before anything is done that the registry cannot be asked.

    Raises:
        UsageError: If the environment names no server.
        WardeinError: If MLflow is not installed, or the server does not answer or refuses the credentials.
    """
    client = connect()
    with asking(f"{destination.uri} cannot be looked up"):
        client.search_registered_models(max_results=1)


def label_at(destination: Destination) -> dict[str, str]:
    """What the version at the alias is said to have been signed as; empty where there is no alias, or it says nothing.

    Only tags say so, which whoever can move the alias can set as well: they can keep a model out, and let none in.

    Raises:
        UsageError: If the environment names no server.
        WardeinError: If the registry cannot be asked.
    """
    from mlflow.exceptions import MlflowException

    client = connect()
    with asking(f"{destination.uri} cannot be looked up"):
        try:
            aliases = client.get_registered_model(destination.name).aliases
            if destination.alias not in aliases:
                return {}
            tags = client.get_model_version(destination.name, str(aliases[destination.alias])).tags
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
    found = {name: str(tags[f"{TAG}{name}"]) for name in LABEL if tags.get(f"{TAG}{name}")}
    return found | {"model": str(tags.get(f"{TAG}digest", ""))}


def publish(destination: Destination, model: Path, digest: str, evidence: bytes, tags: Mapping[str, str]) -> str:
    """Upload a model with its evidence, make a version of it, and point the alias to it once its bytes came back.

    A version that was made before of the same bytes, evidence and tags is used again.

    Args:
        destination: The registered model, made if it does not exist, and the alias.
        model: The file or folder that was verified: a private copy that nobody else can write to.
        digest: Its sha256, which what is downloaded again must have.
        evidence: The claims file.
        tags: What else to note on the version; each name is prefixed with ``wardein.``.

    Returns:
        The version, ``models:/NAME/VERSION``.

    Raises:
        UsageError: If the environment names no server.
        WardeinError: If the registry cannot be reached or refuses, or gives other bytes back. The alias is then
            where it was, and the version is deleted; the message says if either is not certain.
    """
    noted = {**tags, "digest": digest, "evidence": hashlib.sha256(evidence).hexdigest()}
    marked = {f"{TAG}{name}": value for name, value in noted.items()}
    publication = _Publication(connect(), destination, model, digest, evidence, marked)
    return f"models:/{destination.name}/{publication.published()}"


@dataclass(frozen=True)
class _Publication:
    client: Any
    to: Destination
    model: Path
    digest: str
    evidence: bytes
    tags: Mapping[str, str]

    def published(self) -> str:
        """The number of the version that the alias points to at the end."""
        self._make_registered_model()
        standing = next(self._standing(), "")
        if standing:
            self._point_alias(standing, lambda: "")
            return standing
        run = self._start_run()
        made: list[str] = []

        def discard() -> str:
            return self._discard(run.info.run_id, made)

        try:
            self._upload(run)
            made.append(self._make_version(run))
            self._check_came_back(made[0])
        except WardeinError as error:
            raise WardeinError(error.what, error.where, f"the alias was not moved{discard()}") from None
        except BaseException:
            discard()
            raise
        self._point_alias(made[0], discard)
        with asking("its run cannot be closed"):
            self.client.update_run(run.info.run_id, status="FINISHED")
        return made[0]

    def _make_registered_model(self) -> None:
        from mlflow.exceptions import MlflowException

        with asking(f"{self.to.name} cannot be registered"):
            try:
                self.client.create_registered_model(self.to.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def _standing(self) -> Iterator[str]:
        """Versions that were made of the same and are still the same, newest first."""
        for version in sorted(versions_of(self.client, self.to.name), key=lambda v: int(v.version), reverse=True):
            if {name: value for name, value in version.tags.items() if name.startswith(TAG)} != self.tags:
                continue
            try:
                self._check_came_back(str(version.version))
            except WardeinError:
                continue  # somebody changed it; reconcile tells if anything points to it
            yield str(version.version)

    def _start_run(self) -> Any:
        with asking("no run can be started to upload to"):
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
            experiment = os.environ.get("MLFLOW_EXPERIMENT_ID", "0")
            if name:
                found = self.client.get_experiment_by_name(name)
                experiment = found.experiment_id if found else self.client.create_experiment(name)
            return self.client.create_run(experiment, run_name=f"wardein promote {self.to.name}")

    def _upload(self, run: Any) -> None:
        if not is_proxied(run.info.artifact_uri):
            mend = "start it with --serve-artifacts, or upload to an experiment whose artifacts it serves"
            raise WardeinError("the server does not serve the artifacts itself", where="the model registry", mend=mend)
        with tempfile.TemporaryDirectory(prefix="wardein-") as private, asking("the model cannot be uploaded"):
            claims = Path(private, EVIDENCE)
            claims.write_bytes(self.evidence)
            self.client.log_artifact(run.info.run_id, str(claims))
            upload = self.client.log_artifacts if self.model.is_dir() else self.client.log_artifact
            upload(run.info.run_id, str(self.model), FILES)

    def _make_version(self, run: Any) -> str:
        source = f"{run.info.artifact_uri}/{FILES}"
        with asking("no version can be made"):
            made = self.client.create_model_version(
                self.to.name, source, run.info.run_id, tags=dict(self.tags), await_creation_for=0
            )
        return str(made.version)

    def _check_came_back(self, version: str) -> None:
        """Download what a client of this version would, and compare it with what was verified."""
        held = Held.of(self.client, self.to.name, version)
        with tempfile.TemporaryDirectory(prefix="wardein-") as private:
            folder, evidence = held.download_model(Path(private)), held.download_evidence(Path(private))
            same = folder is not None and self._is_the_model(folder)
            same_evidence = evidence is not None and evidence.read_bytes() == self.evidence
        if not same or not same_evidence:
            what = "the model" if not same else "its evidence"
            raise WardeinError(
                f"{what} came back as other bytes than were uploaded",
                where=f"models:/{self.to.name}/{version}",
            )

    def _is_the_model(self, folder: Path) -> bool:
        if self.model.is_dir():
            return digest_of(folder) == self.digest
        # One file more beside a model's only file would be served with it.
        only = [path.name for path in folder.iterdir()] == [self.model.name]
        return only and digest_of(folder / self.model.name) == self.digest

    def _point_alias(self, version: str, discard: Any) -> None:
        """Move the alias, and look where it is then: an answer can get lost on its way."""
        refused = ""
        try:
            with asking("the alias cannot be moved"):
                self.client.set_registered_model_alias(self.to.name, self.to.alias, version)
        except WardeinError as error:
            refused = error.what
        try:
            with asking("the alias cannot be read"):
                standing = self.client.get_registered_model(self.to.name).aliases.get(self.to.alias)
        except WardeinError as error:
            mend = f"it is not known whether it moved to version {version}, which was verified: run wardein reconcile"
            raise WardeinError(refused or error.what, where=self.to.uri, mend=mend) from None
        if str(standing) != version:
            what = refused or f"the alias is at version {standing}, not at {version}: somebody else moved it"
            raise WardeinError(what, where=self.to.uri, mend=f"the alias was not moved{discard()}")

    def _discard(self, run_id: str, versions: list[str]) -> str:
        """Delete what was made; as far as it goes, in words."""
        left = []
        for version in versions:
            try:
                with asking("cannot be deleted"):
                    self.client.delete_model_version(self.to.name, version)
            except WardeinError:
                left.append(f"version {version} could not be deleted, nothing points to it")
        try:
            with asking("cannot be deleted"):
                self.client.delete_run(run_id)
        except WardeinError:
            left.append(f"run {run_id} could not be deleted")
        return "".join(f"; {item}" for item in left) or ", and what was uploaded is deleted"
