# SPDX-License-Identifier: Apache-2.0
"""fetch-database against a real registry, as a place without a network has one: by digest, whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import images
from tests.conftest import Ran
from tests.standins import registry_client
from tests.standins.registry_client import DATABASE, packed, push
from wardein.report import Severity
from wardein.subject import digest_of
from wardein.tools import trivydb
from wardein.tools.trivydb import Advisory

pytestmark = [
    pytest.mark.scanners,
    pytest.mark.skipif(not registry_client.PROGRAM, reason="needs docker-registry: apt-get install docker-registry"),
]
NAME = "mirror/trivy-db"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_client.registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("database")
    advisories = [
        Advisory("CVE-2022-22817", "pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",)),
        Advisory("CVE-1", "zlib", "debian 12", Severity.LOW),
    ]
    trivydb.write_database(folder, advisories, datetime.now(UTC))
    return {path.name: path.read_bytes() for path in (folder / "db").iterdir()}


def test_database_from_a_mirror_is_scanned_with(
    wardein: Callable[..., Ran], host: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    reference = push(host, NAME, packed(files))
    ran = wardein("fetch-database", reference, tmp_path / "data")
    assert (ran.code, ran.err) == (0, "")
    assert f"sha256:{digest_of(tmp_path / 'data')}" in ran.out
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "db").iterdir()} == files
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["db"]
    images.write_layout(tmp_path / "image", [images.base_layer(), images.tar(images.python_package("pillow", "9.0.0"))])
    given = ("--image", tmp_path / "image", "--database", tmp_path / "data", "--scanners", "vuln", "--json")
    ran = wardein("scan-image", *given)
    assert (ran.code, [f["cve"] for f in ran.report["findings"]]) == (1, ["CVE-2022-22817"])


def test_newer_database_takes_the_place_of_an_older_one(
    wardein: Callable[..., Ran], host: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    older = {**files, "metadata.json": files["metadata.json"].replace(b"DownloadedAt", b"FormerlyAt")}
    assert wardein("fetch-database", push(host, NAME, packed(older)), tmp_path).code == 0
    assert b"FormerlyAt" in (tmp_path / "db" / "metadata.json").read_bytes()
    (tmp_path / "db" / "left-over").touch()
    assert wardein("fetch-database", push(host, NAME, packed(files)), tmp_path).code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "db").iterdir()} == files


def refuse(wardein: Callable[..., Ran], reference: str, folder: Path, says: str) -> None:
    before = sorted(folder.rglob("*"))
    ran = wardein("fetch-database", reference, folder)
    assert ran.code == 2
    assert says in ran.one_line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda files: {"trivy.db": files["trivy.db"]}, "lacks metadata.json"),
        (lambda files: files | {"other": b""}, "belongs to no database"),
        (lambda files: {f"../{name}": content for name, content in files.items()}, "different files"),
        (lambda files: files | {"trivy.db": b"junk" * 9000}, "not a bbolt file"),
        (lambda files: files | {"metadata.json": b'{"Version": 1}'}, "schema is 1"),
    ],
)
def test_artifact_that_is_no_database(
    wardein: Callable[..., Ran],
    host: str,
    files: dict[str, bytes],
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    says: str,
) -> None:
    refuse(wardein, push(host, NAME, packed(change(files))), tmp_path, says)


def test_artifact_of_another_kind(
    wardein: Callable[..., Ran], host: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    refuse(wardein, push(host, NAME, packed(files), "application/vnd.other"), tmp_path, "application/vnd.other")
    refuse(wardein, push(host, NAME, packed(files), layers=2), tmp_path, "not one layer")
    refuse(wardein, push(host, NAME, b"no gzip"), tmp_path, "cannot be unpacked")
    refuse(wardein, push(host, NAME, packed(files)[:-20]), tmp_path, "cannot be unpacked")


def test_blob_that_is_not_what_its_digest_says(
    wardein: Callable[..., Ran],
    files: dict[str, bytes],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    storage = tmp_path_factory.mktemp("storage")
    with registry_client.registry(storage) as host:
        reference = push(host, NAME, packed(files))
        (blob,) = [p for p in storage.rglob("data") if p.stat().st_size == len(packed(files))]
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        refuse(wardein, reference, tmp_path, "is not what its digest says")
        manifest = next(p for p in storage.rglob("data") if DATABASE.encode() in p.read_bytes())
        manifest.write_bytes(json.dumps({"layers": []}).encode())
        refuse(wardein, reference, tmp_path, "")


def test_what_is_not_there_or_not_pinned(wardein: Callable[..., Ran], host: str, tmp_path: Path) -> None:
    refuse(wardein, f"{host}/{NAME}@sha256:{'0' * 64}", tmp_path, "HTTP 404")
    refuse(wardein, f"{host}/{NAME}:2", tmp_path, "pinned by digest")
    refuse(wardein, f"127.0.0.1:1/{NAME}@sha256:{'0' * 64}", tmp_path, "cannot be pulled")
    ran = wardein("fetch-database", f"{host}/{NAME}@sha256:{'0' * 64}", tmp_path / "new")
    assert (ran.code, (tmp_path / "new").exists()) == (2, False)
