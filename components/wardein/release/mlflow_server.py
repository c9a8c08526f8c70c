# SPDX-License-Identifier: Apache-2.0
"""An MLflow server as its clients see it: found by MLFLOW_TRACKING_URI, asked with bounds, its errors made one line.

``mlflow-skinny`` is enough. Only artifacts that the server itself hands out are read: where a version's bytes lie
is written in the registry by whoever made the version, and another address would be sent the server's credentials.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wardein.errors import UsageError, WardeinError, missing_extra

EVIDENCE = "claims.jsonl"
URI_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
# MLflow's own defaults are two minutes a request with seven retries, progress bars, and a report to its makers.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# What the server's own artifact proxy hands out: no host, no query, nothing percent-encoded, no way up.
_PROXIED = re.compile(r"mlflow-artifacts:/(?!/)(?!(?:.*/)?\.{1,2}(?:/|$))[^?#%\\\s]+")


def connect() -> Any:
    """A client of the server that the environment names.

    Raises:
        UsageError: If the environment names no server.
        WardeinError: If MLflow is not installed.
    """
    for name in URI_VARIABLES:
        uri = os.environ.get(name, "")
        if not uri.startswith(("http://", "https://")) and (uri or name == URI_VARIABLES[0]):
            mend = (
                "set it to the server's http or https address; MLFLOW_TRACKING_TOKEN or _USERNAME and _PASSWORD log in"
            )
            raise UsageError("names no MLflow server", where=name, mend=mend)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "mlflow", "mlflow") from None
    with asking("the client cannot be made"):
        return MlflowClient()


@contextmanager
def asking(failure: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one line that holds no credential.

    Raises:
        WardeinError: With the failure in words, and the reason.
    """
    try:
        yield
    except WardeinError:
        raise
    except Exception as error:  # MLflow's own, those of requests, those of the disk
        raise WardeinError(f"{failure} ({_why(error)})", where="the model registry", mend=_mend(error)) from None


def pages(ask: Callable[..., Any], failure: str) -> Iterator[Any]:
    """Every item of a search, over all its pages."""
    token = None
    while True:
        with asking(failure):
            page = ask(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def versions_of(client: Any, name: str) -> list[Any]:
    """Every version of a registered model."""
    # MLflow's filters cannot quote a quote, and somebody's model may have one in its name.
    wanted = "" if "'" in name else f"name='{name}'"
    search = partial(client.search_model_versions, wanted)
    return [version for version in pages(search, "the versions cannot be listed") if version.name == name]


class Elsewhere(WardeinError):
    """The registry points to bytes that are not the server's own: they are not asked for."""


@dataclass(frozen=True)
class Held:
    """Where the files of a version lie: its model's folder, and its evidence beside that."""

    uri: str

    @classmethod
    def of(cls, client: Any, name: str, version: str) -> Held:
        """Ask the registry as a client that loads the model would.

        Raises:
            WardeinError: If it cannot tell, or names a place that is not the server's own artifact store.
        """
        where = f"models:/{name}/{version}"
        with asking(f"{where}: cannot be told where its files lie"):
            uri = str(client.get_model_version_download_uri(name, version))
        if not is_proxied(uri):
            raise Elsewhere("its files lie elsewhere than in the artifact store of the server", where=where)
        return cls(uri)

    def download_model(self, folder: Path) -> Path | None:
        """The folder with the model's files; None if there are none."""
        return _download(self.uri, folder / "model") if _names_in(self.uri) else None

    def download_evidence(self, folder: Path) -> Path | None:
        """The claims file; None if there is none."""
        beside = self.uri.rpartition("/")[0]
        return _download(f"{beside}/{EVIDENCE}", folder / "evidence") if EVIDENCE in _names_in(beside) else None


def is_proxied(uri: str) -> bool:
    """Whether a version's bytes come from the server itself."""
    return _PROXIED.fullmatch(uri) is not None


def _names_in(uri: str) -> set[str]:
    """The names of what lies directly in a folder of artifacts."""
    from mlflow.artifacts import list_artifacts

    with asking("its artifacts cannot be listed"):
        return {item.path.rpartition("/")[2] for item in list_artifacts(artifact_uri=uri)}


def _download(uri: str, folder: Path) -> Path:
    """Download a file or a folder of artifacts into a local folder."""
    from mlflow.artifacts import download_artifacts

    with asking("its artifacts cannot be downloaded"):
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))


def _why(error: BaseException) -> str:
    if _is_silence(error):
        return "it cannot be reached"
    text = f"{type(error).__name__}: {error}"
    for name in URI_VARIABLES:
        if uri := os.environ.get(name, "").rstrip("/"):
            text = text.replace(uri, "the server")
    text = re.sub(r"//[^\s/]*@", "//", " ".join(text.split()))
    return text if len(text) <= 200 else f"{text[:60]} … {text[-140:]}"  # the cause stands at the end


def _mend(error: BaseException) -> str:
    return f"check that the server of {URI_VARIABLES[0]} runs and can be reached" if _is_silence(error) else ""


def _is_silence(error: BaseException | None) -> bool:
    """Whether no answer came at all; MLflow wraps what requests said."""
    from requests.exceptions import ConnectionError, Timeout  # type: ignore[import-untyped]  # MLflow's, without stubs

    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, (ConnectionError, Timeout)):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False
