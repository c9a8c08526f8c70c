# SPDX-License-Identifier: Apache-2.0
"""Model folders: what makes a loader run code is found, whole folders of the usual libraries pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.corpus.modelfiles import folders as corpus
from wardein.modelfiles.scan import Examined, examine_model

# The rule that a sample must be told under, and in which file.
TOLD = {
    "auto-map": ("model/loaded-code", "network.py"),
    "modeling-alone": ("model/loaded-code", "modeling_x.py"),
    "handler": ("model/loaded-code", "handler.py"),
    "inference": ("model/loaded-code", "code/inference.py"),
    "hubconf": ("model/loaded-code", "hubconf.py"),
    "custom-generate": ("model/loaded-code", "custom_generate/decode.py"),
    "template-hidden-by-name": ("model/template", "additional_chat_templates/x.jinja"),
    "index-outside": ("model/path-outside", "model.safetensors.index.json"),
    "index-absolute": ("model/path-outside", "model.safetensors.index.json"),
    "index-windows": ("model/path-outside", "model.safetensors.index.json"),
    "sentences-type": ("model/remote-code", "modules.json"),
    "sentences-path": ("model/path-outside", "modules.json"),
    "diffusers-class": ("model/remote-code", "model_index.json"),
    "diffusers-library": ("model/remote-code", "model_index.json"),
    "diffusers-file": ("model/remote-code", "model_index.json"),
    "mlflow-loader": ("model/remote-code", "MLmodel"),
    "mlflow-loader-nested": ("model/remote-code", "deep/MLmodel"),
    "mlflow-code": ("model/loaded-code", "MLmodel"),
    "mlflow-from-code": ("model/loaded-code", "MLmodel"),
    "mlflow-outside": ("model/path-outside", "MLmodel"),
    "torchserve": ("model/loaded-code", "mine.py"),
    "triton": ("model/loaded-code", "config.pbtxt"),
    "sitecustomize": ("model/hook", "sitecustomize.py"),
    "path-file": ("model/hook", "x.pth"),
    "conftest": ("model/hook", "tests/conftest.py"),
    "git-hook": ("model/git-repository", ".git/hooks/post-checkout"),
    "git-config": ("model/git-repository", ".git/config"),
    "git-config-in-a-line": ("model/git-repository", ".git/config"),
    "git-filter": ("model/git-repository", "deep/.GIT/config"),
    "git-bare": ("model/git-repository", "data/HEAD"),
    "git-elsewhere": ("model/git-repository", "deep/.git"),
    "mlflow-code-of-a-flavor": ("model/loaded-code", "lib/lightgbm/sklearn.py"),
    "mlflow-code-of-all": ("model/loaded-code", "lib/x.py"),
    "mlflow-loader-merged": ("model/remote-code", "MLmodel"),
    "mlflow-pickle-module": ("model/loaded-code", "data/pickle_module_info.txt"),
    "triton-in-a-line": ("model/loaded-code", "config.pbtxt"),
    "triton-joined": ("model/loaded-code", "config.pbtxt"),
    "triton-escaped": ("model/loaded-code", "config.pbtxt"),
    "triton-late": ("model/loaded-code", "config.pbtxt"),
    "triton-file": ("model/loaded-code", "config.pbtxt"),
    "triton-beside": ("model/loaded-code", "1/go.py"),
    "mlserver": ("model/loaded-code", "model-settings.json"),
    "mlserver-beside": ("model/loaded-code", "evil.py"),
    "djl": ("model/loaded-code", "serving.properties"),
    "djl-escaped": ("model/loaded-code", "serving.properties"),
    "bentoml": ("model/loaded-code", "bentofile.yaml"),
    "cog": ("model/loaded-code", "cog.yaml"),
    "modelscope": ("model/loaded-code", "configuration.json"),
    "modelscope-beside": ("model/loaded-code", "ms_wrapper.py"),
    "caffe": ("model/loaded-code", "deploy.prototxt"),
    "diffusers-modular": ("model/remote-code", "modular_model_index.json"),
    "diffusers-hint": ("model/remote-code", "modular_model_index.json"),
    "megatron": ("model/remote-code", "adapter_config.json"),
    "configuration-in-python": ("model/loaded-code", "rtmdet.py"),
    "library": ("model/native-library", "libx.so"),
    "bytecode": ("model/native-library", "__pycache__/x.cpython-311.pyc"),
    "gguf-beside": ("model/template", "x.gguf"),
    "kernels": ("model/remote-code", "config.json"),
    "trust": ("model/remote-code", "sentence_bert_config.json"),
}


def failing(examined: Examined) -> set[tuple[str, str]]:
    """The rules of what makes the check fail, and where."""
    return {(found.rule, found.path) for found in examined.found if found.severity.value in ("critical", "high")}


@pytest.mark.parametrize("name", corpus.MALICIOUS)
def test_what_loads_code_or_leads_outside_is_found(name: str, tmp_path: Path) -> None:
    assert TOLD[name] in failing(examine_model(corpus.MALICIOUS[name](tmp_path), []))


@pytest.mark.parametrize("name", corpus.MALFORMED)
def test_what_is_missing_or_broken_is_not_examined(name: str, tmp_path: Path) -> None:
    examined = examine_model(corpus.MALFORMED[name](tmp_path), [])
    assert examined.skipped
    assert not failing(examined)


@pytest.mark.parametrize("name", corpus.BENIGN)
def test_whole_folders_pass(name: str, tmp_path: Path) -> None:
    examined = examine_model(corpus.BENIGN[name](tmp_path), [])
    assert not failing(examined)
    assert not examined.skipped


@pytest.mark.parametrize(
    ("name", "rule", "path"),
    [
        ("mlflow-index", "model/requirement", "requirements.txt"),
        ("training-code", "model/code", "train.py"),
        ("training-code", "model/hidden-file", ".hidden"),
        ("same-name", "model/same-name", "a.txt"),
    ],
)
def test_what_does_not_fail_is_told(name: str, rule: str, path: str, tmp_path: Path) -> None:
    examined = examine_model(corpus.BENIGN[name](tmp_path), [])
    assert (rule, path) in {(found.rule, found.path) for found in examined.found}


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.org/simple",
        "--extra-index-url=https://example.org",
        "-e .",
        "git+https://example.org/x.git",
        "x @ git+ssh://example.org/x",
        "https://example.org/x.whl",
        "./x.whl",
        "../x",
        "/opt/x",
        "-r https://example.org/more.txt",
        "-f links",
    ],
)
def test_packages_from_elsewhere_are_told(line: str, tmp_path: Path) -> None:
    examined = examine_model(corpus.folder(corpus.mlflow(asks=line))(tmp_path), [])
    assert "model/requirement" in {found.rule for found in examined.found}


@pytest.mark.parametrize(
    "line", ["numpy==2.0", "torch>=2,<3; python_version>'3'", "# https://x", "-r more.txt", "x[a]==1"]
)
def test_packages_by_name_are_not_told(line: str, tmp_path: Path) -> None:
    examined = examine_model(corpus.folder(corpus.mlflow(asks=line))(tmp_path), [])
    assert "model/requirement" not in {found.rule for found in examined.found}


@pytest.mark.parametrize(("name", "code"), [("hugging-face", 0), ("auto-map", 1), ("index-missing", 2)])
def test_the_command_line_ends_as_it_should(name: str, code: int, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    made = {**corpus.BENIGN, **corpus.MALICIOUS, **corpus.MALFORMED}[name](tmp_path / "model")
    ran = wardein("scan-model", "--model", made, "--json")
    assert ran.code == code
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("name", "content"), [("README.md", b"<script>x</script>"), ("e.py", corpus.MODULE), ("a.pdf", b"%PDF-1\n%%EOF\n")]
)
def test_of_text_with_findings_no_model_is_made(
    name: str, content: bytes, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    (tmp_path / name).write_bytes(content)
    ran = wardein("scan-model", "--model", tmp_path / name)
    assert ran.code == 2
    assert "there is no model" in ran.one_line


@pytest.mark.parametrize("name", ["config.pbtxt", "deploy.prototxt", "serving.properties", "cog.yaml", "MLmodel"])
@pytest.mark.parametrize("content", [b"\xff\xfe\0", b'a: "\xff', b"[" * 5000, b"a: \\\n\\u12"])
def test_settings_of_no_form_do_not_pass_for_none(name: str, content: bytes, tmp_path: Path) -> None:
    examined = examine_model(corpus.folder(corpus.HUGGING_FACE, {name: content})(tmp_path), [])
    assert examined.skipped or name == "serving.properties"


def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    made = corpus.MALICIOUS["auto-map"](tmp_path)
    first, again = examine_model(made, []), examine_model(made, [])
    assert first.found == again.found
