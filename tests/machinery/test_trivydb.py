# SPDX-License-Identifier: Apache-2.0
"""Vulnerability databases: what is written is what is read, by us and by trivy, and damage is never a crash."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardein.errors import WardeinError
from wardein.report import Severity
from wardein.tools import bbolt, run, trivy, trivydb
from wardein.tools.trivydb import Advisory, read_database, write_database

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

KEYS = st.binary(min_size=1, max_size=40) | st.integers(0, 30).map(lambda n: b"k%d" % n)
VALUES = st.binary(max_size=60) | st.integers(0, 20_000).map(lambda n: b"v" * n)
BUCKETS = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=30),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, max_size=8),
    max_leaves=12,
)


def written(path: Path, tree: bbolt.Tree) -> Path:
    path.write_bytes(bbolt.encode(tree))
    return path


def plain(bucket: bbolt.Bucket) -> dict[bytes, Any]:
    return {key: value if isinstance(value, bytes) else plain(value) for key, value in bucket}


def reread(path: Path) -> dict[bytes, Any]:
    with bbolt.open_file(path) as root:
        return plain(root)


# The store


@FILES
@given(tree=st.dictionaries(KEYS, BUCKETS, max_size=10))
def test_what_is_written_is_read_back(tmp_path: Path, tree: dict[bytes, Any]) -> None:
    assert reread(written(tmp_path / "db", tree)) == tree


@pytest.mark.parametrize("count", [0, 1, 60, 61, 5_000, 70_000])
def test_trees_of_every_height(tmp_path: Path, count: int) -> None:
    tree = {b"bucket": {b"%08d" % n: b"value %d" % n for n in range(count)}}
    path = written(tmp_path / "db", tree)
    assert reread(path) == tree
    with bbolt.open_file(path) as root:
        assert [key for key, _ in next(value for _, value in root)] == sorted(tree[b"bucket"])


@pytest.mark.parametrize("tree", [{b"a": b"value"}, {b"": {}}, {b"a": {b"": b""}}, {b"a": {b"k" * 32769: b""}}])
def test_what_the_format_cannot_hold(tree: Any) -> None:
    with pytest.raises(ValueError, match="key of|buckets only"):
        bbolt.encode(tree)


@FILES
@given(data=st.data())
def test_damage_is_an_error_of_ours_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    tree = {b"one": {b"%04d" % n: b"v" * 50 for n in range(300)}, b"two": {b"inner": {b"k": b"v"}}, b"three": {}}
    content = bytearray(bbolt.encode(tree))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "db").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(WardeinError):
        reread(tmp_path / "db")


def test_page_that_points_to_itself(tmp_path: Path) -> None:
    content = bytearray(bbolt.encode({b"bucket": {b"%08d" % n: b"v" * 40 for n in range(5_000)}}))
    branch = next(at for at in range(3 * 4096, len(content), 4096) if content[at + 8] == 1)
    count = int.from_bytes(content[branch + 10 : branch + 12], "little")
    for index in range(count):
        at = branch + 16 + index * 16 + 8
        content[at : at + 8] = (branch // 4096).to_bytes(8, "little")
    (tmp_path / "db").write_bytes(content)
    with pytest.raises(WardeinError, match="back to itself"):
        reread(tmp_path / "db")


@pytest.mark.parametrize("field", [4, 8, 12], ids=["position", "key size", "value size"])
def test_entry_that_points_outside_the_file(tmp_path: Path, field: int) -> None:
    content = bytearray(bbolt.encode({b"bucket": {b"key": b"v" * 2000}}))
    leaf = 3 * 4096 + 16 + field
    content[leaf : leaf + 4] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "db").write_bytes(content)
    with pytest.raises(WardeinError, match="outside the file"):
        reread(tmp_path / "db")


def test_newer_meta_page_counts_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    content = bytearray(bbolt.encode({b"a": {}}))
    content[20] ^= 1  # the first meta page no longer has its checksum
    (tmp_path / "db").write_bytes(content)
    assert reread(tmp_path / "db") == {b"a": {}}
    content[4096 + 20] ^= 1
    (tmp_path / "db").write_bytes(content)
    with pytest.raises(WardeinError, match="is not a bbolt file"):
        reread(tmp_path / "db")


# The database

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
FOR_ECOSYSTEMS = st.builds(
    Advisory,
    NAMES,
    NAMES,
    st.sampled_from(sorted(trivydb.ECOSYSTEMS)),
    st.sampled_from(Severity),
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.lists(NAMES, max_size=3).map(tuple),
    st.text(max_size=50),
)
FOR_DISTRIBUTIONS = st.builds(
    lambda name, package, bucket, severity, fixed: Advisory(name, package, bucket, severity, fixed=fixed),
    NAMES,
    NAMES,
    st.sampled_from(["debian 12", "ubuntu 22.04", "alpine 3.22", "wolfi"]),
    st.sampled_from(Severity),
    st.lists(NAMES, max_size=1).map(tuple),
)


@FILES
@given(
    advisories=st.lists(FOR_ECOSYSTEMS | FOR_DISTRIBUTIONS, min_size=1, max_size=20, unique_by=lambda a: a.id),
    moment=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),
)
def test_database_has_what_was_written(tmp_path: Path, advisories: list[Advisory], moment: datetime) -> None:
    write_database(tmp_path, advisories, moment)
    found = read_database(tmp_path)
    assert found.updated == moment.replace(microsecond=0)
    assert found.buckets == {advisory.bucket for advisory in advisories}
    tree = reread(tmp_path / "db" / "trivy.db")
    assert set(tree[b"vulnerability"]) == {advisory.id.encode() for advisory in advisories}
    for advisory in advisories:
        bucket = next(value for key, value in tree.items() if key.decode().partition("::")[0] == advisory.bucket)
        entry = next(
            json.loads(entries[advisory.id.encode()]) for entries in bucket.values() if advisory.id.encode() in entries
        )
        expected = (
            {"VulnerableVersions": list(advisory.vulnerable), "PatchedVersions": list(advisory.fixed)}
            if advisory.vulnerable
            else {"FixedVersion": advisory.fixed[0] if advisory.fixed else ""}
        )
        assert entry == expected


def test_same_advisories_give_the_same_bytes(tmp_path: Path) -> None:
    advisories = [Advisory(f"CVE-{n}", f"p{n}", "pip", Severity.LOW, ("<1",)) for n in range(50)]
    write_database(tmp_path / "a", advisories, NOW)
    write_database(tmp_path / "b", reversed(advisories), NOW)
    for name in ("trivy.db", "metadata.json"):
        assert (tmp_path / "a" / "db" / name).read_bytes() == (tmp_path / "b" / "db" / name).read_bytes()


@pytest.mark.parametrize(
    ("advisories", "says"),
    [
        ([], "no advisory to write"),
        ([Advisory("", "p", "pip", Severity.LOW, ("<1",))], "lacks its identifier"),
        ([Advisory("CVE-1", "", "pip", Severity.LOW, ("<1",))], "lacks its identifier"),
        ([Advisory("CVE-1", "p", "pip", Severity.LOW)], "names no vulnerable versions"),
        ([Advisory("CVE-1", "p", "pypi", Severity.LOW, ("<1",))], "neither an ecosystem nor a distribution"),
        ([Advisory("CVE-1", "p", "debian", Severity.LOW)], "neither an ecosystem nor a distribution"),
        ([Advisory("CVE-1", "p", "rocky 9", Severity.LOW)], "neither an ecosystem nor a distribution"),
        ([Advisory("CVE-1", "p", "vulnerability", Severity.LOW)], "neither an ecosystem nor a distribution"),
        ([Advisory("CVE-1", "p", "debian 12", Severity.LOW, ("<1",))], "at most one fixed version"),
        ([Advisory("CVE-1", "p", "debian 12", Severity.LOW, fixed=("1", "2"))], "at most one fixed version"),
        ([Advisory("CVE-1", "p", "pip", Severity.LOW, ("<1",))] * 2, "listed twice"),
        (
            [Advisory("CVE-1", n, "pip", s, ("<1",)) for n, s in (("a", Severity.LOW), ("b", Severity.HIGH))],
            "listed twice",
        ),
    ],
)
def test_advisories_that_cannot_be_written(tmp_path: Path, advisories: list[Advisory], says: str) -> None:
    with pytest.raises(WardeinError, match=says):
        write_database(tmp_path, advisories, NOW)
    assert not (tmp_path / "db").exists()


# Trivy's own reading: each family's advisories lie where we believe they do

FAMILIES = [
    ("alma", "9.3", "alma 9", "rpm/alma"),
    ("alpine", "3.22.1", "alpine 3.22", "apk/alpine"),
    ("amazon", "2 (Karoo)", "amazon linux 2", "rpm/amazon"),
    ("amazon", "2023.3.20240108", "amazon linux 2023", "rpm/amazon"),
    ("azurelinux", "3.0", "Azure Linux 3.0", "rpm/azurelinux"),
    ("cbl-mariner", "2.0.20230101", "CBL-Mariner 2.0", "rpm/cbl-mariner"),
    ("chainguard", "20230201", "chainguard", "apk/chainguard"),
    ("debian", "12.5", "debian 12", "deb/debian"),
    ("echo", "12", "echo", "deb/echo"),
    ("minimos", "20240101", "minimos", "apk/minimos"),
    ("opensuse-leap", "15.6", "openSUSE Leap 15.6", "rpm/opensuse"),
    ("opensuse-tumbleweed", "20240101", "openSUSE Tumbleweed", "rpm/opensuse"),
    ("oracle", "9.3", "Oracle Linux 9", "rpm/oracle"),
    ("photon", "5.0", "Photon OS 5.0", "rpm/photon"),
    ("redhat", "9.3", "Red Hat", "rpm/redhat"),
    ("rocky", "9.3", "rocky 9", "rpm/rocky"),
    ("sles", "15.6", "SUSE Linux Enterprise 15.6", "rpm/suse"),
    ("ubuntu", "22.04", "ubuntu 22.04", "deb/ubuntu"),
    ("wolfi", "20230201", "wolfi", "apk/wolfi"),
]
# The distributions whose advisories have a shape of their own.
SHAPES: dict[str, dict[str, Any]] = {
    "redhat": {
        "Entries": [{"FixedVersion": "0:99.0-1", "Affected": [0], "Arches": ["x86_64"], "Cves": [{"ID": "CVE-9"}]}]
    },
    "oracle": {"Entries": [{"FixedVersion": "99.0-1.el9", "Arches": ["x86_64"]}], "FixedVersion": "99.0-1.el9"},
    "rocky": {"FixedVersion": "99.0-1", "Arches": ["x86_64"]},
}
STREAM = b"cpe:/o:redhat:enterprise_linux:9::baseos"
REDHAT = {
    b"repository": {b"rhel-9-for-x86_64-baseos-rpms": b"[0]"},
    b"cpe": {b"0": json.dumps(STREAM.decode()).encode()},
}


def found_in_document(folder: Path, components: list[dict[str, Any]]) -> list[str]:
    """What trivy finds in a CycloneDX document of these components, with the database in a folder."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": components,
        "dependencies": [{"ref": components[0]["bom-ref"], "dependsOn": [c["bom-ref"] for c in components[1:]]}],
    }
    (folder / "document.json").write_text(json.dumps(document))
    program = trivy.locate().program.path
    quiet = [
        "--skip-db-update",
        "--offline-scan",
        "--skip-version-check",
        "--cache-backend",
        "memory",
        "--format",
        "json",
    ]
    ended = run.run([program, "sbom", "--cache-dir", folder, *quiet, folder / "document.json"], time_limit=60)
    assert ended.code == 0, ended.stderr
    results = json.loads(ended.stdout).get("Results") or []
    return [v["VulnerabilityID"] for result in results for v in result.get("Vulnerabilities") or ()]


