# SPDX-License-Identifier: Apache-2.0
"""Trivy on configuration: what it read, which its report does not tell by itself, and what it found.

Trivy passes in silence over what it cannot parse, over lists of Kubernetes objects, and over charts that do not
render. So it gets one object a file, in the form that wardein read, and rules of ours that answer for every object
and every block they are shown: what no answer came for was not read.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wardein.config import suppressions
from wardein.config.kinds import ConfigFile, chart_of
from wardein.config.nodes import MAX_BYTES
from wardein.config.rules import BY_ID, CANONICAL
from wardein.config.written import written
from wardein.errors import WardeinError
from wardein.report import Severity, Skipped, Tool
from wardein.scan.merge import Found
from wardein.scan.tree import File
from wardein.tools import run, trivy

KINDS = ("kubernetes", "helm", "cloudformation", "terraform", "dockerfile")
RULES = Path(__file__).parents[1] / "config" / "rego"
_OURS = "user.wardein."
_READ = "wardein/read"
_CLEAN, _FOUND = 0, 10
# The checks that are built in are the ones meant to be used.
_HARMLESS = "[misconfig] Falling back to embedded checks"
_NO_MODULE = (
    "uses a module that is not in the folder, and nothing is fetched; put it there and name it by ./ and its path"
)
# A template of one line can ask for any amount of it.
_MAX_MEMORY = 4 * 1024**3
_OPTIONS = (
    *("--format", "json", "--config", "", "--ignorefile", "", "--cache-backend", "memory", "--disable-telemetry"),
    *("--skip-version-check", "--skip-check-update", "--timeout", f"{trivy.MAX_SECONDS}s", "--exit-code", str(_FOUND)),
    *("--misconfig-scanners", "kubernetes,helm,cloudformation,terraform,dockerfile"),
    *("--raw-config-scanners", "terraform", "--check-namespaces", "user"),
)
# Terraform names modules by URL, and trivy clones them with the machine's git, over HTTP and SSH: a scanned folder
# must not make this machine call anybody. So there is no git, and no way out for the rest.
_ENVIRONMENT = (
    {"GOMEMLIMIT": "3GiB"}
    | {"PATH": "/nonexistent"}
    | dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"
    )
)
# .helmignore could leave templates out. A schema may refer to any file and to any address, this machine's own among
# them, and helm would fetch it; it only says which values are refused. A packed chart may hold both.
_NOT_FOR_HELM = re.compile(r"\A\.helmignore\Z|\Avalues\.schema\.json\Z|\.(tgz|tar|gz)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Laid:
    """What trivy is given: each name in the private folder with the file it stands for.

    Attributes:
        folder: The private folder.
        originals: The files that trivy has to read.
        beside: What goes with them in charts, of which it may tell as well.
    """

    folder: Path
    originals: dict[str, ConfigFile]
    beside: dict[str, ConfigFile]


def scan(
    configs: Sequence[ConfigFile], files: Sequence[File], charts: Sequence[str]
) -> tuple[list[Found], list[Skipped], Tool]:
    """Scan files of the kinds :data:`KINDS`.

    Args:
        configs: The files to scan.
        files: All files of the source folder, for the charts' values and what goes with Terraform.
        charts: The charts' folders.

    Returns:
        What it found, what it did not read, and trivy itself.

    Raises:
        WardeinError: If trivy is not there, or fails.
    """
    program = trivy.locate()
    tool = Tool("trivy", program.version, program.program.sha256)
    with tempfile.TemporaryDirectory(prefix="wardein-config-") as folder:
        laid = _lay_out(Path(folder), configs, files, charts)
        # Objects that were read here are judged here; what a chart renders to, and Terraform, only trivy sees.
        needs_all = any(config.kind in ("helm", "terraform") for config in configs)
        ended, report = run_on(program, laid.folder, RULES if needs_all else RULES / "read.rego")
        found, read, lists_any = _read_report(report, laid)
    if ended.code != (_FOUND if lists_any else _CLEAN):
        raise WardeinError(f"ended with code {ended.code}, which its report does not agree with", where="trivy")
    why = {name: "" for name in laid.originals if name not in read} | _complained(ended.stderr, laid)
    reasons = {laid.originals[name].path: text or _why(laid.originals[name]) for name, text in sorted(why.items())}
    for chart in sorted({chart_of(config.path, charts) or "" for config in configs if config.kind == "helm"}):
        rule = BY_ID["config/helm-values"]
        found.append(Found(rule.id, f"{chart}/Chart.yaml".lstrip("/"), rule.severity, rule.title, text=rule.id))
    return once(found), [Skipped(path, reasons[path]) for path in sorted(reasons, key=str.encode)], tool


def run_on(program: trivy.Trivy, folder: Path, rules: Path) -> tuple[run.Ended, bytes]:
    """Run trivy on a folder, with rules of wardein's (a file or a folder) beside its own.

    Raises:
        WardeinError: If it failed or wrote no report.
    """
    with tempfile.TemporaryDirectory(prefix="wardein-trivy-") as name:
        output = Path(name, "report")
        line: list[str | Path] = [program.program.path, "config", *_OPTIONS, folder]
        line += ["--config-check", rules, "--cache-dir", Path(name, "cache"), "--output", output]
        seconds = trivy.MAX_SECONDS + 60
        ended = run.run(line, time_limit=seconds, memory_limit=_MAX_MEMORY, environment=_ENVIRONMENT, what="trivy")
        if ended.code not in (_CLEAN, _FOUND) or not output.is_file():
            raise WardeinError(f"failed with code {ended.code}", where="trivy", mend=trivy.INSTALL)
        return ended, output.read_bytes()


def _lay_out(folder: Path, configs: Sequence[ConfigFile], files: Sequence[File], charts: Sequence[str]) -> Laid:
    originals: dict[str, ConfigFile] = {}
    beside: dict[str, ConfigFile] = {}
    for number, config in enumerate(configs):
        for name, content in _contents(number, config, charts):
            _put(folder / name, content)
            if not (config.kind == "terraform" and _is_empty(config.text)):
                originals[name] = config
    kinds = {config.kind for config in configs}
    for file in files:
        # What goes with Terraform and charts.
        if "terraform" in kinds and file.name.endswith((".tfvars", ".tfvars.json")):
            _put(folder / "terraform" / file.path, file.real.read_bytes())
        name = _in_chart(file.path, charts) if "helm" in kinds and not _NOT_FOR_HELM.search(file.name) else ""
        if name and name not in originals and file.bytes <= MAX_BYTES:
            _put(folder / name, file.real.read_bytes())
            beside[name] = ConfigFile(file, "helm", "")
    return Laid(folder, originals, beside)


def once(found: Sequence[Found]) -> list[Found]:
    """What one tool says of one place under several names that are one rule here, told once."""
    first: dict[tuple[object, ...], Found] = {}
    for item in found:
        own = item.tool if item.rule not in BY_ID else ""
        first.setdefault((item.rule, item.path, item.line, item.last, item.part, own, item.text if own else ""), item)
    return list(first.values())


def _contents(number: int, config: ConfigFile, charts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The copies that stand for one file, by their names."""
    if config.kind in ("kubernetes", "cloudformation"):
        for index, node in enumerate(config.objects):
            yield f"{number:06d}/{index:06d}.yaml", written(suppressions.without_keys(node))
        return
    names = {
        "dockerfile": f"{number:06d}/Dockerfile",
        "terraform": f"terraform/{config.path}",
        "helm": _in_chart(config.path, charts),
    }
    yield names[config.kind], suppressions.disarmed(config.text).encode()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _is_empty(terraform: str) -> bool:
    """Whether there is nothing but comments, of which trivy tells nothing."""
    return not re.sub(r"(?s)/\*.*?\*/|(#|//)[^\n]*", "", terraform).strip()


