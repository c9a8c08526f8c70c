# SPDX-License-Identifier: Apache-2.0
"""scan-dependencies: planted vulnerabilities are found, and what was not looked up is an ERROR."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.conftest import Ran
from tests.corpus.fail_open.case import stand_in, write
from tests.standins import osv
from tests.standins.osv import advisory
from wardein.report import Severity
from wardein.tools import pip_audit, trivy, trivydb
from wardein.tools.trivydb import Advisory

pytestmark = pytest.mark.scanners

PILLOW = advisory("GHSA-8vj2-vxx3-667w", "Pillow", "9.0.1", aliases=["CVE-2022-22817"], severity="CRITICAL")
UNRATED = advisory("PYSEC-2024-1", "rumour", "2", severity="")
EVIL = advisory("MAL-2024-1", "evil-sdk", severity="")
ADVISORIES = (PILLOW, UNRATED, EVIL)
DATABASE = (
    Advisory("CVE-2022-22817", "Pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",), "planted", ("CWE-74",)),
    Advisory("CVE-2024-5", "left-pad", "npm", Severity.HIGH, ("<2.0.0",), ("2.0.0",), "planted"),
    Advisory("CVE-2024-6", "canary", "pip", Severity.LOW, (">=1.0, <2.0",), ("2.0",), "planted"),
)
OLD = ("--database-max-age-days", 100_000)
HASH = f"--hash=sha256:{'a' * 64}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Scan = Callable[..., Ran]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    """Write files and scan them, with a folder of advisories unless another source is given."""

    def run(files: Mapping[str, str | bytes], *options: object, known: Sequence[dict[str, Any]] = ADVISORIES) -> Ran:
        given = [*options]
        if not {"--database", "--osv-url", "--advisories"} & set(given):
            given += ["--advisories", osv.write_folder(tmp_path / "advisories", known), *OLD]
        return wardein("scan-dependencies", "--source", write(tmp_path / "tree", files), "--json", *given)

    return run


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    trivydb.write_database(folder, DATABASE, datetime.now(UTC))
    return folder


def rules(ran: Ran, *, fails: bool | None = None) -> list[str]:
    return sorted(f["ruleId"] for f in ran.report["findings"] if fails is None or f["fails"] is fails)


def skipped(ran: Ran) -> list[str]:
    return [f"{s['what']}: {s['reason']}" for s in ran.report["coverage"]["skipped"]]


# The clean case, and what is planted


def test_pinned_and_hashed_passes(scan: Scan) -> None:
    ran = scan({"requirements.txt": f"pillow==10.0.0 {HASH}\nnumpy==1.26.4 {HASH}\n"})
    assert (ran.code, ran.err) == (0, "")
    assert ran.report["findings"] == []
    assert ran.report["coverage"] == {
        "unit": "declared requirements",
        "expected": 2,
        "examined": 2,
        "skipped": [],
        "complete": True,
    }
    tool = ran.report["tools"][0]
    assert (tool["name"], tool["db"]) == ("packaging", {"name": "osv-advisories", "updated": "2024-01-01T00:00:00Z"})


def test_planted_vulnerability_is_found_where_it_is_declared(scan: Scan) -> None:
    ran = scan({"app/requirements.txt": f"numpy==1.26.4 {HASH}\n# images\nPIL.low==1 {HASH}\nPillow==9.0.0 {HASH}\n"})
    assert ran.code == 1
    (finding,) = ran.report["findings"]
    assert (finding["ruleId"], finding["cve"], finding["severity"]) == ("CVE-2022-22817", "CVE-2022-22817", "critical")
    assert (finding["location"], finding["line"]) == ("app/requirements.txt", 4)
    assert finding["purl"] == "pkg:pypi/pillow@9.0.0"
    assert finding["message"] == "pillow 9.0.0: planted in Pillow; fixed in 9.0.1"


def test_unrated_always_fails_and_malicious_is_critical(scan: Scan) -> None:
    files = {"requirements.txt": f"rumour==1 {HASH}\nevil_sdk==0.1 {HASH}\n"}
    ran = scan(files, "--fail-severity", "critical")
    assert ran.code == 1
    found = {f["ruleId"]: (f["severity"], f["fails"]) for f in ran.report["findings"]}
    assert found == {"PYSEC-2024-1": ("high", True), "MAL-2024-1": ("critical", True)}


def test_local_label_does_not_hide_a_version(scan: Scan) -> None:
    ran = scan({"requirements.txt": f"pillow==9.0.0+cu118 {HASH}\n"})
    assert rules(ran) == ["CVE-2022-22817"]
    assert ran.report["findings"][0]["purl"] == "pkg:pypi/pillow@9.0.0%2Bcu118"


def test_local_label_is_not_later_than_the_last_that_is_affected(scan: Scan) -> None:
    events = [{"introduced": "0"}, {"last_affected": "2.1.0"}]
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    known = [PILLOW | {"affected": [{"package": {"ecosystem": "PyPI", "name": "torch"}, "ranges": ranges}]}]
    assert rules(scan({"requirements.txt": f"torch==2.1.0+cu118 {HASH}\n"}, known=known)) == ["CVE-2022-22817"]


def test_marker_does_not_hide_a_version(scan: Scan) -> None:
    ran = scan({"requirements.txt": f"pillow==9.0.0; python_version < '3' {HASH}\n"})
    assert rules(ran) == ["CVE-2022-22817"]


def test_one_vulnerability_of_two_files_is_counted_once(scan: Scan) -> None:
    ran = scan({name: f"pillow==9.0.0 {HASH}\n" for name in ("requirements.txt", "dev-requirements.txt")})
    assert rules(ran) == ["CVE-2022-22817", "CVE-2022-22817"]
    counted = {m["slice"]: m["value"] for m in ran.report["metrics"] if m["name"] == "vulnerabilities"}
    assert counted["severity=critical"] == 1


def test_baseline_keeps_what_was_known_and_survives_moved_lines(scan: Scan, tmp_path: Path) -> None:
    first = scan({"requirements.txt": f"pillow==9.0.0 {HASH}\n"}, "--evidence", tmp_path / "before.jsonl")
    assert first.code == 1
    files = {"requirements.txt": f"# moved\n\nnumpy==1 {HASH}\npillow==9.0.0 {HASH}\n"}
    assert scan(files, "--baseline", tmp_path / "before.jsonl").code == 0
    files = {"requirements.txt": files["requirements.txt"] + f"evil-sdk==1 {HASH}\n"}
    ran = scan(files, "--baseline", tmp_path / "before.jsonl")
    assert (ran.code, rules(ran, fails=True)) == (1, ["MAL-2024-1"])


def test_same_tree_gives_the_same_report(scan: Scan, database: Path) -> None:
    files = {"requirements.txt": "pillow==9.0.0\nfoo\n", "uv.lock": uv_lock(("pillow", "9.0.0")), "package.json": "{}"}
    first, second = (scan(files, "--database", database).report for _ in range(2))
    assert first | {"execution": {}} == second | {"execution": {}}


# Sources of advisories


def test_without_a_source_nothing_passes(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"requirements.txt": f"numpy==1 {HASH}\n"})
    ran = wardein("scan-dependencies", "--source", tree)
    assert ran.code == 2
    for option in ("--advisories", "--database", "--osv-url"):
        assert option in ran.one_line


# A handful of packages that machine learning is made of, with versions on both sides of every bound.
PINS = {
    "pillow": "9.0.0",
    "numpy": "1.21.0",
    "tensorflow": "2.11.0",
    "mlflow": "2.9.1",
    "torch": "2.1.0",
    "scikit-learn": "1.4.2",
    "transformers": "4.38.0",
    "pyyaml": "5.3.1",
    "gradio": "4.11.0",
}
ORACLE = (
    advisory("GHSA-0001", "Pillow", "9.0.1", aliases=["CVE-2022-22817", "PYSEC-2022-10"]),
    advisory("PYSEC-2021-1", "numpy", "1.21.0", aliases=["CVE-2021-33430"]),
    advisory("GHSA-0003", "tensorflow", "2.11.1", introduced="2.11.0", aliases=["CVE-2023-25668"]),
    advisory("GHSA-0004", "mlflow", "2.9.2", aliases=["CVE-2023-6831"], severity="CRITICAL"),
    advisory("GHSA-0005", "torch", "2.2.0", introduced="2.1.1", aliases=["CVE-2024-31580"]),
    advisory("GHSA-0006", "scikit-learn", "1.5.0", aliases=["CVE-2024-5206"], severity="MODERATE"),
    advisory("GHSA-0007", "transformers", "4.38.0", aliases=["CVE-2024-3568"]),
    advisory("GHSA-0008", "PyYAML", "5.4", aliases=["CVE-2020-14343"]),
    advisory("GHSA-0009", "gradio", introduced="4.0", aliases=["CVE-2024-1561"]),
)


def as_database(advisories: Sequence[dict[str, Any]]) -> list[Advisory]:
    """The same advisories, as trivy's database holds them."""
    made = []
    for item in advisories:
        events = {k: v for event in item["affected"][0]["ranges"][0]["events"] for k, v in event.items()}
        low, fixed = events["introduced"], events.get("fixed", "")
        bounds = ", ".join([*([f">={low}"] if low != "0" else []), *([f"<{fixed}"] if fixed else [])])
        word = item["database_specific"]["severity"].replace("MODERATE", "MEDIUM").lower()
        name = item["affected"][0]["package"]["name"]
        made.append(Advisory(item["aliases"][0], name, "pip", Severity(word), (bounds,), (fixed,) if fixed else ()))
    return made


