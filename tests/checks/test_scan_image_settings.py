# SPDX-License-Identifier: Apache-2.0
"""scan-image and what an image's configuration gives away: found, told by its place, never by its value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo import images
from tests.checks.test_scan_image import KEY, rules, run_on
from tests.conftest import Ran

pytestmark = pytest.mark.scanners
VALUE = "hunter2-hunter2"
Scan = Callable[..., Ran]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scan:
    """Scan an image whose configuration is changed first; no value may be anywhere in what is said or written."""
    honest = images.config

    def run(
        change: Callable[[dict[str, Any]], None] = lambda config: None,
        *options: object,
        what: tuple[str, ...] = ("secret",),
        layers: tuple[bytes, ...] = (images.base_layer(),),
        html: bool = False,
    ) -> Ran:
        def changed(layers: Any, **settings: Any) -> bytes:
            config = json.loads(honest(layers, **settings))
            change(config)
            return json.dumps(config).encode()

        monkeypatch.setattr(images, "config", changed)
        images.write_layout(tmp_path / "image", layers)
        written = [tmp_path / name for name in ("claims.jsonl", "findings.sarif", "sbom.json", "page.html")]
        flags = ("--evidence", "--sarif", "--write-sbom", *(["--html"] if html else []))
        outputs = [part for pair in zip(flags, written, strict=False) for part in pair]
        ran = run_on(wardein, tmp_path / "image", *outputs, *options, what=what)
        said = ran.out + ran.err + "".join(path.read_text() for path in written if path.exists())
        assert KEY not in said
        assert VALUE not in said
        return ran

    return run


def env(text: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"]["Env"].append(text)


def label(name: str, text: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"].setdefault("Labels", {}).update({name: text})


def history(text: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["history"].append({"created_by": text, "empty_layer": True})


def command(text: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"].update({"Cmd": ["sh", "-c", text]})


def place(ran: Ran) -> list[tuple[str, str, str]]:
    return [(f["ruleId"], f["location"], f.get("part", "")) for f in ran.report["findings"]]


@pytest.mark.parametrize(
    ("change", "rule", "part"),
    [
        (env(f"AWS_ACCESS_KEY_ID={KEY}"), "aws-access-key-id", "ENV AWS_ACCESS_KEY_ID"),
        (label("maintainer.key", KEY), "aws-access-key-id", "label maintainer.key"),
        (history(f"RUN |1 TOKEN={KEY} /bin/sh -c pip install x"), "aws-access-key-id", "build history"),
        (env(f"HF_TOKEN={VALUE}"), "image/secret-variable", "ENV HF_TOKEN"),
        (env(f"MLFLOW_TRACKING_PASSWORD={VALUE}"), "image/secret-variable", "ENV MLFLOW_TRACKING_PASSWORD"),
        (env(f"WANDB_API_KEY={VALUE}"), "image/secret-variable", "ENV WANDB_API_KEY"),
        (env(f"app.secret={VALUE}"), "image/secret-variable", "ENV app.secret"),
        (label("db_password", VALUE), "image/secret-variable", "label db_password"),
        (history(f"ARG PIP_TOKEN={VALUE}"), "image/secret-variable", "build history"),
        (history(f'ENV DB_PASSWORD="{VALUE}"'), "image/secret-variable", "build history"),
        (history(f"RUN |2 A=b NPM_TOKEN={VALUE} /bin/sh -c npm ci"), "image/secret-variable", "build history"),
        (history(f"RUN /bin/sh -c export SECRET={VALUE}; make"), "image/secret-variable", "build history"),
        (command(f"DB_PASSWORD={VALUE} serve"), "image/secret-variable", "Cmd"),
        (history(f"RUN pip install -i https://ci:{VALUE}@pypi.example.org/simple x"), "image/credentials-in-url", ""),
        (env(f"PIP_INDEX_URL=https://ci:{VALUE}@pypi.example.org"), "image/credentials-in-url", "ENV PIP_INDEX_URL"),
        (history(f"RUN git clone https://{VALUE}-123@git.example.org/x"), "image/credentials-in-url", "build history"),
    ],
)
def test_secret_in_the_configuration(scan: Scan, change: Callable[..., None], rule: str, part: str) -> None:
    ran = scan(change)
    assert ran.code == 1
    assert place(ran) == [(rule, "image configuration", part or "build history")]
    assert ran.report["findings"][0]["cwe"] == "CWE-798"


@pytest.mark.parametrize(
    "change",
    [
        env("GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D"),
        env("TOKENIZERS_PARALLELISM=false"),
        env("HF_TOKEN="),
        env("HF_TOKEN=${HF_TOKEN}"),
        env("DB_PASSWORD=/run/secrets/db"),
        env("DB_PASSWORD_FILE=/run/secrets/db"),
        env("USE_TOKEN=true"),
        history("RUN --mount=type=secret,id=token HF_TOKEN=$(cat /run/secrets/token) make"),
        history("RUN curl https://$USER:$PASSWORD@example.org"),
        history("RUN curl https://ci:***@example.org"),
        history("RUN git clone git+ssh://git@github.com/a/b"),
        history("RUN curl https://example.org/a:b@c"),
    ],
)
def test_settings_without_a_secret(scan: Scan, change: Callable[..., None]) -> None:
    ran = scan(change)
    assert (ran.code, place(ran)) == (0, [])


def test_several_secrets_are_told_apart_and_stay_the_same_in_another_build(scan: Scan) -> None:
    def both(config: dict[str, Any]) -> None:
        env(f"HF_TOKEN={VALUE}")(config)
        env(f"WANDB_API_KEY={VALUE}")(config)
        history(f"ARG HF_TOKEN={VALUE}")(config)

    def shifted(config: dict[str, Any]) -> None:
        history("RUN true")(config)
        both(config)

    first, second = scan(both, html=True), scan(shifted, layers=(images.base_layer(), images.tar({"a": b"b"})))
    prints = [{f["fingerprint"] for f in ran.report["findings"]} for ran in (first, second)]
    assert len(prints[0]) == 3
    assert prints[0] == prints[1]


def test_secret_in_a_file_is_recognised_in_another_build(scan: Scan) -> None:
    def build(above: bytes, number: int) -> tuple[bytes, ...]:
        noise = tuple(images.tar({f"n{n}": b"x"}) for n in range(number))
        return (images.base_layer(), *noise, images.tar({"app/.env": above + f"AWS_ACCESS_KEY_ID={KEY}\n".encode()}))

    first, second = scan(layers=build(b"", 0)), scan(layers=build(b"A=b\n", 2))
    assert rules(first) == [("aws-access-key-id", "critical", "app/.env, line 1")]
    assert rules(second) == [("aws-access-key-id", "critical", "app/.env, line 2")]
    assert first.report["findings"][0]["fingerprint"] == second.report["findings"][0]["fingerprint"]


def test_what_an_earlier_run_found_does_not_fail_again(scan: Scan, tmp_path: Path) -> None:
    assert scan(env(f"HF_TOKEN={VALUE}")).code == 1
    known = (tmp_path / "claims.jsonl").rename(tmp_path / "known.jsonl")
    ran = scan(env(f"HF_TOKEN={VALUE}"), "--baseline", known)
    assert (ran.code, ran.report["findings"][0]["suppressed"]) == (0, "baseline")

    def more(config: dict[str, Any]) -> None:
        env(f"HF_TOKEN={VALUE}")(config)
        env(f"DB_PASSWORD={VALUE}")(config)

    ran = scan(more, "--baseline", known)
    assert ran.code == 1
    assert [f["part"] for f in ran.report["findings"] if f["fails"]] == ["ENV DB_PASSWORD"]


BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


def test_base_image_without_a_digest(scan: Scan) -> None:
    def pinned(config: dict[str, Any]) -> None:
        label(BASE_NAME, "python:3.11")(config)
        label(BASE_DIGEST, "sha256:" + "0" * 64)(config)

    ran = scan(label(BASE_NAME, "python:3.11"), what=("misconfig",))
    assert (ran.code, rules(ran)) == (0, [("image/base-not-pinned", "low", "image configuration")])
    assert rules(scan(pinned, what=("misconfig",))) == []


def test_archive_that_is_known_by_a_tag_only(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    file = images.write_docker_archive(tmp_path / "image.tar", [images.base_layer()])
    ran = run_on(wardein, file, what=("misconfig",))
    assert (ran.code, rules(ran)) == (0, [("image/known-by-tag", "info", "image configuration")])


@pytest.mark.parametrize("settings", [None, [], {"Env": None}, {"Env": "A=b"}, {"Labels": []}, {"Env": [1, None]}])
def test_odd_configurations(scan: Scan, settings: Any) -> None:
    ran = scan(lambda config: config.update({"config": settings, "history": [None]}), what=("secret", "misconfig"))
    assert ran.code in (1, 2)
    if ran.code == 1:
        assert ("DS-0002", "high", "image configuration") in rules(ran)


@pytest.mark.parametrize(
    "name",
    ["PGPASSWORD", "MYSQL_PWD", "SSHPASS", "dbPassword", "AZURE_STORAGE_KEY", "JAVA_OPTS=-Ddb.password"],
)
def test_names_that_say_secret(scan: Scan, name: str) -> None:
    assert scan(env(f"{name}={VALUE}")).code == 1


@pytest.mark.parametrize("value", ["/kD83ndlq9sLx", "$uperS3cret99"])
def test_values_that_only_look_like_references(scan: Scan, value: str) -> None:
    assert scan(env(f"DB_PASSWORD={value}")).code == 1


@pytest.mark.parametrize(
    "text",
    [
        *("GOOGLE_APPLICATION_CREDENTIALS=credentials.json", "PAD_TOKEN=[PAD]", "DB_PASSWORD={{ secret }}"),
        *("DB_PASSWORD=%(PW)s", "DB_PASSWORD=file:///run/secrets/pw", "DB_PASSWORD=__LATER__", "TOKEN=`get`"),
    ],
)
def test_settings_that_are_no_secrets(scan: Scan, text: str) -> None:
    assert scan(env(text)).code == 0


@pytest.mark.parametrize(
    "change",
    [
        env(f"https://bob:{VALUE}@pypi.example.org/simple?x=1"),
        label(f"https://bob:{VALUE}@h.example/", "x"),
        label(f"tok {VALUE}", "DB_PASSWORD=abcdef"),
    ],
)
def test_a_value_where_a_name_belongs_is_not_told(scan: Scan, change: Callable[..., None]) -> None:
    assert scan(change, html=True).code == 1


def test_another_value_of_a_variable_is_news_to_a_baseline(scan: Scan, tmp_path: Path) -> None:
    assert scan(env("DB_PASSWORD=revoked111")).code == 1
    earlier = (tmp_path / "claims.jsonl").rename(tmp_path / "earlier.jsonl")
    assert scan(env("DB_PASSWORD=revoked111"), "--baseline", earlier).code == 0
    assert scan(env("DB_PASSWORD=prodSecret222"), "--baseline", earlier).code == 1


@pytest.mark.parametrize(
    ("user", "passwd", "code"),
    [
        *(("+0", "", 1), ("app", "app:x:0:0::/:/bin/sh\n", 1), ("app", "app:x:nobody:0::/:/bin/sh\n", 1)),
        *(("app", "root:x:0:0::/:/bin/sh\napp:x:1000:0::/:/bin/sh\n", 0), ("app", "a" * 2**21, 2)),
    ],
)
def test_root_by_another_name(scan: Scan, user: str, passwd: str, code: int) -> None:
    layers = (images.base_layer(), images.tar({"etc/passwd": passwd.encode()}))
    ran = scan(lambda config: config["config"].update({"User": user}), what=("misconfig",), layers=layers)
    assert ran.code == code
