# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_image``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from wardein.artifacts import Baseline, Database, Evidence, Image, Model, OutputFile
from wardein.errors import UsageError, WardeinError
from wardein.images import mlbom, modelcard, settings, vulnerabilities
from wardein.images.copy import verified_copy
from wardein.images.outcome import UNEXAMINABLE, Outcome
from wardein.images.records import Record
from wardein.images.rules import EVIDENCE_LEFT_OUT
from wardein.report import Coverage, Report, Severity, Skipped, Tool, conclude
from wardein.scan.freshness import check_age
from wardein.scan.merge import without
from wardein.subject import digest_of
from wardein.tools import trivy, trivydb


def scan_image(
    image: Image,
    database: Database | None = None,
    scanners: list[str] = ["vuln", "secret", "misconfig"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    database_max_age_days: float = 3.0,
    accept_unexamined: list[str] = [],  # noqa: B006 - read only
    baseline: Baseline | None = None,
    model: Model | None = None,
    model_evidence: Evidence | None = None,
    write_sbom: OutputFile | None = None,
) -> Report:
    """Scan a container image for known vulnerabilities, secrets and an unsafe configuration.

    The image is first copied to a private folder, where every blob is compared with its digest, every layer with the
    configuration, and an archive with the digest that the evidence tells; trivy then reads the copy, without a
    network and deaf to ignore files and settings of the image and of the environment. A vulnerability that nobody has
    rated counts as high and always fails. Packages that could not be looked up are not examined, and end in ERROR: an
    unknown distribution, or one that differs from layer to layer, a package database that was deleted, a vulnerability
    database without advisories on the distribution or the ecosystem.

    The records of Python's and Node's packages are read here as well, links followed. Those that trivy passes over (by
    their spelling, behind links, as a second name of a file, claimed by a package of the distribution that is another
    one, in wheels that lie ready) are looked up by the names that they tell; those that tell none are not examined.
    Whatever has no metadata of its own is not looked for: lock files, code that was copied or bundled, programs without
    build information, Java archives without a description inside.

    Secrets are looked for in every layer, also in files that a later one deletes, in settings, labels and the build
    history; values are never shown. Files that trivy's secret rules pass over are not searched: binaries, archives,
    pictures, lock files, whatever lies in .git, node_modules, usr/share, usr/lib, usr/include or among the installed
    libraries of Python, Node, Go and Ruby. A baseline takes another secret of the same kind in a file for the same one.

    Args:
        image: An OCI layout folder, an archive of docker save or of skopeo, or a registry reference pinned by digest
            (host/name@sha256:…), which is pulled anonymously.
        database: The folder of a trivy vulnerability database (with db/trivy.db and db/metadata.json); needed for vuln.
        scanners: What to look for: vuln (known vulnerabilities), secret (keys and passwords in files and settings),
            misconfig (running as root, no health check and the like).
        fail_severity: The least severe finding that makes the check fail.
        database_max_age_days: How many days old the vulnerability database may be.
        accept_unexamined: Packages that may go unexamined because nobody publishes advisories on them: conda, and
            third-party (distribution packages of another vendor's repository). They are listed as findings.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.
        model: A model that the image serves, to be described in the document of write_sbom; it is not scanned.
        model_evidence: Evidence of checks of that model (claims.jsonl), to fill in its model card; nothing is decided
            by it, no signature is looked at, and what is about other models is left out.
        write_sbom: Where to write the image's packages as a CycloneDX document, with vuln
            also those that trivy passes over; with model, an ML-BOM.

    Returns:
        Findings with severities, the number of vulnerabilities by severity, and how many of the targets (each set of
        packages, each layer, the configuration) were examined.

    Raises:
        WardeinError: If the image is not what its digests say, trivy or the database cannot be used, or disagree.

    References:
        NIST SP 800-190, Application Container Security Guide, 2017. OCI Image Format Specification 1.1.
        CIS Docker Benchmark 1.6, section 4.
    """
    _check_words("--scanners", scanners, trivy.SCANNERS)
    _check_words("--accept-unexamined", accept_unexamined, UNEXAMINABLE)
    if not scanners:
        raise UsageError("nothing to look for", where="--scanners", mend=f"name some of {', '.join(trivy.SCANNERS)}")
    if model_evidence is not None and model is None:
        raise UsageError("tells of a model that is not given", where="--model-evidence", mend="add --model PATH")
    contents = _database(database, database_max_age_days) if "vuln" in scanners else None
    program = trivy.locate()
    found = Outcome(Severity(fail_severity), frozenset(accept_unexamined))
    with verified_copy(image) as copy:
        scan = trivy.scan(program, copy, scanners, database if contents else None)
        passed_over: list[Record] = []
        vulnerable = [v for result in scan.results for v in result.get("Vulnerabilities") or ()]
        if contents is not None and database is not None:
            passed_over = vulnerabilities.read_packages(scan, copy, contents, found)
            vulnerable += vulnerabilities.read_lookup(passed_over, program, database, contents, found)
            listed = sum(len(result.get("Packages") or ()) for result in scan.results) + len(passed_over)
            found.count("vulnerabilities", [str(v.get("Severity", "")) for v in vulnerable], listed)
        if "secret" in scanners:
            settings.read_secrets(scan, copy, found)
        if "misconfig" in scanners:
            settings.read_configuration(scan, copy, found)
        if write_sbom is not None:
            claims = _claims(model, model_evidence, found)
            write_sbom.write_bytes(
                mlbom.document(trivy.inventory(program, copy), passed_over, copy.digest, model, claims)
            )
    found.skipped += [Skipped("something that trivy complained about", complaint) for complaint in scan.complaints]
    tool = Tool(
        "trivy",
        program.version,
        program.program.sha256,
        db_name="trivy-db" if contents else "",
        db_updated=contents.updated.strftime("%Y-%m-%dT%H:%M:%SZ") if contents else "",
    )
    findings = sorted(set(found.findings), key=lambda f: (f.severity.rank, f.rule, f.location, f.identity, f.message))
    return conclude(
        coverage=Coverage("scan targets", found.examined + len(found.skipped), found.examined, tuple(found.skipped)),
        tools=[tool],
        metrics=found.metrics,
        findings=without(findings, baseline, "scan_image"),
    )


def _claims(model: Model | None, evidence: Evidence | None, found: Outcome) -> modelcard.ModelClaims:
    if model is None or evidence is None:
        return modelcard.ModelClaims()
    claims = modelcard.claims_of(evidence, digest_of(model))
    if claims.left_out:
        message = f"{claims.left_out} statements are about something else than the model, and not in its card"
        found.inform(EVIDENCE_LEFT_OUT.id, message, "--model-evidence")
    return claims


def _check_words(flag: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise UsageError(f"{word!r} is none of {', '.join(known)}", where=flag)


def _database(folder: Database | None, max_age_days: float) -> trivydb.Contents:
    if folder is None:
        raise WardeinError(
            "is needed to look for known vulnerabilities",
            where="--database",
            mend=f"{trivydb.HOW_TO_GET_ONE}; or leave vuln out of --scanners",
        )
    contents = trivydb.read_database(folder)
    check_age(contents.updated, max_age_days, "--database", "database", trivydb.HOW_TO_GET_ONE)
    return contents