def test_three_sources_agree(scan: Scan, tmp_path: Path) -> None:
    files = {"requirements.txt": "".join(f"{name}=={version} {HASH}\n" for name, version in PINS.items())}
    trivydb.write_database(tmp_path / "db", as_database(ORACLE), datetime.now(UTC))
    own = scan(files, known=ORACLE)
    by_trivy = scan(files, "--database", tmp_path / "db")
    with osv.serving(ORACLE) as server:
        by_pip_audit = scan(files, "--osv-url", server.url)
        folder = osv.write_folder(tmp_path / "advisories", ORACLE)
        every = ["--osv-url", server.url, "--advisories", folder, "--database", tmp_path / "db", *OLD]
        by_all = scan(files, *every)
    assert len(rules(own)) == 6
    assert rules(own) == rules(by_trivy) == rules(by_pip_audit) == rules(by_all)
    assert {f["ruleId"]: f["severity"] for f in own.report["findings"]} == {
        f["ruleId"]: f["severity"] for f in by_trivy.report["findings"]
    }
    assert all(len(f["taxonomy"]) == 3 for f in by_all.report["findings"])
    assert [t["name"] for t in by_all.report["tools"]] == ["packaging", "trivy", "pip-audit"]
    # One that pip-audit alone does not rate takes the others' word.
    assert {f["severity"] for f in by_all.report["findings"]} == {"critical", "high", "medium"}
    assert sorted(server.asked)[0] == ("gradio", "4.11.0")


