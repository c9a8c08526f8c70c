# SPDX-License-Identifier: Apache-2.0
"""The command line and the executor behind it: exit codes, one line per error, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import House, Ran
from wardein import execute, spec, wire
from wardein.artifacts import Model, OutputFile
from wardein.commands import init
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Finding, Report, Severity, Verdict, conclude


def probe(artifact: Model, ending: str = "pass", written: OutputFile | None = None) -> Report:
    """End in the way that is asked for.

    Args:
        artifact: Any file.
        ending: How to end.
        written: A file to write.
    """
    if written is not None:
        written.write_text("half")
    if ending == "raise":
        raise ValueError("two\nlines")
    if ending == "refuse":
        raise WardeinError("is no good", where="x", mend="mend it")
    if ending == "import":
        import no_such_module_at_all  # noqa: F401
    if ending == "memory":
        raise MemoryError
    if ending == "swap":
        SWAPPED[0].write_bytes(b"changed")
        assert artifact.read_bytes() == b"content"
    if ending == "sleep":
        time.sleep(30)
    findings = [Finding("r", Severity.HIGH, "bad")] if ending == "fail" else []
    return conclude(coverage=Coverage("files", 1, 1), findings=findings)


SWAPPED: list[Path] = []
STEP = spec.describe(probe)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(b"content")
    return path


def run(artifact: Path, ending: str = "pass", **options: object) -> Report:
    return execute.run(STEP, {"artifact": artifact, "ending": ending}, execute.Options(**options))


@pytest.mark.parametrize(
    ("ending", "verdict", "reason"),
    [
        ("pass", Verdict.PASS, "1 of 1 files"),
        ("fail", Verdict.FAIL, "bad"),
        ("raise", Verdict.ERROR, "ValueError: two lines"),
        ("refuse", Verdict.ERROR, "x: is no good; mend it"),
        ("import", Verdict.ERROR, "pip install 'wardein[evaluate]'"),
        ("memory", Verdict.ERROR, "out of memory"),
    ],
)
def test_endings(ending: str, verdict: Verdict, reason: str, artifact: Path, tmp_path: Path) -> None:
    """However it ends, there is evidence, and it says so."""
    evidence = tmp_path / "evidence.jsonl"
    report = run(artifact, ending, evidence=evidence)
    assert report.verdict is verdict
    assert reason in report.reason
    assert "\n" not in report.reason
    assert len(evidence.read_bytes().splitlines()) == 1
    assert [s.name for s in report.subject] == ["artifact"]


def test_time_limit(artifact: Path) -> None:
    started = time.monotonic()
    report = run(artifact, "sleep", time_limit=0.2)
    assert report.verdict is Verdict.ERROR
    assert "within 0.2 seconds" in report.reason
    assert time.monotonic() - started < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_is_judged_is_what_was_hashed(artifact: Path) -> None:
    """A file that somebody swaps while the step runs: the step reads its private copy, and that was hashed."""
    SWAPPED[:] = [artifact]
    report = run(artifact, "swap")
    assert report.verdict is Verdict.PASS
    assert report.subject[0].digest == hashlib.sha256(b"content").hexdigest()


def test_a_message_names_the_callers_file_not_the_copy(tmp_path: Path) -> None:
    empty = tmp_path / "x.csv"
    empty.write_text("a,b\n")
    report = execute.run(spec.load("validate_data"), {"data": empty, "reference": empty}, execute.Options())
    assert report.reason.startswith(str(empty))


def test_planted_names_beside_an_output_are_not_used(artifact: Path, tmp_path: Path) -> None:
    """A link at the name of a temporary file would let a step overwrite what it points to."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    out = tmp_path / "store"
    out.mkdir()
    (out / f".out.{os.getpid()}").symlink_to(precious)
    execute.run(STEP, {"artifact": artifact, "written": out / "out"}, execute.Options())
    assert precious.read_text() == "precious"
    assert (out / "out").read_text() == "half"


@pytest.mark.parametrize("ending", ["raise", "refuse", "pass"])
def test_an_output_is_written_whole_or_not_at_all(ending: str, artifact: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("before")
    execute.run(STEP, {"artifact": artifact, "ending": ending, "written": target}, execute.Options())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "out"]
    assert target.read_text() == ("half" if ending == "pass" else "before")


def test_the_core_of_an_error_knows_no_path(tmp_path: Path) -> None:
    cores = {wire.core_sha256(run(tmp_path / name / "missing")) for name in ("here", "there")}
    assert len(cores) == 1


def test_evidence_without_a_subject_names_nothing(tmp_path: Path) -> None:
    evidence = tmp_path / "e.jsonl"
    report = run(tmp_path / "missing", evidence=evidence)
    assert report.verdict is Verdict.ERROR
    assert "nothing-was-examined" in evidence.read_text() or "bm90aGluZy13YXMtZXhhbWluZWQ" in evidence.read_text()


