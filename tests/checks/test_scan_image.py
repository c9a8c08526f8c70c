# SPDX-License-Identifier: Apache-2.0
"""scan-image: what is planted is found, what is clean passes, and whatever was not looked at is an ERROR."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import images
from tests.conftest import Ran
from wardein.errors import WardeinError
from wardein.images import copy as imagecopy
from wardein.report import Severity
from wardein.tools import bbolt, trivy, trivydb
from wardein.tools.trivydb import Advisory

pytestmark = pytest.mark.scanners
KEY = "AKIAQYLPMN5HFIQR7XYA"
ADVISORIES = (
    Advisory("CVE-2022-22817", "Pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",), "eval", ("CWE-74",)),
    Advisory("CVE-2099-0001", "zlib1g", "debian 12", Severity.MEDIUM, fixed=("1.3-1",), title="planted"),
    Advisory("CVE-2099-0002", "openssl", "debian 12", Severity.HIGH, title="planted, without a fix"),
    Advisory("CVE-2099-0003", "rumour", "pip", Severity.INFO, ("<2",), ("2",), "nobody has rated this one"),
)
Scan = Callable[..., Ran]


def database(folder: Path, advisories: Sequence[Advisory] = ADVISORIES, *, age_days: float = 0) -> Path:
    trivydb.write_database(folder, advisories, datetime.now(UTC) - timedelta(days=age_days))
    return folder


@pytest.fixture(scope="session")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return database(tmp_path_factory.mktemp("advisories"))


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path, advisories: Path) -> Scan:
    """Build an OCI layout of layers and scan it; ``what`` are scanners, the rest are options."""

    def run(layers: Sequence[bytes], *options: object, what: Sequence[str] = ("vuln",), **settings: Any) -> Ran:
        images.write_layout(tmp_path / "image", layers, **settings)
        return run_on(wardein, tmp_path / "image", *options, what=what, data=advisories)

    return run


def run_on(
    wardein: Callable[..., Ran],
    image: object,
    *options: object,
    what: Sequence[str] = ("vuln",),
    data: Path | None = None,
) -> Ran:
    given = ["--image", image, "--json", *options]
    if "--scanners" not in options:
        given += [part for name in what for part in ("--scanners", name)]
    if data is not None and "--database" not in options:
        given += ["--database", data]
    return wardein("scan-image", *given)


def rules(ran: Ran) -> list[tuple[str, str, str]]:
    """Rule, severity and place of each finding."""
    return [
        (f["ruleId"], f["severity"], f["location"] + (f", line {f['line']}" if f.get("line") else ""))
        for f in ran.report["findings"]
    ]


def python(name: str = "pillow", version: str = "10.0.0", **more: str) -> bytes:
    return images.tar(images.python_package(name, version, **more))


# The clean case


def test_clean_image_passes_every_scanner(scan: Scan) -> None:
    ran = scan([images.base_layer(), python()], what=("vuln", "secret", "misconfig"))
    assert (ran.code, ran.err) == (0, "")
    report = ran.report
    assert report["verdict"] == "PASS"
    assert report["findings"] == []
    # Two sets of packages; two layers and the configuration for secrets; the configuration once more.
    assert report["coverage"] == {
        "unit": "scan targets",
        "expected": 6,
        "examined": 6,
        "skipped": [],
        "complete": True,
    }
    tool = report["tools"][0]
    assert (tool["name"], tool["version"]) == ("trivy", trivy.locate().version)
    assert len(tool["sha256"]) == 64
    assert tool["db"]["updated"].endswith("Z")
    assert {m["name"] for m in report["metrics"]} == {"vulnerabilities", "secrets", "misconfigurations"}


def test_same_image_gives_the_same_core(scan: Scan) -> None:
    layers = [images.base_layer({"openssl": "3.0-1"}), python(version="9.0.0")]
    first, second = (scan(layers, what=("vuln", "secret", "misconfig")).report for _ in range(2))
    assert first | {"execution": {}} == second | {"execution": {}}


# What is planted is found


def test_planted_vulnerabilities_are_found(scan: Scan) -> None:
    ran = scan([images.base_layer({"openssl": "3.0-1", "zlib1g": "1.2-1"}), python(version="9.0.0")])
    assert ran.code == 1
    assert rules(ran) == [
        ("CVE-2022-22817", "critical", "pillow@9.0.0"),
        ("CVE-2099-0002", "high", "openssl@3.0-1"),
        ("CVE-2099-0001", "medium", "zlib1g@1.2-1"),
    ]
    pillow = ran.report["findings"][0]
    assert (pillow["cve"], pillow["cwe"], pillow["fails"]) == ("CVE-2022-22817", "CWE-74", True)
    assert "fixed in 9.0.1" in pillow["message"]
    assert [f["fails"] for f in ran.report["findings"]] == [True, True, False]
    counts = {m["slice"]: (m["value"], m["n"]) for m in ran.report["metrics"]}
    assert counts["severity=critical"] == (1, 3)
    assert counts["severity=low"] == (0, 3)


@pytest.mark.parametrize(("fail_severity", "code"), [("critical", 0), ("high", 0), ("medium", 1), ("low", 1)])
def test_fail_severity_is_the_least_severe_that_fails(scan: Scan, fail_severity: str, code: int) -> None:
    ran = scan([images.base_layer({"zlib1g": "1.2-1"})], "--fail-severity", fail_severity)
    assert ran.code == code
    assert [rule for rule, _, _ in rules(ran)] == ["CVE-2099-0001"]


def test_unrated_vulnerability_never_passes(scan: Scan) -> None:
    ran = scan([images.base_layer(), python("rumour", "1.0")], "--fail-severity", "critical")
    assert ran.code == 1
    assert rules(ran) == [("CVE-2099-0003", "high", "rumour@1.0")]
    assert "severity=unrated" in {m["slice"] for m in ran.report["metrics"]}


def test_end_of_life_distribution_is_a_finding(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    data = database(tmp_path / "db", [Advisory("CVE-1", "bash", "debian 9", Severity.LOW)])
    images.write_layout(tmp_path / "image", [images.base_layer(debian="9")])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert ran.code == 1
    assert ("image/end-of-life-os", "high", "debian 9.5") in rules(ran)


@pytest.mark.parametrize(
    "place", ["app/.env", "app/tests/test_keys.py", "app/examples/run.py", "README.md", "srv/vendor/keys.txt"]
)
def test_planted_secret_is_found_and_never_told(scan: Scan, tmp_path: Path, place: str) -> None:
    content = f"AWS_ACCESS_KEY_ID={KEY}  # trivy:ignore:aws-access-key-id\n".encode()
    evidence = tmp_path / "claims.jsonl"
    ran = scan([images.base_layer(), images.tar({place: content})], "--evidence", evidence, what=["secret"])
    assert ran.code == 1
    assert rules(ran) == [("aws-access-key-id", "critical", f"{place}, line 1")]
    assert KEY not in ran.out + ran.err + evidence.read_text()


def test_secret_in_a_deleted_file_is_found(scan: Scan) -> None:
    layers = [images.base_layer(), images.tar({"app/key": KEY.encode()}), images.tar({"app/.wh.key": b""})]
    assert rules(scan(layers, what=["secret"])) == [("aws-access-key-id", "critical", "app/key, line 1")]


def test_secret_in_a_setting_is_found(scan: Scan) -> None:
    ran = scan([images.base_layer()], what=["secret"], env=[f"AWS_ACCESS_KEY_ID={KEY}"])
    assert ran.code == 1
    assert rules(ran)[0][2].startswith("image configuration")
    assert KEY not in ran.out


@pytest.mark.parametrize("user", ["", "root", "0", "0:0"])
def test_root_user_is_found(scan: Scan, user: str) -> None:
    ran = scan([images.base_layer()], what=["misconfig"], user=user)
    assert ran.code == 1
    assert rules(ran) == [("DS-0002", "high", "image configuration")]


def test_history_that_lies_about_the_user_is_not_believed(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = images.config

    def lying(layers: Sequence[bytes], **settings: Any) -> bytes:
        data = json.loads(honest(layers, **settings))
        data["config"]["User"] = ""
        del data["config"]["Healthcheck"]
        return json.dumps(data).encode()

    monkeypatch.setattr(images, "config", lying)
    ran = scan([images.base_layer()], what=["misconfig"])
    assert ran.code == 1
    assert [(rule, severity) for rule, severity, _ in rules(ran)] == [("DS-0002", "high"), ("DS-0026", "low")]


def test_missing_health_check_is_found(scan: Scan) -> None:
    ran = scan([images.base_layer()], what=["misconfig"], healthcheck=False)
    assert (ran.code, rules(ran)) == (0, [("DS-0026", "low", "image configuration")])


# Nothing but the step's parameters changes what is found


def test_ignore_files_and_environment_have_no_effect(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = {
        ".trivyignore": b"CVE-2022-22817\naws-access-key-id\nDS-0002\n",
        ".trivyignore.yaml": b"vulnerabilities:\n  - id: CVE-2022-22817\n",
        "trivy.yaml": b"severity: [LOW]\nscan:\n  skip-dirs: ['**']\n",
        "trivy-secret.yaml": b"disable-rules: [aws-access-key-id]\n",
    }
    content = {**images.python_package("pillow", "9.0.0"), "app/key": KEY.encode()}
    every = ("vuln", "secret", "misconfig")
    plain = rules(scan([images.base_layer(), images.tar(content)], what=every, user=""))
    assert [rule for rule, _, _ in plain] == ["CVE-2022-22817", "aws-access-key-id", "DS-0002"]
    here = tmp_path / "here"
    here.mkdir()
    for name, text in switches.items():
        (here / name).write_bytes(text)
    monkeypatch.chdir(here)
    for name, value in {
        "TRIVY_IGNOREFILE": str(here / ".trivyignore"),
        "TRIVY_CONFIG": str(here / "trivy.yaml"),
        "TRIVY_SEVERITY": "LOW",
        "TRIVY_SKIP_DIRS": "**",
        "TRIVY_SCANNERS": "license",
        "TRIVY_IGNORE_UNFIXED": "true",
        "TRIVY_EXIT_CODE": "0",
        "TRIVY_SECRET_CONFIG": str(here / "trivy-secret.yaml"),
        "TRIVY_CACHE_DIR": str(here),
    }.items():
        monkeypatch.setenv(name, value)
    inside = images.tar({**switches, **{f"app/{name}": text for name, text in switches.items()}})
    assert rules(scan([images.base_layer(), images.tar(content), inside], what=every, user="")) == plain


def test_the_database_is_not_written_to(scan: Scan, advisories: Path, impostor: Callable[[str], None]) -> None:
    before = {path: path.stat().st_mtime_ns for path in advisories.rglob("*")}
    impostor("open(sys.argv[sys.argv.index('--cache-dir') + 1] + '/written', 'w'); sys.exit(real())")
    assert scan([images.base_layer()], what=("vuln", "secret", "misconfig")).code == 0
    assert {path: path.stat().st_mtime_ns for path in advisories.rglob("*")} == before


# The vulnerability database: every way in which it lets everything pass


def test_no_database(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    images.write_layout(tmp_path / "image", [images.base_layer()])
    ran = run_on(wardein, tmp_path / "image")
    assert ran.code == 2
    assert "--database" in ran.one_line
    assert "trivy image --download-db-only" in ran.one_line


def _empty(folder: Path) -> None:
    (folder / "db" / "trivy.db").write_bytes(bbolt.encode({}))


def _without_advisories(folder: Path) -> None:
    tree: bbolt.Tree = {b"debian 12": {b"bash": {}}, b"vulnerability": {b"CVE-1": b"{}"}}
    (folder / "db" / "trivy.db").write_bytes(bbolt.encode(tree))


def _garbage(folder: Path) -> None:
    (folder / "db" / "trivy.db").write_bytes(b"garbage" * 5000)


def _truncated(folder: Path) -> None:
    path = folder / "db" / "trivy.db"
    path.write_bytes(path.read_bytes()[:9000])


def _metadata(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "db" / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_empty, "no advisory at all"),
        (_without_advisories, "no advisory at all"),
        (_garbage, "not a bbolt file"),
        (_truncated, "trivy.db"),
        (lambda folder: (folder / "db" / "trivy.db").unlink(), "no vulnerability database"),
        (lambda folder: (folder / "db" / "metadata.json").unlink(), "no vulnerability database"),
        (lambda folder: (folder / "db" / "trivy.db").write_bytes(b""), "bbolt"),
        (lambda folder: (folder / "db" / "metadata.json").write_bytes(b"{"), "not valid JSON"),
        (_metadata(Version=1), "schema is 1"),
        (_metadata(Version=3), "schema is 3"),
        (_metadata(UpdatedAt="2023-01-01T00:00:00.123456789Z"), "older than 3 days"),
        (_metadata(UpdatedAt="0001-01-01T00:00:00Z"), "older than 3 days"),
        (_metadata(UpdatedAt="2199-01-01T00:00:00Z"), "in the future"),
        (_metadata(UpdatedAt="yesterday"), "not a time"),
    ],
)
def test_unusable_database(
    wardein: Callable[..., Ran], tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    data = database(tmp_path / "data")
    spoil(data)
    images.write_layout(tmp_path / "image", [images.base_layer()])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert ran.code == 2
    assert says in ran.one_line


def test_age_of_the_database_is_a_parameter(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    data = database(tmp_path / "data", age_days=10)
    images.write_layout(tmp_path / "image", [images.base_layer()])
    assert run_on(wardein, tmp_path / "image", data=data).code == 2
    assert run_on(wardein, tmp_path / "image", "--database-max-age-days", 11, data=data).code == 0


@pytest.mark.parametrize(("lacks", "says"), [("debian 12", "debian 12"), ("pip", "pip")])
def test_database_without_the_advisories_that_are_needed(
    wardein: Callable[..., Ran], tmp_path: Path, lacks: str, says: str
) -> None:
    data = database(tmp_path / "data", [a for a in ADVISORIES if a.bucket != lacks])
    images.write_layout(tmp_path / "image", [images.base_layer({"openssl": "3.0-1"}), python(version="9.0.0")])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert ran.code == 2
    assert says in ran.one_line
    # What was found nevertheless is kept.
    assert len(ran.report["findings"]) == 1


# What cannot be looked up was not examined

UNKNOWN = images.tar(
    {"etc/os-release": b"ID=frobnix\nVERSION_ID=1\n", "var/lib/dpkg/status": images.dpkg_status({"openssl": "3.0-1"})}
)
FEDORA = images.tar({"etc/os-release": b"ID=fedora\nVERSION_ID=40\n", "etc/fedora-release": b"Fedora release 40\n"})
UNINSTALLED = images.tar({"var/lib/dpkg/.wh.status": b""})
NODE = images.tar({"app/node_modules/a/package.json": b'{"name":"a","version":"1.0.0"}'})


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([UNKNOWN, python()], "not recognised"),
        ([FEDORA, python()], "fedora"),
        ([images.tar({"var/lib/dpkg/status": images.dpkg_status({"openssl": "3.0-1"})})], "not recognised"),
        ([images.base_layer({}), python()], "package database is missing or empty"),
        ([images.base_layer({"openssl": "3.0-1"}), UNINSTALLED, python()], "missing or empty"),
        ([images.tar({"serve": b"program"})], "none was found"),
        ([images.base_layer(debian="13")], "'debian 13'"),
        ([images.base_layer(), NODE], "'npm'"),
    ],
)
def test_packages_that_cannot_be_looked_up(scan: Scan, layers: list[bytes], says: str) -> None:
    ran = scan(layers)
    assert ran.code == 2
    assert says in ran.one_line
    assert ran.report["coverage"]["complete"] is False


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0garbage", b"Metadata-Version: 2.1\nName: pillow\n"])
def test_python_metadata_that_cannot_be_read(scan: Scan, content: bytes) -> None:
    path = "usr/local/lib/python3.11/site-packages/pillow-9.0.0.dist-info/METADATA"
    ran = scan([images.base_layer(), python("other"), images.tar({path: content})])
    assert ran.code == 2
    assert path in ran.one_line


NPM = Advisory("CVE-4", "lodash", "npm", Severity.CRITICAL, ("<4.17.12",), ("4.17.12",), "planted")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/lib/python3.12/site-packages/pillow-8.0.0.dist-info/METADATA", b"Metadata-Version 2.1\nNam pillow\n"),
        ("app/node_modules/lodash/package.json", b'{"name":"lodash","version":"4.17.0",}'),
        ("app/node_modules/@scope/x/package.json", b'{"name":"@scope/x"}'),
    ],
)
def test_metadata_that_trivy_drops_in_silence(
    wardein: Callable[..., Ran], tmp_path: Path, path: str, content: bytes
) -> None:
    data = database(tmp_path / "data", [*ADVISORIES, NPM])
    good = images.tar({"app/node_modules/other/package.json": b'{"name":"other","version":"1.0.0"}'})
    images.write_layout(tmp_path / "image", [images.base_layer(), python("other"), good, images.tar({path: content})])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert ran.code == 2
    assert f"not examined: {path}" in ran.one_line


def test_node_package_is_looked_up(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    data = database(tmp_path / "data", [*ADVISORIES, NPM])
    old = images.tar({"app/node_modules/lodash/package.json": b'{"name":"lodash","version":"4.17.0"}'})
    images.write_layout(tmp_path / "image", [images.base_layer(), old])
    assert rules(run_on(wardein, tmp_path / "image", data=data)) == [("CVE-4", "critical", "lodash@4.17.0")]


def test_metadata_of_a_package_of_the_distribution(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    """Alpine's pip: trivy lists it as the package of the distribution that it is, and not once more for Python."""
    data = database(tmp_path / "data", [*ADVISORIES, Advisory("CVE-3", "musl", "alpine 3.22", Severity.LOW)])
    root = "usr/lib/python3.12/site-packages"
    owned = f"P:py3-pip\nV:24.3-r0\nA:x86_64\nL:MIT\no:py3-pip\nF:{root}/pip-24.3.dist-info\nR:METADATA\n\n"
    alpine = {
        "etc/alpine-release": b"3.22.1\n",
        "etc/os-release": b"ID=alpine\nVERSION_ID=3.22.1\n",
        "lib/apk/db/installed": owned.encode(),
    }
    images.write_layout(tmp_path / "image", [images.tar(alpine | images.python_package("pip", "24.3", root=root))])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert (ran.code, ran.err) == (0, "")


