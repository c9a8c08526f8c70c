# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_dependencies``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Advisories, Baseline, Database, OutputFile, Source
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Finding, Metric, Report, Severity, conclude
from wardein.scan import merge
from wardein.scan.freshness import check_age

if TYPE_CHECKING:
    from wardein.dependencies.declared import Package, Reading
    from wardein.dependencies.known import Answer, Merged
    from wardein.dependencies.resolve import Resolved

UNEXAMINABLE = ("build", "conda", "foreign", "url")


def scan_dependencies(
    source: Source,
    database: Database | None = None,
    advisories: Advisories | None = None,
    osv_url: str = "",
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    database_max_age_days: float = 3.0,
    accept_unexamined: list[str] = [],  # noqa: B006 - read only
    baseline: Baseline | None = None,
    write_sbom: OutputFile | None = None,
) -> Report:
    """Look up every declared dependency in known vulnerabilities, and look at how it is declared.

    Read are requirements and constraints files (with what they include), pyproject.toml, setup.cfg, setup.py as far
    as it holds literals, Pipfile, uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock, conda's environment.yml,
    CycloneDX and SPDX documents, and the settings of pip and uv. Nothing is resolved, installed or run. Every
    requirement is looked up at the one version that it is pinned to, whatever its marker; one that is not pinned counts
    as examined if a lock file, a compiled requirements file or a constraints file beside it holds a version that it
    allows, and that version was looked up. Everything else is named as not examined and ends in ERROR: requirements
    that nothing holds fast, dependencies from a URL, conda packages, declarations of other languages, files that cannot
    be read, names that no source of advisories knows the ecosystem of. What scripts, images and notebooks install by
    themselves is not looked for.

    At least one source of advisories is needed, and all that are given are asked. A vulnerability counts once whatever
    it is called (CVE, GHSA, PYSEC), with the worst of its severities; one that nobody has rated counts as high and
    always fails. Versions are looked up without a local label: 2.1.0+cu118 as 2.1.0.

    Args:
        source: The folder that holds the declarations, or one of them.
        database: The folder of a trivy vulnerability database (with db/trivy.db and db/metadata.json); needs trivy. It
            is the only source for packages of other languages, which a bill of materials can list.
        advisories: A folder of advisories in the OSV format, one JSON file each and nothing else; needs no program. Its
            age is that of the advisory that was changed last.
        osv_url: An OSV server to ask (the https address of its /v1/query); the names and versions of packages are sent
            to it; needs pip-audit, which tells no severities. It must know an old flaw of jinja2 2.4.1, or it is not
            believed. How old its advisories are is not known, so that a policy that limits it wants another source.
        fail_severity: The least severe finding that makes the check fail.
        database_max_age_days: How many days old the database or the advisories may be.
        accept_unexamined: What may go unexamined, and is then listed as findings: build (what is needed to build the
            project, which lock files do not hold), conda (conda packages), foreign (declarations and packages of other
            languages), url (dependencies from a URL or repository that name no version).
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.
        write_sbom: Where to write the packages, at the versions that were looked up, as a CycloneDX 1.6 document.

    Returns:
        Findings with severities, the number of vulnerabilities and of flawed declarations by severity, how many
        packages there are, and how many of the declared requirements were looked up.

    Raises:
        WardeinError: If no source of advisories is given, or one cannot be used, is too old, or contradicts itself.

    References:
        OpenSSF Open Source Vulnerability format 1.7. PEP 440, 508, 751. FIRST CVSS 3.1. OWASP CycloneDX 1.6.
        NIST SP 800-218 (SSDF) PW.4. OWASP Machine Learning Security Top 10, ML06 (AI supply chain attacks).
    """
    from wardein.dependencies import known, sbom
    from wardein.dependencies.discover import read_declarations
    from wardein.dependencies.resolve import resolve
    from wardein.subject import digest_of

    for word in accept_unexamined:
        if word not in UNEXAMINABLE:
            raise UsageError(f"{word!r} is none of {', '.join(UNEXAMINABLE)}", where="--accept-unexamined")
    reading = read_declarations(source)
    resolved = resolve(reading)
    packages = sorted({package for _, package in resolved.at})
    answers = _answers(packages, database, advisories, osv_url, database_max_age_days)
    told = known.merged(answers, resolved.at)
    coverage = _coverage(resolved, answers, accept_unexamined, reading)
    if write_sbom is not None:
        write_sbom.write_bytes(sbom.document(packages, digest_of(source, links=True)))
    severity = Severity(fail_severity)
    vulnerabilities = merge.without(
        _unrated_fail(merge.merged(told.found, severity), told), baseline, "scan_dependencies"
    )
    flaws = merge.without(merge.merged(reading.found, severity), baseline, "scan_dependencies")
    return conclude(
        coverage=coverage,
        tools=[answer.tool for answer in answers],
        metrics=[
            # A vulnerability of a package that several files declare is one.
            *merge.counts(
                list({(f.rule, f.purl): f for f in vulnerabilities}.values()), len(packages), "vulnerabilities"
            ),
            *merge.counts(flaws, coverage.expected, "flawed_declarations"),
            Metric("packages", len(packages), coverage.expected, unit="count"),
            Metric("direct_packages", resolved.direct, coverage.expected, unit="count"),
        ],
        findings=sorted(
            [*vulnerabilities, *flaws], key=lambda f: (f.severity.rank, f.rule, f.location, f.line, f.message)
        ),
    )


