# SPDX-License-Identifier: Apache-2.0
"""The rules on secrets. What each of them looks for is in :mod:`patterns` and :mod:`names`."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

HARDCODED, CLEARTEXT, LOGGED = "CWE-798", "CWE-312", "CWE-532"
_REVOKE = "revoke it, issue a new one, and let the pipeline read it from a secret store at run time"
_REGISTRY = "Whoever holds it can replace the models or packages that others load, which is code that runs at theirs."
_ACCOUNT = "It opens an account with everything that the account may do, and works from anywhere until it is revoked."
_PAID = "It is good for somebody else's compute and for the data in the account's history, but not for the platform."


def _rule(name: str, severity: Severity, title: str, why: str, cwe: str = HARDCODED, mend: str = _REVOKE) -> Rule:
    return Rule(f"secret/{name}", severity, title, why, mend, cwe)


RULES = (
    _rule(
        "private-key",
        Severity.CRITICAL,
        "a private key",
        "It signs, decrypts or logs in as its holder; evidence and models that are signed with it prove nothing.",
        "CWE-321",
    ),
    _rule(
        "encrypted-private-key",
        Severity.MEDIUM,
        "an encrypted private key",
        "Only a passphrase stands between whoever has the file and the key, and it can be tried at leisure.",
        "CWE-321",
    ),
    _rule(
        "gcp-service-account",
        Severity.CRITICAL,
        "the private key of a Google Cloud service account",
        "Training pipelines run under accounts that read every bucket of a project; the key does not expire.",
    ),
    _rule(
        "aws-access-key-id",
        Severity.HIGH,
        "the id of an AWS access key",
        "The id alone opens nothing, but it names the account, and its secret is seldom far away.",
    ),
    _rule(
        "aws-secret-access-key",
        Severity.CRITICAL,
        "an AWS secret access key",
        "It opens the buckets that training data and models lie in, and starts machines at the owner's cost.",
    ),
    _rule("aws-session-token", Severity.HIGH, "an AWS session token", "It works for hours only, but without the key."),
    _rule("google-api-key", Severity.HIGH, "a Google API key", _PAID),
    _rule("google-oauth", Severity.HIGH, "a Google OAuth secret or token", _ACCOUNT),
    _rule(
        "azure-storage-key",
        Severity.CRITICAL,
        "the key of an Azure storage account",
        "It reads and overwrites everything in the storage account, data sets and models included.",
    ),
    _rule(
        "azure-sas", Severity.HIGH, "an Azure shared access signature", "It opens what it was made for until its end."
    ),
    _rule("azure-client-secret", Severity.CRITICAL, "the secret of an Azure application", _ACCOUNT),
    _rule("github-token", Severity.CRITICAL, "a GitHub token", _REGISTRY),
    _rule("gitlab-token", Severity.CRITICAL, "a GitLab token", _REGISTRY),
    _rule("huggingface-token", Severity.CRITICAL, "a Hugging Face token", _REGISTRY),
    _rule("openai-key", Severity.HIGH, "an OpenAI key", _PAID),
    _rule("anthropic-key", Severity.HIGH, "an Anthropic key", _PAID),
    _rule("model-service-key", Severity.HIGH, "a key of a service that runs or stores models", _PAID),
    _rule(
        "wandb-key",
        Severity.HIGH,
        "a Weights & Biases key",
        "It reads every run of its owner and replaces the artifacts that later runs load.",
    ),
    _rule("comet-key", Severity.HIGH, "a Comet key", "It reads and rewrites the experiments that releases rest on."),
    _rule("kaggle-key", Severity.HIGH, "a Kaggle key", "It can replace data sets and models that others train on."),
    _rule(
        "databricks-token",
        Severity.CRITICAL,
        "a Databricks token",
        "It runs code on the cluster that training data is mounted on.",
    ),
    _rule("slack-token", Severity.HIGH, "a Slack token", "It reads conversations, where more secrets are."),
    _rule(
        "webhook", Severity.MEDIUM, "a webhook's address", "Whoever knows it can post in the team's name.", CLEARTEXT
    ),
    _rule("stripe-key", Severity.CRITICAL, "a live Stripe key", "It moves money."),
    _rule("stripe-test-key", Severity.LOW, "a Stripe key for tests", "It moves no money.", CLEARTEXT),
    _rule("npm-token", Severity.CRITICAL, "an npm token", _REGISTRY),
    _rule("pypi-token", Severity.CRITICAL, "a PyPI token", _REGISTRY),
    _rule("cloud-token", Severity.HIGH, "a token of a cloud, database or monitoring service", _ACCOUNT),
    _rule("vault-token", Severity.CRITICAL, "a Vault token", "It opens the place that secrets were moved to."),
    _rule(
        "jwt",
        Severity.MEDIUM,
        "a signed JSON web token",
        "It stands for a login; many have run out by the time they are found, which only their issuer knows.",
    ),
    _rule("basic-auth", Severity.HIGH, "a user's name and password in a header", _ACCOUNT, CLEARTEXT),
    _rule("bearer-token", Severity.HIGH, "a bearer token in a header", _ACCOUNT, CLEARTEXT),
    _rule(
        "url-password",
        Severity.HIGH,
        "a password in a URL",
        "URLs of tracking servers, databases and package indices are logged wherever they are used.",
        CLEARTEXT,
    ),
    _rule("connection-string", Severity.HIGH, "a password in a connection string", "It opens the database.", CLEARTEXT),
    _rule("docker-auth", Severity.HIGH, "a container registry's password", _REGISTRY, CLEARTEXT),
    _rule("netrc", Severity.HIGH, "a password in a netrc entry", _ACCOUNT, CLEARTEXT),
    _rule(
        "kubeconfig",
        Severity.CRITICAL,
        "the key or token of a Kubernetes user",
        "It is a login to the cluster that pipelines, and all that they mount, run on.",
    ),
    _rule(
        "kubernetes-secret",
        Severity.HIGH,
        "a value in the manifest of a Kubernetes secret",
        "base64 is no encryption: the manifest in the repository is the secret itself.",
        CLEARTEXT,
        "keep the manifest sealed or external (External Secrets, Sealed Secrets, SOPS), and replace the value",
    ),
    _rule(
        "fernet-key",
        Severity.CRITICAL,
        "Airflow's Fernet key",
        "It decrypts every connection and variable in Airflow's database.",
    ),
    _rule(
        "password",
        Severity.HIGH,
        "a password, token or key as a literal",
        "Notebooks, DAGs and pipeline definitions are copied, compiled, logged and stored with every run.",
    ),
    _rule(
        "weak-password",
        Severity.MEDIUM,
        "a short or simple password as a literal",
        "It may be a default of a test set-up, or the password of the real one.",
    ),
    _rule(
        "foreign",
        Severity.HIGH,
        "a secret of a kind that only gitleaks knows",
        "What it opens is not known here, so it is taken for one that matters.",
    ),
    Rule(
        "secret/shallow-history",
        Severity.INFO,
        "the repository's history was fetched in part, and searched as far as it is there",
        "What was deleted before is still in the repository that it was fetched from; this scan cannot know.",
        "fetch it whole (fetch-depth: 0) to search all of it",
    ),
)
BY_ID = {rule.id: rule for rule in RULES}