def test_image_that_is_another_while_it_is_scanned(
    wardein: Callable[..., Ran], tmp_path: Path, advisories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad when it is identified before and after, clean when it is read: evidence would name the bad one."""
    file = images.write_docker_archive(tmp_path / "image.tar", [images.base_layer(), python(version="9.0.0")])
    bad = file.read_bytes()

    @contextlib.contextmanager
    def exchanged(image: str) -> Iterator[imagecopy.VerifiedImage]:
        images.write_docker_archive(file, [images.base_layer(), python()])
        try:
            with imagecopy.verified_copy(image) as copy:
                yield copy
        finally:
            file.write_bytes(bad)

    monkeypatch.setattr("wardein.checks.scan_image.verified_copy", exchanged)
    ran = run_on(wardein, file, data=advisories)
    assert ran.code == 2
    assert "was changed while it was examined" in ran.one_line


def test_python_metadata_that_a_later_layer_removed(scan: Scan) -> None:
    root = "usr/local/lib/python3.11/site-packages"
    gone = images.tar({f"{root}/.wh.pillow-9.0.0.dist-info": b""})
    unreadable = images.tar({f"{root}/pillow-9.0.0.dist-info/METADATA": b"?"})
    ran = scan([images.base_layer(), unreadable, python("other"), gone])
    assert (ran.code, ran.err) == (0, "")


def test_distribution_that_is_not_the_packages_own(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    """One file in the topmost layer is enough to have Debian's packages looked up in Alpine's advisories."""
    data = database(tmp_path / "data", [*ADVISORIES, Advisory("CVE-3", "musl", "alpine 3.22", Severity.LOW)])
    disguise = images.tar({"etc/alpine-release": b"3.22.1\n", "etc/os-release": b"ID=alpine\nVERSION_ID=3.22.1\n"})
    images.write_layout(tmp_path / "image", [images.base_layer({"openssl": "3.0-1"}), disguise])
    ran = run_on(wardein, tmp_path / "image", data=data)
    assert ran.code == 2
    assert "has no packages of dpkg" in ran.one_line


CONDA = images.tar({"opt/conda/conda-meta/openssl-1.1.1q-0.json": b'{"name": "openssl", "version": "1.1.1q"}'})
FOREIGN = images.tar(
    {
        "etc/os-release": images.DEBIAN_RELEASE.format(12).encode(),
        "etc/debian_version": b"12.5\n",
        "var/lib/dpkg/status": images.dpkg_status({"bash": "5.2-1"})
        + b"Package: cuda\nStatus: install ok installed\nArchitecture: amd64\n"
        b"Maintainer: cudatools <cudatools@nvidia.com>\nVersion: 12.1-1\nDescription: cuda\n\n",
    }
)


@pytest.mark.parametrize(("kind", "layers"), [("conda", [images.base_layer(), CONDA]), ("third-party", [FOREIGN])])
def test_packages_without_advisories_must_be_accepted(scan: Scan, kind: str, layers: list[bytes]) -> None:
    refused = scan(layers)
    assert refused.code == 2
    assert f"--accept-unexamined {kind}" in refused.one_line
    accepted = scan(layers, "--accept-unexamined", kind)
    assert accepted.code == 0
    assert [rule for rule, _, _ in rules(accepted)] == ["image/unexamined-accepted"]
    assert accepted.report["parameters"]["accept_unexamined"] == [kind]


def test_layer_that_is_no_tar(scan: Scan) -> None:
    ran = scan([images.base_layer(), b"not a tar at all" * 100])
    assert ran.code == 2
    assert "layer 1" in ran.one_line


def test_jars_need_the_java_database(scan: Scan) -> None:
    ran = scan([images.base_layer(), images.tar({"app/x.jar": b"PK\x05\x06" + b"\0" * 18})])
    assert ran.code == 2
    assert "ava" in ran.one_line


# Which scanners were asked is in the parameters, and the database is needed for one of them only


def test_without_vuln_no_database_is_needed(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    images.write_layout(tmp_path / "image", [images.base_layer()])
    ran = run_on(wardein, tmp_path / "image", what=("secret", "misconfig"))
    assert (ran.code, ran.report["coverage"]["expected"]) == (0, 3)
    assert ran.report["parameters"]["scanners"] == ["secret", "misconfig"]
    assert "db" not in ran.report["tools"][0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scanners", "virus"], "'virus' is none of"),
        (["--scanners", "[]"], "nothing to look for"),
        (["--accept-unexamined", "all"], "'all' is none of"),
        (["--fail-severity", "never"], "'never' is none of"),
    ],
)
def test_misuse(scan: Scan, options: list[str], says: str) -> None:
    ran = scan([images.base_layer()], *options)
    assert ran.code == 2
    assert says in ran.one_line


# The list of packages


def test_sbom_lists_the_packages_and_no_path_of_this_machine(scan: Scan, tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    ran = scan([images.base_layer(), python(version="9.0.0")], "--write-sbom", out, what=["secret"])
    assert ran.code == 0
    sbom = json.loads(out.read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    assert {"pkg:pypi/pillow@9.0.0"} <= {c.get("purl") for c in sbom["components"]}
    assert sbom["metadata"]["component"]["name"] == f"sha256:{ran.report['inputs'][0]['digest']}"
    assert str(tmp_path) not in out.read_text()
    assert "wardein-image-" not in out.read_text()


# The same image in every form, and from a registry


def test_every_form_of_an_image_says_the_same(wardein: Callable[..., Ran], tmp_path: Path, advisories: Path) -> None:
    layers = [images.base_layer({"openssl": "3.0-1"}), python(version="9.0.0")]
    layout = tmp_path / "layout"
    images.write_layout(layout, layers)
    files = {str(p.relative_to(layout)): p.read_bytes() for p in layout.rglob("*") if p.is_file()}
    (tmp_path / "oci.tar").write_bytes(images.tar(files))
    images.write_docker_archive(tmp_path / "docker.tar", layers)
    images.write_docker_archive(tmp_path / "compressed.tar", layers, compress=True)
    (tmp_path / "docker.tar.gz").write_bytes(gzip.compress((tmp_path / "docker.tar").read_bytes()))
    forms = [layout, *(tmp_path / name for name in ("oci.tar", "docker.tar", "compressed.tar", "docker.tar.gz"))]
    found = []
    for form in forms:
        ran = run_on(wardein, form, data=advisories)
        assert ran.code == 1
        found.append((rules(ran), ran.report["coverage"], ran.report["metrics"]))
    assert found == [found[0]] * len(forms)


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """Serves the layout in ``server.layout``: the manifest for a token, the blobs from a storage that wants none."""

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        digest = self.path.rpartition("sha256:")[2]
        blob = self.server.layout / "blobs" / "sha256" / digest  # type: ignore[attr-defined]
        token = self.headers.get("Authorization")
        if self.path.startswith("/token"):
            self.answer(200, b'{"token": "anonymous"}')
        elif self.path.startswith("/storage/"):
            self.answer(400, b"the token is not for the storage") if token else self.answer(200, blob.read_bytes())
        elif token != "Bearer anonymous":
            self.answer(401, b"", ("WWW-Authenticate", f'Bearer realm="{host}/token",service="test"'))
        elif self.path.startswith("/v2/team/app/blobs/"):
            elsewhere = host.replace("127.0.0.1", "localhost")
            self.answer(307, b"", ("Location", f"{elsewhere}/storage/sha256:{digest}"))
        elif self.path.startswith("/v2/team/app/manifests/") and blob.is_file():
            self.answer(200, blob.read_bytes())
        else:
            self.answer(404, b"")

    def answer(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The name of an image in a registry on this machine, and the layout that it serves."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RegistryHandler)
    server.layout = tmp_path / "served"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}/team/app", tmp_path / "served"
    server.shutdown()
    thread.join()
    server.server_close()


def test_image_in_a_registry(wardein: Callable[..., Ran], registry: tuple[str, Path], advisories: Path) -> None:
    name, layout = registry
    digest = images.write_layout(layout, [images.base_layer(), python(version="9.0.0")])
    ran = run_on(wardein, f"{name}@{digest}", data=advisories)
    assert ran.code == 1
    assert rules(ran) == [("CVE-2022-22817", "critical", "pillow@9.0.0")]
    assert ran.report["inputs"][0]["digest"] == digest.removeprefix("sha256:")


def test_registry_that_serves_something_else(
    wardein: Callable[..., Ran], registry: tuple[str, Path], advisories: Path
) -> None:
    name, layout = registry
    digest = images.write_layout(layout, [images.base_layer()])
    manifest = layout / "blobs" / "sha256" / digest.removeprefix("sha256:")
    layer = json.loads(manifest.read_text())["layers"][0]["digest"].removeprefix("sha256:")
    (layout / "blobs" / "sha256" / layer).write_bytes(gzip.compress(images.tar({"clean": b""})))
    ran = run_on(wardein, f"{name}@{digest}", data=advisories)
    assert ran.code == 2
    assert "layer 0: is not what its digest says" in ran.one_line
    manifest.write_bytes(manifest.read_bytes() + b" ")
    assert "the manifest: is not what" in run_on(wardein, f"{name}@{digest}", data=advisories).one_line
    manifest.unlink()
    assert "HTTP 404" in run_on(wardein, f"{name}@{digest}", data=advisories).one_line


def test_registry_digest_of_several_platforms(
    wardein: Callable[..., Ran], registry: tuple[str, Path], advisories: Path
) -> None:
    name, layout = registry
    images.write_layout(layout, [images.base_layer()])
    index = images.write_blob(layout, (layout / "index.json").read_bytes()).name
    ran = run_on(wardein, f"{name}@sha256:{index}", data=advisories)
    assert ran.code == 2
    assert "one platform" in ran.one_line


@pytest.mark.parametrize("reference", ["python:3.11", "registry.example.org/team/app", "team/app@sha256:12"])
def test_reference_that_is_not_pinned(wardein: Callable[..., Ran], advisories: Path, reference: str) -> None:
    ran = run_on(wardein, reference, data=advisories)
    assert ran.code == 2
    assert "pinned by digest" in ran.one_line


# The program


@pytest.mark.parametrize("version", ["0.69.4", "0.69.5", "0.69.6", "0.75.9", "0.9.0", "dev", "", "0.76.0-rc1", "1"])
def test_versions_that_are_refused(version: str) -> None:
    with pytest.raises(WardeinError, match="malicious" if version.startswith("0.69") else "not a release of 0.76.0"):
        trivy.check_version(version)


def test_newer_versions_are_not_refused() -> None:
    for version in ("0.76.0", "v0.77.1", "1.0.0"):
        trivy.check_version(version)


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program in trivy's place that tells a version and then runs a line of Python, with ``out`` and ``real``."""

    def make(line: str, version: str = "0.76.0") -> None:
        real = trivy.locate().program.path
        path = tmp_path / "impostor"
        path.write_text(
            f"#!{sys.executable}\nimport json, subprocess, sys, time\n"
            f"if sys.argv[1] == 'version':\n    print(json.dumps({{'Version': {version!r}}}))\n    sys.exit(0)\n"
            "out = sys.argv[sys.argv.index('--output') + 1]\n"
            f"real = lambda: subprocess.run([{str(real)!r}, *sys.argv[1:]]).returncode\n{line}\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv(trivy.VARIABLE, str(path))

    return make


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("sys.exit(0)", "failed with code 0"),
        ("open(out, 'w').write('{}'); sys.exit(0)", "failed with code 0"),
        ("open(out, 'w').write('{\"SchemaVersion\": 2, \"Metadata\": {}}'); sys.exit(0)", "another image"),
        ("open(out, 'w').write('{\"Schema'); sys.exit(0)", "failed with code 0"),
        ("real(); sys.exit(0)", "its report says 10"),
        ("real(); sys.exit(1)", "failed with code 1"),
        ("real(); sys.exit(-9)", "failed with code"),
        ("r = real(); print('now\\tERROR\\tlost a layer', file=sys.stderr); sys.exit(r)", "lost a layer"),
        (
            "r = real(); d = json.load(open(out)); d['SchemaVersion'] = 3; json.dump(d, open(out, 'w')); sys.exit(r)",
            "form",
        ),
    ],
)
def test_trivy_that_contradicts_itself(scan: Scan, impostor: Callable[[str], None], line: str, says: str) -> None:
    impostor(line)
    ran = scan([images.base_layer({"openssl": "3.0-1"})])
    assert ran.code == 2
    assert says in ran.one_line


