# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_image``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from wardein.artifacts import Database, Image, OutputFile
from wardein.errors import UsageError, WardeinError
from wardein.images.copy import VerifiedImage, verified_copy
from wardein.report import Coverage, Finding, Metric, Report, Severity, Skipped, Tool, conclude
from wardein.tools import trivy, trivydb

UNEXAMINABLE = ("conda", "third-party")
_SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_UNRATED = "unrated"
_CONFIGURATION = "image configuration"


def scan_image(
    image: Image,
    database: Database | None = None,
    scanners: list[str] = ["vuln", "secret", "misconfig"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    database_max_age_days: float = 3.0,
    accept_unexamined: list[str] = [],  # noqa: B006 - read only
    write_sbom: OutputFile | None = None,
) -> Report:
    """Scan a container image for known vulnerabilities, secrets and an unsafe configuration.

    The image is first copied to a private folder, where every blob is compared with its digest, every layer with the
    configuration, and an archive with the digest that the evidence tells; trivy then reads the copy, without a
    network and deaf to ignore files and settings of the image and of the environment. A vulnerability that nobody has
    rated counts as high and always fails. Packages that could not be looked up are not examined, and end in ERROR: an
    unknown distribution, a package database that was deleted, metadata that cannot be read, a vulnerability database
    without advisories on the distribution or the ecosystem. So do Python and Node packages that are installed and
    that trivy left out of its list. Whatever has no metadata of its own is not looked for: lock files, code that was
    copied or bundled, Java archives without a description inside.
    Files that trivy's secret rules pass over (binaries, archives, pictures, system libraries) are not searched.

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
        write_sbom: Where to write the image's packages as a CycloneDX document.

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
    contents = _database(database, database_max_age_days) if "vuln" in scanners else None
    program = trivy.locate()
    with verified_copy(image) as copy:
        scan = trivy.scan(program, copy, scanners, database if contents else None)
        if write_sbom is not None:
            write_sbom.write_bytes(trivy.inventory(program, copy))
    found = _Found(Severity(fail_severity), frozenset(accept_unexamined))
    if contents is not None:
        _read_packages(scan, copy, contents, found)
    if "secret" in scanners:
        _read_secrets(scan, copy, found)
    if "misconfig" in scanners:
        _read_configuration(scan, copy, found)
    found.skipped += [Skipped("something that trivy complained about", complaint) for complaint in scan.complaints]
    tool = Tool(
        "trivy",
        program.version,
        program.program.sha256,
        db_name="trivy-db" if contents else "",
        db_updated=contents.updated.strftime("%Y-%m-%dT%H:%M:%SZ") if contents else "",
    )
    return conclude(
        coverage=Coverage("scan targets", found.examined + len(found.skipped), found.examined, tuple(found.skipped)),
        tools=[tool],
        metrics=found.metrics,
        findings=sorted(set(found.findings), key=lambda f: (f.severity.rank, f.rule, f.location, f.message)),
    )


@dataclass
class _Found:
    """What has been read off the report so far."""

    fail_severity: Severity
    accepted: frozenset[str]
    examined: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)

    def add(
        self,
        rule: str,
        rated: str,
        message: str,
        location: str,
        cve: str = "",
        cwes: Sequence[str] = (),
        purl: str = "",
    ) -> None:
        """One finding; a severity that trivy does not know is no reason to let it pass."""
        known = rated.lower() in _SEVERITIES
        severity = Severity(rated.lower()) if known else Severity.HIGH
        fails = not known or severity.rank <= self.fail_severity.rank
        text = message if known else f"{message} (nobody has rated it)"
        cwe, more = next(iter(cwes), ""), tuple(cwes[1:])
        self.findings.append(Finding(rule, severity, text, location, fails, cve, cwe, more, purl))

    def skip(self, kind: str, what: str, why: str) -> None:
        """Something that was not looked up: not examined, unless its kind was accepted."""
        if kind in self.accepted:
            message = f"{why}; accepted unexamined"
            self.findings.append(Finding("image/unexamined-accepted", Severity.INFO, message, what, fails=False))
        else:
            mend = f"; --accept-unexamined {kind} lets them pass, and says so" if kind in UNEXAMINABLE else ""
            self.skipped.append(Skipped(what, why + mend))

    def count(self, name: str, severities: Iterable[str], n: int) -> None:
        """How many findings of each severity there are, among so many things looked at."""
        counted = [text.lower() if text.lower() in _SEVERITIES else _UNRATED for text in severities]
        for severity in (*_SEVERITIES, *({_UNRATED} & set(counted))):
            total = counted.count(severity)
            self.metrics.append(Metric(name, total, n, unit="count", direction="lower", slice=f"severity={severity}"))


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
    age = datetime.now(UTC) - contents.updated
    if age > timedelta(days=max_age_days):
        raise WardeinError(
            f"is of {contents.updated:%Y-%m-%d}, older than {max_age_days:g} days",
            where="--database",
            mend=trivydb.HOW_TO_GET_ONE,
        )
    if age < -timedelta(hours=1):
        raise WardeinError(
            f"says that it is of {contents.updated:%Y-%m-%d %H:%M} UTC, which is in the future",
            where="--database",
            mend="set this machine's clock, or get the database again",
        )
    return contents


def _read_packages(scan: trivy.Scan, copy: VerifiedImage, contents: trivydb.Contents, found: _Found) -> None:
    family, version = scan.system
    sets = [result for result in scan.results if result.get("Class") in ("os-pkgs", "lang-pkgs")]
    counts = [len(result.get("Packages") or ()) for result in sets]
    if family == "none" or (copy.records["os"] and not family):
        found.skip("", "packages of the distribution", "the distribution was not recognised, so none was looked up")
    elif family and not any(r.get("Class") == "os-pkgs" and n for r, n in zip(sets, counts, strict=True)):
        found.skip("", f"packages of {family} {version}", "the image's package database is missing or empty")
    elif not sum(counts):
        found.skip("", "installed packages", "none was found, so none was looked up; leave vuln out of --scanners")
    for result, count in zip(sets, counts, strict=True):
        if count:
            _read_set(result, count, scan.system, contents, found)
    _read_unlisted(sets, copy, found)
    if scan.end_of_life:
        message = f"{family} {version} no longer gets security updates"
        found.add("image/end-of-life-os", "high", message, f"{family} {version}")
    rated = [str(v.get("Severity", "")) for result in sets for v in result.get("Vulnerabilities") or ()]
    found.count("vulnerabilities", rated, sum(counts))


def _read_set(
    result: Mapping[str, Any], count: int, system: tuple[str, str], contents: trivydb.Contents, found: _Found
) -> None:
    """One set of packages that are looked up in the same advisories."""
    kind = str(result.get("Type"))
    of_system = result.get("Class") == "os-pkgs"
    bucket = trivydb.distribution(*system) if of_system else trivydb.ecosystem(kind)
    what = f"{count} packages of {' '.join(system) if of_system else kind}"
    managers = {str(p.get("AnalyzedBy")).replace("rpmqa", "rpm") for p in result["Packages"]} & {"dpkg", "apk", "rpm"}
    strangers = sorted(managers - {trivydb.package_manager(system[0])}) if of_system else []
    foreign = sorted(
        str(p.get("Name")) for p in result["Packages"] if (p.get("Repository") or {}).get("Class") == "third-party"
    )
    if not bucket:
        found.skip("conda" if kind.startswith("conda") else "", what, "it is not known that trivy can look them up")
    elif bucket not in contents.buckets:
        found.skip("", what, f"the database has no advisory on {bucket!r}")
    else:
        found.examined += 1
        if strangers:
            why = f"{' '.join(system)}, which the image says it is, has no packages of {strangers[0]}"
            found.skip("", what, f"{why}, so that they were looked up in the wrong advisories")
        if foreign:
            some = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
            what = f"{len(foreign)} packages of another vendor's repository ({some})"
            found.skip("third-party", what, "the distribution publishes no advisories on them")
    for item in result.get("Vulnerabilities") or ():
        name, installed, rule = (str(item.get(k, "")) for k in ("PkgName", "InstalledVersion", "VulnerabilityID"))
        title = str(item.get("Title") or item.get("Description") or "known vulnerability").strip()[:200]
        fixed = item.get("FixedVersion")
        message = f"{name} {installed}: {title}; " + (f"fixed in {fixed}" if fixed else "no fix is known")
        cve = rule if rule.startswith("CVE-") else ""
        cwes = [str(cwe) for cwe in item.get("CweIDs") or ()]
        purl = str((item.get("PkgIdentifier") or {}).get("PURL", ""))
        found.add(rule, str(item.get("Severity", "")), message, f"{name}@{installed}", cve=cve, cwes=cwes, purl=purl)


def _read_unlisted(sets: Sequence[Mapping[str, Any]], copy: VerifiedImage, found: _Found) -> None:
    """Package records that lie in the image but that trivy did not list: it drops what it cannot read, in silence."""
    packages = [package for result in sets for package in result.get("Packages") or ()]
    listed = {str(package.get("FilePath")) for package in packages}
    # What a package of the distribution brought is looked up as that package.
    listed |= {str(path).lstrip("/") for package in packages for path in package.get("InstalledFiles") or ()}
    for kind, language in (("python", "Python"), ("node", "Node")):
        for path in sorted(copy.records[kind] - listed):
            found.skip("", path, f"the {language} package's metadata could not be read, so it was not looked up")
    conda = copy.records["conda"] - listed
    if conda:
        found.skip("conda", f"{len(conda)} conda packages", "nobody publishes advisories on them")


def _read_secrets(scan: trivy.Scan, copy: VerifiedImage, found: _Found) -> None:
    found.examined += len(copy.diff_ids) + 1  # and the configuration
    secrets = [(result, item) for result in scan.results for item in result.get("Secrets") or ()]
    for result, item in secrets:
        target = str(result.get("Target", ""))
        place = _CONFIGURATION if target.startswith(str(copy.layout)) else target.lstrip("/")
        message = f"{item.get('Title') or item.get('RuleID')} (the value is not shown)"
        location = f"{place}, line {item.get('StartLine', 0)}"
        found.add(str(item.get("RuleID")), str(item.get("Severity", "")), message, location, cwes=("CWE-798",))
    found.count("secrets", [str(item.get("Severity", "")) for _, item in secrets], len(copy.diff_ids) + 1)


def _read_configuration(scan: trivy.Scan, copy: VerifiedImage, found: _Found) -> None:
    results = [result for result in scan.results if result.get("Class") == "config"]
    summary = [result.get("MisconfSummary") or {} for result in results]
    checks = sum(int(s.get("Successes", 0)) + int(s.get("Failures", 0)) for s in summary)
    if not checks:
        found.skip("", _CONFIGURATION, "trivy applied no check to it")
        return
    found.examined += 1
    failed = [i for r in results for i in r.get("Misconfigurations") or () if i.get("Status") == "FAIL"]
    rated = [(str(i.get("ID")), str(i.get("Severity", "")), str(i.get("Message") or i.get("Title"))) for i in failed]
    # Trivy reads the history, which is a note of whoever built the image; what counts is the configuration itself.
    settings = copy.config.get("config") or {}
    known = {rule for rule, _, _ in rated}
    if _is_root(str(settings.get("User") or "")) and "DS-0002" not in known:
        rated.append(("DS-0002", "high", "Image user should not be 'root'; the history says otherwise"))
    if not settings.get("Healthcheck") and "DS-0026" not in known:
        rated.append(("DS-0026", "low", "No health check is set; the history says otherwise"))
    for rule, severity, message in rated:
        found.add(rule, severity, message, _CONFIGURATION)
    found.count("misconfigurations", [severity for _, severity, _ in rated], checks)


def _is_root(user: str) -> bool:
    """Whether a configuration's user is uid 0; nobody named means root."""
    name = user.partition(":")[0].strip()
    return name in ("", "root") or (name.isdecimal() and int(name) == 0)
