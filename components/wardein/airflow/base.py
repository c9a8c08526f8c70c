# SPDX-License-Identifier: Apache-2.0
"""What all operators share: they run the command line elsewhere and read the evidence that it leaves.

Nothing heavy is imported here: the libraries that do the checking live in the environment of ``command``,
never in Airflow's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

FailOn = Literal["verdict", "error"]
EXIT_CODES = {"PASS": 0, "NOT_APPLICABLE": 0, "FAIL": 1, "ERROR": 2}


def argv(step: str, **parameters: Any) -> list[str]:
    """The arguments that run a step, for a shell, a container or a pod: ``argv("scan_image", image=…)``.

    Args:
        step: The step's name.
        parameters: Its parameters and the common options (evidence, html, key, run_id, policy); None is left out.
    """
    arguments = [step.replace("_", "-")]
    for name, value in parameters.items():
        if value is None:
            continue
        flag = "--" + name.replace("_", "-")
        text = value if isinstance(value, str) else str(value) if isinstance(value, Path) else json.dumps(value)
        arguments += [flag, text]
    return arguments


class StepOperator(BaseOperator):  # type: ignore[misc]  # Airflow resolves its classes at run time
    """Runs one wardein step as a subprocess; the generated operators add its parameters.

    Args:
        parameters: The step's own parameters by name.
        evidence: Where the step writes its evidence: an absolute path that the command can write and the worker read.
        html: Where it writes its page; empty for none.
        key: The URI of the key that signs the evidence (a reference, never key material); empty for $WARDEIN_KEY.
        run_id: Binds the evidence to this run; the default is Airflow's own run id.
        command: What to put before the step's arguments: another virtual environment's wardein, ``docker run …``.
        fail_on: ``verdict`` fails the task on FAIL; ``error`` leaves FAIL to a gate.
    """

    step: ClassVar[str] = ""
    # The parameters are one dictionary, all of it templated: as attributes they could collide with Airflow's own
    # (BaseOperator.label does).
    template_fields: Sequence[str] = ("parameters", "evidence", "html", "key", "run_id", "command")
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        parameters: dict[str, Any],
        evidence: str,
        html: str = "",
        key: str = "",
        run_id: str = "{{ run_id }}",
        command: Sequence[str] = ("wardein",),
        fail_on: FailOn = "verdict",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if fail_on not in get_args(FailOn):
            raise ValueError(f"fail_on is {fail_on!r}, not one of {', '.join(get_args(FailOn))}")
        if isinstance(command, str):
            raise TypeError(f"command is the text {command!r}, not a list: write ({command!r},)")
        self.parameters = parameters
        self.evidence = evidence
        self.html = html
        self.key = key
        self.run_id = run_id
        self.command = command
        self.fail_on = fail_on

    def arguments(self) -> list[str]:
        """The step's arguments with the values of this task; empty optional ones are left out."""
        own = {name: _given(value) for name, value in self.parameters.items()}
        common = {"html": self.html or None, "key": self.key or None, "run_id": self.run_id or None}
        return argv(self.step, **own, evidence=self.evidence, **common, orchestrator="airflow")

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; FAIL is not retried, ERROR is.

        Returns:
            ``{verdict, passed, evidence, digest, core}``, pushed to XCom also when the task then fails.

        Raises:
            AirflowFailException: If the verdict is FAIL (unless ``fail_on="error"``), or the call is misused.
            AirflowException: If the verdict is ERROR, or the command ended in any other way.
        """
        from airflow.providers.standard.hooks.subprocess import SubprocessHook

        evidence = Path(self.evidence)
        self._make_room(evidence)
        self.hook = SubprocessHook()
        # Airflow's settings, connections and variables are none of the step's business.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        try:
            ended = self.hook.run_command([*self.command, *self.arguments()], env=environment)
        except OSError as error:
            raise AirflowException(f"{self.step}: {self.command[0]} cannot be started ({error.strerror})") from None
        if not evidence.is_file():
            if ended.exit_code == 2:
                raise AirflowFailException(f"{self.step}: misuse, nothing was examined: {ended.output}")
            text = f"{self.step}: ended with code {ended.exit_code} and left no evidence: {ended.output}"
            raise AirflowException(text)
        result, reason = _read(evidence, self.step, self.run_id)
        verdict = result["verdict"]
        if ended.exit_code != EXIT_CODES[verdict]:
            text = f"{self.step}: the evidence says {verdict}, but the command ended with {ended.exit_code}"
            raise AirflowException(text)
        if verdict == "ERROR":
            self._push(context, result)
            raise AirflowException(f"{self.step}: ERROR: {reason}")
        if verdict == "FAIL" and self.fail_on == "verdict":
            self._push(context, result)
            raise AirflowFailException(f"{self.step}: FAIL: {reason}")
        return result

    def _make_room(self, evidence: Path) -> None:
        """Make the folders of what is written, and put away what an earlier try left: it is not this try's evidence."""
        if not evidence.is_absolute():
            raise AirflowFailException(f"{self.step}: evidence is {evidence}, not an absolute path")
        for path in (evidence, *([Path(self.html)] if self.html else [])):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise AirflowFailException(f"{self.step}: {path.parent} cannot be made ({error.strerror})") from None
        from wardein.outputs import is_evidence_of

        if evidence.is_file() and is_evidence_of(evidence, self.step):
            evidence.unlink()

    def on_kill(self) -> None:
        """End the whole process group of the command."""
        hook = getattr(self, "hook", None)
        if hook is not None:
            hook.send_sigterm()

    def _push(self, context: Context, result: dict[str, Any]) -> None:
        context["ti"].xcom_push(key="return_value", value=result)


def _given(value: Any) -> Any:
    """None, and the empty text that a template renders to, mean: not given."""
    return None if value is None or value == "" else value


def _read(evidence: Path, step: str, run_id: str) -> tuple[dict[str, Any], str]:
    """What XCom may hold of the evidence, and the reason for the log."""
    import hashlib

    from wardein import wire
    from wardein.errors import WardeinError
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read

    try:
        first = next(iter(read_claims(evidence)))
        if isinstance(first, WardeinError):
            raise first
        statement = read(first.payload)
        report = wire.from_json(statement.predicate, statement.subject)
    except WardeinError as error:
        raise AirflowException(f"the evidence cannot be read: {error}") from None
    if (report.check, report.nonce) != (step, run_id):
        text = f"the evidence is of {report.check} in run {report.nonce!r}, not of {step} in run {run_id!r}"
        raise AirflowException(text)
    return {
        "verdict": str(report.verdict),
        "passed": report.passed,
        "evidence": str(evidence),
        "digest": hashlib.sha256(evidence.read_bytes()).hexdigest(),
        "core": wire.core_sha256(report),
    }, report.reason