def test_worst_of_two_severities_counts(scan: Scan, tmp_path: Path) -> None:
    trivydb.write_database(
        tmp_path / "db", [Advisory("CVE-2022-22817", "pillow", "pip", Severity.LOW, ("<9.0.1",))], datetime.now(UTC)
    )
    folder = osv.write_folder(tmp_path / "advisories", [PILLOW])
    ran = scan({"requirements.txt": "pillow==9.0.0\n"}, "--database", tmp_path / "db", "--advisories", folder, *OLD)
    assert ran.report["findings"][0]["severity"] == "critical"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://mirror.example/v1/query", "not an https address"),
        ("ftp://127.0.0.1/v1/query", "not an https address"),
        ("file:///etc/passwd", "not an https address"),
        ("https://user:s3cr3t@mirror.example/v1/query", "more than an address"),
        ("https://mirror.example/v1/query?token=s3cr3t", "more than an address"),
        ("https://[::1/v1", "not an https address"),
    ],
)
def test_address_that_is_refused(scan: Scan, url: str, says: str) -> None:
    ran = scan({"requirements.txt": "numpy==1\n"}, "--osv-url", url)
    assert ran.code == 2
    assert says in ran.one_line
    assert "s3cr3t" not in ran.err


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("status", "pip-audit"),
        ("html", "pip-audit"),
        ("undated", "pip-audit"),
        ("schema", "Unsupported OSV schema version"),
        ("partial", "missing 'affected' list"),
    ],
)
def test_server_that_misbehaves(scan: Scan, fault: str, says: str) -> None:
    with osv.serving([PILLOW], fault) as server:
        ran = scan({"requirements.txt": "pillow==9.0.0\n"}, "--osv-url", server.url)
    assert ran.code == 2
    assert says in ran.one_line