@pytest.mark.parametrize(("family", "version", "bucket", "purl"), FAMILIES, ids=[f"{f} {v}" for f, v, _, _ in FAMILIES])
def test_name_of_a_distribution_is_the_one_that_trivy_reads(
    tmp_path: Path, family: str, version: str, bucket: str, purl: str
) -> None:
    assert trivydb.distribution(family, version) == bucket
    if family in (*SHAPES, "alma"):
        shape = SHAPES.get(family, {"FixedVersion": "99.0-1"})
        write_database(tmp_path, [Advisory("CVE-8", "x", "wolfi", Severity.LOW)], NOW)
        entry = {b"bash": {b"CVE-9": json.dumps(shape).encode()}}
        tree = {bucket.encode(): entry, b"vulnerability": {b"CVE-9": b"{}"}, b"Red Hat CPE": REDHAT}
        (tmp_path / "db" / "trivy.db").write_bytes(bbolt.encode(tree))
    else:
        fixed = "99.0-r1" if purl.startswith("apk") else "99.0-1"
        write_database(tmp_path, [Advisory("CVE-9", "bash", bucket, Severity.HIGH, fixed=(fixed,))], NOW)
    assert bucket in read_database(tmp_path).buckets
    package = f"pkg:{purl}/bash@1.0-1?arch=x86_64&distro={family}-{version.split()[0]}"
    source = {"PkgType": family, "SrcName": "bash", "SrcVersion": "1.0", "SrcRelease": "1"}
    components = [
        {"bom-ref": "os", "type": "operating-system", "name": family, "version": version}
        | {"properties": _properties(Class="os-pkgs", Type=family)},
        {"bom-ref": package, "type": "library", "name": "bash", "version": "1.0-1", "purl": package}
        | {"properties": _properties(**source)},
    ]
    assert found_in_document(tmp_path, components) == ["CVE-9"]


