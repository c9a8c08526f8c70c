# SPDX-License-Identifier: Apache-2.0
"""Running a step the same way from every shell: look at the inputs, run, judge, sign, write.

Whatever goes wrong becomes an ERROR report with one clear line; evidence that was asked for is written
in every case, whole or not at all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein import __version__, files, outputs
from wardein.errors import UsageError, WardeinError, is_text, missing_extra
from wardein.html import page
from wardein.images.identity import identify
from wardein.report import CHECK_RESULT, Input, Report, could_not_look
from wardein.spec import Param, Step
from wardein.subject import Copy, Subject, copy_of, in_place, pinned

if TYPE_CHECKING:
    from wardein.evidence.trust import Role

KEY_VARIABLE = "WARDEIN_KEY"
DEBUG_VARIABLE = "WARDEIN_DEBUG"
# Steps whose evidence says something that only these roles may say.
DECIDES: Mapping[str, tuple[Role, ...]] = {"gate": ("gate",), "approve": ("approve",)}
STOPPED = "was told to stop before it had finished (SIGTERM)"


@dataclass(frozen=True)
class Options:
    """What every shell can ask of a run, beside the step's own parameters.

    Attributes:
        evidence: Where to write the in-toto statements, one DSSE envelope a line.
        html: Where to write the page.
        sarif: Where to write the findings for code scanning, as SARIF 2.1.0.
        junit: Where to write the result as JUnit XML, a case per verdict, criterion and rule.
        cyclonedx: Where to write the findings on packages as a CycloneDX 1.6 document.
        key: The URI of the key that signs the evidence; empty for unsigned.
        policy: A policy folder whose thresholds are applied to the check's metrics as well.
        environment: Where the policy is to hold; empty for what holds everywhere.
        tier: The risk tier; empty for the policy's own.
        run_id: Binds the evidence to one run of a pipeline.
        time_limit: Seconds after which the step ends in ERROR; 0 for none.
        orchestrator: Who runs the step: ``cli``, ``kfp`` or ``airflow``.
    """

    evidence: Path | None = None
    html: Path | None = None
    sarif: Path | None = None
    junit: Path | None = None
    cyclonedx: Path | None = None
    key: str = ""
    policy: Path | None = None
    environment: str = ""
    tier: str = ""
    run_id: str = ""
    time_limit: float = 0.0
    orchestrator: str = "cli"


def run(step: Step, arguments: Mapping[str, Any], options: Options) -> Report:
    """Run one step and write what was asked for.

    Returns:
        The report, complete with subject, inputs and execution. Its verdict is ERROR if anything went wrong.

    Raises:
        WardeinError: If an output cannot be written or a page not made, or the key cannot be opened: before the step
            is run, as no evidence could tell.
    """
    if not is_text(
        json.dumps([_plain(arguments.get(p.name)) for p in step.params if p.is_setting], ensure_ascii=False)
    ):
        raise UsageError("a parameter is not UTF-8", where=step.command)
    if options.html is not None:
        page.check_installed()
    outputs.check(step, arguments, _written(options), _in_use(step, arguments, options))
    signer = _signer(options.key) if options.evidence is not None else None
    _check_role(step, arguments, signer)
    started = datetime.now(UTC)
    report = _guarded(step, dict(arguments), options)
    report = replace(report, execution=_execution(started, options), nonce=options.run_id)
    if options.evidence is not None:
        files.write_whole(options.evidence, _evidence(report, signer))
    if options.html is not None:
        files.write_whole(options.html, _page(report))
    _export(report, options)
    return report


def _export(report: Report, options: Options) -> None:
    """Write the report in other tools' formats."""
    if options.sarif is not None:
        from wardein.export import sarif

        files.write_whole(options.sarif, sarif.render(report).encode())
    if options.junit is not None:
        from wardein.export import junit

        files.write_whole(options.junit, junit.render([report]).encode())
    if options.cyclonedx is not None:
        from wardein.export import cyclonedx

        files.write_whole(options.cyclonedx, cyclonedx.render(report).encode())


def _page(report: Report) -> bytes:
    """The page; what evidence says can be odd enough to break a picture, and its verdict stands all the same."""
    try:
        return page.render(report).encode()
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        mend = "the evidence is written; look at it with: wardein show FILE"
        raise WardeinError(f"cannot be drawn ({type(error).__name__})", where="the page", mend=mend) from None


def _check_role(step: Step, arguments: Mapping[str, Any], signer: Any) -> None:
    """Find out now that what a key is to sign would not count, and not from the next step."""
    from wardein.evidence import trust

    if step.name not in DECIDES or signer is None:
        return
    try:
        root = trust.load(Path(arguments["trust"]))
    except (WardeinError, KeyError, TypeError):
        return  # the step itself says what is wrong with it
    emergency: tuple[Role, ...] = ("break-glass",)
    trust.holder_of(root, signer, *(emergency if arguments.get("break_glass") else DECIDES[step.name]))


