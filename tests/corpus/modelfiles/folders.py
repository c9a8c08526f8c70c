# SPDX-License-Identifier: Apache-2.0
"""Samples of model folders: what loads code, what leads outside, what is missing, and what is as it should be."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.corpus.modelfiles.native import TEMPLATES_GOOD, gguf, piece, png, safetensors, tensor

Maker = Callable[[Path], Path]
Files = Mapping[str, bytes]

WEIGHTS = safetensors({"__metadata__": {"format": "pt"}, "a": tensor(0, 4)}, b"\0" * 4)
MODULE = b"import os\nos.system('touch canary')\n"


def text(value: object) -> bytes:
    """A value as JSON."""
    return json.dumps(value, indent=2).encode()


def folder(*parts: Files) -> Maker:
    """Writes files into a folder; of the same path, the last."""

    def make(target: Path) -> Path:
        for path, content in {key: value for part in parts for key, value in part.items()}.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(content)
        return target

    return make


HUGGING_FACE: Files = {
    "config.json": text({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}),
    "generation_config.json": text({"do_sample": True, "temperature": 0.6}),
    "tokenizer.json": text({"version": "1.0", "model": {"vocab": {"a": 0, "b": 1}, "merges": ["a b"]}}),
    "tokenizer_config.json": text({"chat_template": TEMPLATES_GOOD["chatml"], "tokenizer_class": "LlamaTokenizer"}),
    "chat_template.jinja": TEMPLATES_GOOD["reasoning"].encode(),
    "chat_template.json": text({"chat_template": TEMPLATES_GOOD["tools"]}),
    "preprocessor_config.json": text({"image_mean": [0.5, 0.5], "size": {"height": 224}}),
    "special_tokens_map.json": text({"bos_token": "<s>"}),
    "vocab.json": text({"a": 0}),
    "merges.txt": b"#version: 0.2\na b\n",
    "tokenizer.model": piece("<unk>") + piece("a"),
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": WEIGHTS,
    "model.safetensors.index.json": text(
        {
            "metadata": {"total_size": 8},
            "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"},
        }
    ),
    "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n\n```python\nAutoModel.from_pretrained('x')\n```\n",
    "LICENSE": b"Apache License\n",
    ".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
    "figures/a.png": png(),
}
SENTENCES: Files = {
    "modules.json": text(
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ]
    ),
    "1_Pooling/config.json": text({"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}),
    "config.json": text({"model_type": "bert"}),
    "config_sentence_transformers.json": text({"__version__": {"torch": "2.0"}, "prompts": {}}),
    "sentence_bert_config.json": text({"max_seq_length": 256, "do_lower_case": False}),
    "model.safetensors": WEIGHTS,
    "vocab.txt": b"[PAD]\n[UNK]\nthe\n",
}
DIFFUSERS: Files = {
    "model_index.json": text(
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.30.0",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "feature_extractor": [None, None],
            "requires_safety_checker": True,
        }
    ),
    "unet/config.json": text({"_class_name": "UNet2DConditionModel"}),
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
    "text_encoder/config.json": text({"model_type": "clip_text_model"}),
    "scheduler/scheduler_config.json": text({"_class_name": "PNDMScheduler"}),
}
MLMODEL = """\
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: {loader}
    model_path: {path}
    predict_fn: predict
  xgboost:
    code: null
    data: {path}
mlflow_version: 3.1.0
model_uuid: 46a71e3ddec84c28a0103e579bd55906
signature:
  inputs: '[{{"type": "double", "name": "a", "required": true}}]'
