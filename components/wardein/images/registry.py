# SPDX-License-Identifier: Apache-2.0
"""Reading an image from a registry by its digest: anonymously, over HTTPS, and from the registry alone.

Only what the distribution specification calls a pull: the manifest by digest, then blobs by digest. The caller
compares every byte with its digest. A registry on this machine (``localhost``, ``127.0.0.1``) is read over HTTP.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import IO, Any, cast

from wardein.errors import WardeinError
from wardein.images.identity import shown

_TIMEOUT = 60
_LONGEST = 4 * 3600  # seconds from the first answer to the last one's end
_SLOWEST = 4096  # bytes per second of an answer, once it has lasted for _TIMEOUT
_CHUNK = 1024 * 1024
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


class _Answer:
    """An answer that comes to its end, or is refused."""

    def __init__(self, response: Any, reference: str, deadline: float) -> None:
        self._response, self._reference, self._deadline = response, reference, deadline
        self._started, self._got = time.monotonic(), 0

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size > 0:
            try:
                part = self._response.read1(min(size, _CHUNK))
            except (OSError, ValueError, http.client.HTTPException):
                raise _refused(self._reference, "the answer breaks off") from None
            if not part:
                missing = self._response.length
                if missing:
                    raise _refused(self._reference, f"the answer breaks off {missing} bytes before its end")
                break
            parts.append(part)
            size -= len(part)
            self._got += len(part)
            lasted = time.monotonic() - self._started
            if time.monotonic() > self._deadline or (lasted > _TIMEOUT and self._got < lasted * _SLOWEST):
                raise _refused(self._reference, "it answers too slowly")
        return b"".join(parts)

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()


def open_reference(reference: str) -> Callable[[str], IO[bytes]]:
    """What opens ``blobs/sha256/<digest>`` of an image in a registry; the first one asked for is its manifest.

    Args:
        reference: ``host/name@sha256:…``.

    Raises:
        WardeinError: If it names no host: which registry would be meant is a setting of the machine, not of the run.
    """
    name, _, digest = reference.partition("@sha256:")
    host, _, repository = name.partition("/")
    if "@" in name:
        raise WardeinError("holds a user or password", where=shown(reference), mend="write it as host/name@sha256:…")
    if not repository or not ("." in host or ":" in host or host == "localhost"):
        raise WardeinError("names no registry", where=reference, mend="write it in full, as host/name@sha256:…")
    repository = re.sub(r":[^/]*$", "", repository)  # a tag beside a digest says nothing
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    base = f"{scheme}://{host}/v2/{repository}"
    headers = {"Accept": _ACCEPT}
    deadline = time.monotonic() + _LONGEST

    def opener(blob: str) -> IO[bytes]:
        wanted = blob.rpartition("/")[2]
        url = f"{base}/{'manifests' if wanted == digest else 'blobs'}/sha256:{wanted}"
        try:
            return _get(url, headers)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or "Authorization" in headers or not challenge.lower().startswith("bearer "):
                raise _refused(reference, f"HTTP {error.code}") from None
        headers["Authorization"] = f"Bearer {_anonymous_token(challenge, repository, reference)}"
        try:
            return _get(url, headers)
        except urllib.error.HTTPError as error:
            raise _refused(reference, f"HTTP {error.code}") from None

    def guarded(blob: str) -> IO[bytes]:
        try:
            return cast(IO[bytes], _Answer(opener(blob), reference, deadline))
        except (OSError, http.client.HTTPException) as error:
            raise _refused(reference, str(getattr(error, "reason", error))) from None

    return guarded


class _OneHost(urllib.request.HTTPRedirectHandler):
    """Follow a registry's redirect to its storage, without carrying the token to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urllib.parse.urlsplit(newurl).netloc != urllib.parse.urlsplit(req.full_url).netloc:
            request.remove_header("Authorization")
        return request


def _get(url: str, headers: dict[str, str]) -> IO[bytes]:
    opener = urllib.request.build_opener(_OneHost)
    response: IO[bytes] = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)  # noqa: S310 - http(s) only, built above
    return response


def _anonymous_token(challenge: str, repository: str, reference: str) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.get("realm", "")
    if not realm.startswith(("https://", "http://localhost", "http://127.0.0.1")):
        raise _refused(reference, "it asks for credentials in a way that is not known")
    query = urllib.parse.urlencode({"service": fields.get("service", ""), "scope": f"repository:{repository}:pull"})
    try:
        with _Answer(_get(f"{realm}?{query}", {}), reference, time.monotonic() + _TIMEOUT) as answer:
            data = json.loads(answer.read(1024 * 1024))
        return str(data.get("token") or data["access_token"])
    except (OSError, ValueError, KeyError, AttributeError):
        raise _refused(reference, "it gives no anonymous access") from None


def _refused(reference: str, why: str) -> WardeinError:
    return WardeinError(
        f"cannot be pulled ({why})",
        where=reference,
        mend="for a registry with credentials: skopeo copy docker://… oci:FOLDER, and give the folder",
    )