def _in_chart(path: str, charts: Sequence[str]) -> str:
    chart = chart_of(path, charts)
    if chart is None:
        return ""
    return f"chart{charts.index(chart):06d}/{path.removeprefix(chart).lstrip('/')}"


def _read_report(report: bytes, laid: Laid) -> tuple[list[Found], set[str], bool]:
    """What it found, which files it read, and whether it lists anything at all."""
    found: list[Found] = []
    read: set[str] = set()
    lists_any = False
    try:
        document = json.loads(report)
        if document["SchemaVersion"] != 2:
            raise ValueError
        for result in document.get("Results") or ():
            problems = [item for item in result.get("Misconfigurations") or () if item["Status"] == "FAIL"]
            lists_any = lists_any or bool(problems)
            target = str(result["Target"])
            config = laid.originals.get(target) or laid.beside.get(target)
            if config is None:
                _check_was_given(target, laid)
                continue
            if any(item["ID"] == _READ for item in problems) or config.kind in ("dockerfile", "cloudformation"):
                read.add(target)
            told = (_found(item, config) for item in problems if item["ID"] != _READ)
            found += [item for item in told if item is not None]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WardeinError("wrote a report of another form than is known", where="trivy", mend=trivy.INSTALL) from None
    return found, read, lists_any


def _check_was_given(target: str, laid: Laid) -> None:
    """A result may be about a folder, or a file that goes with others; not about anything else."""
    path = PurePosixPath(target)
    if path.is_absolute() or ".." in path.parts or not (laid.folder / path).exists():
        raise WardeinError("reports on a file that it was not given", where="trivy")