def test_server_that_knows_nothing_is_not_believed(scan: Scan) -> None:
    with osv.serving([], canary=False) as server:
        ran = scan({"requirements.txt": f"pillow==9.0.0 {HASH}\n"}, "--osv-url", server.url)
    assert ran.code == 2
    assert "jinja2 2.4.1" in ran.one_line


def test_server_that_is_not_there(scan: Scan) -> None:
    ran = scan({"requirements.txt": "pillow==9.0.0\n"}, "--osv-url", "http://127.0.0.1:1/v1/query")
    assert (ran.code, "pip-audit" in ran.one_line) == (2, True)


def test_canary_is_a_package_like_others_where_it_is_declared(scan: Scan) -> None:
    with osv.serving([PILLOW]) as server:
        ran = scan({"requirements.txt": "jinja2==2.4.1\npillow==10\n"}, "--osv-url", server.url)
        assert rules(ran, fails=True) == ["CVE-2014-1402"]
        # Two versions of one package: pip-audit refuses them in one run.
        both = {"requirements.txt": "jinja2==3.1.4\n", "old-requirements.txt": "jinja2==2.4.1\n"}
        assert rules(scan(both, "--osv-url", server.url), fails=True) == ["CVE-2014-1402"]


def changed(**changes: Any) -> bytes:
    return json.dumps(PILLOW | changes).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "no id"),
        (changed(schema_version="2.0.0"), "not version 1"),
        (changed(modified="yesterday"), "not a time"),
        (changed(modified="2199-01-01T00:00:00Z"), "in the future"),
        (changed(affected={}), "no list"),
        (changed(affected=[1]), "no object"),
        (changed(aliases="CVE-1"), "aliases"),
        (changed(affected=[{"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": [1]}]), "no object"),
        (changed(affected=[{"package": {"ecosystem": "npm", "name": "x"}}]), "no advisory on a package of PyPI"),
        (b'{"id": "A", "id": "B"}', "duplicate key"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_advisory_that_is_not_understood(
    wardein: Callable[..., Ran], tmp_path: Path, content: bytes, says: str
) -> None:
    write(tmp_path / "advisories", {"GHSA-1.json": content})
    tree = write(tmp_path / "tree", {"requirements.txt": "pillow==9.0.0\n"})
    ran = wardein("scan-dependencies", "--source", tree, "--advisories", tmp_path / "advisories", *OLD)
    assert ran.code == 2
    assert says in ran.one_line


def test_folder_with_something_else_in_it(scan: Scan, tmp_path: Path) -> None:
    write(osv.write_folder(tmp_path / "mixed", [PILLOW]), {"PYSEC-1.yaml": "id: PYSEC-1\n"})
    ran = scan({"requirements.txt": "pillow==10\n"}, "--advisories", tmp_path / "mixed", *OLD)
    assert (ran.code, "PYSEC-1.yaml" in ran.one_line) == (2, True)


def test_advisory_that_cannot_be_decided_is_not_a_pass(scan: Scan) -> None:
    vague = [{"package": {"ecosystem": "PyPI", "name": "pillow"}, "ranges": [{"type": "GIT", "events": []}]}]
    ran = scan({"requirements.txt": "pillow==10\nnumpy==1\n"}, known=[PILLOW | {"affected": vague}])
    assert ran.code == 2
    assert "does not say which versions" in skipped(ran)[0]
    assert ran.report["coverage"]["examined"] == 1


@pytest.mark.parametrize("limit", [3, 0, -1])
def test_old_advisories_are_refused(scan: Scan, tmp_path: Path, limit: float) -> None:
    folder = osv.write_folder(tmp_path / "old", [PILLOW])
    ran = scan({"requirements.txt": "a==1\n"}, "--advisories", folder, "--database-max-age-days", limit)
    assert (ran.code, "older than" in ran.one_line) == (2, True)


def test_fresh_advisories_are_taken(scan: Scan, tmp_path: Path) -> None:
    fresh = datetime.now(UTC).isoformat()
    folder = osv.write_folder(tmp_path / "new", [PILLOW, advisory("A-1", "a", "1", modified=fresh)])
    assert scan({"requirements.txt": f"a==1 {HASH}\n"}, "--advisories", folder).code == 0


def test_withdrawn_advisory_is_none(scan: Scan) -> None:
    known = [PILLOW | {"withdrawn": "2024-01-01T00:00:00Z"}, UNRATED]
    assert scan({"requirements.txt": f"pillow==9.0.0 {HASH}\n"}, known=known).code == 0


# Trivy's part


def test_old_or_foreign_database(scan: Scan, tmp_path: Path) -> None:
    trivydb.write_database(tmp_path / "old", DATABASE, datetime.now(UTC) - timedelta(days=4))
    ran = scan({"requirements.txt": "numpy==1\n"}, "--database", tmp_path / "old")
    assert (ran.code, "older than 3 days" in ran.one_line) == (2, True)
    trivydb.write_database(tmp_path / "npm", DATABASE[1:2], datetime.now(UTC))
    ran = scan({"requirements.txt": "numpy==1\n"}, "--database", tmp_path / "npm")
    assert ran.code == 2
    assert "no source of advisories that was given knows packages of pypi" in skipped(ran)[0]


def test_packages_of_other_languages_need_a_database(scan: Scan, database: Path, tmp_path: Path) -> None:
    files = {"bom.json": cyclonedx("pkg:npm/left-pad@1.0.0", "pkg:pypi/pillow@10.0")}
    ran = scan(files, "--database", database)
    assert (ran.code, rules(ran)) == (1, ["CVE-2024-5"])
    ran = scan(files)
    assert (ran.code, ran.report["coverage"]["examined"]) == (2, 1)
    assert "--accept-unexamined foreign" in skipped(ran)[0]


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program in trivy's place that runs trivy and then changes the report ``d``."""

    def make(line: str) -> None:
        real = str(trivy.locate().program.path)
        body = (
            "import subprocess\nif args[0] == 'version':\n    print(json.dumps({'Version': '0.76.0'})); sys.exit(0)\n"
            f"code = subprocess.run([{real!r}, *args]).returncode\nout = args[args.index('--output') + 1]\n"
            f"d = json.load(open(out))\n{line}\njson.dump(d, open(out, 'w'))\nsys.exit(code)"
        )
        monkeypatch.setenv(trivy.VARIABLE, str(stand_in(tmp_path / "bin", "trivy", body)))

    return make


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("d['Results'] = []; code = 0", "does not report canary 1.0"),
        ("d['Results'][0]['Vulnerabilities'] = []; code = 0", "does not report canary 1.0"),
        ("d['SchemaVersion'] = 3", "another format"),
        ("d['ArtifactName'] = '/x/other.json'", "reports on something else"),
        ("code = 0", "does not fit its report"),
        ("d['Results'] = 7", "form that is not known"),
        ("d['Results'][0]['Packages'] = [7]", "form that is not known"),
        ("del d['Results'][0]['Vulnerabilities'][0]['VulnerabilityID']", "form that is not known"),
        ("d['Results'][0]['Packages'][0]['Identifier']['BOMRef'] = 'x'", "was not given"),
        ("print('now\\tERROR\\tlost a file', file=sys.stderr)", "lost a file"),
    ],
)
def test_trivy_that_contradicts_itself(
    scan: Scan, database: Path, impostor: Callable[[str], None], line: str, says: str
) -> None:
    impostor(line)
    ran = scan({"requirements.txt": "numpy==1\n"}, "--database", database)
    assert ran.code == 2
    assert says in ran.one_line


