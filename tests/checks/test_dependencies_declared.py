# SPDX-License-Identifier: Apache-2.0
"""How dependencies are declared: every format is read, every row accounted for, every flaw told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checks.test_scan_dependencies import COMMIT, HASH, OLD, PILLOW, cyclonedx, rules, skipped, uv_lock
from tests.conftest import Ran
from tests.corpus.fail_open.case import write
from tests.standins import osv
from wardein.dependencies import requirements, specifiers
from wardein.dependencies.declared import Reading
from wardein.dependencies.discover import read_declarations
from wardein.dependencies.requirements import Place, read_sheet

pytestmark = pytest.mark.scanners

Scan = Callable[..., Ran]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    def run(files: Mapping[str, str | bytes], *options: object) -> Ran:
        advisories = osv.write_folder(tmp_path / "advisories", [PILLOW])
        source = write(tmp_path / "tree", files)
        return wardein("scan-dependencies", "--source", source, "--advisories", advisories, *OLD, "--json", *options)

    return run


def poetry_lock(name: str = "pillow", version: str = "9.0.0", more: str = "") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
        f'files = [{{file = "a.whl", hash = "sha256:{"a" * 64}"}}]\n'
        f'{more}\n[metadata]\nlock-version = "2.1"\ncontent-hash = "x"\n'
    )


PYLOCK = (
    'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "pillow"\nversion = "9.0.0"\n'
    f'wheels = [{{name = "a.whl", hashes = {{sha256 = "{"a" * 64}"}}}}]\n'
)
PIPFILE_LOCK = json.dumps(
    {
        "_meta": {"pipfile-spec": 6, "hash": {}, "requires": {}, "sources": []},
        "default": {"pillow": {"hashes": ["sha256:a"], "version": "==9.0.0"}},
        "develop": {},
    },
    indent=1,
)
SPDX = json.dumps(
    {
        "spdxVersion": "SPDX-2.3",
        "documentDescribes": ["SPDXRef-app"],
        "packages": [
            {"SPDXID": "SPDXRef-app", "name": "app"},
            {
                "SPDXID": "SPDXRef-1",
                "name": "Pillow",
                "versionInfo": "9.0.0",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/Pillow@9.0.0"}],
            },
        ],
    }
)
PIN = f"pillow==9.0.0 {HASH}\n"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("requirements.txt", PIN, 1),
        ("requirements-dev.txt", PIN, 1),
        ("REQUIREMENTS.TXT", PIN, 1),
        ("deploy/requirements/prod.txt", PIN, 1),
        ("constraints.txt", PIN, 1),
        ("requirements.txt", f"\ufeff# made by hand\n\n   {PIN}", 3),
        ("requirements.txt", PIN.encode("utf-16"), 1),
        ("requirements.txt", f"pillow==9.0.0 \\\n    {HASH} \\\n    {HASH}\n# via app\n", 1),
        ("requirements.txt", PIN.replace("\n", "\r\n"), 1),
        ("requirements.txt", f"--require-hashes --pre\npillow === 9.0.0 {HASH}", 2),
        ("requirements.txt", f"Pillow[xmp] >=8, ==9.0 ; os_name != 'nt' {HASH}", 1),
        ("requirements.in", "pillow==9.0.0", 1),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = [\n  "pillow==9.0.0",\n]\n', 4),
        ("pyproject.toml", '[project.optional-dependencies]\na = ["pillow==9.0.0"]\n', 2),
        ("pyproject.toml", '[dependency-groups]\na = ["pillow==9.0.0"]\nb = [{include-group = "a"}]\n', 2),
        ("pyproject.toml", '[build-system]\nrequires = ["pillow==9.0.0"]\n', 2),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.11"\npillow = "9.0.0"\n', 3),
        ("pyproject.toml", '[tool.poetry.group.dev.dependencies]\nPillow = {version = "==9.0.0"}\n', 2),
        ("pyproject.toml", '[tool.uv]\ndev-dependencies = ["pillow==9.0.0"]\n', 2),
        ("pyproject.toml", '[tool.pdm.dev-dependencies]\na = ["pillow==9.0.0"]\n', 2),
        ("pyproject.toml", '[tool.hatch.envs.default]\nextra-dependencies = ["pillow==9.0.0"]\n', 2),
        ("pyproject.toml", '[tool.flit.metadata]\nrequires = ["pillow==9.0.0"]\n', 2),
        ("Pipfile", '[packages]\nrequests = "==2.0"\npillow = "==9.0.0"\n', 3),
        ("setup.cfg", "[options]\ninstall_requires =\n    numpy==1\n    pillow==9.0.0\n", 4),
        ("setup.cfg", "[options.extras_require]\nimages = pillow==9.0.0\n", 2),
        ("setup.py", "from setuptools import setup\nsetup(install_requires=['pillow==9.0.0'])\n", 2),
        ("setup.py", "import setuptools as s\nR = [\n 'pillow==9.0.0']\ns.setup(extras_require={'a': R})\n", 3),
        ("uv.lock", uv_lock(("numpy", "1"), ("pillow", "9.0.0")), 11),
        ("uv.lock", 'version = 1\nx = [\n {name = "pillow"}]\n' + uv_lock(("pillow", "9.0.0"))[25:], 6),
        ("poetry.lock", poetry_lock(), 2),
        ("pdm.lock", poetry_lock(), 2),
        ("pylock.toml", PYLOCK, 4),
        ("pylock.prod.toml", PYLOCK, 4),
        ("Pipfile.lock", PIPFILE_LOCK, 9),
        ("bom.json", cyclonedx("pkg:pypi/Pillow@9.0.0?x=1"), 1),
        ("app.cdx.json", cyclonedx(components=[{"type": "library", "components": [{"purl": "pkg:pypi/pillow@9.0.0"}],
                                                "purl": "pkg:pypi/a@1"}]), 1),
        ("app.spdx.json", SPDX, 1),
    ],
)  # fmt: skip
def test_every_format_is_read(scan: Scan, name: str, content: str | bytes, line: int) -> None:
    ran = scan({name: content})
    assert ran.code == 1, ran.report["reason"]
    (finding,) = [f for f in ran.report["findings"] if f["ruleId"] == "CVE-2022-22817"]
    assert (finding["location"], finding["line"]) == (name, line)


def test_one_file_is_enough(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    folder = osv.write_folder(tmp_path / "advisories", [PILLOW])
    for name, content in {"deps.txt": PIN, "x.json": SPDX, "e.toml": '[project]\ndependencies=["pillow==9"]'}.items():
        path = write(tmp_path, {name: content}) / name
        ran = wardein("scan-dependencies", "--source", path, "--advisories", folder, *OLD, "--json")
        assert (ran.code, rules(ran, fails=True)) == (1, ["CVE-2022-22817"])


def test_conda_environment(scan: Scan) -> None:
    text = (
        "name: ml\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - conda-forge::numpy>=1.2\n"
        f"  - pip:\n    - pillow==9.0.0 {HASH}\n    - -r more.txt\n"
    )
    files = {"environment.yml": text, "more.txt": f"scipy==1 {HASH}\n"}
    ran = scan(files)
    assert ran.code == 2
    assert [s.partition(":")[0] for s in skipped(ran)] == ["environment.yml, line 4", "environment.yml, line 5"]
    ran = scan(files, "--accept-unexamined", "conda")
    assert ran.report["coverage"]["expected"] == 2
    accepted = "dependencies/unexamined-accepted"
    assert rules(ran) == ["CVE-2022-22817", accepted, accepted]
    assert [f["line"] for f in ran.report["findings"] if f.get("cve")] == [7]


# Nothing is passed over


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("requirements.txt", "numpy\n", "not at one version"),
        ("requirements.txt", "numpy>=1\n", "not at one version"),
        ("requirements.txt", "numpy==1.*\n", "not at one version"),
        ("requirements.txt", "numpy==1,==2\n", "not at one version"),
        ("requirements.txt", "numpy==1,>2\n", "not at one version"),
        ("requirements.txt", "numpy===odd\n", "not at one version"),
        ("requirements.txt", "numpy==${VERSION}\n", "variable"),
        ("requirements.txt", "!!\n", "not a requirement that can be read"),
        ("requirements.txt", "numpy==1 scipy==2\n", "not a requirement that can be read"),
        ("requirements.txt", "numpy==1; " + "(" * 5000 + "\n", "not a requirement that can be read"),
        ("requirements.txt", "a" * 30_000, "longer than"),
        ("requirements.txt", "--unknown x\n", "not understood"),
        ("requirements.txt", "--pre numpy==1\n", "not understood"),
        ("requirements.txt", "-r\n", "without its value"),
        ("requirements.txt", "-r 'x\n", "quotation mark"),
        ("requirements.txt", "-r other.txt\n", "not in the scanned folder"),
        ("requirements.txt", "-r ../other.txt\n", "not in the scanned folder"),
        ("requirements.txt", "-r /etc/passwd\n", "not in the scanned folder"),
        ("requirements.txt", "--requirem https://h.example/r.txt\n", "from a URL"),
        ("requirements.txt", "-e ../outside\n", "not in the scanned folder"),
        ("requirements.txt", "./missing.whl\n", "not in the scanned folder"),
        ("requirements.txt", f"a @ git+https://h.example/a@{COMMIT}\n", "names no released version"),
        ("requirements.txt", "a @ https://h.example/main.zip\n", "names no released version"),
        ("requirements.txt", "a @ file:///srv/a-1.tar.gz\n", "path of some machine"),
        ("requirements.txt", b"# -*- coding: utf-7 -*-\npillow==10\n", "encoding other than UTF-8"),
        ("requirements.txt", b"numpy==1\n\xff\xfe\n", "not UTF-8"),
        ("pyproject.toml", "[project\n", "not valid TOML"),
        ("pyproject.toml", "a = " + "[" * 100_000, "not valid TOML"),
        ("pyproject.toml", '[project]\ndependencies = "numpy"\n', "where its format has a list"),
        ("pyproject.toml", "[project]\ndependencies = [1]\n", "where its format has a text"),
        ("pyproject.toml", '[project]\ndynamic = ["dependencies"]\n', "filled in when the project is built"),
        ("pyproject.toml", '[build-system]\nrequires = ["setuptools"]\n', "--accept-unexamined build"),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = "^x"\n', "not understood"),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = "^1.2"\n', "not at one version"),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = {git = "https://h.example/a"}\n', "names no released"),
        ("setup.py", "from setuptools import setup\nsetup(install_requires=read())\n", "computes"),
        ("setup.py", "from setuptools import setup\nsetup(**settings)\n", "computes"),
        (
            "setup.py",
            "import setuptools\nR=['a==1']\nR.append('b')\nsetuptools.setup(install_requires=R)\n",
            "computes",
        ),
        ("setup.py", "from setuptools import setup as go\ngo(install_requires=['a'])\n", "computes"),
        ("setup.py", "setup(\n", "not valid Python"),
        ("setup.cfg", "[options]\ninstall_requires = file: missing.txt\n", "not in the scanned folder"),
        ("setup.cfg", "no section\n", "not an INI file"),
        ("environment.yml", "dependencies: [numpy\n", "not valid YAML"),
        ("environment.yml", "dependencies:\n- {conda: x}\n", "no package of conda or pip"),
        ("environment.yml", "dependencies: numpy\n", "no list"),
        ("uv.lock", "version = 2\n", "version that is not known"),
        ("uv.lock", "version = 1\npackage = 1\n", "list of packages"),
        ("uv.lock", uv_lock(("a", "odd")), "no version that can be compared"),
        ("uv.lock", uv_lock(("!", "1")), "without a valid name"),
        ("poetry.lock", "[[package]]\nname = 'a'\n", "no metadata"),
        ("pylock.toml", 'lock-version = "2.0"\n', "version that is not known"),
        ("Pipfile.lock", "{}", "version that is not known"),
        ("Pipfile.lock", "{", "not valid JSON"),
        ("bom.json", "{}", "neither CycloneDX nor SPDX"),
        ("bom.json", '{"bomFormat": "CycloneDX", "specVersion": "2.0"}', "not known here"),
        ("x.spdx.json", '{"@graph": []}', "not known here"),
        ("bom.json", cyclonedx(components=[{"type": "library", "name": "numpy"}]), "no package URL"),
        ("bom.json", cyclonedx("pkg:pypi/numpy"), "compared with advisories"),
        ("bom.json", cyclonedx("pkg:npm/a@1"), "no source of advisories"),
        ("bom.json", cyclonedx(components={}), "no list"),
        ("package.json", "{}", "--accept-unexamined foreign"),
        ("pixi.lock", "", "--accept-unexamined conda"),
    ],
)
def test_what_was_not_looked_up_is_an_error(scan: Scan, name: str, content: str | bytes, says: str) -> None:
    # Beside something that is in order: what is in order must not cover it up.
    ran = scan({"sub/requirements.txt": f"numpy==1.26.4 {HASH}\n", name: content or "x: 1"})
    assert ran.code == 2
    assert len(skipped(ran)) == 1, skipped(ran)
    assert says in skipped(ran)[0]
    assert ran.report["coverage"]["expected"] == ran.report["coverage"]["examined"] + 1


@pytest.mark.parametrize(
    "files",
    [
        {"readme.md": "pip install numpy"},
        {"requirements.txt": "# nothing yet\n"},
        {"requirements.txt": "-e .\n"},
        {"MANIFEST.in": "include README.md\n"},
        {"environment.yaml": "a: 1\n---\nb: 2\n"},
        {"pyproject.toml": '[project]\nname = "x"\n'},
    ],
)
def test_nothing_declared_is_an_error(scan: Scan, files: dict[str, str]) -> None:
    ran = scan(files)
    assert ran.code == 2
    assert ran.report["reason"] == "there were no declared requirements to examine"


def test_too_large_and_too_many(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.dependencies.discover.MAX_BYTES", 100)
    ran = scan({"requirements.txt": f"numpy==1 {HASH}\n" + "#" * 100})
    assert "larger than 100 bytes" in skipped(ran)[0]
    monkeypatch.undo()
    monkeypatch.setattr("wardein.dependencies.declared.MAX_REQUIREMENTS", 3)
    ran = scan({"requirements.txt": "a==1\nb==1\nc==1\nd==1\n"})
    assert (ran.code, "more than 3 requirements" in ran.one_line) == (2, True)


# Includes, constraints and lock files


def test_includes_are_followed_whatever_they_are_called(scan: Scan) -> None:
    files = {
        "requirements.txt": "-r deps/base\n",
        "deps/base": f"-r ./more\n--requirement=base\nnumpy==1 {HASH}\n",
        "deps/more": f"-r ../requirements.txt\n{PIN}",
    }
    ran = scan(files)
    assert (ran.code, rules(ran)) == (1, ["CVE-2022-22817"])
    assert ran.report["findings"][0]["location"] == "deps/more"


def test_constraints_hold_versions(scan: Scan) -> None:
    files = {"requirements.txt": "-c pins.txt\npillow\nnumpy\n", "pins.txt": "pillow==9.0.0\nnumpy<2\nscipy>1\n"}
    ran = scan(files)
    assert ran.code == 2
    assert [s.partition(":")[0] for s in skipped(ran)] == ["requirements.txt, line 3"]
    assert rules(ran) == ["CVE-2022-22817", "dependencies/unpinned"]
    files = {"requirements.txt": "-c pins.txt\n-r base.txt\n", "base.txt": "pillow\n", "pins.txt": "pillow==9.0.0\n"}
    assert scan(files).code == 1


def test_constraints_that_are_required_as_well_are_requirements(scan: Scan) -> None:
    ran = scan({"requirements.txt": f"-c pins.txt\n-r pins.txt\n{PIN}", "pins.txt": "numpy\n"})
    assert (ran.code, len(skipped(ran))) == (2, 1)
    # Nor is a file that is only called so, and that nothing uses as constraints.
    assert "numpy" in skipped(scan({"requirements.txt": PIN, "constraints.txt": "numpy\n"}))[0]


def test_setuptools_draws_files_in(scan: Scan) -> None:
    dynamic = '[project]\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = {file = ["deps"]}\n'
    assert rules(scan({"pyproject.toml": dynamic, "deps": PIN})) == ["CVE-2022-22817"]
    cfg = "[options]\ninstall_requires = file: a, b\n"
    assert scan({"setup.cfg": cfg, "a": PIN, "b": "numpy==1\n"}).report["coverage"]["examined"] == 3


PYPROJECT = '[project]\nname = "app"\nrequires-python = ">=3.11"\ndependencies = [\n"pillow>=9",\n%s]\n'


@pytest.mark.parametrize(
    ("name", "lock"),
    [
        ("uv.lock", uv_lock(("pillow", "10.0"))),
        ("poetry.lock", poetry_lock(version="10.0")),
        ("pylock.toml", PYLOCK.replace("9.0.0", "10.0")),
    ],
)
def test_lock_file_holds_versions(scan: Scan, name: str, lock: str) -> None:
    ran = scan({"pyproject.toml": PYPROJECT % "", name: lock})
    assert (ran.code, ran.report["findings"]) == (0, [])
    assert ran.report["coverage"]["examined"] == 2
    # A workspace's lock lies at its root.
    assert scan({"members/a/pyproject.toml": PYPROJECT % "", name: lock}).code == 0


@pytest.mark.parametrize("rest", ['"numpy",\n', '"pillow<10",\n'])
def test_stale_lock_is_found(scan: Scan, rest: str) -> None:
    ran = scan({"pyproject.toml": PYPROJECT % rest, "uv.lock": uv_lock(("pillow", "10.0"))})
    assert ran.code == 2
    assert "dependencies/stale-lock" in rules(ran, fails=True)
    assert "uv.lock does not hold a version" in skipped(ran)[0]


def test_pinned_beside_another_lock_is_stale(scan: Scan) -> None:
    files = {"pyproject.toml": PYPROJECT % '"numpy==1",\n', "uv.lock": uv_lock(("pillow", "10.0"), ("numpy", "2"))}
    assert (scan(files).code, rules(scan(files), fails=True)) == (1, ["dependencies/stale-lock"])


def test_marker_that_never_holds_needs_no_lock(scan: Scan) -> None:
    files = {
        "pyproject.toml": PYPROJECT % "\"tomli; python_version < '3.11'\",\n",
        "uv.lock": uv_lock(("pillow", "10")),
    }
    assert scan(files).code == 0
    files["pyproject.toml"] = PYPROJECT % "\"tomli; python_version < '3.12'\",\n"
    assert scan(files).code == 2


def test_lock_of_the_project_itself(scan: Scan) -> None:
    lock = uv_lock(("pillow", "10.0")) + '\n[[package]]\nname = "app"\nversion = "1"\nsource = { editable = "." }\n'
    ran = scan({"pyproject.toml": PYPROJECT % '"app[x]",\n', "uv.lock": lock})
    assert (ran.code, rules(ran)) == (0, ["dependencies/own-code"])


def test_vcs_in_a_lock_is_looked_up_at_its_version(scan: Scan) -> None:
    source = f'source = {{ git = "https://h.example/pillow?rev=main#{COMMIT}" }}\n'
    lock = f'version = 1\n[[package]]\nname = "pillow"\nversion = "9.0.0"\n{source}'
    project = PYPROJECT % "" + '[tool.uv.sources]\npillow = { git = "https://h.example/pillow" }\n'
    ran = scan({"pyproject.toml": project, "uv.lock": lock})
    assert ran.code == 1
    assert rules(ran) == ["CVE-2022-22817", "dependencies/direct-url", "dependencies/direct-url"]


def test_compiled_requirements_hold_what_they_were_compiled_from(scan: Scan) -> None:
    header = "# This file is autogenerated by pip-compile with Python 3.11\n"
    ran = scan({"dev.in": "pillow\n", "dev.txt": f"{header}pillow==10 {HASH}\n"})
    assert (ran.code, ran.report["coverage"]["examined"]) == (0, 2)
    assert scan({"dev.in": "pillow\nnumpy\n", "dev.txt": f"{header}pillow==10 {HASH}\n"}).code == 2


def test_unhashed_lock_is_told(scan: Scan) -> None:
    lock = re.sub(r"wheels = .*", "", uv_lock(("numpy", "1")))
    assert rules(scan({"uv.lock": lock})) == ["dependencies/unhashed"]


# What is wrong with declarations


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy==1", ["unhashed"]),
        ("numpy", ["unpinned"]),
        (f"--extra-index-url https://h.example/simple\nnumpy==1 {HASH}", ["extra-index"]),
        (f"--extra-index https://h.example/simple\nnumpy==1 {HASH}", ["extra-index"]),
        (f"-i https://h.example/simple\nnumpy==1 {HASH}", []),
        (f"-ihttp://h.example/simple\nnumpy==1 {HASH}", ["plain-http"]),
        (f"-i http://127.0.0.1/simple\nnumpy==1 {HASH}", []),
        (f"--index-url=https://a:b@h.example/simple\nnumpy==1 {HASH}", ["credentials"]),
        (f"--index-url=https://${{USER}}:${{TOKEN}}@h.example/simple\nnumpy==1 {HASH}", []),
        (f"--index-url=https://token@h.example/simple\nnumpy==1 {HASH}", ["credentials"]),
        (f"-f http://h.example/wheels\nnumpy==1 {HASH}", ["find-links", "plain-http"]),
        (f"--find-links ./wheels\nnumpy==1 {HASH}", []),
        (f"--trusted-host h.example\nnumpy==1 {HASH}", ["trusted-host"]),
        (f"--pre\nnumpy==1 {HASH}", ["pre-releases"]),
        (f"a @ git+https://h.example/a@{COMMIT}", ["direct-url"]),
        ("a @ git+https://h.example/a@main", ["direct-url", "vcs-without-commit"]),
        ("git+https://h.example/a.git#egg=a", ["direct-url", "vcs-without-commit"]),
        ("-e git+ssh://git@h.example/a.git@v1#egg=a", ["direct-url", "vcs-without-commit"]),
        ("a @ git+http://h.example/a@v1", ["direct-url", "plain-http", "vcs-without-commit"]),
        ("a @ git+https://huggingface.co/o/m@main", ["direct-url", "hub-without-commit"]),
        ("git+https://huggingface.co/spaces/o/m", ["direct-url", "hub-without-commit"]),
        (f"git+https://huggingface.co/o/m@{COMMIT}", ["direct-url"]),
        ("https://h.example/a-1.0-py3-none-any.whl", ["direct-url", "unhashed", "url-without-hash"]),
        (f"https://h.example/a-1.0.tar.gz#sha256={'a' * 64}", ["direct-url", "unhashed"]),
        (f"a @ https://h.example/a-1.0.zip {HASH}", ["direct-url"]),
        ("numpy==1\nnumpy==2", ["conflicting-pins", "unhashed"]),
        (f"numpy==1; os_name=='nt' {HASH}\nnumpy==2; os_name!='nt' {HASH}", []),
        (f"-e .\n.\nnumpy==1 {HASH}", ["own-code", "own-code"]),
        ("./wheels/b-1.0-py3-none-any.whl", ["direct-url"]),
    ],
)
def test_flaws_of_requirements_files(scan: Scan, line: str, expected: list[str]) -> None:
    ran = scan({"requirements.txt": f"{line}\n", "wheels/b-1.0-py3-none-any.whl": "x"})
    assert rules(ran) == [f"dependencies/{name}" for name in expected]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("pyproject.toml", '[[tool.uv.index]]\nurl = "https://h.example/s"\n', ["second-index"]),
        ("pyproject.toml", '[[tool.uv.index]]\nurl = "https://h.example/s"\nexplicit = true\n', []),
        ("uv.toml", 'index-strategy = "unsafe-best-match"\nextra-index-url = ["https://h.example"]\n', ["extra-index"]),
        ("uv.toml", 'allow-insecure-host = ["h.example"]\n', ["trusted-host"]),
        ("pyproject.toml", '[[tool.poetry.source]]\nname = "a"\nurl = "http://h.example"\n', ["plain-http"]),
        ("pyproject.toml", '[[tool.poetry.source]]\nurl = "https://h"\npriority = "supplemental"\n', ["second-index"]),
        ("pyproject.toml", '[[tool.poetry.source]]\nurl = "https://h"\n' * 2, ["extra-index"]),
        ("Pipfile", '[[source]]\nurl = "https://a"\n[[source]]\nurl = "https://b"\n', ["second-index"]),
        ("Pipfile", '[[source]]\nurl = "https://a"\nverify_ssl = false\n', ["trusted-host"]),
        ("pip.conf", "[global]\nextra-index-url = https://a\n", ["extra-index"]),
        ("pip.conf", "[install]\ntrusted_host = a\nfind-links = https://b\n", ["find-links", "trusted-host"]),
    ],
)
def test_flaws_of_settings(scan: Scan, name: str, text: str, expected: list[str]) -> None:
    ran = scan({"requirements.txt": f"numpy==1 {HASH}\n", name: text})
    assert rules(ran) == [f"dependencies/{rule}" for rule in expected]
    assert ran.code == (1 if {"extra-index", "plain-http", "trusted-host"} & set(expected) else 0)


def test_severity_is_what_the_parameter_says(scan: Scan) -> None:
    assert scan({"requirements.txt": "numpy==1\n"}).code == 0
    assert scan({"requirements.txt": "numpy==1\n"}, "--fail-severity", "medium").code == 1


def test_unknown_word_is_refused(scan: Scan) -> None:
    ran = scan({"requirements.txt": "numpy==1\n"}, "--accept-unexamined", "everything")
    assert (ran.code, "--accept-unexamined" in ran.one_line) == (2, True)


# Specifiers


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.9"], ["1.2.2", "2.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0", ["0.9"], ["1"]),
        ("~1.2.3", ["1.2.9"], ["1.3"]),
        ("~1", ["1.9"], ["2"]),
        ("1.2.*", ["1.2.9"], ["1.3"]),
        (">=1, <2 || >=3", ["1.5", "3"], ["2.5"]),
        (">= 1.0 < 2", ["1.5"], ["2"]),
        ("*", ["0", "99"], []),
        ("1.2.3", ["1.2.3"], ["1.2.4"]),
    ],
)
def test_poetry_constraints(text: str, inside: list[str], outside: list[str]) -> None:
    specifier = specifiers.of_poetry(text)
    assert all(specifiers.allows(specifier, version) for version in inside)
    assert not any(specifiers.allows(specifier, version) for version in outside)


# Whatever is in a file, reading it ends well

_WORDS = st.sampled_from(
    ["numpy", "==", "1.0", " ", "\n", "\\\n", "#", "--hash=", "-r", "-e", "--index-url", "@", "git+", "https://", "%"]
    + ["[", "]", ";", "'", '"', "${A}", ".", "/", "..", ",", "\t", "\r", "\x0b", "\u2028", "(", "-c x"]
)
_ANYTHING = st.one_of(st.text(max_size=80), st.lists(_WORDS, max_size=25).map("".join))


@settings(max_examples=300, deadline=None)
@given(_ANYTHING)
def test_any_requirements_file_is_read(text: str) -> None:
    sheet = requirements.read_sheet("requirements.txt", text, {"requirements.txt"})
    for row in sheet.reading.requirements:
        assert row.name or row.origin != "index"
    reading = Reading()
    requirements.read_requirement(reading, text, Place("x"))
    assert len(reading.requirements) + len(reading.unread) <= 1


def test_long_lines_take_no_longer_than_they_are() -> None:
    evil = [" " * 1_000_000 + "x", "x" + " " * 1_000_000 + "y", "-" * 1_000_000, "\\\n" * 100_000, "a[" * 9000]
    for line in evil:  # seconds in all; hours where something looks back from every character
        requirements.read_sheet("requirements.txt", line, ())


_STARTS = ["", "version = 1\n[[package]]\n", "[project]\ndependencies = [", "setup(install_requires="]
_STARTS += ["[options]\ninstall_requires =\n ", "dependencies:\n- ", '{"bomFormat": "CycloneDX", ']


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(["uv.lock", "pyproject.toml", "setup.py", "setup.cfg", "environment.yml", "bom.json"]),
       start=st.sampled_from(_STARTS),
       rest=st.one_of(_ANYTHING, st.binary(max_size=60)))  # fmt: skip
def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, name: str, start: str, rest: Any) -> None:
    content = start.encode() + (rest if isinstance(rest, bytes) else rest.encode("utf-8", "surrogatepass"))
    read_declarations(write(tmp_path_factory.mktemp("any"), {name: content or b"x"}))


_NAMES = st.sampled_from(
    ["components", "purl", "name", "version", "type", "packages", "externalRefs", "SPDXID", "relationships"]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.recursive(_LEAVES, lambda i: st.lists(i, max_size=3) | st.dictionaries(_NAMES, i, max_size=4)))
def test_any_bill_of_materials_is_read(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    for head in ({"bomFormat": "CycloneDX", "specVersion": "1.6"}, {"spdxVersion": "SPDX-2.3"}):
        data = {**(value if isinstance(value, dict) else {"components": value, "packages": value}), **head}
        read_declarations(write(tmp_path_factory.mktemp("any"), {"bom.json": json.dumps(data)}))


# What a red team got past


def registry_lock(name: str, source: str) -> str:
    return f'version = 1\n[[package]]\nname = "{name}"\nversion = "9.9"\nsource = {source}\n'


def project(requirement: str, more: str = "") -> str:
    return f'[project]\nname = "app"\nversion = "1"\ndependencies = ["numpy==1.26.4", "{requirement}"]\n{more}'


def test_a_sheet_named_as_constraints_elsewhere_goes_on_requiring(scan: Scan) -> None:
    ran = scan({"requirements.txt": "evil>=1.0\n", "dev-requirements.txt": "-c requirements.txt\nnumpy==1.26.4\n"})
    assert ran.code == 2
    assert "evil>=1.0" in skipped(ran)[0]


def test_a_lock_holds_a_url_of_the_same_source_only(scan: Scan) -> None:
    files = {"pyproject.toml": project("x @ git+https://huggingface.co/x/x@main")}
    index = registry_lock("x", '{registry = "https://pypi.org/simple"}\nsdist = {hash = "sha256:00"}')
    ran = scan({**files, "uv.lock": index})
    assert ran.code == 2
    assert "hub-without-commit" in " ".join(rules(ran))
    ran = scan({**files, "uv.lock": registry_lock("x", f'{{git = "https://huggingface.co/x/x?rev=main#{COMMIT}"}}')})
    assert ran.report["coverage"]["skipped"] == []
    assert "hub-without-commit" not in " ".join(rules(ran))
    # Nor does a repository hold what is taken from an index.
    git = registry_lock("x", f'{{git = "https://github.com/x/x#{COMMIT}"}}')
    assert scan({"pyproject.toml": project("x"), "uv.lock": git}).code == 2


@pytest.mark.parametrize(
    ("marker", "python", "applies"),
    [
        ("python_version < '3.8'", ">=3.10", False),
        ("python_full_version < '3.10.2'", ">=3.10.2", False),
        ("python_full_version < '3.10.2'", ">=3.10", True),
        ("python_version < '3.8' and sys_platform == 'linux'", ">=3.10", False),
        ("sys_platform == 'freebsd14'", "", True),
        ("platform_release != ''", "", True),
        ("python_full_version == '3.11.9'", "", True),
        ("sys_platform == 'linux'", "==3.11.9", True),
        ("os_name ~= 'posix'", "", True),
        ("python_version ~= 'posix'", "", True),
        ("sys_platform == 'linux'", ">=3." + "9" * 5000, True),
    ],
)
def test_markers_that_are_never_true(marker: str, python: str, applies: bool) -> None:
    assert specifiers.can_apply(marker, python) is applies


def test_a_marker_in_a_quotation_is_not_understood(scan: Scan) -> None:
    text = "numpy==1.26.4\nevil>=1; os_name != 'x\" and python_version < \"3.0'\n"
    assert scan({"requirements.txt": text}).code == 2


@pytest.mark.parametrize(
    "source", ["{path = 'local', marker = 'sys_platform == \"win32\"'}", "[{path = 'local'}, {index = 'a'}]"]
)
def test_a_source_for_some_leaves_the_index_for_others(scan: Scan, source: str) -> None:
    files = {
        "local/setup.py": "",
        "pyproject.toml": project("pillow==9.0.0", f"[tool.uv.sources]\npillow = {source}\n"),
    }
    assert "CVE-2022-22817" in rules(scan(files))


def test_a_workspace_member_must_be_there(scan: Scan) -> None:
    files = {"pyproject.toml": project("evil", "[tool.uv.sources]\nevil = {workspace = true}\n")}
    ran = scan(files)
    assert ran.code == 2
    assert "workspace" in skipped(ran)[0]
    assert scan({**files, "evil/pyproject.toml": '[project]\nname = "evil"\nversion = "1"\n'}).code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.yml", "dependencies:\n- pip:\n" + "  - a\n" * 30_000),
        ("environment.yml", "x: &a\n" + "- ''\n" * 2000 + "dependencies:\n" + "- {pip: *a}\n" * 2000),
        ("pyproject.toml", "a" + ".a" * 60_000 + " = 1\n"),
    ],
)
def test_inputs_that_would_take_hours_are_refused(scan: Scan, name: str, text: str) -> None:
    assert scan({name: text}).code == 2


def test_another_url_of_a_host_is_another_finding(scan: Scan) -> None:
    urls = [f"https://user:{word}@example.org/{owner}/simple" for word, owner in (("a", "1"), ("b", "1"), ("b", "2"))]
    texts = [{f.text for f in read_sheet("r.txt", f"--extra-index-url {url}\n", []).reading.found} for url in urls]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_requirements_files_called_locks(scan: Scan, name: str) -> None:
    assert "CVE-2022-22817" in rules(scan({name: "pillow==9.0.0\n"}))


def test_an_equals_sign_after_a_short_option_belongs_to_the_name(scan: Scan) -> None:
    files = {"requirements.txt": "numpy==1.26.4\n-r=more.txt\n", "more.txt": "", "=more.txt": "pillow==9.0.0\n"}
    assert "CVE-2022-22817" in rules(scan(files))