def _written(options: Options) -> dict[str, Path]:
    named = ("evidence", "html", "sarif", "junit", "cyclonedx")
    return {f"--{name}": path for name in named if (path := getattr(options, name)) is not None}


def _in_use(step: Step, arguments: Mapping[str, Any], options: Options) -> list[tuple[str, str]]:
    """Keys and policy: what a run reads beside the step's own artifacts, with what names it."""
    keys = [(options.key or os.environ.get(KEY_VARIABLE), "--key"), (os.environ.get("WARDEIN_PUBLIC_KEY"), "the key")]
    keys += [(arguments.get(param.name), param.flag) for param in step.params if param.artifact == "Key"]
    named = [(text.removeprefix("file:").removeprefix("file2:"), name) for text, name in keys if text]
    return [*named, *([(str(options.policy), "--policy")] if options.policy else [])]


def _guarded(step: Step, arguments: dict[str, Any], options: Options) -> Report:
    if step.has("nonce") and not arguments.get("nonce") and options.run_id:
        arguments["nonce"] = options.run_id  # who binds a decision to a run means the evidence as well
    identity: dict[str, Any] = {
        "check": step.name,
        "version": __version__,
        "parameters": {p.name: _plain(arguments.get(p.name, p.default)) for p in step.params if p.is_setting},
    }
    originals: dict[str, str] = {}
    try:
        _check_arguments(step, arguments)
        with ExitStack() as stack:
            private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wardein-")))
            landing = stack.enter_context(_landing(step, arguments, private))
            stack.enter_context(_time_limit(options.time_limit))
            bound, inputs = _take_in(step, arguments, private, landing, originals)
            identity["subject"] = tuple(_subject(i, arguments) for i in inputs if i.name == step.subject.name)
            identity["inputs"] = inputs
            pending = _redirect_outputs(step, bound, private)
            report = _judged(replace(step.function(**bound), **identity), options, step)
            _check_writable(report)
            for written, target in pending:
                if written.exists():
                    files.deliver(written, target)
        return report
    except WardeinError as error:
        return replace(could_not_look(_with_original_names(str(error), originals)), **identity)
    except ModuleNotFoundError as error:
        return replace(could_not_look(str(missing_extra(error.name or "?", step.family))), **identity)
    except MemoryError:
        return replace(could_not_look("ran out of memory; give the step more, or less data"), **identity)
    except Exception as error:  # a defect or a broken input that no step foresaw: never a traceback, never a pass
        if os.environ.get(DEBUG_VARIABLE):
            raise
        text = _with_original_names(" ".join(str(error).split())[:300], originals)
        mend = f"set {DEBUG_VARIABLE}=1 for the traceback"
        return replace(could_not_look(f"{type(error).__name__}: {text}; {mend}"), **identity)


def _check_writable(report: Report) -> None:
    """Whatever a step found can be written down; if not, that is its ERROR, and not a failure to leave any evidence."""
    from wardein import wire

    if not is_text(json.dumps(wire.to_json(report), ensure_ascii=False, allow_nan=False)):
        raise WardeinError("a name in what was found is not UTF-8", mend="rename the column or the file")


def _check_arguments(step: Step, arguments: Mapping[str, Any]) -> None:
    """What the command line's parser refuses must be refused from every shell."""
    for param in step.params:
        if param.required and arguments.get(param.name) in (None, "", []):
            raise UsageError("is required", where=param.flag)
        if param.choices and arguments.get(param.name, param.default) not in param.choices:
            raise UsageError(f"{arguments[param.name]!r} is none of {', '.join(param.choices)}", where=param.flag)


def _judged(report: Report, options: Options, step: Step) -> Report:
    """Apply the policy's thresholds to a check; what decides on a release reads the policy itself."""
    if options.policy is None or step.kind != "check":
        return report
    from wardein.policy.load import load

    policy = load(options.policy, options.environment, options.tier)
    return replace(report.judged_by(policy.criteria_for(step.name, report.metrics)), policy_digest=policy.digest)


def _take_in(
    step: Step, arguments: Mapping[str, Any], private: Path, landing: Path, originals: dict[str, str]
) -> tuple[dict[str, Any], tuple[Input, ...]]:
    """Copy every artifact to a private folder and hash the copy, so that what is judged is what was hashed.

    A file that somebody swaps for the moment between hashing and reading would otherwise be judged under another's
    digest. The subject is copied to ``landing``. ``originals`` takes the names of the copies, to be undone in messages.
    """
    bound, inputs = dict(arguments), []
    for param in step.params:
        value = arguments.get(param.name, param.default)
        if param.artifact in ("", "Key") or value in (None, ""):
            continue
        if param.artifact in ("Image", "Digest"):
            digest = identify(str(value)) if param.artifact == "Image" else pinned(str(value))
            inputs.append(Input(param.name, param.artifact, digest, 0))
            continue
        copies = []
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            folder = (landing if param is step.subject else private) / f"{param.name}-{number}"
            folder.mkdir()
            copy = _copy(param, Path(item), folder)
            copies.append(copy.path)
            originals[str(copy.path)] = str(item)
            inputs.append(Input(param.name, param.artifact, copy.digest, copy.bytes))
        bound[param.name] = copies if isinstance(value, list) else copies[0]
    return bound, tuple(inputs)


