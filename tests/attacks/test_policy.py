# SPDX-License-Identifier: Apache-2.0
"""Hostile policy folders: one clear line and exit 2 at the gate, never a traceback, never a release."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.conftest import Siege
from tests.conftest import Ran
from wardein import cli
from wardein.errors import WardeinError
from wardein.policy.cases import read_cases
from wardein.policy.load import load, load_all
from wardein.policy.packs import PACKS

GOOD = """version: 1
name: p
checks:
  evaluate_fairness:
    criteria: [{metric: m, at_most: 0.1}]
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NUMBERS = (".nan", ".inf", "-.inf", "1e400", "1e16", "-1", "'0.1'", "true", "null", "0x10", "1:30", "1_000", "[0.1]")
HOURS = ("1e15", "1e9", "87600.1")


def pinned(siege: Siege, text: str) -> Ran:
    """The gate's answer once whoever holds the trust root has pinned a policy with this text."""
    path = siege.house.policy / "policy.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return pinned_folder(siege)


def pinned_folder(siege: Siege) -> Ran:
    shown = siege.run_gate("show", siege.house.policy)
    if shown.code == 0:
        digest = shown.out.split()[0].removeprefix("sha256:")
        trust = siege.house.trust.read_text()
        siege.house.trust.write_text(trust.replace(trust.split('"policyDigest": "')[1][:64], digest))
    return siege.gate()


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