def test_trivy_of_a_malicious_release(scan: Scan, impostor: Callable[..., None]) -> None:
    impostor("sys.exit(0)", version="0.69.5")
    assert "malicious" in scan([images.base_layer()]).one_line


def test_trivy_that_hangs_is_ended(scan: Scan, impostor: Callable[[str], None]) -> None:
    impostor("time.sleep(600)")
    ran = scan([images.base_layer()], "--time-limit", 2)
    assert ran.code == 2
    assert "did not finish within 2 seconds" in ran.one_line


def test_trivy_that_is_not_there(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trivy.VARIABLE, "/nowhere/trivy")
    ran = scan([images.base_layer()])
    assert ran.code == 2
    assert trivy.VARIABLE in ran.one_line


# Broken images (tests/machinery/test_image.py has every kind), and the command in a process of its own


def test_changed_layer_is_an_error_and_writes_nothing(
    wardein: Callable[..., Ran], tmp_path: Path, advisories: Path
) -> None:
    image = tmp_path / "image"
    images.write_layout(image, [images.base_layer(), python(version="9.0.0")])
    layer = max((image / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 1
    layer.write_bytes(content)
    sbom = tmp_path / "sbom.json"
    ran = run_on(wardein, image, "--write-sbom", sbom, data=advisories)
    assert ran.code == 2
    assert "is not what its digest says" in ran.one_line
    assert not sbom.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_command_in_its_own_process(tmp_path: Path, advisories: Path) -> None:
    image = images.write_docker_archive(tmp_path / "image.tar", [images.base_layer(), python(version="9.0.0")])
    command = [sys.executable, "-m", "wardein", "scan-image", "--image", image, "--database", advisories, "--json"]
    environment = os.environ | {"TRIVY_SEVERITY": "LOW"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (1, "")
    report = json.loads(ended.stdout)
    assert report["inputs"][0]["digest"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert report["findings"][0]["ruleId"] == "CVE-2022-22817"
