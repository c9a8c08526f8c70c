# SPDX-License-Identifier: Apache-2.0
"""What makes scanners of configuration say "clean" about what they never looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.corpus.fail_open.case import Case, World, program, stand_in, write

DIGEST = "sha256:" + "ab" * 32
POD = "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec:\n  containers:\n  - {}\n"
PRIVILEGED = POD.format("{name: c, image: x, securityContext: {privileged: true}}")
# Nothing in it is high, and trivy alone says so.
HARMLESS = f"FROM x:1@{DIGEST}\nUSER 1000\n"
ROOT = f"FROM x:1@{DIGEST}\nUSER root\n"
BUCKET = "Resources:\n  B:\n    Type: AWS::S3::Bucket\n"
_TRIVY = ["config", "--quiet", "--skip-check-update", "--exit-code", "10"]


def _world(
    folder: Path,
    files: Mapping[str, str | bytes],
    scanners: str = '["wardein", "trivy"]',
    environment: Mapping[str, str] | None = None,
    bare: list[str | Path] | None = None,
) -> World:
    tree = write(folder / "tree", files)
    return World(
        ["--source", tree, "--scanners", scanners],
        environment or {},
        bare if bare is not None else [program("trivy"), *_TRIVY, "."],
        tree,
    )


def _checkov(folder: Path, files: Mapping[str, str | bytes]) -> World:
    bare: list[str | Path] = [program("checkov"), "--directory", ".", "--quiet", "--compact", "--skip-download"]
    return _world(folder, files, '["checkov"]', {"WARDEIN_CHECKOV": str(program("checkov"))}, bare)


def _cfn_lint(folder: Path, files: Mapping[str, str | bytes]) -> World:
    bare: list[str | Path] = [program("cfn-lint"), *files]
    return _world(folder, files, '["cfn-lint"]', {"WARDEIN_CFN_LINT": str(program("cfn-lint"))}, bare)


def _fake_trivy(folder: Path, body: str, version: str = "0.76.0") -> World:
    tells = f"if args[0] == 'version':\n    print(json.dumps({{'Version': {version!r}}}))\n    sys.exit(0)\n"
    out = "out = args[args.index('--output') + 1]\n"
    path = stand_in(folder / "bin", "trivy", tells + out + body)
    return _world(folder, {"Dockerfile": ROOT}, '["trivy"]', {"WARDEIN_TRIVY": str(path)}, [])


def _fake_checkov(folder: Path, body: str, version: str = "3.2.1") -> World:
    path = stand_in(
        folder / "bin", "checkov", f"if args == ['--version']:\n    print('{version}')\n    sys.exit(0)\n{body}"
    )
    return _world(folder, {"Dockerfile": ROOT}, '["checkov"]', {"WARDEIN_CHECKOV": str(path)}, [])


def _report(results: str) -> str:
    return f"open(out, 'w').write(json.dumps({{'SchemaVersion': 2, 'Results': {results}}}))"


def _case(what: str, expected: str, told: str, files: Mapping[str, str | bytes], **more: object) -> Case:
    return Case("scan_config", what, expected, told, lambda folder: _world(folder, files, **more))  # type: ignore[arg-type]


def _fake(what: str, told: str, body: str, **more: str) -> Case:
    return Case("scan_config", what, "ERROR", told, lambda folder: _fake_trivy(folder, body, **more), fake=True)


_FILES: tuple[Case, ...] = (
    _case(
        "unparsable Dockerfile",
        "ERROR",
        r"b/Dockerfile: line 2 begins with no instruction",
        {"Dockerfile": HARMLESS, "b/Dockerfile": "FROM x\nBLAH y\n"},
    ),
    _case(
        "unparsable YAML",
        "ERROR",
        r"b\.yaml: is not valid YAML",
        {"Dockerfile": HARMLESS, "b.yaml": "apiVersion: v1\nkind: Pod\nspec: [\n"},
    ),
    _case(
        "unparsable document behind a good one",
        "ERROR",
        r"b\.yaml: is not valid YAML",
        {"Dockerfile": HARMLESS, "b.yaml": "apiVersion: v1\nkind: Pod\n---\na: [\n"},
    ),
    _case(
        "unparsable Terraform",
        "ERROR",
        r"b\.tf: trivy did not read all of it",
        {"Dockerfile": HARMLESS, "b.tf": 'resource "a" "b" {\n  x =\n}\n'},
    ),
    _case(
        "unparsable CloudFormation",
        "ERROR",
        r"t\.yaml: is not valid YAML",
        {"Dockerfile": HARMLESS, "t.yaml": BUCKET + "  C: [\n"},
    ),
    _case("empty folder", "ERROR", "no configuration files to examine", {"README.md": "x"}),
    _case(
        "objects in a List",
        "FAIL",
        r"config/privileged l\.yaml",
        {"l.yaml": "apiVersion: v1\nkind: List\nitems:\n" + "- " + PRIVILEGED.replace("\n", "\n  ").rstrip() + "\n"},
    ),
    _case(
        "a key that appears twice",
        "ERROR",
        "'privileged' twice",
        {"a.yaml": POD.format("{name: c, image: x, securityContext: {privileged: true, privileged: false}}")},
    ),
    _case(
        "a key written with escapes",
        "FAIL",
        r"config/privileged a\.yaml",
        {"a.yaml": PRIVILEGED.replace("apiVersion", '"api\\x56ersion"')},
    ),
    _case(
        "aliases that grow without end",
        "ERROR",
        "counting aliases",
        {
            "a.yaml": "apiVersion: v1\nkind: P\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{n}: &{n} [{','.join(['*' + p] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
        },
    ),
    _case(
        "a manifest in UTF-16",
        "ERROR",
        r"a\.yaml: is not UTF-8",
        {"Dockerfile": HARMLESS, "a.yaml": PRIVILEGED.encode("utf-16")},
    ),
    _case(
        "a Dockerfile of another name", "FAIL", r"config/root-user images/train\.build", {"images/train.build": ROOT}
    ),
    _case(
        "a manifest in node_modules",
        "FAIL",
        r"config/privileged node_modules/a\.yaml",
        {"node_modules/a.yaml": PRIVILEGED},
    ),
    _case(
        "Terraform in .terraform, which trivy passes over",
        "ERROR",
        r"\.terraform/modules/a/a\.tf: trivy did not read",
        {"Dockerfile": HARMLESS, ".terraform/modules/a/a.tf": 'resource "aws_s3_bucket" "b" {}\n'},
    ),
    _case(
        "Terraform with a module from elsewhere",
        "ERROR",
        r"m\.tf: uses a module that is not in the folder",
        {"Dockerfile": HARMLESS, "m.tf": 'module "m" {\n  source = "git::https://example.invalid/m.git"\n}\n'},
    ),
    _case(
        "a chart that does not render",
        "ERROR",
        r"c/templates/a\.yaml: trivy rendered nothing",
        {
            "Dockerfile": HARMLESS,
            "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
            "c/templates/a.yaml": "kind: {{ .Values.x\n",
        },
    ),
    _case(
        "a template that the chart's values switch off",
        "ERROR",
        r"c/templates/a\.yaml: trivy rendered nothing",
        {
            "Dockerfile": HARMLESS,
            "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
            "c/templates/a.yaml": "{{ if .Values.on }}\n" + PRIVILEGED + "{{ end }}\n",
        },
    ),
    _case(
        "a template that .helmignore leaves out",
        "FAIL",
        r"config/privileged c/templates/a\.yaml",
        {
            "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
            "c/.helmignore": "templates/\n",
            "c/templates/a.yaml": PRIVILEGED,
        },
    ),
    _case(
        "a workflow, which trivy does not know",
        "FAIL",
        r"config/script-injection \.github/workflows/w\.yml",
        {
            ".github/workflows/w.yml": (
                "on: issues\npermissions: {}\njobs:\n  a:\n    runs-on: x\n"
                "    steps:\n    - run: echo ${{ github.event.issue.title }}\n"
            )
        },
    ),
    _case(
        "a namespace that admits privileged pods",
        "FAIL",
        "config/pod-security-privileged",
        {
            "n.yaml": (
                "apiVersion: v1\nkind: Namespace\n"
                "metadata: {name: a, labels: {pod-security.kubernetes.io/enforce: privileged}}\n"
            )
        },
    ),
    _case(
        "a NetworkPolicy that allows everything",
        "FAIL",
        "config/network-policy-allow-all",
        {
            "n.yaml": (
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"
                "spec: {podSelector: {}, ingress: [{}]}\n"
            )
        },
    ),
    _case(
        "Istio that accepts plain text",
        "FAIL",
        "config/mtls-not-strict",
        {
            "n.yaml": (
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
                "spec: {mtls: {mode: PERMISSIVE}}\n"
            )
        },
    ),
    _case(
        "a gate of a pipeline that may be cached",
        "FAIL",
        "config/gate-cached",
        {
            "p.yaml": (
                "pipelineInfo: {name: p}\ndeploymentSpec: {executors: {}}\n"
                "root: {dag: {tasks: {gate: {cachingOptions: {enableCache: true}}}}}\n"
            )
        },
    ),
    _case(
        "a file that none of the asked scanners knows",
        "ERROR",
        "none of wardein knows terraform files",
        {"Dockerfile": HARMLESS, "a.tf": 'variable "x" {}\n'},
        scanners='["wardein"]',
        bare=[],
    ),
)

_SUPPRESSED: tuple[Case, ...] = (
    _case(
        "#trivy:ignore in a Dockerfile",
        "FAIL",
        r"config/root-user Dockerfile",
        {"Dockerfile": "#trivy:ignore:*\n" + ROOT.replace("USER", "#trivy:ignore:*\nUSER")},
    ),
    _case(
        "trivy:ignore in Terraform",
        "FAIL",
        r"trivy/AWS-0086 a\.tf",
        {"a.tf": '#trivy:ignore:*\nresource "aws_s3_bucket" "b" {\n}\n'},
    ),
    _case(
        "tfsec:ignore in Terraform",
        "FAIL",
        r"config/suppression a\.tf",
        {"a.tf": '#tfsec:ignore:*\nresource "aws_s3_bucket" "b" {\n}\n'},
    ),
    _case(
        "trivy:ignore in CloudFormation",
        "FAIL",
        r"trivy/AWS-0086 t\.yaml",
        {"t.yaml": BUCKET.replace("  B:", "  #trivy:ignore:*\n  B:")},
    ),
    _case(
        ".trivyignore",
        "FAIL",
        r"config/suppression \.trivyignore",
        {"Dockerfile": ROOT, ".trivyignore": "DS-0002\nDS-0026\n"},
    ),
    _case(
        "trivy.yaml",
        "FAIL",
        r"config/suppression trivy\.yaml",
        {"Dockerfile": ROOT, "trivy.yaml": "scan:\n  skip-files: ['**/*']\n"},
    ),
    _case(
        "stray TRIVY_SKIP_FILES",
        "FAIL",
        "config/root-user.*",
        {"Dockerfile": ROOT},
        environment={"TRIVY_SKIP_FILES": "**/*", "TRIVY_SEVERITY": "UNKNOWN"},
    ),
)

_TRIVY_FAULTS: tuple[Case, ...] = (
    Case(
        "scan_config",
        "trivy is missing",
        "ERROR",
        "WARDEIN_TRIVY: /nowhere/trivy is not the absolute path",
        lambda f: _world(f, {"Dockerfile": ROOT}, '["trivy"]', {"WARDEIN_TRIVY": "/nowhere/trivy"}, []),
    ),
    _fake("trivy of a malicious release", "malicious release", "", version="0.69.5"),
    _fake("trivy of an old release", "not a release of 0.76.0 or later", "", version="0.75.0"),
    _fake(
        "trivy is let out to the network",
        "failed with code 7",
        "out_there = os.environ.get('HTTPS_PROXY') != 'http://127.0.0.1:9' or os.path.exists(os.environ['PATH'])\n"
        "sys.exit(8 if out_there else 7)",
    ),
    _fake("trivy writes nothing", "failed with code 0", "sys.exit(0)"),
    _fake("trivy is killed", "failed with code -9", "os.kill(os.getpid(), 9)"),
    _fake("trivy writes half of its report", "another form", "open(out, 'w').write('{\"SchemaVersion\": 2, \"Res')"),
    _fake("trivy writes another schema", "another form", "open(out, 'w').write('{\"SchemaVersion\": 3}')"),
    _fake("trivy's report lists nothing", "Dockerfile: trivy did not read", _report("[]")),
    _fake(
        "trivy reports on something else",
        "that it was not given",
        _report("[{'Target': '../other/Dockerfile', 'Misconfigurations': []}]"),
    ),
    _fake(
        "trivy logs an error and ends with 0",
        "Dockerfile: trivy did not read",
        _report("[{'Target': '000000/Dockerfile'}]")
        + "\nprint('now\\tERROR\\tlost 000000/Dockerfile', file=sys.stderr)",
    ),
    _fake(
        "trivy's exit code hides what it found",
        "ended with code 0",
        _report(
            "[{'Target': '000000/Dockerfile', 'Misconfigurations': [{'ID': 'DS-0002', '"
            "Status': 'FAIL', 'Severity': 'HIGH', 'Title': 'x', "
            "'Message': 'x', 'Namespace': 'builtin', 'CauseMetadata': {}}]}]"
        ),
    ),
    _fake(
        "trivy's exit code tells of what it does not list",
        "ended with code 10",
        _report("[{'Target': '000000/Dockerfile'}]") + "; sys.exit(10)",
    ),
)

_CHECKOV: tuple[Case, ...] = (
    Case(
        "scan_config",
        "checkov: an unparsable file",
        "ERROR",
        r"b/Dockerfile: line 2",
        lambda f: _checkov(f, {"Dockerfile": HARMLESS, "b/Dockerfile": "FROM x\nBLAH\n"}),
    ),
    Case(
        "scan_config",
        "checkov: checkov:skip in a Dockerfile",
        "ERROR",
        r"config/suppression Dockerfile",
        lambda f: _checkov(f, {"Dockerfile": "# checkov:skip=CKV_DOCKER_8:x\n" + ROOT, "a.tf": 'resource "x" {\n'}),
    ),
    Case(
        "scan_config",
        "checkov is missing",
        "ERROR",
        "WARDEIN_CHECKOV: /nowhere/checkov",
        lambda f: _world(f, {"Dockerfile": ROOT}, '["checkov"]', {"WARDEIN_CHECKOV": "/nowhere/checkov"}, []),
    ),
    Case(
        "scan_config",
        "checkov of another generation",
        "ERROR",
        "none of 3.x",
        lambda f: _fake_checkov(f, "", "2.0.1"),
        fake=True,
    ),
    Case(
        "scan_config",
        "checkov prints nothing",
        "ERROR",
        "without a report",
        lambda f: _fake_checkov(f, "sys.exit(0)"),
        fake=True,
    ),
    Case(
        "scan_config",
        "checkov found no resource",
        "ERROR",
        "Dockerfile: checkov did not read",
        lambda f: _fake_checkov(
            f, "print(json.dumps({'passed': 0, 'failed': 0, 'resource_count': 0, 'checkov_version': '3.2.1'}))"
        ),
        fake=True,
    ),
    Case(
        "scan_config",
        "checkov prints half of its report",
        "ERROR",
        "without a report",
        lambda f: _fake_checkov(f, "print('[{\"check_type\": ')"),
        fake=True,
    ),
)

_CFN_LINT: tuple[Case, ...] = (
    Case(
        "scan_config",
        "cfn-lint: ignore_checks in a template",
        "ERROR",
        r"cfn-lint/E3002 t\.yaml",
        lambda f: _cfn_lint(
            f,
            {
                "t.yaml": "Metadata: {cfn-lint: {config: {ignore_checks: [E3002]}}}\n"
                + BUCKET
                + "    Properties: {BucketNme: x}\n",
                "u.yaml": BUCKET + "  C: [\n",
            },
        ),
    ),
    Case(
        "scan_config",
        "cfn-lint is missing",
        "ERROR",
        "WARDEIN_CFN_LINT: /nowhere/cfn-lint",
        lambda f: _world(f, {"t.yaml": BUCKET}, '["cfn-lint"]', {"WARDEIN_CFN_LINT": "/nowhere/cfn-lint"}, []),
    ),
)

CASES: tuple[Case, ...] = (*_FILES, *_SUPPRESSED, *_TRIVY_FAULTS, *_CHECKOV, *_CFN_LINT)