def test_unsigned_without_a_key_and_signed_by_the_environments(artifact, house, tmp_path, monkeypatch) -> None:
    evidence = tmp_path / "e.jsonl"
    run(artifact, evidence=evidence)
    assert json.loads(evidence.read_text())["signatures"] == []
    monkeypatch.setenv("WARDEIN_KEY", house.key("check"))
    run(artifact, evidence=evidence)
    assert len(json.loads(evidence.read_text())["signatures"]) == 1


def test_policy_is_applied_to_a_check(
    house: House, tmp_path: Path, wardein: Callable[..., Ran], artifact: Path
) -> None:
    (house.policy / "policy.yaml").write_text(
        "version: 1\nname: p\nchecks: {verify_artifact: {criteria: [{metric: m, at_least: 1}]}}\n"
    )
    sign = ["--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert wardein("sign-artifact", *sign).code == 0
    verify = ["verify-artifact", "--artifact", artifact, "--signature", tmp_path / "s", "--trust", house.trust]
    assert wardein(*verify).code == 0
    ran = wardein(*verify, "--policy", house.policy, "--json")
    assert ran.code == 1
    assert ran.report["reason"] == "not met: m >= 1: not measured"
    assert len(ran.report["policyDigest"]) == 64


# The command line itself


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-step"],
        ["gate"],
        ["gate", "--no-such-option", "1"],
        ["verify-artifact", "--artifact", "a", "--artifact", "b", "--signature", "s", "--trust", "t"],
        ["evaluate-robustness", "--model", "m", "--data", "d", "--label", "l", "--seed", "x"],
        ["evaluate-robustness", "--model", "m", "--data", "d", "--label", "l", "--min-robust-accuracy", "nan"],
        ["evaluate-robustness", "--model", "m", "--data", "d", "--label", "l", "--attack", "magic"],
        ["evaluate-fairness", "--model", "m", "--data", "d", "--label", "l", "--sensitive", "s", "--bins", "age"],
        [
            "evaluate-fairness",
            "--model",
            "m",
            "--data",
            "d",
            "--label",
            "l",
            "--sensitive",
            "s",
            "--intersectional",
            "1",
        ],
        ["show", "/no/such/file"],
        ["init", "/proc/no"],
        ["init", "x", "--pack", "none"],
        [],
    ],
    ids=" ".join,
)
def test_misuse_is_one_line_and_exit_2(arguments: list[str], wardein: Callable[..., Ran]) -> None:
    ran = wardein(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert len(ran.err.strip().splitlines()) <= 1


@pytest.mark.parametrize("option", ["--evidence", "--html"])
@pytest.mark.parametrize("path", ["/no/such/folder/x", "."])
def test_an_output_that_cannot_be_written_is_found_out_first(option, path, artifact, house, wardein) -> None:
    ran = wardein(
        "verify-artifact", "--artifact", artifact, "--signature", artifact, "--trust", house.trust, option, path
    )
    assert ran.code == 2
    assert path in ran.one_line


@pytest.mark.parametrize("clash", ["input", "key", "each other", "inside an input", "a link to an input"])
def test_no_output_takes_the_place_of_anything_else(clash, artifact, house, tmp_path, wardein) -> None:
    sign = ["--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert wardein("sign-artifact", *sign).code == 0
    key = Path(house.key("check").removeprefix("file:"))
    (tmp_path / "link").symlink_to(artifact)
    evidence = {"input": artifact, "key": key, "each other": tmp_path / "x", "a link to an input": tmp_path / "link"}
    target = evidence.get(clash, house.policy / "x")
    before = {path: path.read_bytes() for path in (artifact, key)}
    verify = ["verify-artifact", "--artifact", artifact if clash != "inside an input" else house.policy]
    verify += ["--signature", tmp_path / "s", "--trust", house.trust, "--key", f"file:{key}", "--evidence", target]
    ran = wardein(*verify, "--html", tmp_path / "x")
    assert ran.code == 2
    assert "would overwrite" in ran.one_line
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "x").exists()


def test_the_key_of_the_environment_and_the_policy_are_not_overwritten(artifact, house, monkeypatch) -> None:
    key = Path(house.key("check").removeprefix("file:"))
    monkeypatch.setenv("WARDEIN_KEY", f"file:{key}")
    for target in (key, house.policy / "policy.yaml"):
        before = target.read_bytes()
        with pytest.raises(UsageError, match="would overwrite"):
            run(artifact, evidence=target, policy=house.policy)
        assert target.read_bytes() == before


def test_a_step_that_is_told_to_stop_leaves_evidence_and_no_copies(artifact, tmp_path, monkeypatch) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    report = run(artifact, "sleep", evidence=tmp_path / "e.jsonl")
    timer.join()
    assert report.verdict is Verdict.ERROR
    assert "told to stop" in report.reason
    assert (tmp_path / "e.jsonl").is_file()
    assert list(private.iterdir()) == []


def test_unsigned_evidence_is_said_to_be(house, tmp_path, artifact, wardein) -> None:
    sign = ["sign-artifact", "--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert "is not signed" in wardein(*sign, "--evidence", tmp_path / "e").one_line
    assert wardein(*sign, "--evidence", tmp_path / "e", "--key", house.key("check")).err == ""


def test_show_reads_a_signature_and_refuses_anything_else_in_one_line(house, tmp_path, artifact, wardein) -> None:
    sign = ["sign-artifact", "--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert wardein(*sign).code == 0
    assert "by train (train), verified" in wardein("show", tmp_path / "s", "--trust", house.trust).out
    for other in (artifact, house.trust, house.policy / "policy.yaml"):
        assert "is not evidence" in wardein("show", other).one_line


def test_exit_zero_is_for_fail_only(house: House, tmp_path: Path, artifact: Path, wardein: Callable[..., Ran]) -> None:
    sign = ["--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert wardein("sign-artifact", *sign).code == 0
    artifact.write_bytes(b"tampered")
    verify = ["verify-artifact", "--artifact", artifact, "--signature", tmp_path / "s", "--trust", house.trust]
    assert wardein(*verify).code == 1
    assert wardein(*verify, "--exit-zero").code == 0
    artifact.unlink()
    assert wardein(*verify, "--exit-zero").code == 2


def test_list_names_every_step_with_types(wardein: Callable[..., Ran]) -> None:
    listed = json.loads(wardein("list", "--json").out)
    assert [step["name"] for step in listed] == list(spec.STEPS)
    gate = next(step for step in listed if step["name"] == "gate")
    assert {p["name"]: p["type"] for p in gate["parameters"]}["claims"] == "paths"
    for name in spec.STEPS:
        assert name.replace("_", "-") in wardein("list").out


def test_init_makes_private_keys_private(house: House) -> None:
    keys = sorted((house.folder / "keys").iterdir())
    assert {path.stem for path in keys} == set(init.IDENTITIES)
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_init_without_the_signing_packages_leaves_nothing(tmp_path, wardein, monkeypatch) -> None:
    monkeypatch.setattr(init, "find_spec", lambda name: None)
    ran = wardein("init", tmp_path / "house")
    assert ran.code == 2
    assert "pip install 'wardein[sign]'" in ran.one_line
    assert not (tmp_path / "house").exists()


def test_init_overwrites_nothing(house: House, wardein: Callable[..., Ran]) -> None:
    before = house.trust.read_bytes()
    assert wardein("init", house.folder).code == 2
    assert house.trust.read_bytes() == before


def test_show_tells_who_signed(house: House, tmp_path: Path, artifact: Path, wardein: Callable[..., Ran]) -> None:
    evidence = tmp_path / "e.jsonl"
    sign = ["--artifact", artifact, "--signature", tmp_path / "s", "--signer", house.key("train")]
    assert wardein("sign-artifact", *sign, "--evidence", evidence, "--key", house.key("check")).code == 0
    assert "by check (check), verified" in wardein("show", evidence, "--trust", house.trust).out
    assert "not verified" in wardein("show", evidence).out
    other = tmp_path / "other"
    wardein("init", other)
    assert "no key of the trust root" in wardein("show", evidence, "--trust", other / "trust.json").out


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m wardein list --json | head -c 10"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert "Traceback" not in ended.stderr


def test_no_secret_of_the_key_reaches_the_evidence(house: House, tmp_path: Path, artifact: Path) -> None:
    evidence, page = tmp_path / "e.jsonl", tmp_path / "p.html"
    run(artifact, evidence=evidence, html=page, key=house.key("check"))
    secret = (house.folder / "keys" / "check.pem").read_text().splitlines()[1]
    assert secret not in evidence.read_text() + page.read_text()
    assert str(house.folder) not in evidence.read_text() + page.read_text()


def test_the_public_half_of_a_key_is_shown_as_a_trust_root_lists_it(house: House, wardein: Callable[..., Ran]) -> None:
    ran = wardein("show", "--public-key", house.key("gate"))
    assert ran.code == 0
    shown, listed = json.loads(ran.out), json.loads(house.trust.read_text())["keys"]
    assert {k: shown[k] for k in ("keyid", "keyval")} in [{k: key[k] for k in ("keyid", "keyval")} for key in listed]
    assert "PRIVATE" not in ran.out
    assert wardein("show").code == 2


def test_findings_as_sarif(house: House, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    asked = ["--artifact", house.policy, "--signature", house.trust, "--trust", house.trust]
    ran = wardein("verify-artifact", *asked, "--sarif", tmp_path / "findings.sarif")
    assert ran.code == 2
    log = json.loads((tmp_path / "findings.sarif").read_text())
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert wardein("verify-artifact", *asked, "--sarif", house.trust).code == 2
    assert house.trust.read_text().startswith("{"), "an input was overwritten"


@pytest.mark.parametrize("where", [["show"], ["gate", "--nonce"], ["evaluate-fairness", "--label"]])
def test_half_a_character_is_refused(where: list[str], wardein: Callable[..., Ran]) -> None:
    ran = wardein(*where, "a\udcff")
    assert ran.code == 2
    assert "not UTF-8" in ran.one_line