TYPES = [
    ("python-pkg", "pkg:pypi/sample@1.0.0", "sample"),
    ("node-pkg", "pkg:npm/sample@1.0.0", "sample"),
    ("gobinary", "pkg:golang/example.org/sample@v1.0.0", "example.org/sample"),
    ("rustbinary", "pkg:cargo/sample@1.0.0", "sample"),
    ("gemspec", "pkg:gem/sample@1.0.0", "sample"),
    ("jar", "pkg:maven/org.example/sample@1.0.0", "org.example:sample"),
    ("composer-vendor", "pkg:composer/example/sample@1.0.0", "example/sample"),
    ("dotnet-core", "pkg:nuget/sample@1.0.0", "sample"),
]


@pytest.mark.parametrize(("kind", "purl", "name"), TYPES, ids=[kind for kind, _, _ in TYPES])
def test_ecosystem_of_a_package_type_is_the_one_that_trivy_reads(
    tmp_path: Path, kind: str, purl: str, name: str
) -> None:
    bucket = trivydb.ecosystem(kind)
    write_database(tmp_path, [Advisory("CVE-9", name, bucket, Severity.HIGH, (">=0.9.0, <1.0.1",), ("1.0.1",))], NOW)
    version = purl.rpartition("@")[2]
    library = {"bom-ref": purl, "type": "library", "name": name, "version": version, "purl": purl}
    components = [{"bom-ref": "app", "type": "application", "name": "app"}]
    components.append(library | {"properties": _properties(PkgType=kind)})  # type: ignore[arg-type]
    assert found_in_document(tmp_path, components) == ["CVE-9"]