def _subject(item: Input, arguments: Mapping[str, Any]) -> Subject:
    """What is judged goes by its parameter's name; of what is only named by its digest, a setting says what it is."""
    return Subject(str(arguments["kind"]) if item.role == "Digest" else item.name, item.digest)


def _copy(param: Param, path: Path, folder: Path) -> Copy:
    if not path.exists():
        raise WardeinError(f"{path} does not exist", where=param.flag, mend="check the path")
    if not path.is_dir() and path.stat().st_size == 0 and path.is_file():
        mend = "give the file that the previous step wrote"
        raise WardeinError(f"{path} is empty (0 bytes)", where=param.flag, mend=mend)
    if param.artifact == "Artifact":
        return in_place(path)  # it is only told apart by its digests, and those are of what was read here
    return copy_of(path, folder, links=param.artifact == "Source")


def _with_original_names(text: str, originals: Mapping[str, str]) -> str:
    """A message about the file that the caller knows, not about its private copy."""
    for copy, original in originals.items():
        text = text.replace(copy, original)
    return text


def _redirect_outputs(step: Step, bound: dict[str, Any], private: Path) -> list[tuple[Path, Path]]:
    """Let the step write its files in the private folder; they are delivered only if it succeeds."""
    pending = []
    for param in step.params:
        if param.output == "File" and bound.get(param.name) is not None:
            target = Path(bound[param.name])
            files.check_writable(target)
            bound[param.name] = private / f"{param.name}.out"
            pending.append((bound[param.name], target))
    return pending


@contextmanager
def _landing(step: Step, arguments: Mapping[str, Any], private: Path) -> Iterator[Path]:
    """Where the subject is copied to; for a step that fills a folder, into it, so that a rename puts it in place."""
    places = [arguments[param.name] for param in step.params if param.output == "Folder" and arguments.get(param.name)]
    if not places:
        yield private
        return
    with files.landing(Path(places[0])) as landing:
        yield landing


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise in the main thread after so many seconds, or when told to stop, so that copies go and evidence is written.

    Programs that a step runs have limits of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    struck: list[WardeinError] = []

    def stop(signum: int, frame: object) -> None:
        struck.append(WardeinError(STOPPED))
        raise struck[-1]

    def expire(signum: int, frame: object) -> None:
        mend = "allow more time or give less data"
        struck.append(WardeinError(f"did not finish within {seconds:g} seconds", where="--time-limit", mend=mend))
        raise struck[-1]

    def ignored(lost: Any) -> None:
        if lost.exc_value not in struck:
            noted(lost)

    noted, sys.unraisablehook = sys.unraisablehook, ignored
    previous = signal.signal(signal.SIGALRM, expire)
    stopped = signal.signal(signal.SIGTERM, stop)
    # Where Python ignores exceptions (in a destructor, in a callback of the garbage collector), a strike is lost: so it
    # strikes again, and one that was lost for good still counts at the end. It is told once, by then.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0), 1.0)
    try:
        yield
        if struck:
            raise struck[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        signal.signal(signal.SIGTERM, stopped)
        sys.unraisablehook = noted


def _signer(uri: str) -> Any:
    uri = uri or os.environ.get(KEY_VARIABLE, "")
    if not uri:
        return None
    from wardein.evidence.keys import signer_for

    return signer_for(uri)


def _evidence(report: Report, signer: Any) -> bytes:
    from wardein import wire
    from wardein.evidence.envelope import seal
    from wardein.evidence.statement import write

    statements = [(CHECK_RESULT, wire.to_json(report)), *((a.predicate_type, a.predicate) for a in report.attestations)]
    return b"".join(seal(write(report.subject, kind, predicate), signer).to_line() for kind, predicate in statements)


def _execution(started: datetime, options: Options) -> dict[str, Any]:
    moment = "%Y-%m-%dT%H:%M:%S.%fZ"
    return {
        "started": started.strftime(moment),
        "finished": datetime.now(UTC).strftime(moment),
        "orchestrator": options.orchestrator,
        "runId": options.run_id,
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _plain(value: Any) -> Any:
    """A parameter's value as JSON would give it back."""
    return json.loads(json.dumps(value))