def test_package_that_trivy_leaves_out(scan: Scan, database: Path, impostor: Callable[[str], None]) -> None:
    impostor("r = d['Results'][0]; r['Packages'] = [p for p in r['Packages'] if p['Name'] != 'numpy']")
    ran = scan({"requirements.txt": "numpy==1\npillow==10\n"}, "--database", database)
    assert ran.code == 2
    assert skipped(ran) == ["requirements.txt, line 1: numpy==1 (numpy 1): trivy left it out of its report"]


# pip-audit's part


def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, version: str = "2.10.1") -> None:
    body = f"if '--version' in args:\n    print('pip-audit {version}'); sys.exit(0)\n{body}"
    monkeypatch.setenv(pip_audit.VARIABLE, str(stand_in(tmp_path / "bin", "pip-audit", body)))


SINGS = {
    "name": "jinja2",
    "version": "2.4.1",
    "vulns": [{"id": "P", "aliases": [], "description": "", "fix_versions": []}],
}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("sys.exit(0)", "failed with code 0"),
        ("sys.exit(1)", "failed with code 1"),
        ("os.kill(os.getpid(), 9)", "failed with code -9"),
        ("print('{\"depend'); sys.exit(0)", "not valid JSON"),
        ("print('[]'); sys.exit(0)", "form that is not known"),
        ('print(\'{"dependencies": [{"name": "numpy"}]}\')', "form that is not known"),
        ('print(\'{"dependencies": [{"name": "other", "version": "1", "vulns": []}]}\')', "not known"),
        ("print('{\"dependencies\": []}')", "knows nothing against jinja2"),
        (f"print(json.dumps({{'dependencies': [{SINGS}]}})); sys.exit(0)", "does not fit its report"),
    ],
)
def test_pip_audit_that_fails(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    audit(tmp_path, monkeypatch, body)
    ran = scan({"requirements.txt": "numpy==1\n"}, "--osv-url", "http://127.0.0.1:1/v1/query")
    assert ran.code == 2
    assert says in ran.one_line


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([SINGS], "left it out of its report"),
        ([SINGS, {"name": "numpy", "skip_reason": "not on PyPI"}], "pip-audit skipped it: not on PyPI"),
    ],
)
def test_package_that_pip_audit_does_not_audit(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[Any], says: str
) -> None:
    audit(tmp_path, monkeypatch, f"print(json.dumps({{'dependencies': {entries}}})); sys.exit(1)")
    ran = scan({"requirements.txt": "numpy==1\n"}, "--osv-url", "http://127.0.0.1:1/v1/query")
    assert (ran.code, says in skipped(ran)[0]) == (2, True)