def _found(item: Mapping[str, Any], config: ConfigFile) -> Found | None:
    own, cause = str(item["ID"]), item["CauseMetadata"]
    line, last = int(cause.get("StartLine") or 0), int(cause.get("EndLine") or 0)
    is_ours = str(item["Namespace"]).startswith(_OURS)
    if is_ours and config.kind not in ("helm", "terraform"):
        return None
    rule = BY_ID[own] if is_ours else CANONICAL.get(f"trivy:{own}")
    rated = str(item["Severity"]).lower()
    # What nobody has rated is no reason to let it pass.
    severity = Severity(rated) if rated in list(Severity) else Severity.HIGH
    is_rendered = config.kind == "helm"
    if config.kind == "dockerfile" and not line:
        # What is missing is told of the last stage, as the rules here tell it.
        line = max(instruction.line for instruction in config.instructions if instruction.keyword == "FROM")
    return Found(
        rule.id if rule else f"trivy/{own}",
        config.path,
        rule.severity if rule else severity,
        rule.title if rule else str(item["Title"]).strip()[:200],
        "" if is_ours else f"trivy:{own}",
        line,
        last,
        part="rendered" if is_rendered else "",
        text=str(item["Message"]) if is_rendered else config.line(line),
        cwe=rule.cwe if rule else "",
    )


def _complained(stderr: str, laid: Laid) -> dict[str, str]:
    """Which files trivy complained about, and why; a complaint about none that is known concerns them all."""
    unread: dict[str, str] = {}
    for line in stderr.splitlines():
        fields = line.split("\t", 2)
        is_gap = len(fields) > 2 and (fields[1] in ("ERROR", "FATAL") or (fields[1] == "WARN" and "Skip" in fields[2]))
        if not is_gap or fields[2].startswith(_HARMLESS):
            continue
        # The line may quote the file, so nothing of it but the names goes on.
        named = {name for name in laid.originals if name in line}
        charts = {name for name in laid.originals if name.startswith("chart") and name.partition("/")[0] in line}
        why = _NO_MODULE if "Failed to load module" in line else ""
        unread |= dict.fromkeys(named or charts or laid.originals, why)
    return unread


def _why(config: ConfigFile) -> str:
    if config.kind == "helm":
        return "trivy rendered nothing of it with the chart's own values; scan what helm template renders instead"
    return "trivy did not read all of it; run trivy config on it to see why"
