# SPDX-License-Identifier: Apache-2.0
"""Cases of ``scan_dependencies``: what trivy and pip-audit let pass, with exit code 0 and no word."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tests.corpus.fail_open.case import Case, World, program, stand_in, write
from tests.standins.osv import advisory, write_folder
from wardein.report import Severity
from wardein.tools import bbolt, trivy, trivydb
from wardein.tools.trivydb import Advisory

CHECK = "scan_dependencies"
DATE = datetime(2024, 1, 1, tzinfo=UTC)
OLD: list[str | Path] = ["--database-max-age-days", "100000"]
HASH = f"--hash=sha256:{'a' * 64}"
PILLOW = advisory("GHSA-8vj2-vxx3-667w", "Pillow", "9.0.1", aliases=["CVE-2022-22817"], severity="CRITICAL")
DATABASE = (Advisory("CVE-2022-22817", "Pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",), "planted"),)
VULNERABLE = f"pillow==9.0.0 {HASH}\n"
FINE = f"numpy==1.26.4 {HASH}\n"
Files = Mapping[str, str | bytes]
Source = Literal["trivy", "osv"]


def _database(folder: Path, advisories: tuple[Advisory, ...] = DATABASE, date: datetime = DATE) -> Path:
    trivydb.write_database(folder, advisories, date)
    return folder


def _bare_trivy(tree: Path, database: Path) -> list[str | Path]:
    return [trivy.locate().program.path, "fs", "--skip-db-update", "--offline-scan", "--skip-version-check",
            "--cache-dir", database, "--scanners", "vuln", "--exit-code", "10", "--quiet", tree]  # fmt: skip


def _bare_pip_audit(tree: Path, *options: str | Path) -> list[str | Path]:
    requirements: list[str | Path] = ["-r", tree / "requirements.txt", "--progress-spinner", "off"]
    return [program("pip-audit"), *requirements, "--no-deps", "--disable-pip", *options]


def _tree(
    files: Files, source: Source = "osv", environment: Mapping[str, str] | None = None
) -> Callable[[Path], World]:
    """A tree that is looked up in advisories that know the planted flaw, with a bare trivy beside it."""

    def make(folder: Path) -> World:
        tree, database = write(folder / "tree", files), _database(folder / "database")
        named = {name: text.replace("{folder}", str(folder)) for name, text in (environment or {}).items()}
        arguments: list[str | Path] = ["--source", tree, *OLD]
        if source == "osv":
            arguments += ["--advisories", write_folder(folder / "advisories", [PILLOW])]
        else:
            arguments += ["--database", database]
        return World(arguments, named, _bare_trivy(tree, database), tree)

    return make


def _spoilt(spoil: Callable[[Path], object], days: float = 100_000) -> Callable[[Path], World]:
    """A tree that is looked up in a database with a fault."""

    def make(folder: Path) -> World:
        tree, database = write(folder / "tree", {"requirements.txt": VULNERABLE}), _database(folder / "database")
        spoil(database)
        arguments: list[str | Path] = ["--source", tree, "--database", database, "--database-max-age-days", str(days)]
        return World(arguments, {}, _bare_trivy(tree, database), tree)

    return make


def _fake(name: str, variable: str, body: str, *options: str | Path) -> Callable[[Path], World]:
    """A tree that is looked up by a program that is not the real one."""

    def make(folder: Path) -> World:
        tree, database = write(folder / "tree", {"requirements.txt": VULNERABLE}), _database(folder / "database")
        path = stand_in(folder / "bin", name, body)
        given = options or ("--database", database)
        return World(["--source", tree, *given, *OLD], {variable: str(path)}, [path, tree], tree)

    return make


TRIVY = "if args[0] == 'version':\n    print(json.dumps({'Version': '0.76.0'})); sys.exit(0)\n"
TRIVY += "out = args[args.index('--output') + 1] if '--output' in args else os.devnull\n"
AUDIT = "if '--version' in args:\n    print('pip-audit 2.10.1'); sys.exit(0)\n"
NOWHERE = ("--osv-url", "http://127.0.0.1:1/v1/query")
NAME = "/x/packages.cdx.json"
EMPTY = json.dumps({"SchemaVersion": 2, "ArtifactType": "cyclonedx", "ArtifactName": NAME, "Results": []})


def _empty(database: Path) -> None:
    (database / "db" / "trivy.db").write_bytes(bbolt.encode({}))


def _only_npm(database: Path) -> None:
    _database(database, (Advisory("CVE-2024-1", "left-pad", "npm", Severity.LOW, ("<2",)),))


def _lock(name: str, version: str, lock_version: int = 1) -> str:
    wheel = f'{{ url = "https://files.example/a.whl", hash = "sha256:{"b" * 64}" }}'
    return (
        f'version = {lock_version}\n\n[[package]]\nname = "{name}"\nversion = "{version}"\n'
        f'source = {{ registry = "https://pypi.org/simple" }}\nwheels = [{wheel}]\n'
    )


def _missing(folder: Path) -> World:
    world = _tree({"requirements.txt": VULNERABLE}, "trivy")(folder)
    return World(world.arguments, {trivy.VARIABLE: "/nowhere/trivy"})


def _yaml_advisories(folder: Path) -> World:
    tree = write(folder / "tree", {"requirements.txt": VULNERABLE})
    advisories = write(folder / "advisories", {"PYSEC-2022-10.yaml": "id: PYSEC-2022-10\n"})
    return World(["--source", tree, "--advisories", advisories, *OLD])


def _vague_advisory(folder: Path) -> World:
    tree = write(folder / "tree", {"requirements.txt": VULNERABLE})
    affected = [{"package": {"ecosystem": "PyPI", "name": "pillow"}, "ranges": [{"type": "GIT", "events": []}]}]
    return World(
        ["--source", tree, "--advisories", write_folder(folder / "advisories", [PILLOW | {"affected": affected}]), *OLD]
    )


def _no_source(folder: Path) -> World:
    tree = write(folder / "tree", {"requirements.txt": VULNERABLE})
    return World(["--source", tree], {}, _bare_pip_audit(tree, *NOWHERE), tree)


def _case(what: str, expected: Literal["PASS", "FAIL", "ERROR"], told: str, make: Callable[[Path], World]) -> Case:
    return Case(CHECK, what, expected, told, make)


def _faked(what: str, told: str, make: Callable[[Path], World]) -> Case:
    return Case(CHECK, what, "ERROR", told, make, fake=True)


_STRAY = {
    "TRIVY_SEVERITY": "LOW",
    "TRIVY_IGNOREFILE": "{folder}/tree/.trivyignore",
    "TRIVY_SKIP_FILES": "**",
    "TRIVY_IGNORE_UNFIXED": "true",
    "TRIVY_CACHE_DIR": "{folder}",
    "TRIVY_EXIT_CODE": "0",
}
_PROJECT = '[project]\nname = "app"\ndependencies = ["pillow>=9"]\n'

CASES: tuple[Case, ...] = (
    _case(
        "a planted vulnerability, nothing hidden",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": VULNERABLE}, "trivy"),
    ),
    _case("nothing is wrong", "PASS", "1 of 1 declared requirements examined", _tree({"requirements.txt": FINE})),
    # What trivy does not read, with exit code 0
    _case(
        "a requirement without a version",
        "ERROR",
        r"pillow: is not at one version",
        _tree({"requirements.txt": f"pillow\n{FINE}"}),
    ),
    _case(
        "a requirement with a range", "ERROR", "is not at one version", _tree({"requirements.txt": "pillow>=9,<9.1\n"})
    ),
    _case(
        "a pin with three equals signs",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": f"pillow===9.0.0 {HASH}\n"}),
    ),
    _case(
        "a direct URL to a wheel",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": "pillow @ https://files.example/Pillow-9.0.0-py3-none-any.whl\n"}),
    ),
    _case(
        "a repository instead of a release",
        "ERROR",
        "names no released version",
        _tree({"requirements.txt": "pillow @ git+https://git.example/pillow@main\n"}),
    ),
    _case(
        "an included requirements file",
        "FAIL",
        "base.lst line 1|base.lst  1 pillow",
        _tree({"requirements.txt": "-r base.lst\n", "base.lst": VULNERABLE}),
    ),
    _case(
        "an include that is missing",
        "ERROR",
        "not in the scanned folder",
        _tree({"requirements.txt": f"-r a.txt\n{FINE}"}),
    ),
    _case(
        "an include outside the folder",
        "ERROR",
        "not in the scanned folder",
        _tree({"requirements.txt": f"-r ../../a.txt\n{FINE}"}),
    ),
    _case(
        "includes in a circle",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": "-r b.txt\n", "b.txt": f"-r requirements.txt\n{VULNERABLE}"}),
    ),
    _case("a requirements file of another name", "FAIL", "CVE-2022-22817", _tree({"requirements-gpu.txt": VULNERABLE})),
    _case(
        "a pyproject.toml without a lock file", "ERROR", "is not at one version", _tree({"pyproject.toml": _PROJECT})
    ),
    _case(
        "a lock file that does not hold what is declared",
        "ERROR",
        "dependencies/stale-lock",
        _tree({"pyproject.toml": _PROJECT, "uv.lock": _lock("numpy", "1.26.4")}),
    ),
    _case(
        "a lock file of a format to come",
        "ERROR",
        "version that is not known",
        _tree({"uv.lock": _lock("pillow", "9.0.0", 9)}),
    ),
    _case(
        "a truncated lock file",
        "ERROR",
        "not valid TOML",
        _tree({"uv.lock": _lock("pillow", "9.0.0")[:-9], "requirements.txt": FINE}),
    ),
    _case(
        "a truncated Pipfile.lock",
        "ERROR",
        "not valid JSON",
        _tree({"Pipfile.lock": '{"_meta', "requirements.txt": FINE}),
    ),
    _case(
        "a setup.py with literals",
        "FAIL",
        "CVE-2022-22817",
        _tree({"setup.py": "from setuptools import setup\nsetup(install_requires=['pillow==9.0.0'])\n"}),
    ),
    _case(
        "a setup.py that computes",
        "ERROR",
        "computes its requirements",
        _tree({"setup.py": "from setuptools import setup\nsetup(install_requires=open('r').read())\n"}),
    ),
    _case(
        "conda's environment.yml",
        "ERROR",
        "nobody publishes advisories on conda",
        _tree({"environment.yml": "dependencies:\n- pillow=9.0.0\n"}),
    ),
    _case(
        "pip's part of environment.yml",
        "FAIL",
        "CVE-2022-22817",
        _tree({"environment.yml": f"dependencies:\n- pip:\n  - pillow==9.0.0 {HASH}\n"}),
    ),
    _case("an empty folder, but for a note", "ERROR", "no declared requirements", _tree({"README.md": "none\n"})),
    _case("only comments", "ERROR", "no declared requirements", _tree({"requirements.txt": "# pillow==9.0.0\n"})),
    _case(
        "a bill of materials without package URLs",
        "ERROR",
        "no package URL",
        _tree(
            {
                "bom.json": json.dumps(
                    {
                        "bomFormat": "CycloneDX",
                        "specVersion": "1.6",
                        "components": [{"type": "library", "name": "pillow", "version": "9.0.0"}],
                    }
                )
            }
        ),
    ),
    _case(
        "an exemption inside a bill of materials",
        "FAIL",
        "CVE-2022-22817",
        _tree(
            {
                "bom.json": json.dumps(
                    {
                        "bomFormat": "CycloneDX",
                        "specVersion": "1.6",
                        "components": [{"type": "library", "purl": "pkg:pypi/pillow@9.0.0", "name": "pillow"}],
                        "vulnerabilities": [{"id": "CVE-2022-22817", "analysis": {"state": "not_affected"}}],
                    }
                )
            }
        ),
    ),
    _case(
        "declarations of another language",
        "ERROR",
        "package.json: declares packages of another language",
        _tree({"requirements.txt": FINE, "package.json": '{"dependencies": {"left-pad": "1.0.0"}}'}),
    ),
    _case(
        "a line that only pip understands",
        "ERROR",
        "has an option or a word",
        _tree({"requirements.txt": f"--future-option pillow==9.0.0\n{FINE}"}),
    ),
    _case(
        "an encoding that only pip follows",
        "ERROR",
        "encoding other than UTF-8",
        _tree({"requirements.txt": b"# coding: utf-7\n#+AAo-pillow==9.0.0\n" + FINE.encode()}),
    ),
    _case(
        "bytes that are no text",
        "ERROR",
        "not UTF-8",
        _tree({"requirements.txt": b"\xff\xff\n", "r/requirements.txt": FINE}),
    ),
    _case(
        "a local label on a version",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": f"pillow==9.0.0+cpu {HASH}\n"}),
    ),
    _case(
        "a marker of another platform",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": f"pillow==9.0.0; sys_platform == 'win32' {HASH}\n"}),
    ),
    # Switches in the tree and in the environment
    _case(
        "ignore files in the tree",
        "FAIL",
        "CVE-2022-22817",
        _tree(
            {
                "requirements.txt": VULNERABLE,
                ".trivyignore": "CVE-2022-22817\n",
                "trivy.yaml": "severity: [LOW]\n",
                ".trivyignore.yaml": "vulnerabilities:\n- id: CVE-2022-22817\n",
            },
            "trivy",
        ),
    ),
    _case(
        "stray TRIVY_ variables",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": VULNERABLE, ".trivyignore": "CVE-2022-22817\n"}, "trivy", _STRAY),
    ),
    _case(
        "a comment that asks to be ignored",
        "FAIL",
        "CVE-2022-22817",
        _tree({"requirements.txt": f"pillow==9.0.0 {HASH}  # nosec trivy:ignore:CVE-2022-22817\n"}),
    ),
    _case(
        "a second index (dependency confusion)",
        "FAIL",
        "dependencies/extra-index",
        _tree({"requirements.txt": f"--extra-index-url https://index.example/simple\n{FINE}"}),
    ),
    # The database
    _case("an empty database", "ERROR", "no advisory at all", _spoilt(_empty)),
    _case("a database without advisories on Python", "ERROR", "knows packages of pypi", _spoilt(_only_npm)),
    _case("a database of last year", "ERROR", "older than 3 days", _spoilt(lambda folder: None, days=3)),
    _case(
        "a database of the future",
        "ERROR",
        "in the future",
        _spoilt(lambda folder: _database(folder, date=datetime(2199, 1, 1, tzinfo=UTC))),
    ),
    _case(
        "a damaged database",
        "ERROR",
        "bbolt",
        _spoilt(lambda folder: (folder / "db" / "trivy.db").write_bytes(b"x" * 9000)),
    ),
    _case(
        "a database of another schema",
        "ERROR",
        "schema is 3",
        _spoilt(lambda folder: (folder / "db" / "metadata.json").write_text('{"Version": 3}')),
    ),
    _case("no source of advisories", "ERROR", "give at least one", _no_source),
    _case("advisories in YAML", "ERROR", "not a JSON file", _yaml_advisories),
    _case("an advisory that names no versions", "ERROR", "does not say which versions", _vague_advisory),
    # The programs
    _case("trivy is missing", "ERROR", "WARDEIN_TRIVY", _missing),
    _faked(
        "trivy is a malicious release", "malicious", _fake("trivy", trivy.VARIABLE, 'print(\'{"Version": "0.69.4"}\')')
    ),
    _faked("trivy is killed", "failed with code -9", _fake("trivy", trivy.VARIABLE, f"{TRIVY}os.kill(os.getpid(), 9)")),
    _faked("trivy writes nothing", "failed with code 0", _fake("trivy", trivy.VARIABLE, f"{TRIVY}sys.exit(0)")),
    _faked(
        "trivy writes half a report",
        "not valid JSON",
        _fake("trivy", trivy.VARIABLE, f"{TRIVY}open(out, 'w').write('{{\"Sch')"),
    ),
    _faked(
        "trivy reports another schema",
        "form that is not known",
        _fake("trivy", trivy.VARIABLE, f"{TRIVY}open(out, 'w').write('{{\"SchemaVersion\": 3}}')"),
    ),
    _faked(
        "trivy reports an empty list",
        "does not report|left it out",
        _fake("trivy", trivy.VARIABLE, f"{TRIVY}open(out, 'w').write({EMPTY!r})"),
    ),
    _faked(
        "trivy logs an error and ends with 0",
        "lost the database",
        _fake(
            "trivy",
            trivy.VARIABLE,
            f"{TRIVY}open(out, 'w').write({EMPTY!r})\nprint('x\\tERROR\\tlost the database', file=sys.stderr)",
        ),
    ),
    _faked(
        "pip-audit skips what it cannot find",
        "skipped it: Dependency not found",
        _fake(
            "pip-audit",
            "WARDEIN_PIP_AUDIT",
            AUDIT + "print(json.dumps({'dependencies': ["
            "{'name': 'pillow', 'skip_reason': 'Dependency not found on PyPI'}, {'name': 'jinja2', 'version': '2.4.1',"
            " 'vulns': [{'id': 'P', 'aliases': [], 'description': '', 'fix_versions': []}]}]})); sys.exit(1)",
            *NOWHERE,
        ),
    ),
    _faked(
        "pip-audit finds nothing at all",
        "knows nothing against jinja2",
        _fake(
            "pip-audit",
            "WARDEIN_PIP_AUDIT",
            AUDIT + "print(json.dumps({'dependencies': [{'name': n, 'version': v, 'vulns': []} for n, v in"
            " [('pillow', '9.0.0'), ('jinja2', '2.4.1')]]}))",
            *NOWHERE,
        ),
    ),
    _faked(
        "pip-audit floods its output",
        "printed more than",
        _fake("pip-audit", "WARDEIN_PIP_AUDIT", AUDIT + "x = b'x' * 2**20\nwhile True: os.write(1, x)", *NOWHERE),
    ),
    _faked("pip-audit writes nothing", "failed with code 0", _fake("pip-audit", "WARDEIN_PIP_AUDIT", AUDIT, *NOWHERE)),
)
