# SPDX-License-Identifier: Apache-2.0
"""scan-image against images that hide packages: a vulnerable one is found, an unreadable one is an ERROR, whatever is
done to its record; what distributions and package managers do in honesty passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import images
from tests.checks.test_scan_image import ADVISORIES, rules, run_on
from tests.conftest import Ran
from tests.machinery.test_image import Member, egg, layer, link, second_name
from wardein.report import Severity
from wardein.tools import trivydb
from wardein.tools.trivydb import Advisory

pytestmark = pytest.mark.scanners
SITE = "usr/local/lib/python3.11/site-packages"
RECORD = f"{SITE}/pillow-9.0.0.dist-info"
PILLOW = b"Metadata-Version: 2.1\nName: pillow\nVersion: 9.0.0\n"
UNREADABLE = b"Metadata-Version 2.1\nNam pillow\n"
LODASH = b'{"name": "lodash", "version": "4.17.0"}'
BASE, OTHER = images.base_layer(), images.tar(images.python_package("other", "1.0"))
NODE = images.tar({"app/node_modules/ok/package.json": b'{"name": "ok", "version": "1.0.0"}'})
FOUND = ("CVE-2022-22817", "critical", "pillow@9.0.0")
Scan = Callable[..., Ran]


@pytest.fixture(scope="module")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("advisories")
    more = [
        Advisory("CVE-3", "musl", "alpine 3.22", Severity.LOW),
        Advisory("CVE-4", "lodash", "npm", Severity.CRITICAL, ("<4.17.12",), ("4.17.12",)),
        Advisory("CVE-5", "bash", "debian 11", Severity.LOW, fixed=("1",)),
    ]
    trivydb.write_database(folder, [*ADVISORIES, *more], datetime.now(UTC))
    return folder


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path, advisories: Path) -> Scan:
    def run(*layers: bytes) -> Ran:
        images.write_layout(tmp_path / "image", layers)
        return run_on(wardein, tmp_path / "image", data=advisories)

    return run


@pytest.mark.parametrize(
    "members",
    [
        {f"{SITE}/Pillow-9.0.0.Dist-Info/METADATA": PILLOW},
        {f"{SITE}/pillow-9.0.0.EGG-INFO": PILLOW},
        {"opt/m/METADATA": PILLOW, RECORD: link("/opt/m")},
        {"opt/m/METADATA": PILLOW, f"{RECORD}/METADATA": link("../../../../../../opt/m/METADATA")},
        {"opt/m/METADATA": PILLOW, f"{RECORD}/METADATA": second_name("opt/m/METADATA")},
        {"opt/m/cache": PILLOW, f"{RECORD}/METADATA": second_name("opt/m/cache")},
        {"wheels/pillow-9.0.0-cp311-cp311-linux_x86_64.whl": b""},
        {f"{SITE}/Pillow-9.0.0-py3.11.EGG": egg("EGG-INFO/PKG-INFO", PILLOW)},
    ],
)
def test_record_that_trivy_passes_over_is_looked_up(scan: Scan, members: Mapping[str, Member]) -> None:
    ran = scan(BASE, OTHER, layer(members))
    assert (ran.code, rules(ran)) == (1, [FOUND])
    assert "which trivy passes over" in ran.report["findings"][0]["message"]
    # The distribution, Python's packages, and what trivy passed over.
    assert ran.report["coverage"]["examined"] == ran.report["coverage"]["expected"] == 3


def test_package_is_counted_once_though_its_wheel_lies_beside_it(scan: Scan) -> None:
    wheel = {"wheels/pillow-9.0.0-cp311-cp311-linux_x86_64.whl": b""}
    ran = scan(BASE, layer({f"{RECORD}/METADATA": PILLOW, **wheel}))
    assert rules(ran) == [FOUND]
    assert ran.report["coverage"]["expected"] == 2


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"usr/lib/python3/dist-packages/pillow-9.0.0.dist-info/METADATA": UNREADABLE}, ""),
        ({f"{SITE}/pillow-9.0.0.egg-info": UNREADABLE}, ""),
        ({f"{SITE}/pillow-9.0.0.egg-info/PKG-INFO": UNREADABLE}, ""),
        ({f"{SITE}/pillow-9.0.0-py3.11.egg": egg("EGG-INFO/PKG-INFO", PILLOW)[:-20]}, ""),
        ({f"{RECORD}/METADATA": b"Metadata-Version: 2.1\nName: other\nName: pillow\nVersion: 9.0.0\n"}, ""),
        ({"opt/m/METADATA": UNREADABLE, RECORD: link("/opt/m")}, "opt/m/METADATA"),
        ({"opt/m/other": PILLOW, f"{RECORD}/METADATA": link("/opt/m/other")}, f"{RECORD}/METADATA"),
        ({RECORD: link("/nowhere")}, RECORD),
        ({f"{RECORD}/RECORD": b""}, RECORD),
    ],
)
def test_record_that_cannot_be_read_is_not_examined(scan: Scan, members: Mapping[str, Member], path: str) -> None:
    ran = scan(BASE, OTHER, layer(members))
    assert ran.code == 2
    assert (
        f"not examined: {path or next(iter(members))}: the Python package's metadata could not be read" in ran.one_line
    )


@pytest.mark.parametrize("version", ["unknown", "9.0.0.0.x!"])
def test_version_that_cannot_be_compared(scan: Scan, version: str) -> None:
    ran = scan(BASE, OTHER, layer({f"{RECORD}/METADATA": PILLOW.replace(b"9.0.0", version.encode())}))
    assert ran.code == 2
    assert "Version matching error" in ran.one_line


def test_metadata_that_a_later_layer_deleted_while_the_rest_stays(scan: Scan) -> None:
    lower = layer({f"{RECORD}/METADATA": PILLOW, f"{RECORD}/RECORD": b"PIL/__init__.py,,\n"})
    ran = scan(BASE, OTHER, lower, layer({f"{RECORD}/.wh.METADATA": b""}))
    assert ran.code == 2
    assert f"{RECORD}: the Python package's metadata could not be read (its METADATA is missing)" in ran.one_line


def alpine(owner: str, version: str, claimed: str = RECORD) -> dict[str, Member]:
    installed = f"P:{owner}\nV:{version}\nA:x86_64\nL:MIT\no:{owner}\nF:{claimed}\nR:METADATA\n\n"
    return {
        "etc/alpine-release": b"3.22.1\n",
        "etc/os-release": b"ID=alpine\nVERSION_ID=3.22.1\n",
        "lib/apk/db/installed": installed.encode(),
        f"{RECORD}/METADATA": PILLOW,
    }


def debian(owner: str, version: str) -> dict[str, Member]:
    return {
        "etc/os-release": images.DEBIAN_RELEASE.format(12).encode(),
        "etc/debian_version": b"12.5\n",
        "var/lib/dpkg/status": images.dpkg_status({owner: version}),
        f"var/lib/dpkg/info/{owner}.md5sums": f"{'0' * 32}  {RECORD}/METADATA\n".encode(),
        f"{RECORD}/METADATA": PILLOW,
    }


@pytest.mark.parametrize(
    ("members", "covered"),
    [
        (alpine("musl", "1.2.5-r9"), False),
        (alpine("py3-pillow", "99.0.0-r0"), False),
        (alpine("py3-pillow", "9.0.0-r0"), True),
        (alpine("py3.12-pillow", "9.0.0-r3"), True),
        (debian("bash", "5.2-1"), False),
        (debian("python3-pillow", "9.1.0-1"), False),
        (debian("python3-pillow", "9.0.0-1+deb12u1"), True),
        (debian("python3-pillow", "9.0.0+dfsg-1"), True),
    ],
)
def test_claim_of_a_distributions_package(scan: Scan, members: Mapping[str, Member], covered: bool) -> None:
    """Only the package itself, of that version, was looked up in its stead; any other that claims the file was not."""
    ran = scan(OTHER, layer(members))
    assert (FOUND in rules(ran)) is not covered
    assert ran.code == (0 if covered else 1)


@pytest.mark.parametrize(
    "members",
    [
        {"srv/x/package.json": LODASH, "app/node_modules/lodash": link("/srv/x")},
        {"a/store/00ff": LODASH, "app/node_modules/lodash/package.json": second_name("a/store/00ff")},
        {"app/.pnpm/l/node_modules/lodash/package.json": LODASH, "app/node_modules/lodash": link("../.pnpm/l/lodash")},
    ],
)
def test_packages_of_node_behind_links(scan: Scan, members: Mapping[str, Member]) -> None:
    assert rules(scan(BASE, NODE, layer(members))) == [("CVE-4", "critical", "lodash@4.17.0")]


def test_layers_that_disagree_on_the_distribution(scan: Scan) -> None:
    """One file in the topmost layer has the packages looked up in the advisories of a release that is not theirs."""
    disguise = images.tar(
        {"etc/os-release": images.DEBIAN_RELEASE.format(11).encode(), "etc/debian_version": b"11.9\n"}
    )
    ran = scan(images.base_layer({"openssl": "3.0-1"}), disguise)
    assert ran.code == 2
    assert "the image says of itself that it is debian 11 and debian 12" in ran.one_line
    only = images.tar({"etc/debian_version": b"11.9\n"})
    assert "debian 11 and debian 12" in scan(images.base_layer({"openssl": "3.0-1"}), only).one_line


def test_minor_updates_of_a_distribution_are_none_of_it(scan: Scan) -> None:
    newer = images.tar({"etc/os-release": images.DEBIAN_RELEASE.format("12").encode(), "etc/debian_version": b"12.7\n"})
    assert scan(BASE, OTHER, newer).code == 0


def test_packages_in_places_that_trivy_knows(scan: Scan) -> None:
    """Virtual environments, caches and eggs of old: found once, without a second look."""
    places: Sequence[str] = (
        "opt/venv/lib/python3.11/site-packages/pillow-9.0.0.dist-info/METADATA",
        "root/.local/share/pipx/venvs/x/lib/python3.11/site-packages/pillow-9.0.0.dist-info/METADATA",
        "root/.cache/uv/archive-v0/abc/pillow-9.0.0.dist-info/METADATA",
        "opt/src/pillow.egg-info/PKG-INFO",
        f"{SITE}/pillow-9.0.0-py3.11.egg/EGG-INFO/PKG-INFO",
    )
    ran = scan(BASE, layer({place: PILLOW for place in places}))
    assert rules(ran) == [FOUND]
    assert ran.report["coverage"]["expected"] == 2