def test_pip_audit_that_is_old_or_missing(scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit(tmp_path, monkeypatch, "sys.exit(0)", version="2.8.0")
    given = ({"requirements.txt": "numpy==1\n"}, "--osv-url", "http://127.0.0.1:1/v1/query")
    assert "older than 2.9" in scan(*given).one_line
    monkeypatch.setenv(pip_audit.VARIABLE, "/nowhere/pip-audit")
    assert pip_audit.VARIABLE in scan(*given).one_line


# What is written


def uv_lock(*packages: tuple[str, str]) -> str:
    rows = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://pypi.org/simple" }}\n'
        f'wheels = [{{ url = "https://files.example/{name}.whl", hash = "sha256:{"b" * 64}" }}]\n'
        for name, version in packages
    ]
    return "version = 1\nrevision = 2\n\n" + "\n".join(rows)


def cyclonedx(*purls: str, **more: Any) -> str:
    components = [{"type": "library", "name": purl, "purl": purl} for purl in purls]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, **more})


def test_sbom_is_valid_and_lists_everything(scan: Scan, tmp_path: Path) -> None:
    files = {
        "requirements.txt": f"pillow==10.0 {HASH}\ntorch==2.1.0+cu118 {HASH}\n",
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["numpy>=1"]\n',
        "uv.lock": uv_lock(("numpy", "1.26.4"), ("scipy", "1.11")),
    }
    target = tmp_path / "sbom.json"
    assert scan(files, "--write-sbom", target).code == 0
    text = target.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert [c["purl"] for c in json.loads(text)["components"]] == [
        "pkg:pypi/numpy@1.26.4",
        "pkg:pypi/pillow@10.0",
        "pkg:pypi/scipy@1.11",
        "pkg:pypi/torch@2.1.0%2Bcu118",
    ]
    assert str(tmp_path) not in text
    assert scan(files, "--write-sbom", target).code == 0
    assert target.read_text() == text
    # What was written can be read again.
    assert scan({"bom.json": text}).report["coverage"]["examined"] == 9