def _answers(
    packages: Sequence[Package],
    database: Database | None,
    advisories: Advisories | None,
    osv_url: str,
    max_age_days: float,
) -> list[Answer]:
    """What every source of advisories that is given says; each is checked before the first is asked."""
    from wardein.dependencies import osv
    from wardein.tools import pip_audit, trivy_packages, trivydb

    if database is None and advisories is None and not osv_url:
        raise WardeinError(
            "needs a source of advisories: give at least one",
            mend=f"--advisories FOLDER ({osv.HOW_TO_GET_ONE}), --database FOLDER ({trivydb.HOW_TO_GET_ONE})"
            " or --osv-url https://api.osv.dev/v1/query",
        )
    if osv_url:
        pip_audit.check_url(osv_url)
    public = sorted({package.public for package in packages})
    answers = []
    folder = osv.read_folder(advisories) if advisories is not None else None
    if folder is not None:
        check_age(folder.updated, max_age_days, "--advisories", "advisories", osv.HOW_TO_GET_ONE)
        answers.append(osv.look_up(folder, public))
    if database is not None:
        contents = trivydb.read_database(database)
        check_age(contents.updated, max_age_days, "--database", "database", trivydb.HOW_TO_GET_ONE)
        answers.append(trivy_packages.look_up(public, database, contents))
    if osv_url:
        answers.append(pip_audit.look_up(public, osv_url))
    return answers


def _coverage(resolved: Resolved, answers: Sequence[Answer], accepted: Sequence[str], reading: Reading) -> Coverage:
    """Every declared requirement is looked up, named as not examined, or named as accepted."""
    from wardein.dependencies import rules
    from wardein.dependencies.declared import Unread

    examined, unread = resolved.held, list(resolved.unread)
    for row, package in resolved.at:
        problems = [answer.unread[package.public] for answer in answers if package.public in answer.unread]
        if problems:
            unread.append(Unread(f"{row.place} ({package.label})", problems[0]))
        elif any(package.public in answer.examined for answer in answers):
            examined += 1
        else:
            why = f"no source of advisories that was given knows packages of {package.ecosystem}"
            unread.append(Unread(row.place, why, "" if package.ecosystem == "pypi" else "foreign"))
    skipped = [item.skipped for item in unread if item.kind not in accepted]
    for item in unread:
        if item.kind in accepted:
            reading.flaw(rules.UNEXAMINED, item.what.partition(",")[0].partition(":")[0], 0, item.what, item.what)
    return Coverage("declared requirements", examined + len(skipped), examined, tuple(skipped))


def _unrated_fail(findings: Sequence[Finding], told: Merged) -> list[Finding]:
    """An unknown severity is no reason to let it pass."""
    return [replace(f, fails=True) if (f.rule, f.purl) in told.unrated else f for f in findings]
