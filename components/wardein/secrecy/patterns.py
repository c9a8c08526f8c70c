# SPDX-License-Identifier: Apache-2.0
"""Secrets that can be told by their form alone, wherever they stand.

Every expression starts at a literal or at a bounded class and has bounded or possessive repetitions, so that no text
makes it slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_EDGE = r"(?<![A-Za-z0-9_\-])"
_END = r"(?![A-Za-z0-9_\-])"


@dataclass(frozen=True)
class Pattern:
    """One form.

    Attributes:
        rule: The rule that it is found under.
        hints: Texts of which one must occur, in lower case; looked for first, as that costs next to nothing.
        form: The expression. Its group ``value`` is the secret, or all of it is.
        prefix: How many of the value's first characters are the same in every secret of the kind.
        precise: Whether it is believed in binary files as well.
    """

    rule: str
    hints: tuple[str, ...]
    form: re.Pattern[str]
    prefix: int = 0
    precise: bool = True


def _token(rule: str, prefix: str, rest: str) -> Pattern:
    """A token with a public prefix."""
    form = re.compile(f"{_EDGE}{re.escape(prefix)}(?:{rest}){_END}")
    return Pattern(f"secret/{rule}", (prefix.lower(),), form, len(prefix))


def _form(rule: str, hints: str, form: str, *, precise: bool = True, prefix: int = 0, flags: int = 0) -> Pattern:
    return Pattern(f"secret/{rule}", tuple(hints.split()), re.compile(form, flags), prefix, precise)


# A key's body holds no five hyphens; it may have line breaks written as escapes, quotes and plus signs in it.
PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>(?:[A-Z0-9]{2,12} ){0,2})PRIVATE KEY(?: BLOCK)?-----"
    r"(?P<value>[^-]{0,20000}+(?:-(?!----)[^-]{0,20000}+){0,6}+)"
)
PUTTY_KEY = re.compile(
    r"PuTTY-User-Key-File-\d: [^\n]{1,80}\s{1,4}Encryption: (?P<kind>[^\s]{1,40})(?P<value>[^-]{0,20000}+)"
)

_WORD, _HEX = "[A-Za-z0-9]", "[0-9a-f]"
PATTERNS = (
    _form("aws-access-key-id", "akia asia abia acca", rf"{_EDGE}(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}{_END}", prefix=4),
    _form(
        "aws-secret-access-key",
        "akia asia",
        r"(?:AKIA|ASIA)[A-Z2-7]{16}[\"'\s,:;=|]{1,10}+(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    _token("google-api-key", "AIza", r"[\w\-]{35}"),
    _token("google-oauth", "GOCSPX-", r"[\w\-]{28}"),
    _token("google-oauth", "ya29.", r"[\w\-]{60,2000}+"),
    _form("azure-storage-key", "accountkey", r"(?i:AccountKey)=(?P<value>[A-Za-z0-9+/]{86}==)"),
    _form("azure-storage-key", "sharedaccesskey", r"(?i:SharedAccessKey)=(?P<value>[A-Za-z0-9+/]{43}=)"),
    _form("azure-sas", "sig=", r"[?&;](?:amp;)?sig=(?P<value>[A-Za-z0-9%/+_\-]{40,120}+=?)"),
    _form("azure-client-secret", "q~", rf"{_EDGE}[\w~.]{{3}}\dQ~[\w~.\-]{{31,34}}{_END}"),
    *(_token("github-token", f"gh{kind}_", f"{_WORD}{{36,255}}+") for kind in "pousr"),
    _token("github-token", "github_pat_", r"\w{22,255}+"),
    *(
        _token("gitlab-token", f"{kind}-", r"[\w\-.]{20,300}+")
        for kind in ("glpat", "gldt", "glrt", "glcbt", "glptt", "glft", "glimt", "glagent", "gloas", "glsoat")
    ),
    _token("huggingface-token", "hf_", f"{_WORD}{{30,60}}+"),
    _token("huggingface-token", "api_org_", f"{_WORD}{{34}}"),
    _token("anthropic-key", "sk-ant-", r"[\w\-]{40,200}+"),
    _form(
        "openai-key",
        "sk-",
        rf"{_EDGE}sk-(?!ant-)(?:(?:proj|svcacct|admin|None)-[\w\-]{{40,250}}+|[\w\-]{{16,80}}T3BlbkFJ[\w\-]{{16,80}}"
        rf"|{_WORD}{{48}}){_END}",
        prefix=3,
    ),
    _token("model-service-key", "gsk_", f"{_WORD}{{40,64}}+"),
    _token("model-service-key", "r8_", f"{_WORD}{{37,40}}+"),
    _token("model-service-key", "nvapi-", r"[\w\-]{60,90}+"),
    _token("model-service-key", "pcsk_", r"\w{40,100}+"),
    _token("model-service-key", "lsv2_pt_", r"\w{36,64}+"),
    _token("model-service-key", "xai-", f"{_WORD}{{70,90}}+"),
    _token("model-service-key", "sk-or-v1-", f"{_HEX}{{64}}"),
    _token("wandb-key", "wandb_v1_", r"[\w\-]{40,120}+"),
    _token("wandb-key", "local-", f"{_HEX}{{40}}"),
    _form("wandb-key", "api.wandb.ai", r"api\.wandb\.ai[\s\S]{1,80}?password\s{1,4}(?P<value>[0-9a-f]{40})"),
    _token("kaggle-key", "KGAT_", f"{_HEX}{{32}}"),
    _token("databricks-token", "dapi", rf"{_HEX}{{32}}(?:-\d)?"),
    *(_token("slack-token", f"xox{kind}-", r"[\w\-]{20,300}+") for kind in "abeoprs"),
    _token("slack-token", "xapp-", r"[\w\-]{40,200}+"),
    _form("webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[A-Za-z0-9+/]{30,100}+)"),
    _form("webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{15,25}+/(?P<value>[\w\-]{60,80}+)"),
    _form("webhook", "webhook.office.com", r"webhook\.office\.com/webhookb2/(?P<value>[\w@\-/]{60,300}+)"),
    *(_token("stripe-key", f"{kind}_live_", f"{_WORD}{{16,250}}+") for kind in ("sk", "rk")),
    *(_token("stripe-test-key", f"{kind}_test_", f"{_WORD}{{16,250}}+") for kind in ("sk", "rk")),
    _token("npm-token", "npm_", f"{_WORD}{{36}}"),
    _token("pypi-token", "pypi-AgE", r"[\w\-]{50,1000}+"),
    _token("cloud-token", "dop_v1_", f"{_HEX}{{64}}"),
    _token("cloud-token", "dckr_pat_", r"[\w\-]{27,40}+"),
    _token("cloud-token", "glsa_", r"\w{32,50}+"),
    _token("cloud-token", "SG.", r"[\w\-]{22}\.[\w\-]{43}"),
    _token("cloud-token", "pul-", f"{_HEX}{{40}}"),
    _token("cloud-token", "AGE-SECRET-KEY-1", "[A-Z0-9]{58}"),
    _token("cloud-token", "sntrys_", r"[\w+/=\-]{60,300}+"),
    _token("vault-token", "hvs.", r"[\w\-]{24,200}+"),
    _token("vault-token", "hvb.", r"[\w\-]{100,300}+"),
    _form("cloud-token", "atlasv1", rf"{_WORD}{{14}}\.atlasv1\.[\w\-=]{{60,80}}+"),
    _form("jwt", "eyj", rf"{_EDGE}eyJ[\w\-]{{10,4000}}+\.eyJ[\w\-]{{10,8000}}+\.[\w\-]{{16,2000}}+", prefix=3),
    _form("basic-auth", "basic", r"(?i:\bbasic)[ :]{1,3}(?P<value>[A-Za-z0-9+/]{8,400}+={0,2})", precise=False),
    _form("docker-auth", "auth", r"\bauth\\?[\"']\s{0,5}:\s{0,5}\\?[\"'](?P<value>[A-Za-z0-9+/]{8,400}+={0,2})"),
    _form("bearer-token", "bearer", r"(?i:\bbearer)[ :]{1,3}(?P<value>[\w.~+/\-]{20,4000}+=*)", precise=False),
    _form(
        "basic-auth",
        "curl",
        r"\bcurl\b[^\n|;]{0,300}?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,80}:(?P<value>[^\s\"']{4,100})",
    ),
    _form(
        "basic-auth",
        "auth",
        r"\bauth\s{0,3}=\s{0,3}[\w.]{0,60}\(\s{0,40}[rbfu]?(?P<quote>[\"'])[^\"'\n]{1,100}(?P=quote)\s{0,3},\s{0,40}"
        r"[rbfu]?(?P<end>[\"'])(?P<value>[^\"'\n]{4,200})(?P=end),?\s{0,40}\)",
        precise=False,
    ),
    _form("url-password", "://", r"://[^\s:/@\"'<>{}\\]{0,100}:(?P<value>[^\s/@\"'<>\\]{1,300}+)@(?=[\w\[$%{(.])"),
    _form("connection-string", "password pwd", r";\s{0,3}(?i:password|pwd)\s{0,3}=\s{0,3}(?P<value>[^;\"'\s]{4,200})"),
    _form(
        "netrc",
        "machine",
        r"\bmachine\s{1,8}+\S{1,200}+\s{1,20}+(?:login\s{1,8}+\S{1,200}+\s{1,20}+)?password\s{1,8}+(?P<value>\S{1,300})",
    ),
)