HOSTILE = {
    "bomb": (BOMB + GOOD, "aliases are not allowed"),
    "anchor without alias": (changed("name: p", "name: &x p"), "aliases are not allowed"),
    "merge key": (changed("  evaluate_fairness:", "  <<: {scan_image: {}}\n  evaluate_fairness:"), "'<<'"),
    "tag of Python": (changed("name: p", "name: !!python/object/apply:os.system ['true']"), "tags are not allowed"),
    "tag of YAML": (changed("at_most: 0.1", "at_most: !!float '0.1'"), "tags are not allowed"),
    "binary": (changed("name: p", "name: !!binary cA=="), "tags are not allowed"),
    "set": (changed("checks:", "checks: !!set"), "tags are not allowed"),
    "doubled key": (GOOD + "name: q\n", "duplicate key"),
    "doubled check": (GOOD + "  evaluate_fairness: {required: false}\n", "duplicate key"),
    "number as key": (changed("  evaluate_fairness:", "  1: {}\n  evaluate_fairness:"), "a key is not a text"),
    "list as key": (changed("checks:", "? [a]\n: 1\nchecks:"), "a key is not a text"),
    "look-alike key": (changed("checks:", "сhecks:"), r"'\u0441hecks'"),
    "look-alike check": (changed("evaluate_fairness", "еvaluate_fairness"), r"'\u0435valuate_fairness'"),
    "look-alike key of a criterion": (changed("at_most", "at_mοst"), r"'at_m\u03bfst'"),
    "look-alike name": (changed("name: p", "name: р"), r"name '\u0440' is not a name"),
    "invisible name": (changed("name: p", 'name: "p\\u200b"'), "is not a name"),
    "name with a path": (changed("name: p", "name: ../../p"), "is not a name"),
    "environment with a path": (GOOD + "environments: {../prod: {}, dev: {}}\n", "is not a name"),
    "environment that is not known": (GOOD + "environments: {prod: {}}\n", "says nothing of the environment 'dev'"),
    "environment that is a truth": (GOOD + "environments: {true: {}}\n", "a key is not a text"),
    "tier that there is not": (GOOD + "tiers: {highest: {}}\n", "unknown key 'highest'"),
    "default tier that there is not": (GOOD + "default_tier: none\n", "is none of low, standard, high"),
    "high tier that is looser": (
        GOOD + "tiers: {high: {checks: {evaluate_fairness: {max_age_hours: 48}}}}\n",
        "tiers.high: is not tighter than standard: evaluate_fairness: max_age_hours: 24 -> 48",
    ),
    "low tier that is tighter": (
        GOOD + "tiers: {low: {checks: {evaluate_fairness: {fail_severity: low}}}}\n",
        "tiers.standard: is not tighter than low",
    ),
    "high tier that attacks less": (
        GOOD + "tiers: {high: {checks: {evaluate_fairness: {parameters: {min_group_size: 1}}}}}\n",
        "tiers.high: is not tighter than standard: evaluate_fairness: parameters",
    ),
    "environment that requires nothing": (
        GOOD + "environments: {dev: {checks: {evaluate_fairness: {required: false}}}}\n",
        "in dev): requires no check at all",
    ),
    "tier that requires nothing": (
        GOOD + "tiers: {low: {checks: {evaluate_fairness: {required: false}}}}\n",
        "for the tier low",
    ),
    "approvals without an author": (GOOD + "approvals: {required: 1}\n", "who made the model"),
    "required as a word": (changed("    criteria", "    required: no\n    criteria"), "neither true nor false"),
    "required as a number": (changed("    criteria", "    required: 0\n    criteria"), "neither true nor false"),
    "version as a truth": (changed("version: 1", "version: true"), "is not 1"),
    "pin that no run can have": (
        changed("    criteria", "    parameters: {sensitive: sex}\n    criteria"),
        "not a list[str]",
    ),
    "pin of another type": (changed("    criteria", "    parameters: {label: 1}\n    criteria"), "not a str"),
    "pin of a truth": (changed("    criteria", "    parameters: {min_group_size: true}\n    criteria"), "not a int"),
    "deep nesting": (changed("name: p", "name: " + "[" * 2000 + "]" * 2000), "deeper than 32 levels"),
    "deep indentation": ("\n".join(" " * depth + "a:" for depth in range(400)), "deeper than 32 levels"),
    "huge integer": (changed("0.1", "9" * 5000), "not valid YAML"),
    "large integer": (changed("0.1", "9" * 400), "is not a number of 0 or more"),
    "two documents": (GOOD + "---\n" + GOOD, "not valid YAML"),
    "control character": (changed("name: p", "name: p\x07"), "not valid YAML"),
    "lone surrogate": (changed("name: p", "name: \ud800"), "cannot be read"),
    "nothing": ("", "is not a mapping"),
    "a list": ("[]", "is not a mapping"),
    "10 MB": (GOOD + "#" * 10_000_000, "is larger than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_policy_is_one_line_and_denies(name: str, siege: Siege) -> None:
    text, message = HOSTILE[name]
    started = time.process_time()
    ran = pinned(siege, text)
    assert ran.code == 2
    assert message in ran.one_line, ran.err
    assert time.process_time() - started < 5
    assert ran.report["verdict"] == "ERROR"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("key", ["at_most: 0.1", "min_n", "max_age_hours", "waivers"])
def test_what_is_no_number_is_refused(number: str, key: str, tmp_path: Path) -> None:
    text = {
        "at_most: 0.1": changed("at_most: 0.1", f"at_most: {number}"),
        "min_n": changed("at_most: 0.1", f"at_most: 0.1, min_n: {number}"),
        "max_age_hours": changed("    criteria", f"    max_age_hours: {number}\n    criteria"),
        "waivers": GOOD + f"waivers: {{max_days: {number}}}\n",
    }[key]
    with pytest.raises(WardeinError):
        load(written(tmp_path, text))


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize(
    "where",
    ["checks: {scan_image: {max_age_hours: H}}", "checks: {scan_image: {database_max_age_days: H}}",
     "approvals: {max_age_hours: H}", "break_glass: {max_hours: H}", "break_glass: {follow_up_hours: H}",
     "waivers: {max_days: H}"],
)  # fmt: skip
def test_no_age_overflows_the_clock(hours: str, where: str, tmp_path: Path) -> None:
    text = changed("checks:\n", "tiers: {high: {" + where.replace("H", hours) + "}}\nchecks:\n")
    with pytest.raises(WardeinError, match="is not a number of 0 to"):
        load(written(tmp_path, text))


def test_minus_nought_is_nought(tmp_path: Path) -> None:
    (found,) = load(written(tmp_path, changed("0.1", "-0.0"))).checks["evaluate_fairness"].criteria
    assert str(found.threshold) == "0.0"


def written(folder: Path, text: str) -> Path:
    (folder / "policy.yaml").write_text(text)
    return folder


# The folder


def test_a_policy_that_is_a_link(siege: Siege, tmp_path: Path) -> None:
    path = siege.house.policy / "policy.yaml"
    elsewhere = tmp_path / "elsewhere.yaml"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    ran = pinned_folder(siege)
    assert (ran.code, "symbolic link" in ran.one_line) == (2, True)
    with pytest.raises(WardeinError, match="symbolic link"):
        load(siege.house.policy)


def test_a_link_beside_the_policy(siege: Siege, tmp_path: Path) -> None:
    (siege.house.policy / "more.rego").symlink_to("/etc/passwd")
    ran = pinned_folder(siege)
    assert (ran.code, "symbolic link" in ran.one_line) == (2, True)


def test_a_policy_that_blocks(siege: Siege) -> None:
    path = siege.house.policy / "policy.yaml"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(WardeinError, match="is not a regular file"):
        load(siege.house.policy)
    ran = siege.gate()
    assert (ran.code, "is not a regular file" in ran.one_line) == (2, True)


def test_a_policy_that_is_a_folder(siege: Siege) -> None:
    path = siege.house.policy / "policy.yaml"
    path.unlink()
    path.mkdir()
    (path / "policy.yaml").write_text(GOOD)
    ran = pinned_folder(siege)
    assert ran.code == 2
    assert ran.one_line


def test_a_table_of_cases_that_is_a_link(siege: Siege, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    path = siege.house.policy / "policy-tests.yaml"
    path.rename(tmp_path / "cases.yaml")
    path.symlink_to(tmp_path / "cases.yaml")
    assert "symbolic link" in wardein("policy", "test", siege.house.policy).one_line


# Arbitrary texts

WORDS = """version name checks tiers environments approvals waivers break_glass parameters criteria required metric
slice at_least at_most bound min_n low high dev evaluate_fairness verify_artifact 1 0 -1 0.1 .nan true null ~ [] {} [ ]
{ } : , - ? & * ! | > % @ # ' " """
TOKENS = st.sampled_from([*WORDS.split(), "\n", "\n  ", "\n    ", ": ", " "])


def quiet(*arguments: object) -> tuple[int, str]:
    """An exit code and what went to the standard error."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = cli.main([str(argument) for argument in arguments])
    return code, err.getvalue()


@settings(max_examples=150, deadline=5000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=st.lists(TOKENS, max_size=60).map("".join) | st.text(max_size=200))
def test_any_text_is_a_policy_or_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "policy-tests.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    for call in (load_all, lambda folder: read_cases(folder / "policy-tests.yaml")):
        with contextlib.suppress(WardeinError):
            call(tmp_path)
    code, err = quiet("policy", "explain", tmp_path)
    assert code in (0, 2)
    assert len(err.splitlines()) == (code == 2)


LINES = (PACKS / "baseline" / "policy.yaml").read_text().splitlines(keepends=True)
RULES = [number for number, line in enumerate(LINES) if line.strip() and not line.lstrip().startswith("#")]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_mangled_policy_loads_as_a_policy_or_not_at_all(data: st.DataObject, tmp_path: Path) -> None:
    """Lines left out, doubled, swapped, indented or cut: whatever still loads still requires a check."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        number, other = data.draw(st.sampled_from(RULES)), data.draw(st.sampled_from(RULES))
        line = lines[number]
        lines[number] = data.draw(
            st.sampled_from(["", line * 2, lines[other], "  " + line, line[2:], line[: len(line) // 2] + "\n"])
        )
    (tmp_path / "policy.yaml").write_text("".join(lines))
    try:
        policies = load_all(tmp_path)
    except WardeinError:
        return
    assert all(policy.required for policy in policies.values())


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=st.lists(TOKENS, max_size=60).map("".join))
def test_no_text_lets_a_release_through(text: str, siege: Siege) -> None:
    ran = pinned(siege, text)
    assert ran.code == 2
    assert ran.one_line