"""


def mlflow(loader: str = "mlflow.xgboost", path: str = "model.json", asks: str = "numpy==2.0") -> Files:
    """A folder as MLflow writes it."""
    return {
        "MLmodel": MLMODEL.format(loader=loader, path=path).encode(),
        "model.json": text({"learner": {"version": [2, 0, 0]}}),
        "conda.yaml": b"channels:\n- conda-forge\ndependencies:\n- python=3.11\n- pip:\n  - numpy==2.0\nname: x\n",
        "python_env.yaml": b"python: 3.11.7\nbuild_dependencies:\n- pip==24\ndependencies:\n- -r requirements.txt\n",
        "requirements.txt": f"mlflow==3.1.0\n{asks}\n".encode(),
        "input_example.json": text({"columns": ["a"], "data": [[1.0]]}),
    }


def openvino(numbers: bytes = b"\1" * 16) -> Files:
    """A network, and its constants beside it."""
    network = (
        b'<?xml version="1.0"?>\n<net name="m" version="11"><layers><layer id="0" type="Const">'
        b'<data element_type="f32" shape="4" offset="0" size="16"/></layer></layers></net>'
    )
    return {"openvino_model.xml": network, "openvino_model.bin": numbers}


def _index(name: str) -> Files:
    return {**HUGGING_FACE, "model.safetensors.index.json": text({"weight_map": {"a": name}})}


MALICIOUS: dict[str, Maker] = {
    "auto-map": folder(
        HUGGING_FACE,
        {"config.json": text({"auto_map": {"AutoModel": "network.X"}}), "network.py": MODULE},
    ),
    "modeling-alone": folder(HUGGING_FACE, {"modeling_x.py": MODULE}),
    "handler": folder(HUGGING_FACE, {"handler.py": MODULE}),
    "inference": folder(HUGGING_FACE, {"code/inference.py": MODULE, "code/requirements.txt": b"x\n"}),
    "hubconf": folder({"hubconf.py": MODULE, "weights.safetensors": WEIGHTS}),
    "custom-generate": folder(HUGGING_FACE, {"custom_generate/decode.py": MODULE}),
    "template-hidden-by-name": folder(HUGGING_FACE, {"additional_chat_templates/x.jinja": b"{{ x.__class__ }}"}),
    "index-outside": folder(_index("../../evil/pytorch_model.bin")),
    "index-absolute": folder(_index("/etc/passwd")),
    "index-windows": folder(_index("..\\evil.bin")),
    "sentences-type": folder(
        SENTENCES, {"modules.json": text([{"idx": 0, "name": "0", "path": "", "type": "custom_st.Transformer"}])}
    ),
    "sentences-path": folder(
        SENTENCES,
        {"modules.json": text([{"idx": 0, "name": "0", "path": "../x", "type": "sentence_transformers.models.Dense"}])},
    ),
    "diffusers-class": folder(DIFFUSERS, {"model_index.json": text({"_class_name": ["pipeline", "Mine"]})}),
    "diffusers-library": folder(DIFFUSERS, {"model_index.json": text({"_class_name": "P", "unet": ["os", "system"]})}),
    "diffusers-file": folder(
        DIFFUSERS,
        {
            "model_index.json": text({"_class_name": "P", "unet": ["my_unet", "UNet"]}),
            "unet/my_unet.py": MODULE,
        },
    ),
    "mlflow-loader": folder(mlflow(loader="evil_loader"), {"code/evil_loader.py": MODULE}),
    "mlflow-loader-nested": folder({f"deep/{key}": value for key, value in mlflow(loader="os.path").items()}),
    "mlflow-code": folder(
        mlflow(),
        {
            "MLmodel": b"flavors:\n  python_function:\n    code: code\n    loader_module: mlflow.pyfunc.model\n",
            "code/mine.py": MODULE,
        },
    ),
    "mlflow-from-code": folder(
        mlflow(),
        {
            "MLmodel": b"flavors:\n python_function:\n  python_model: agent.py\n  loader_module: mlflow.pyfunc.model\n",
            "agent.py": MODULE,
        },
    ),
    "mlflow-outside": folder(mlflow(path="../../../etc/passwd")),
    "torchserve": folder(
        {
            "MAR-INF/MANIFEST.json": text({"model": {"handler": "mine.py", "serializedFile": "m.safetensors"}}),
            "mine.py": MODULE,
            "m.safetensors": WEIGHTS,
        }
    ),
    "triton": folder({"config.pbtxt": b'name: "x"\nbackend: "python"\n', "1/model.py": MODULE}),
    "sitecustomize": folder(HUGGING_FACE, {"sitecustomize.py": MODULE}),
    "path-file": folder(HUGGING_FACE, {"x.pth": b"import os; os.system('touch canary')\n"}),
    "conftest": folder(HUGGING_FACE, {"tests/conftest.py": MODULE}),
    "git-hook": folder(HUGGING_FACE, {".git/hooks/post-checkout": b"#!/bin/sh\ntouch canary\n"}),
    "git-config": folder(HUGGING_FACE, {".git/config": b"[core]\n\tfsmonitor = touch canary\n"}),
    "git-config-in-a-line": folder(HUGGING_FACE, {".git/config": b"[core]fsmonitor=touch canary;false\n"}),
    "git-filter": folder(HUGGING_FACE, {"deep/.GIT/config": b'[filter "x"]\n\tclean = touch canary; cat\n'}),
    "git-bare": folder(
        HUGGING_FACE, {"data/HEAD": b"ref: refs/heads/x\n", "data/config": b"[core]\n", "data/refs/x.txt": b"x\n"}
    ),
    "git-elsewhere": folder(HUGGING_FACE, {"deep/.git": b"gitdir: ../elsewhere\n"}),
    "mlflow-code-of-a-flavor": folder(
        mlflow(),
        {
            "MLmodel": b"flavors:\n  sklearn:\n    code: lib\n    pickled_model: model.json\n",
            "lib/lightgbm/sklearn.py": MODULE,
        },
    ),
    "mlflow-code-of-all": folder(
        mlflow(), {"MLmodel": b"code: lib\nflavors:\n  sklearn:\n    data: model.json\n", "lib/x.py": MODULE}
    ),
    "mlflow-loader-merged": folder(
        mlflow(), {"MLmodel": b"flavors:\n  python_function:\n    <<: {loader_module: evil}\n    x: y\n"}
    ),
    "mlflow-pickle-module": folder(mlflow(), {"data/pickle_module_info.txt": b"evil"}),
    "triton-in-a-line": folder({"config.pbtxt": b'name: "x" backend: "python"\n', "1/x.json": b"{}"}),
    "triton-joined": folder({"config.pbtxt": b"backend: 'pyt' \"hon\"\n", "1/x.json": b"{}"}),
    "triton-escaped": folder({"config.pbtxt": b'backend: "\\160ython"\n', "1/x.json": b"{}"}),
    "triton-late": folder({"config.pbtxt": b"#" + b"x" * 1_048_600 + b'\nbackend: "python"\n', "1/x.json": b"{}"}),
    "triton-file": folder({"config.pbtxt": b'default_model_filename: "go.py"\n', "1/x.json": b"{}"}),
    "triton-beside": folder({"config.pbtxt": b'backend: "other"\n', "1/go.py": MODULE}),
    "mlserver": folder({"model-settings.json": text({"name": "x", "implementation": "evil.Runtime"})}),
    "mlserver-beside": folder({"model-settings.json": text({"name": "x"}), "evil.py": MODULE}),
    "djl": folder({"serving.properties": b"engine=Python\noption.entryPoint = run.py\n", "a.json": b"{}"}),
    "djl-escaped": folder({"serving.properties": b"option.entry\\\n  P\\u006fint : run.py\n", "a.json": b"{}"}),
    "bentoml": folder({"bentofile.yaml": b"service: 'evil:svc'\n"}),
    "cog": folder({"cog.yaml": b"predict: run.py:Predictor\n"}),
    "modelscope": folder({"configuration.json": text({"framework": "pytorch", "plugins": ["evil"]})}),
    "modelscope-beside": folder(
        {"configuration.json": text({"task": "t", "allow_remote": True}), "ms_wrapper.py": MODULE}
    ),
    "caffe": folder(
        {"deploy.prototxt": b'layer { type: "Python" python_param { module: "evil" layer: "L" } }\n', "a.json": b"{}"}
    ),
    "diffusers-modular": folder({"modular_model_index.json": text({"_class_name": "X", "unet": ["evil", "Cls"]})}),
    "diffusers-hint": folder(
        {"modular_model_index.json": text({"unet": [None, None, {"type_hint": ["evil", "Cls"]}]})}
    ),
    "megatron": folder(HUGGING_FACE, {"adapter_config.json": text({"megatron_config": {}, "megatron_core": "evil"})}),
    "configuration-in-python": folder(HUGGING_FACE, {"rtmdet.py": b"_base_ = ['x.py']\nimport os\n"}),
    "library": folder(HUGGING_FACE, {"libx.so": b"\x7fELF" + b"\0" * 60}),
    "bytecode": folder(
        HUGGING_FACE, {"__pycache__/x.cpython-311.pyc": b"\xa7\x0d\r\n" + b"\0" * 12 + b"\xe3" + b"\0" * 9}
    ),
    "gguf-beside": folder(HUGGING_FACE, {"x.gguf": gguf({"tokenizer.chat_template": "{{ x.__class__ }}"})}),
    "kernels": folder(HUGGING_FACE, {"config.json": text({"attn_implementation": "someone/kernel"})}),
    "trust": folder(SENTENCES, {"sentence_bert_config.json": text({"model_args": {"trust_remote_code": True}})}),
}

MALFORMED: dict[str, Maker] = {
    "index-missing": folder(_index("model-00009-of-00009.safetensors")),
    "mlflow-missing": folder(mlflow(path="model.bst")),
    "mlflow-twice": folder(
        mlflow(), {"MLmodel": b"flavors: {x: {data: model.json}}\nflavors: {python_function: {loader_module: evil}}\n"}
    ),
    "openvino-more": folder(HUGGING_FACE, openvino(b"\0" * 16 + b"payload")),
    "openvino-less": folder(HUGGING_FACE, openvino(b"\0" * 8)),
    "modules-large": folder(SENTENCES, {"modules.json": b'[{"pad": "' + b"a" * 13_000_000 + b'", "type": "evil.X"}]'}),
    "requirements-large": folder(mlflow(), {"requirements.txt": b"#\n" * 7_000_000 + b"-i https://example.org\n"}),
    "mlflow-empty": folder(mlflow(), {"MLmodel": b"a: 1\n"}),
    "pointer": folder(
        HUGGING_FACE,
        {"model-00001-of-00002.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"},
    ),
    "one-unknown": folder(HUGGING_FACE, {"extra.bin": bytes(range(256))}),
    "one-truncated": folder(HUGGING_FACE, {"model-00001-of-00002.safetensors": WEIGHTS[:-1]}),
}

BENIGN: dict[str, Maker] = {
    "hugging-face": folder(HUGGING_FACE),
    "hugging-face-deeper": folder({f"a/b/{key}": value for key, value in HUGGING_FACE.items()}),
    "sentence-transformers": folder(SENTENCES),
    "diffusers": folder(DIFFUSERS),
    "mlflow": folder(mlflow()),
    "mlflow-index": folder(mlflow(asks="--index-url https://example.org/simple")),
    "training-code": folder(HUGGING_FACE, {"train.py": b"print(1)\n", "run.sh": b"#!/bin/sh\n", ".hidden": b"x\n"}),
    "same-name": folder({"a.txt": b"1\n", "A.txt": b"2\n"}),
    "openvino": folder(HUGGING_FACE, openvino()),
    "triton-onnx": folder(
        {"config.pbtxt": b'name: "m"\nplatform: "onnxruntime_onnx"  # "python"\n', "1/weights.safetensors": WEIGHTS}
    ),
    "mlserver-own": folder({"model-settings.json": text({"implementation": "mlserver_sklearn.SKLearnModel"})}),
    "djl-own": folder({"serving.properties": b"option.entryPoint=djl_python.huggingface\n", "m.safetensors": WEIGHTS}),
    "modelscope": folder(HUGGING_FACE, {"configuration.json": text({"framework": "pytorch", "task": "x"})}),
    "adapter": folder(HUGGING_FACE, {"adapter_config.json": text({"megatron_core": "megatron.core", "r": 8})}),
    "marks": folder(HUGGING_FACE, {"_SUCCESS": b"", "merges.txt": b"", ".cache/config.json.lock": b""}),
    "desktop": folder(
        HUGGING_FACE,
        {".DS_Store": b"\0\0\0\1Bud1" + struct.pack(">3I", 4096, 2048, 4096) + b"\0" * 6128, "info.plist.txt": b"x\n"},
    ),
    "torchserve-own-handler": folder(
        {
            "MAR-INF/MANIFEST.json": text(
                {"model": {"handler": "image_classifier", "serializedFile": "m.safetensors"}}
            ),
            "m.safetensors": WEIGHTS,
        }
    ),
}