def test_credentials_are_never_told(scan: Scan, tmp_path: Path) -> None:
    files = {
        "requirements.txt": "--extra-index-url https://me:hunter2@index.example/simple\n"
        f"a @ git+https://hunter2@git.example/a.git@{COMMIT}\n"
        "--find-links https://hunter2:x@wheels.example/hunter2/\n!!hunter2!!\n-r https://u:hunter2@h.example/r.txt\n",
        "pip.conf": "[global]\nindex-url = https://me:hunter2@index.example/simple\n",
        "pyproject.toml": '[[tool.uv.index]]\nurl = "https://me:hunter2@index.example/simple"\n',
        "setup.cfg": "[options]\ninstall_requires =\n  b @ https://me:hunter2@files.example/b-1.tar.gz\n",
    }
    ran = scan(files, "--evidence", tmp_path / "evidence.jsonl", "--write-sbom", tmp_path / "sbom.json")
    assert ran.code == 2
    assert rules(ran).count("dependencies/credentials") == 6
    assert "hunter2" not in ran.out + ran.err
    assert "hunter2" not in (tmp_path / "sbom.json").read_text()


def test_command_in_its_own_process(tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"requirements.txt": f"pillow==9.0.0 {HASH}\n"})
    folder = osv.write_folder(tmp_path / "advisories", ADVISORIES)
    command = [sys.executable, "-m", "wardein", "scan-dependencies", "--source", tree, "--advisories", folder, "--json"]
    ended = subprocess.run([*command, *map(str, OLD)], capture_output=True, text=True, check=False, env=os.environ)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert json.loads(ended.stdout)["findings"][0]["ruleId"] == "CVE-2022-22817"


@pytest.mark.parametrize("declared", ["zope.interface", "zope-interface", "Zope_Interface"])
def test_names_with_dots_are_found_in_trivys_database(scan: Scan, tmp_path: Path, declared: str) -> None:
    dotted = Advisory("CVE-2030-1", "zope.interface", "pip", Severity.CRITICAL, ("<2.0",), ("2.0",), "planted")
    trivydb.write_database(tmp_path / "db", [dotted, DATABASE[2]], datetime.now(UTC))
    ran = scan({"requirements.txt": f"{declared}==1.0 {HASH}\n"}, "--database", tmp_path / "db")
    assert (ran.code, rules(ran)) == (1, ["CVE-2030-1"])