def test_every_known_family_and_type_is_proven() -> None:
    assert {family for family, *_ in FAMILIES} == set(trivydb._DISTRIBUTIONS)
    assert {kind for kind, *_ in TYPES} == set(trivydb._ECOSYSTEMS)


def test_unknown_family_and_type_have_no_advisories() -> None:
    assert trivydb.distribution("fedora", "40") == ""
    assert trivydb.distribution("none", "") == ""
    assert trivydb.ecosystem("conda-pkg") == ""


def test_large_database_is_read_by_trivy(tmp_path: Path) -> None:
    bulk = [Advisory(f"CVE-1-{n}", f"package-{n}", "pip", Severity.LOW, ("<1",)) for n in range(20_000)]
    write_database(tmp_path, bulk, datetime.now(UTC) - timedelta(hours=1))
    components: list[dict[str, Any]] = [{"bom-ref": "app", "type": "application", "name": "app"}]
    for number in (0, 9_999, 19_999):
        purl = f"pkg:pypi/package-{number}@0.5"
        components.append(
            {"bom-ref": purl, "type": "library", "name": f"package-{number}", "version": "0.5", "purl": purl}
        )
    assert sorted(found_in_document(tmp_path, components)) == ["CVE-1-0", "CVE-1-19999", "CVE-1-9999"]


def _properties(**values: str) -> list[dict[str, str]]:
    return [{"name": f"aquasecurity:trivy:{name}", "value": value} for name, value in values.items()]
