# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_model``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Model
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Metric, Report, Severity, Skipped, Tool, conclude

if TYPE_CHECKING:
    from wardein.modelfiles.scan import Examined
    from wardein.report import Finding
    from wardein.scan.merge import Found

SCANNERS = ("wardein", "picklescan", "modelscan", "fickling", "modelaudit")


def scan_model(
    model: Model,
    allow: list[str] = [],  # noqa: B006 - read only
    formats: list[str] = [],  # noqa: B006 - read only
    scanners: list[str] = ["wardein"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
) -> Report:
    """Look for code in a model's files, without loading any of them.

    A serialized model is a program, or holds one. What a file is, its bytes decide, and it is read as that from the
    first byte to the last: pickles of every protocol (raw, joblib, NumPy, PyTorch), skops, ONNX, safetensors, GGUF,
    Keras, TensorFlow, XGBoost, LightGBM, CatBoost, PMML, archives and compressed files around any of them, and what
    the files of a Hugging Face or MLflow folder make of each other. Nothing is loaded, imported or called.

    A pickle passes only if every global it refers to is on a list of those that are known to only build data, and is
    used in the way that the list says; everything else fails, whether anybody has seen it misused or not. A format
    that is not known, an encrypted member, a stream that breaks off and bytes that nothing accounts for end in ERROR.
    docs/model-files.md says for each format what can be hidden in it, and how to convert it to a safer one.

    The same file gets the same verdict on every machine, whatever is installed there.

    Args:
        model: The model: one file, or a folder of which every file counts.
        allow: Globals that pickles may use on top of the audited ones, as module.name, for example
            mypackage.layers.Scaler. Who allows one vouches for its code; a gate counts this only if its policy agrees.
        formats: Accept models of these formats only, for example safetensors and onnx (texts, JSON and pictures beside
            them are no models); empty accepts every known format.
        scanners: Who looks: wardein, always, and for a second opinion picklescan, modelscan, fickling or modelaudit on
            the formats that they know. The strictest opinion counts, and what one of them cannot read is an ERROR.
        fail_severity: The least severe finding that makes the check fail.

    Returns:
        Findings with the file, the byte offset and the call as text, how many there are of each severity, how many
        contents there are of each format, and how many of the files were examined.

    Raises:
        WardeinError: If another scanner is missing or of a version that is not known.

    References:
        CWE-502. MITRE ATLAS AML.T0011.000, Unsafe AI Artifacts. Python Software Foundation, pickle: Restricting
        Globals.
    """
    from wardein.modelfiles.opinions import second_opinions
    from wardein.modelfiles.scan import examine_model
    from wardein.scan.merge import counts, merged

    _check_settings(formats, scanners)
    examined = examine_model(model, allow)
    _check_something_is_a_model(examined)
    others = [name for name in scanners if name != "wardein"]
    found, skipped, tools = second_opinions(others, examined.files, examined.formats)
    found += [*examined.found, *_not_accepted(examined, formats)]
    unexamined = examined.unexamined | {entry.what for entry in skipped}
    files = len(examined.files)
    findings = _with_taxonomy(merged(found, Severity(fail_severity)))
    return conclude(
        coverage=Coverage("files", files, files - len(unexamined), _in_order([*examined.skipped, *skipped])),
        tools=_in_order_of_name(tools),
        metrics=[*counts(findings, files), *_sizes(examined)],
        findings=findings,
    )


def _check_settings(formats: Sequence[str], scanners: Sequence[str]) -> None:
    from wardein.modelfiles.formats import names

    for name in scanners:
        if name not in SCANNERS:
            raise UsageError(f"{name!r} is none of {', '.join(SCANNERS)}", where="--scanners")
    if "wardein" not in scanners:
        mend = "name wardein as well: the others give second opinions"
        raise UsageError("leaves wardein itself out", where="--scanners", mend=mend)
    for name in formats:
        if name not in names():
            raise UsageError(f"{name!r} is none of {', '.join(names())}", where="--formats")


def _check_something_is_a_model(examined: Examined) -> None:
    """A wrong folder would look like a clean one."""
    from wardein.modelfiles.formats import NO_MODEL

    fails = any(found.severity in (Severity.HIGH, Severity.CRITICAL) for found in examined.found)
    if not fails and set(examined.formats.values()) <= set(NO_MODEL):
        mend = "give the folder, or the file, that the model is in"
        raise WardeinError("there is no model, only texts and pictures", where="--model", mend=mend)


def _not_accepted(examined: Examined, formats: Sequence[str]) -> Iterator[Found]:
    from wardein.modelfiles.any_format import FORMAT
    from wardein.modelfiles.formats import COMPANIONS
    from wardein.scan.merge import Found

    for path, name in sorted(examined.formats.items()):
        if formats and name and name not in (*formats, *COMPANIONS):
            message = f"is {name}, and only {', '.join(sorted(formats))} is accepted"
            yield Found(FORMAT.id, path, FORMAT.severity, message, text=name)


def _sizes(examined: Examined) -> list[Metric]:
    """How much there was: bytes of all files, and contents of each format, the members of containers included."""
    files = len(examined.files)
    contents = [
        Metric("contents", number, files, unit="count", slice=f"format={name}")
        for name, number in sorted(examined.kinds.items())
    ]
    return [Metric("bytes", examined.bytes, files, unit="byte"), *contents]


def _with_taxonomy(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the techniques of attack that their rules stand for."""
    from wardein.modelfiles.rules import RULES

    techniques = {rule.id: rule.taxonomy for rule in RULES}
    return [replace(f, taxonomy=(*f.taxonomy, *techniques.get(f.rule, ()))) for f in findings]


def _in_order(skipped: Sequence[Skipped]) -> tuple[Skipped, ...]:
    return tuple(sorted(set(skipped), key=lambda entry: (entry.what, entry.reason)))


def _in_order_of_name(tools: Sequence[Tool]) -> list[Tool]:
    return sorted(tools, key=lambda tool: tool.name)
