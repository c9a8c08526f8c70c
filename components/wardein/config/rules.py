# SPDX-License-Identifier: Apache-2.0
"""wardein's own rules for configuration; other tools' rules that say the same are told under the same name."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

_PODS = (
    Rule(
        "config/privileged",
        _HIGH,
        "a container is privileged",
        "training code and model files of strangers run in it, and a privileged container is root on its node, "
        "beside the accelerators and data of every other team",
        "leave out securityContext.privileged; accelerators come by device plugins",
        "CWE-250",
        ("trivy:KSV-0017", "checkov:CKV_K8S_16"),
    ),
    Rule(
        "config/host-namespace",
        _HIGH,
        "a pod shares its node's network, processes or memory",
        "distributed training asks for hostNetwork or hostIPC for speed, and with it passes every network policy and "
        "sees other teams' processes",
        "leave out hostNetwork, hostPID and hostIPC; mount an emptyDir of medium Memory at /dev/shm",
        "CWE-668",
        ("trivy:KSV-0008", "trivy:KSV-0009", "trivy:KSV-0010")
        + ("checkov:CKV_K8S_17", "checkov:CKV_K8S_18", "checkov:CKV_K8S_19"),
    ),
    Rule(
        "config/host-path",
        _HIGH,
        "a pod mounts a folder of its node",
        "data sets kept on nodes make host paths tempting, and whoever poisons a step writes to what others train on",
        "use a PersistentVolumeClaim or object storage",
        "CWE-668",
        ("trivy:KSV-0006", "trivy:KSV-0023", "checkov:CKV_K8S_27"),
    ),
    Rule(
        "config/privilege-escalation",
        _MEDIUM,
        "a container may gain more privileges than it was started with",
        "it takes a second flaw, a setuid program, to be of use",
        "set securityContext.allowPrivilegeEscalation: false",
        "CWE-250",
        ("trivy:KSV-0001", "checkov:CKV_K8S_20"),
    ),
    Rule(
        "config/run-as-non-root",
        _MEDIUM,
        "nothing keeps a container from running as root",
        "most images of machine learning run as root unless told otherwise; what breaks out then is root",
        "set securityContext.runAsNonRoot: true on the pod or the container",
        "CWE-250",
        ("trivy:KSV-0012", "checkov:CKV_K8S_23"),
    ),
    Rule(
        "config/capabilities-added",
        _HIGH,
        "a container is given a capability that leads to its node",
        "SYS_ADMIN, NET_ADMIN, SYS_PTRACE and their like are asked for by profilers and fast networks, and each of "
        "them is a known way out of a container",
        "add no capability; profile in a namespace of its own",
        "CWE-250",
        ("trivy:KSV-0005", "checkov:CKV_K8S_39"),
    ),
    Rule(
        "config/capabilities-kept",
        _LOW,
        "a container keeps capabilities that training and serving do not need",
        "what is kept by default is of use only to who already runs code as root in the container",
        "set securityContext.capabilities.drop: [ALL]",
        "CWE-250",
        ("trivy:KSV-0003", "trivy:KSV-0004", "trivy:KSV-0106", "checkov:CKV_K8S_37", "checkov:CKV_K8S_28"),
    ),
    Rule(
        "config/token-mounted",
        _MEDIUM,
        "a pod is given a token of the Kubernetes API",
        "training and serving code does not talk to the API; a poisoned package or model does, with this token",
        "set automountServiceAccountToken: false on the pod",
        "CWE-522",
        ("trivy:KSV-0036", "checkov:CKV_K8S_38"),
    ),
    Rule(
        "config/default-service-account",
        _LOW,
        "a pod runs under the namespace's default service account",
        "rights that anybody in the namespace is given for one job are everybody's",
        "set serviceAccountName to an account of the workload's own",
        "CWE-250",
    ),
    Rule(
        "config/no-limits",
        _MEDIUM,
        "a container has no limit of CPU or memory",
        "one training run without limits starves every model that is served from the same node",
        "set resources.limits.cpu and resources.limits.memory",
        "CWE-770",
        ("trivy:KSV-0011", "trivy:KSV-0018", "checkov:CKV_K8S_11", "checkov:CKV_K8S_13"),
    ),
    Rule(
        "config/secret-in-env",
        _HIGH,
        "a secret is written into the configuration",
        "manifests and compiled pipelines lie in repositories, registries and the run history, where many read them",
        "refer to a Secret (secretKeyRef), and replace the secret, which has been seen",
        "CWE-798",
        ("trivy:DS-0031",),
    ),
)

_IMAGES = (
    Rule(
        "config/image-without-digest",
        _MEDIUM,
        "an image is named by a tag, not by its digest",
        "a tag can be moved: what runs, or what the model was trained with, is then not what was scanned and approved",
        "write name@sha256:…; keep the tag before it for people",
        "CWE-829",
        ("checkov:CKV_K8S_43",),
    ),
    Rule(
        "config/image-latest",
        _MEDIUM,
        "an image has the tag latest, or none",
        "every pull may bring another image, so no run can be repeated and no scan holds",
        "write a version and its digest",
        "CWE-829",
        ("trivy:KSV-0013", "trivy:DS-0001", "checkov:CKV_K8S_14", "checkov:CKV_DOCKER_7"),
    ),
)

_CLUSTER = (
    Rule(
        "config/pod-security-privileged",
        _HIGH,
        "a namespace admits privileged pods",
        "the level is the last thing that stops a notebook or pipeline step from asking for its node",
        "label it pod-security.kubernetes.io/enforce: restricted (baseline, where accelerators need it)",
        "CWE-250",
    ),
    Rule(
        "config/pod-security-unset",
        _MEDIUM,
        "a namespace sets no pod-security level",
        "without the label the cluster's default holds, and that is privileged unless somebody changed it",
        "label it pod-security.kubernetes.io/enforce: restricted",
        "CWE-1188",
    ),
    Rule(
        "config/network-policy-allow-all",
        _HIGH,
        "a NetworkPolicy allows everything",
        "policies add up, so this one undoes every other that selects the same pods, default-deny included",
        "name the peers and ports that the workload needs",
        "CWE-284",
    ),
    Rule(
        "config/no-default-deny",
        _MEDIUM,
        "a namespace with workloads has no default-deny NetworkPolicy",
        "a model server or notebook that is broken into reaches everything; medium, because the policy may be kept "
        "in another repository",
        "add a NetworkPolicy with podSelector: {} and policyTypes: [Ingress, Egress] and no rules",
        "CWE-1188",
    ),
    Rule(
        "config/training-egress",
        _HIGH,
        "a training workload may send data to anywhere",
        "it holds the whole training set and runs the most third-party code; without a limit on egress one poisoned "
        "package sends the data out",
        "add a NetworkPolicy that selects it and allows egress to the data store and DNS only",
        "CWE-200",
    ),
    Rule(
        "config/mtls-not-strict",
        _HIGH,
        "Istio accepts plain text",
        "requests to a model hold what people sent it, and who can send plain text needs no identity, so no "
        "AuthorizationPolicy on identities holds",
        "set spec.mtls.mode: STRICT",
        "CWE-319",
    ),
    Rule(
        "config/mtls-port-exception",
        _MEDIUM,
        "Istio accepts plain text on one port",
        "exceptions are made for metrics and health checks, and stay when the port serves a model",
        "take the port out of portLevelMtls",
        "CWE-319",
    ),
    Rule(
        "config/authorization-allow-all",
        _HIGH,
        "an Istio AuthorizationPolicy lets everybody in",
        "an empty rule matches every request, and whoever may ask a model without limit can copy it",
        "name sources (principals, namespaces) in every rule",
        "CWE-862",
    ),
    Rule(
        "config/rbac-wildcard",
        _HIGH,
        "a role may do everything, or something to everything",
        "pipelines' service accounts are shared by every step, and a step runs code of strangers",
        "name verbs and resources",
        "CWE-250",
        tuple(f"trivy:KSV-00{number}" for number in (44, 45, 46)) + ("checkov:CKV_K8S_49",),
    ),
    Rule(
        "config/cluster-admin",
        _HIGH,
        "somebody is made the cluster's administrator",
        "a pipeline or notebook account with cluster-admin makes every model it loads an administrator",
        "bind a Role of the namespace",
        "CWE-250",
        ("trivy:KSV-0111",),
    ),
    Rule(
        "config/remote-base",
        _MEDIUM,
        "a kustomization takes manifests from elsewhere, not pinned to a commit",
        "what is applied tomorrow is not what was reviewed today",
        "pin it with ?ref= and a full commit SHA, or copy it here",
        "CWE-829",
    ),
)

_DOCKERFILES = (
    Rule(
        "config/root-user",
        _HIGH,
        "an image runs as root",
        "model servers unpack what strangers send, and a way out of a container that runs as root is root on the node",
        "end with USER and a number other than 0",
        "CWE-250",
        ("trivy:DS-0002", "checkov:CKV_DOCKER_3", "checkov:CKV_DOCKER_8"),
    ),
    Rule(
        "config/add-url",
        _MEDIUM,
        "a Dockerfile adds a file from the network without a checksum",
        "weights and wheels fetched this way are whatever the server gives on the day of the build",
        "give ADD a --checksum=sha256:…, or fetch in a step that verifies",
        "CWE-494",
    ),
    Rule(
        "config/unpinned-install",
        _MEDIUM,
        "Python packages are installed without a fixed version",
        "the next build installs something else than what the model was trained and tested with",
        "install from a lock file: pip install --require-hashes -r requirements.lock",
        "CWE-1357",
    ),
    Rule(
        "config/extra-index-url",
        _HIGH,
        "Python packages are taken from two indexes at once",
        "pip takes the highest version of either, so anybody can publish an internal package's name with a higher "
        "number (CVE-2018-20225); this is how accelerator builds are commonly installed",
        "use one index that proxies the other, or --index-url for that package alone with hashes",
        "CWE-427",
    ),
    Rule(
        "config/curl-to-shell",
        _HIGH,
        "what the network answers is run at once",
        "build and training machines hold cloud keys, and no reader or scanner ever sees what ran",
        "download a fixed version, compare its checksum, then run it",
        "CWE-494",
    ),
    Rule(
        "config/copy-all",
        _LOW,
        "the whole build folder is copied into an image, and no .dockerignore keeps anything out",
        "data sets, .env files and .git lie in the folders that models are built in",
        "add a .dockerignore that begins with * and names what is needed",
        "CWE-538",
    ),
)

_WORKFLOWS = (
    Rule(
        "config/long-lived-cloud-key",
        _HIGH,
        "a workflow uses a cloud key that never expires",
        "training jobs need wide rights on data and accelerators; a key that leaks from a build log stays valid",
        "use OIDC: permissions id-token: write, and the cloud's login action with a role",
        "CWE-798",
    ),
    Rule(
        "config/unpinned-action",
        _MEDIUM,
        "a workflow uses an action that is not pinned to a commit",
        "who takes over the action moves its tag, and reads the secrets of every build, as happened to "
        "tj-actions/changed-files in March 2025",
        "pin it to the full commit SHA, with the version in a comment",
        "CWE-829",
    ),
    Rule(
        "config/workflow-permissions",
        _MEDIUM,
        "a job's token has whatever rights the repository gives by default",
        "the default may be writing, and every step of the job, every package it installs, holds it",
        "set permissions: contents: read at the top, and more for the job that needs it",
        "CWE-1188",
        ("checkov:CKV2_GHA_1",),
    ),
    Rule(
        "config/workflow-write-all",
        _HIGH,
        "a job's token may write everything",
        "one poisoned package in the job can then change the code and publish a model",
        "name the permissions that the job needs",
        "CWE-250",
    ),
    Rule(
        "config/pull-request-target",
        Severity.CRITICAL,
        "a workflow with secrets runs the code of a pull request",
        "anybody who opens a pull request runs code with the repository's secrets and a token that may write",
        "use pull_request, or check out the base only",
        "CWE-829",
    ),
    Rule(
        "config/script-injection",
        _HIGH,
        "text that strangers write becomes part of a shell script",
        "the title of an issue or the name of a branch is put into the script before the shell reads it",
        "put it into env: and use it as a quoted variable",
        "CWE-94",
        ("checkov:CKV_GHA_2",),
    ),
    Rule(
        "config/self-hosted-pull-request",
        _LOW,
        "pull requests run on a machine of one's own",
        "accelerator runners are often self-hosted and keep what a build leaves behind; low, because a private "
        "repository has no strangers",
        "run pull requests on hosted runners, or on runners that live for one job",
        "CWE-668",
    ),
)

_PIPELINES = (
    Rule(
        "config/gate-cached",
        _HIGH,
        "a scan or gate of a pipeline may be answered from the cache",
        "the cache's key holds the artifacts' names, not their content: a changed model gets yesterday's PASS",
        "task.set_caching_options(False), or compile with caching switched off",
        "CWE-349",
    ),
    Rule(
        "config/gate-retried",
        _LOW,
        "a gate of a pipeline is retried",
        "a refusal is tried again until something lets it through, or hides in the last attempt's log",
        "leave out set_retry on the gate",
        "CWE-754",
    ),
    Rule(
        "config/secret-parameter",
        _HIGH,
        "a pipeline's parameter holds a secret",
        "parameters are shown in the user interface and kept with every run for ever",
        "use kfp-kubernetes' use_secret_as_env, and replace the secret, which has been seen",
        "CWE-798",
    ),
)

_SAGEMAKER = (
    Rule(
        "config/sagemaker-kms",
        _MEDIUM,
        "data of SageMaker is not encrypted with a key of one's own",
        "model and captured requests lie on volumes whose access nobody here can withdraw or see in a log",
        "set KmsKeyId (VolumeKmsKeyId for jobs)",
        "CWE-311",
        ("checkov:CKV_AWS_98", "checkov:CKV_AWS_22", "checkov:CKV_AWS_187"),
    ),
    Rule(
        "config/sagemaker-vpc",
        _HIGH,
        "a model or job of SageMaker runs outside of any VPC",
        "its container reaches the whole internet, with the training data or people's requests in memory",
        "set VpcConfig with subnets and security groups",
        "CWE-668",
        ("checkov:CKV_AWS_306",),
    ),
    Rule(
        "config/sagemaker-isolation",
        _MEDIUM,
        "a model or job of SageMaker is not isolated from the network",
        "code that is loaded with a model can call home",
        "set EnableNetworkIsolation: true",
        "CWE-668",
        ("checkov:CKV_AWS_370",),
    ),
    Rule(
        "config/sagemaker-traffic",
        _MEDIUM,
        "the machines of a training job talk to each other in plain text",
        "gradients and data of distributed training cross the network",
        "set EnableInterContainerTrafficEncryption: true",
        "CWE-319",
    ),
    Rule(
        "config/sagemaker-internet",
        _HIGH,
        "a SageMaker notebook has direct internet access",
        "notebooks hold data and credentials and run whatever is pasted into them",
        "set DirectInternetAccess: Disabled, with a VPC",
        "CWE-668",
        ("checkov:CKV_AWS_122",),
    ),
    Rule(
        "config/sagemaker-root",
        _MEDIUM,
        "users of a SageMaker notebook are root",
        "root can read what lifecycle scripts left and change what logs",
        "set RootAccess: Disabled",
        "CWE-250",
        ("checkov:CKV_AWS_307",),
    ),
)

_READING = (
    Rule(
        "config/suppression",
        _LOW,
        "a file tells scanners to look away, which is not obeyed here",
        "low, because it changes nothing here; but somebody meant to hide something from another scanner",
        "remove it, and waive the finding by a signed waiver",
        "CWE-693",
    ),
    Rule(
        "config/helm-values",
        Severity.INFO,
        "a chart was examined as its own default values render it",
        "other values make other objects, which were not seen",
        "render it with the values of the release (helm template) and scan that",
    ),
)

# The reason why the tool's own severity is not used.
_W = "rated otherwise than by the tool: "
# Rules of other tools whose severity is another one here.
_RATED = (
    Rule(
        "trivy/KSV-0014",
        _LOW,
        "a container's own file system can be written to",
        _W + "training writes checkpoints and caches wherever libraries like, and a written file ends with the pod",
        "set readOnlyRootFilesystem: true and mount an emptyDir where it writes",
        "CWE-732",
        ("trivy:KSV-0014", "checkov:CKV_K8S_22"),
    ),
    Rule(
        "trivy/KSV-0118",
        _MEDIUM,
        "a pod or container has no security context",
        _W + "what a security context should say (root, escalation, capabilities) is each told by a rule of its own",
        "set securityContext",
        "CWE-1188",
        ("trivy:KSV-0118", "checkov:CKV_K8S_29", "checkov:CKV_K8S_30"),
    ),
    Rule(
        "trivy/KSV-0125",
        _LOW,
        "an image is of a registry that is not on trivy's list",
        _W + "which registries are trusted only the site knows, and a digest says more than a registry's name",
        "pin the image by its digest, and limit registries at admission",
        "",
        ("trivy:KSV-0125",),
    ),
    Rule(
        "trivy/AWS-0132",
        _MEDIUM,
        "a bucket is not encrypted with a key of one's own",
        _W + "every bucket is encrypted since 2023; whose key it is, is a matter of who may withdraw access",
        "set BucketEncryption with a KMS key",
        "CWE-311",
        ("trivy:AWS-0132", "checkov:CKV_AWS_145"),
    ),
    Rule(
        "trivy/DS-0026",
        Severity.INFO,
        "an image has no HEALTHCHECK",
        _W + "orchestrators of machine learning do not read it",
        "set probes in the manifest",
        "",
        ("trivy:DS-0026", "checkov:CKV_DOCKER_2"),
    ),
    Rule(
        "trivy/DS-0029",
        Severity.INFO,
        "apt-get installs recommended packages as well",
        _W + "it makes an image larger; what it installs is looked up by scan-image",
        "add --no-install-recommends",
        "",
        ("trivy:DS-0029",),
    ),
)

RULES: tuple[Rule, ...] = (
    *(*_PODS, *_IMAGES, *_CLUSTER, *_DOCKERFILES, *_WORKFLOWS, *_PIPELINES, *_SAGEMAKER, *_READING, *_RATED),
)
BY_ID = {rule.id: rule for rule in RULES}
# Which rule here says the same as a tool's, by the tool's name of it.
CANONICAL = {name: rule for rule in RULES for name in rule.taxonomy}
# Which rule of checkov's says the same as one of trivy's, where none is here.
SAME = {
    **{"CKV_AWS_53": "AWS-0086", "CKV_AWS_54": "AWS-0087", "CKV_AWS_55": "AWS-0091", "CKV_AWS_56": "AWS-0093"},
    **{"CKV_AWS_18": "AWS-0089", "CKV_AWS_21": "AWS-0090", "CKV2_AWS_6": "AWS-0094"},
    **{"CKV_K8S_10": "KSV-0015", "CKV_K8S_12": "KSV-0016", "CKV_K8S_21": "KSV-0110", "CKV_K8S_40": "KSV-0020"},
    **{"CKV_K8S_31": "KSV-0030"},
}
