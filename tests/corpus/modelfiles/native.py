# SPDX-License-Identifier: Apache-2.0
"""Samples of formats of data and text: what must not pass, what nobody can examine, what must pass."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

from wardein.modelfiles.native import tfrecord

Samples = Mapping[str, bytes]


def safetensors(header: Mapping[str, object] | bytes, data: bytes = b"") -> bytes:
    """A safetensors file of a header and the tensors' bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, object]:
    """A tensor's entry, of bytes where nothing else is said."""
    return {"dtype": dtype, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


def gguf_text(text: str | bytes, order: str = "<", size: str = "Q") -> bytes:
    """A text as GGUF has it."""
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack(order + size, len(raw)) + raw


def gguf(
    settings: Mapping[str, str | int | list[str]],
    tensors: list[tuple[str, list[int], int, int]] | None = None,
    data: bytes = b"",
    order: str = "<",
    version: int = 3,
) -> bytes:
    """A GGUF file; a tensor is its name, shape, type and offset."""
    tensors = tensors or []
    size = "I" if version == 1 else "Q"
    out = b"GGUF" + struct.pack(f"{order}I{size}{size}", version, len(tensors), len(settings))
    for key, value in settings.items():
        out += gguf_text(key, order, size)
        if isinstance(value, str):
            out += struct.pack(order + "I", 8) + gguf_text(value, order, size)
        elif isinstance(value, int):
            out += struct.pack(order + "II", 4, value)
        else:
            out += struct.pack(f"{order}II{size}", 9, 8, len(value))
            out += b"".join(gguf_text(text, order, size) for text in value)
    for name, shape, form, offset in tensors:
        out += gguf_text(name, order, size) + struct.pack(order + "I", len(shape))
        out += struct.pack(f"{order}{len(shape)}{size}", *shape) + struct.pack(order + "IQ", form, offset)
    if tensors:
        out += b"\0" * (-len(out) % 32)
    return out + data


def ubjson_key(text: str) -> bytes:
    """A key as XGBoost writes it."""
    return b"L" + struct.pack(">q", len(text)) + text.encode()


def ubjson(values: bytes = b"[$d#L" + struct.pack(">q", 2) + b"\0" * 8) -> bytes:
    """A small model with one array of numbers."""
    return b"{" + ubjson_key("learner") + b"{" + ubjson_key("weights") + values + b"}" + b"}"


def png(more: bytes = b"") -> bytes:
    """A picture of one pixel."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = block(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = block(b"IDAT", zlib.compress(b"\0\1\2\3"))
    return b"\x89PNG\r\n\x1a\n" + start + pixels + block(b"IEND", b"") + more


def catboost(core: bytes = struct.pack("<I", 12) + b"\0" * 28, more: bytes = b"") -> bytes:
    """A model of CatBoost by its frame."""
    return b"CBM1" + struct.pack("<I", len(core)) + core + more


def piece(text: str) -> bytes:
    """One piece of SentencePiece."""
    raw = text.encode()
    inner = b"\x0a" + bytes([len(raw)]) + raw + b"\x15" + struct.pack("<f", -1.5) + b"\x18\x02"
    return b"\x0a" + bytes([len(inner)]) + inner


def lightgbm(trees: int = 2, promised: int | None = None, more: str = "") -> bytes:
    """A model of LightGBM by its parts."""
    sizes = " ".join(["100"] * (trees if promised is None else promised))
    head = f"tree\nversion=v4\nnum_class=1\nfeature_names=a b\ntree_sizes={sizes}\n\n"
    each = "".join(f"Tree={n}\nnum_leaves=2\nleaf_value=0.5 -0.5\nshrinkage=1\n\n\n" for n in range(trees))
    tail = "end of trees\n\nfeature_importances:\na=1\n\nparameters:\n[boosting: gbdt]\nend of parameters\n\n"
    return (head + each + tail + "pandas_categorical:null\n" + more).encode()


def pmml(inner: str = "", before: str = "", root: str = "") -> bytes:
    """A PMML document."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{before}<PMML version="4.4" '
        f'xmlns="http://www.dmg.org/PMML-4_4"{root}><Header><Application name="x"/></Header>'
        f'<DataDictionary><DataField name="a" optype="continuous" dataType="double"/></DataDictionary>{inner}</PMML>'
    ).encode()


def wave(more: bytes = b"") -> bytes:
    """A sound of four samples."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + b"data" + struct.pack("<I", 8) + b"\0" * 8
    return b"RIFF" + struct.pack("<I", len(body)) + body + more


def records(*each: bytes) -> bytes:
    """Records as TensorFlow writes them; the sums of what they hold are left out."""
    lengths = [struct.pack("<Q", len(data)) for data in each]
    return b"".join(
        length + struct.pack("<I", tfrecord.masked_sum(length)) + data + b"\0" * 4
        for length, data in zip(lengths, each, strict=True)
    )


CALL = "{{ cycler.__init__.__globals__.os.popen('touch canary').read() }}"
TEMPLATES_BAD: Mapping[str, str] = {
    "dunder": CALL,
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr": "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "plain-attr": "{{ messages|attr('x') }}",
    "concatenated": "{{ messages['__cl' + 'ass__'] }}",
    "joined": "{{ messages[['__', 'class', '__']|join] }}",
    "tilde": "{% set a = '__cl' %}{% set b = 'ass__' %}{{ messages[a ~ b] }}",
    "namespace": "{% set ns = namespace(k='_') %}{% set ns.k = ns.k ~ '_class__' %}{{ messages[ns.k] }}",
    "macro": "{% macro m(k) %}{{ messages[k] }}{% endmacro %}{{ m('_' ~ '_class__') }}",
    "caller": "{% macro m() %}{{ caller('_' ~ '_') }}{% endmacro %}{% call(k) m() %}{{ messages[k] }}{% endcall %}",
    "block": "{% set k %}__cl{% endset %}{{ messages[k] }}",
    "appended": "{% set l = [] %}{% set _ = l.append('_' ~ '_') %}{{ messages[l[0]] }}",
    "stepped": "{{ messages['_a_b_c'[::2]] }}",
    "replaced": "{{ messages['X_x_class'|replace('x', '')] }}",
    "percent": "{{ messages['%s' % key] }}",
    "loop": "{% for k in ['_' ~ '_'] %}{{ messages[k] }}{% endfor %}",
    "map": "{{ messages|map(attribute='__class__')|list }}",
    "map-filter": "{{ messages|map('attr', 'x')|list }}",
    "groupby": "{{ messages|groupby('a.__class__') }}",
    "sum": "{{ messages|sum('__class__') }}",
    "format": "{{ '{0.__class__}'.format(messages) }}",
    "format-given": "{{ pattern.format(messages) }}",
    "keyword": "{{ (dict(__class__=1)|list)[0] }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'x' as y %}",
    "extends": "{% extends 'x' %}",
    "call-item": "{{ messages['x']() }}",
    "call-unknown": "{{ lipsum(100) }}",
    "method": "{{ messages.popen('id') }}",
    "frame": "{{ messages.gi_frame.f_globals }}",
    "shadowed": "{% for range in messages %}{{ range(1) }}{% endfor %}",
    "huge": "{{ 'a' * 9999999999 }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "keyword-slice": "{% set k = dict(x__globals__x=1)|first %}{{ lipsum[k[1:12]] }}",
    "macro-slice": "{% macro x__globals__x() %}{% endmacro %}{{ lipsum[x__globals__x.name[1:12]] }}",
    "macro-set": "{% macro f() %}{% endmacro %}{% set f = messages.x %}{{ f('id') }}",
    "macro-set-block": "{% macro f() %}{% endmacro %}{% set f %}x{% endset %}{{ f('id') }}",
    "format-alias": "{% set g = ('{0.' ~ messages ~ '}').format %}",
    "format-item": "{% set g = '{0.a}'['format'] %}",
    "format-loop": "{% for p in ['{0.a}'] %}{{ p.format }}{% endfor %}",
    "format-pick": "{{ ['{0.a}']|map(attribute='format')|list }}",
    "format-map": "{% set g = messages.format_map %}",
    "format-map-pick": "{{ messages|map(attribute='format_map')|list }}",
    "method-set": "{% set ns = namespace(get=messages.x) %}{{ ns.get('id') }}",
    "method-set-later": "{% set ns = namespace() %}{% set ns.get = messages.x %}{{ ns.get('id') }}",
}
TEMPLATES_GOOD: Mapping[str, str] = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "alternating": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content']|trim %}{% else %}{% set loop_messages = messages %}{% endif %}"
    "{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}",
    "date": "{{ 'Today: ' + (strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024') }}",
    "reasoning": "{% set ns = namespace(last=messages|length - 1) %}{% for message in messages[::-1] %}"
    "{% set index = (messages|length - 1) - loop.index0 %}{% if message.content.startswith('<tool_response>') %}"
    "{% set ns.last = index %}{% endif %}{% endfor %}{{ messages[ns.last].content.split('</think>')[-1].strip() }}",
    "tools": "{% macro show(spec, indent='') %}{% for key, value in spec.items() %}{{ indent + key }}: "
    "{{ spec[key] }}{% if value is mapping %}{{ show(value, indent ~ '  ') }}{% endif %}{% endfor %}{% endmacro %}"
    "{% for tool in tools|selectattr('type', 'equalto', 'function')|map(attribute='function')|list %}"
    "{{ tool|tojson(indent=4)|indent(8) }}{{ show(tool.parameters.properties) }}{% endfor %}",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "breaks": "{% for m in messages %}{% if m.role != 'tool' %}{% break %}{% endif %}{{ m.get('_id') }}{% endfor %}",
    "appending": "{% set found = namespace(value=[]) %}{% set _ = found.value.append(messages[0].tool) %}"
    "{% set found.value = found.value + ['(' ~ messages[0].x ~ ')'] %}{{ found.value|join(', ') }}",
    "filter-block": "{% set text %}{% filter trim %}x{% endfilter %}{% endset %}{{ text + '\\n' }}",
    "pointer": "{% for raw in messages[0].ref.split('/') %}{% set part = raw|replace('~1', '/') %}"
    "{{ messages[0].schema[part] }}{% endfor %}",
    "schema-format": "{% for p in tools[0].parameters %}{% if p.format %}{{ p['format'] }}: {{ p.format|upper }}"
    "{% endif %}{% endfor %}{{ tools|selectattr('format')|map(attribute='format')|list }}",
    "same-name": "{% for key, value in messages[0].items() %}{{ messages[0][key] }}{% endfor %}"
    "{% set pairs = [('a', 'x' ~ 'y')] %}{% for key, value in pairs %}{{ key }}{% endfor %}",
}

_ONE = {"a": tensor(0, 4)}
MALICIOUS: dict[str, bytes] = {
    "safetensors-behind.safetensors": safetensors(_ONE, b"\0" * 4 + b"\x80\x04\x95payload"),
    "safetensors-gap.safetensors": safetensors({"a": tensor(0, 4), "b": tensor(8, 12)}, b"\0" * 12),
    "safetensors-template.safetensors": safetensors({"__metadata__": {"chat_template": CALL}, **_ONE}, b"\0" * 4),
    "gguf-behind.gguf": gguf({"general.name": "x"}, [("t", [4], 0, 0)], b"\0" * 16 + b"\0" * 16 + b"payload!"),
    "gguf-gap.gguf": gguf({}, [("t", [4], 0, 0), ("u", [4], 0, 64)], b"\0" * 16 + b"evil" * 12 + b"\0" * 16),
    "gguf-second.gguf": gguf({"tokenizer.chat_template": "{{ x }}", "tokenizer.chat_template.tool_use": CALL}),
    "gguf-list.gguf": gguf({"tokenizer.chat_templates": ["{{ x }}", CALL]}),
    "gguf-other-key.gguf": gguf({"general.description": CALL}),
    "gguf-go-comment.gguf": gguf({"tokenizer.chat_template": CALL + "{# {{ .Messages }} #}"}),
    "gguf-go-raw.gguf": gguf({"tokenizer.chat_template": "{{ '{{ .Messages }}' }}" + CALL}),
    "tokenizer_config-go-comment.json": json.dumps({"chat_template": CALL + "{# {{ .Messages }} #}"}).encode(),
    "tokenizer_config-go-condition.json": json.dumps({"template": CALL + "{{ if .System }}{{ end }}"}).encode(),
    "template-go-comment.tmpl": (CALL + "{# {{ .Messages }} #}").encode(),
    "gguf-big-endian.gguf": gguf({"tokenizer.chat_template": CALL}, order=">"),
    "gguf-version-1.gguf": gguf({"tokenizer.chat_template": CALL}, version=1),
    **{f"template-{name}.jinja": text.encode() for name, text in TEMPLATES_BAD.items()},
    "template-in-xml.jinja": f'<?xml version="1.0"?><a>{CALL}</a>'.encode(),
    "template-in-trees.jinja": f"tree\nversion=v4\na={CALL}\nend of trees\n".encode(),
    "template-in-graph.jinja": f'node {{\n name: "{CALL}"\n op: "NoOp"\n}}\n'.encode(),
    "template-in-text.tmpl": CALL.encode(),
    "tokenizer_config-keras.json": json.dumps(
        {"class_name": "Sequential", "config": {"name": "s", "layers": []}, "chat_template": CALL}
    ).encode(),
    "tokenizer_config-string.json": json.dumps({"chat_template": CALL}).encode(),
    "tokenizer_config-list.json": json.dumps(
        {"chat_template": [{"name": "default", "template": "{{ x }}"}, {"name": "tool_use", "template": CALL}]}
    ).encode(),
    "tokenizer_config-escaped.json": b'{"chat\\u005ftemplate": ' + json.dumps(CALL).encode() + b"}",
    "tokenizer_config-twice.json": b'{"chat_template": ' + json.dumps(CALL).encode() + b', "chat_template": "x"}',
    "auto_map.json": json.dumps({"auto_map": {"AutoModel": "modeling_x.X"}}).encode(),
    "auto_map-elsewhere.json": json.dumps({"auto_map": {"AutoConfig": "someone/repo--config.X"}}).encode(),
    "auto_map-deep.json": json.dumps({"text_config": {"auto_map": {"AutoModel": "modeling_x.X"}}}).encode(),
    "custom_pipelines.json": json.dumps({"custom_pipelines": {"x": {"impl": "x.X"}}}).encode(),
    "trust_remote_code.json": b'{"model_args": {"trust_remote_code": true}}',
    "trust_remote_code-number.json": b'{"n": 3, "trust_remote_code": 1, "m": 4}',
    "attention.json": b'{"_attn_implementation": "someone/kernels"}',
    "auto_mapping.json": b'{"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}',
    "weight_map.index.json": b'{"weight_map": {"a": "../../evil/pytorch_model.bin"}}',
    "jsonpickle.json": b'{"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["touch canary"]}]}',
    "zarr.zarray": b'{"zarr_format": 2, "dtype": "|O", "filters": [{"id": "pickle"}], "chunks": [1]}',
    "genai_config.json": b'{"model": {"decoder": {"session_options": {"custom_ops_library": "evil.so"}}}}',
    "target.json": b'{"trainer": {"_target_": "os.system", "command": "touch canary"}}',
    "lines.jsonl": b'{"a": 1}\n{"_target_": "os.system"}\n',
    "apply.yaml": b'a: !!python/object/apply:os.system ["touch canary"]\n',
    "apply-hidden.md": b'a: !!python/object/apply:os.system ["touch canary"]\n',
    "apply-escaped.yaml": b'a: !!%70ython/object/apply:os.system ["touch canary"]\n',
    "apply-prefix.yaml": b'%TAG ! tag:yaml.org,2002:python/object/\n---\na: !apply:os.system ["touch canary"]\n',
    "apply-long.yaml": b'a: !<tag:yaml.org,2002:python/object/apply:os.system> ["touch canary"]\n',
    "apply-second.yaml": b"a: 1\n---\nb: !!python/name:os.system\n",
    "target.yaml": b"model:\n  _target_: subprocess.check_output\n  args: [touch, canary]\n",
    "target-function.yaml": b"model:\n  _target_: torch.hub.load\n",
    "target-latent.yaml": b"model:\n  target: os.system\n  params: {command: touch canary}\n",
    "target-class-path.yaml": b"model:\n  class_path: os.system\n  init_args: {command: touch canary}\n",
    "target-alias.yaml": b"a: &x {_target_: os.system}\nb: *x\n",
    "target-key.yaml": b"? {_target_: os.system}\n: 1\n",
    "target-pickled.json": b'{"target": {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["id"]}]}}',
    **{
        f"target-in-{outer}.json": json.dumps({outer: [{"inner": {"_target_": "os.system"}}]}).encode()
        for outer in ("compressor", "filters", "class_path", "target", "chat_template", "activation_fn")
    },
    "auto_map-nested.json": b'{"chat_template": {"auto_map": {"AutoModel": "evil.X"}}}',
    "tokenizer_config-nested.json": json.dumps({"filters": [{"chat_template": CALL}]}).encode(),
    "target-first-of-two.json": b'{"target": {"_target_": "os.system", "_target_": "torch.nn.Linear"}}',
    **{
        f"target-walk-{number}.yaml": f"model:\n  _target_: {name}\n".encode()
        for number, name in enumerate(
            [
                "torch.nn.parameter.torch.utils.collect_env.subprocess.Popen",
                "torch.nn.modules.module.torch.multiprocessing.Pool",
                "torch.optim.torch.utils.collect_env.subprocess.Popen",
                "torchmetrics.text.os.PathLike",
                "nemo.collections.asr.models.torch.utils.collect_env.subprocess.Popen",
                "nemo.collections.asr.parts.utils.audio_utils.Popen",
                "transformers.models.bert.modeling_bert.torch.nn.Linear",
                "ldm.util.importlib.ModuleType",
                "diffusers.models.attention.torch.Tensor",
                "os.Torch.nn.Linear",
            ]
        )
    },
    **{
        f"target-params-{name}.yaml": f"a:\n  target: {name}\n  params: {{filename: x, mode: w}}\n".encode()
        for name in ("gzip.open", "pandas.read_pickle", "pip.main", "my-package.x")
    },
    "target-params.json": b'{"a": {"target": "gzip.open", "n": [1], "params": {"filename": "x"}}}',
    "target-params-before.json": b'{"a": {"params": {"filename": "x"}, "n": 1, "target": "gzip.open"}}',
    "target-below-model.json": b'{"model": [{"a": {"target": "pip.main"}}]}',
    "target-below-model.yaml": b"model:\n  target: pip.main\n",
    "target-below-config.yaml": b"conditioner_config:\n  target: pip.main\n",
    "target-below-twice.yaml": b"model:\n  target: pip.main\n  target: ldm.models.autoencoder.AutoencoderKL\n",
    "target-alias-below.yaml": b"a: &x {target: pip.main}\nmodel: *x\n",
    "target-class-path-function.yaml": b"model:\n  class_path: pip.main\n",
    "target-class-path-walk.yaml": b"model:\n  class_path: mine.subprocess.Popen\n",
    "target-activation.json": b'{"in_features": 1, "activation_function": "tempfile.mkdtemp"}',
    "target-activation-torch.json": b'{"sentence_transformers": {"activation_fn": "torch.utils.collect_env.main"}}',
    "target-activation-walk.json": b'{"activation_fn": "torch.nn.modules.activation.torch.Tensor"}',
    "target-activation-old.json": b'{"sbert_ce_default_activation_function": "os.system"}',
    "target-tokenizer.json": b'{"tokenizer_class": "os.system"}',
    "target-router-twice.json": b'{"types": {"a": "subprocess.Popen", "a": "x"}}',
    "auto_mapping-twice.json": b'{"auto_mapping": {"parent_library": "os", "parent_library": "peft.x"}}',
    "target-router.json": b'{"types": {"query_0_Dense": "subprocess.Popen"}, "structure": {}}',
    "target-twice.yaml": b"_target_: os.system\n_target_: torch.nn.Linear\n",
    "doctype.pmml": pmml(before='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n'),
    "doctype-wide.pmml": pmml(before='<!DOCTYPE x [<!ENTITY e "y">]>\n')
    .decode()
    .replace("UTF-8", "UTF-16")
    .encode("utf-16"),
    "laughs.pmml": pmml(before='<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n', inner="<x>&b;</x>"),
    "script.pmml": pmml("<Extension name='s'><script>touch canary</script></Extension>"),
    "extension.pmml": pmml("<Extension name='python'>import os; os.system('touch canary')</Extension>"),
    "extension-value.pmml": pmml("<Extension name='x' value='__import__(&quot;os&quot;).system(1)'/>"),
    "include.pmml": pmml('<xi:include href="http://x/"/>', root=' xmlns:xi="http://www.w3.org/2001/XInclude"'),
    "stylesheet.pmml": pmml(before='<?xml-stylesheet href="http://x/x.xsl"?>\n'),
    "class.pmml": pmml('<Apply function="com.evil.Run"><FieldRef field="a"/></Apply>'),
    "behind.ubj": ubjson() + b"\x80\x04\x95payload",
    "behind.cbm": catboost(more=struct.pack("<I", 0) + b"payload"),
    "behind.png": png(b"\x80\x04payload"),
    "behind-lightgbm.txt": lightgbm(more="cos\nsystem\n"),
    "extension.msgpack": b"\x81\xa1a\xd6\x2apayl",
    "behind.msgpack": b"\x81\xa1a\x01payload",
    "apply-speech.yaml": b"x: !apply:os.system [touch canary]\n",
    "apply-speech.conf": b"x: !%61pply:os.system [touch canary]\n",
    "apply-speech-prefix.yaml": b"%TAG !e! !ap\n---\nx: !e!ply:os.system [touch canary]\n",
    "apply-speech-walk.yaml": b"x: !new:speechbrain.utils.superpowers.subprocess.Popen [touch canary]\n",
    "apply-speech-include.yaml": b"x: !include:other.conf\n",
    "apply-returned.conf": b"#x\r%TAG !e! tag:yaml.org,2002:py\r--- !e!thon/object/apply:os.system [id]\r",
    "doctype-behind-a-note.pmml": b'<!-- x --><!DOCTYPE P [<!ENTITY x SYSTEM "file:///x">]><P>&x;</P>',
    "doctype-behind-notes.txt": b"\n<!-- " + b"x" * 5000 + b' --> <?a b?>\n<!DOCTYPE P [<!ENTITY x "y">]><P>&x;</P>',
    "doctype-of-a-page.pmml": b'<!DOCTYPE html [<!ENTITY x SYSTEM "file:///x">]><P>&x;</P>',
    "doctype-of-a-page.txt": b'<!DOCTYPE html PUBLIC "a" "[" [<!ENTITY x SYSTEM "file:///x">]><P>&x;</P>',
    "doctype-marked.txt": b'\xef\xbb\xbf <!DOCTYPE P [<!ENTITY x "y">]><P>&x;</P>',
    "objects.msgpack": b"\x81\xa1x\x83\xc4\x02nd\xc3\xc4\x04kind\xc4\x01O\xc4\x04data\xc4\x02N.",
    "pickled.msgpack": b"\x81\xa1x\xc4\x1ecos\nsystem\n(S'touch canary'\ntR.",
    "behind.wav": wave(b"\x80\x04payload"),
    "behind.pdf": b"%PDF-1.5\n1 0 obj\n<<>>\nendobj\n%%EOF\npayload",
    "apply-latin.txt": b"#\xe9\nx: !!python/object/apply:os.system [touch canary]\n",
    "apply-wide.txt": "x: !!python/object/apply:os.system [touch canary]\n".encode("utf-16"),
    "library.so": b"\x7fELF\x02\x01\x01" + b"\0" * 60,
    "library.txt": b"\x7fELF\x02\x01\x01" + b"\0" * 60,
    "program.dll": b"MZ" + b"\0" * 58 + struct.pack("<I", 64) + b"PE\0\0" + b"\0" * 40,
    "library.dylib": bytes.fromhex("cffaedfe") + b"\0" * 40,
    "Main.class": bytes.fromhex("cafebabe00000034") + b"\0" * 20,
    "cached.pyc": struct.pack("<H", 3495) + b"\r\n" + b"\0" * 12 + b"\xe3" + b"\0" * 20,
    "module.wasm": b"\0asm\1\0\0\0",
}

MALFORMED: dict[str, bytes] = {
    "safetensors-long.safetensors": struct.pack("<Q", 1000) + b'{"a": 1}',
    "safetensors-huge.safetensors": struct.pack("<Q", 1 << 40) + b'{"a": 1}',
    "safetensors-breaks.safetensors": safetensors(_ONE, b"\0\0"),
    "safetensors-overlap.safetensors": safetensors({"a": tensor(0, 4), "b": tensor(2, 6)}, b"\0" * 6),
    "safetensors-twice.safetensors": safetensors(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        b"\0\0",
    ),
    "safetensors-shape.safetensors": safetensors({"a": tensor(0, 4, "F32", [2])}, b"\0" * 4),
    "safetensors-negative.safetensors": safetensors({"a": tensor(0, 4, "U8", [-2, -2])}, b"\0" * 4),
    "safetensors-overflow.safetensors": safetensors({"a": tensor(0, 4, "U8", [1 << 62, 4, 1 << 40])}, b"\0" * 4),
    "safetensors-type.safetensors": safetensors({"a": tensor(0, 4, "X9")}, b"\0" * 4),
    "safetensors-number.safetensors": safetensors({"x": 5, **_ONE}, b"\0" * 4),
    "safetensors-metadata.safetensors": safetensors({"__metadata__": {"a": 1}, **_ONE}, b"\0" * 4),
    "safetensors-json.safetensors": safetensors(b'{"a":', b"\0" * 4),
    "safetensors-deep.safetensors": safetensors(b'{"a":' * 1000 + b"1" + b"}" * 1000),
    "gguf-version.gguf": b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
    "gguf-count.gguf": b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60),
    "gguf-text.gguf": gguf({"a": "b"})[:-1],
    "gguf-array.gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_text("a") + struct.pack("<IIQ", 9, 8, 1 << 50),
    "gguf-kind.gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_text("a") + struct.pack("<I", 77),
    "gguf-breaks.gguf": gguf({}, [("t", [4], 0, 0)], b"\0" * 8),
    "gguf-overlap.gguf": gguf({}, [("t", [16], 0, 0), ("u", [16], 0, 32)], b"\0" * 96),
    "gguf-type.gguf": gguf({}, [("t", [4], 99, 0)], b"\0" * 16),
    "gguf-alignment.gguf": gguf({"general.alignment": 0}, [("t", [4], 0, 0)], b"\0" * 16),
    "gguf-template.gguf": gguf({"tokenizer.chat_template": "{% for x in %}"}),
    "go-and-python.json": b'{"chat_template": "{{ .Messages }}{{ lipsum.__globals__ }}"}',
    "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 3\n",
    "page.bin": b"<!doctype html><html><body>404</body></html>",
    "text.pkl": b"hello\n",
    "breaks.json": b'{"learner": {"a": [1, 2',
    "behind.json": b'{"learner": {"a": [1, 2]}} {"more": 1}',
    "nested.json": b"[" * 1_000_000,
    "control.json": b'{"a": "\x01"}',
    "latin.json": b'{"a": "\xe9"}',
    "breaks.ubj": ubjson()[:-3],
    "count.ubj": ubjson(b"[$d#L" + struct.pack(">q", 1 << 60)),
    "empty-values.ubj": ubjson(b"[$Z#L" + struct.pack(">q", 1 << 40)),
    "negative.ubj": ubjson(b"[$d#L" + struct.pack(">q", -1)),
    "deep.ubj": b"{" + ubjson_key("a") + b"[" * 100_000,
    "breaks-lightgbm.txt": lightgbm()[:150],
    "promised-lightgbm.txt": lightgbm(2, promised=5),
    "breaks.cbm": catboost()[:-2],
    "no-core.cbm": b"CBM1\0\0\0\0",
    "breaks.png": png()[:-6],
    "breaks.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "breaks.gif": b"GIF89a\1\0\1\0\0\0\0\x2c",
    "breaks.webp": b"RIFF\xff\0\0\0WEBPVP8 ",
    "breaks.parquet": b"PAR1" + b"\0" * 30,
    "breaks.msgpack": b"\x82\xa1a\x01\xa1b",
    "deep.msgpack": b"\x81\xa1a" + b"\x91" * 100_000,
    "breaks.model": piece("<unk>") + piece("a")[:-3],
    "nested.yaml": b"[" * 100_000,
    "laughs.yaml": b"a0: &a0 [x]\n"
    + b"".join(b"a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n" % (n, n, n - 1, n - 1, n - 1, n - 1) for n in range(1, 15)),
    "breaks.yaml": b"a: [1, 2\nb: }\n",
    "breaks.pmml": pmml()[:-20],
    "deep.pmml": pmml("<a>" * 1000 + "</a>" * 1000),
    "breaks.tfevents": records(b"abc", b"defg")[:-3],
    "breaks.wav": wave()[:-2],
    "breaks.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\1\x08mdat",
    "breaks.pdf": b"%PDF-1.5\n1 0 obj\n",
    "breaks.tiktoken": b"AA== 0\nAQ== 1\nAg== 2\nnot a token\n",
    "coloured.txt": b"a \x1b]0;x\x07 b",
    "latin-control.txt": b"Universit\xe9 \x01",
    "large.conf": b"a: " + b"b" * (4 << 20) + b"\nx: !!python/object/apply:os.system [id]\n",
    "nested.conf": b"x: " + b"[" * 65 + b"]" * 65 + b"\ny: !!python/object/apply:os.system [id]\n",
    "unknown.bin": bytes(range(256)),
    "control.txt": b"hello\0world\x01" * 10,
    "broken.jinja": b"{% for x in %}",
    "sqlite.db": b"SQLite format 3\0" + b"\0" * 100,
}

BENIGN: dict[str, bytes] = {
    "one.safetensors": safetensors({"__metadata__": {"format": "pt"}, **_ONE}, b"\0" * 4),
    "empty.safetensors": safetensors({}),
    "kinds.safetensors": safetensors(
        {"b": tensor(6, 14, "I64", [1]), "a": tensor(0, 6, "BF16", [3, 1]), "c": tensor(14, 14, "F32", [0, 3])},
        b"\0" * 14,
    ),
    "padded.safetensors": safetensors(json.dumps(_ONE).encode() + b"   ", b"\0" * 4),
    "small.gguf": gguf(
        {
            "general.name": "x",
            "tokenizer.chat_template": TEMPLATES_GOOD["chatml"],
            "tokenizer.ggml.tokens": ["{", "{{", "a"],
        },
        [("t", [32, 2], 2, 0), ("u", [3], 0, 64)],
        b"\1" * 36 + b"\0" * 28 + b"\1" * 12 + b"\0" * 20,
    ),
    "settings.gguf": gguf({"general.alignment": 64}),
    "old.gguf": gguf({"a": "b"}, version=1),
    "big-endian.gguf": gguf({"a": "b"}, [("t", [4], 0, 0)], b"\0" * 16, order=">"),
    **{f"template-{name}.jinja": text.encode() for name, text in TEMPLATES_GOOD.items()},
    "tokenizer_config.json": json.dumps(
        {
            "chat_template": TEMPLATES_GOOD["tools"],
            "model_max_length": 1e30,
            "added_tokens_decoder": {"0": {"content": "<s>"}},
        }
    ).encode(),
    "prompts.json": b'{"template": "{{ .System }} {{ .Prompt }}", "prompt_template": "{query}"}',
    "ollama.json": b'{"template": "{{ if .System }}{{ .System }}{{ end }}{{ range $i, $_ := .All }}{{ . }}{{ end }}"}',
    "files.yaml": b"model:\n  data_config: {target: prices.csv}\n  class_path: classes.txt\n",
    "policy.json": b'{"policy_kwargs": {"activation_fn": "<class \'torch.nn.modules.activation.ReLU\'>"}}',
    "vocab.json": json.dumps({f"w{n}": n for n in range(5000)}).encode(),
    "numbers.json": b'{"a": [NaN, Infinity, -1e5, 0.5], "target": "price"}\n',
    "marked.json": b'\xef\xbb\xbf{"a": 1}',
    "nothing.json": b"[]",
    "config.json": b'{"auto_map": null, "trust_remote_code": false, "_attn_implementation": "sdpa"}',
    "adapter_config.json": b'{"auto_mapping": {"base_model_class": "X", "parent_library": "transformers.models.x"}}',
    "log.jsonl": b'{"loss": 1.5}\n{"loss": 1.25}\n\n',
    "model.ubj": ubjson(),
    "counted.ubj": b"{" + ubjson_key("a") + b"[#L" + struct.pack(">q", 2) + b"TF" + b"}",
    "lightgbm.txt": lightgbm(),
    "model.cbm": catboost(),
    "tables.cbm": catboost(more=struct.pack("<II", 1, 16) + struct.pack("<I", 4) + b"\0" * 12),
    "picture.png": png(),
    "params.msgpack": b"\x82\xa1a\x01\xa5bytes\xc7\x04\x01abcd",
    "tokenizer.model": piece("<unk>") + piece("a") + b"\x12\x02\x08\x01",
    "dense.json": b'{"in_features": 1, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"}',
    "gpt2.json": b'{"activation_function": "gelu_new", "tokenizer_class": "GPT2Tokenizer", "types": ["a.b"]}',
    "cross.json": b'{"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}',
    "words.json": b'{"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer"}',
    "router.json": b'{"types": {"query_0_Dense": "sentence_transformers.models.Dense.Dense"}, "structure": {}}',
    "edges.json": b'{"links": [{"source": "a.b", "target": "a.c"}, {"target": "example.org", "n": 1}]}',
    "latent.yaml": b"model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    ratio: {target: 0.5}\n"
    b"    unet_config: {target: ldm.modules.diffusionmodules.openaimodel.UNetModel, params: {n: 1}}\n"
    b"    first_stage_config: {target: ldm.models.autoencoder.AutoencoderKL, params: {n: 1}}\n"
    b"    lossconfig: {target: torch.nn.Identity}\n"
    b"    cond_stage_config: {target: ldm.modules.encoders.modules.FrozenCLIPEmbedder}\n"
    b"    control_stage_config: {target: cldm.cldm.ControlNet, params: {n: 1}}\n"
    b"    scheduler_config: {target: ldm.lr_scheduler.LambdaLinearScheduler}\n"
    b"    denoiser_config: {target: sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling}\n",
    "nemo-speech.yaml": b"a: {_target_: nemo.collections.asr.modules.conformer_encoder.ConformerEncoder}\n"
    b"b: {_target_: nemo.collections.tts.torch.data.TTSDataset}\n"
    b"c: {_target_: nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers.EnglishPhonemesTokenizer}\n"
    b"d: {_target_: nemo.collections.asr.losses.ssl_losses.contrastive.ContrastiveLoss}\n"
    b"e: {_target_: torch.optim.lr_scheduler.StepLR}\nf: {_target_: pytorch_lightning.callbacks.ModelCheckpoint}\n"
    b"g: {_target_: transformers.models.llama.modeling_llama.LlamaForCausalLM}\n"
    b"h: {_target_: diffusers.models.unets.unet_2d_condition.UNet2DConditionModel}\n"
    b"i: {_target_: torchvision.models.resnet.ResNet}\nj: {_target_: torch.nn.modules.loss.CrossEntropyLoss}\n",
    "hparams.yaml": b"model:\n  _target_: torch.nn.Linear\n  in_features: 3\nlr: 0.1\nbase: &b {x: 1}\nother: *b\n",
    "off.yaml": b"auto_map: null\ntrust_remote_code: False\ntarget: example.org\nclass_path: mine.Model\n",
    "nemo.yaml": b"encoder:\n  _target_: nemo.collections.asr.modules.ConformerEncoder\n  feat_in: 80\n---\nb: 2\n",
    "model.pmml": pmml(
        "<Extension name='repr' value='1'>Pipeline(steps=[('a', LogisticRegression(C=1.0))])</Extension>"
    ),
    "openvino.xml": b'<?xml version="1.0"?>\n<net name="x" version="11"><layers><layer id="0"/></layers></net>',
    "drawing.svg": b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x" "http://www.w3.org/x.dtd">\n<svg><g/></svg>',
    "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><a href="http://x/"><rect width="1"/></a></svg>',
    "README.md": b"---\nlicense: mit\n---\n[![badge](x)](y)\n\nTake care: `!!python/object` runs code.\n",
    "merges.txt": "#version: 0.2\nĠ t\n".encode(),
    "table.csv": b"a,b\n1,2\n",
    "wide.csv": "a,b\n".encode("utf-16"),
    "notice.txt": "Université\n".encode("latin-1"),
    "output.log": b"\x1b[32mok\x1b[0m 10%|###\r20%\n",
    "events.out.tfevents.1": records(b"\x09\0\0\x80\x8a\x1c\xd9\xd9\x41\x1a\x0dbrain.Event:2", b""),
    "vocabulary.tiktoken": b"IQ== 0\nIg== 1\nISE= 2\n",
    "original.model": b"IQ== 0\nIg== 1\nISE= 2\n",
    "sample.wav": wave(),
    "demo.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat",
    "paper.pdf": b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</OpenAction 2 0 R>>\nendobj\ntrailer <<>>\n%%EOF\n",
    "speech-tags.yaml": b"f: !new:speechbrain.lobes.features.Fbank\n  n_mels: 80\nm: !ref <f>\n"
    b"n: !name:torch.nn.BatchNorm1d\ne: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN\n",
    "noted.md": b"<!-- a note -->\n# Title\n<br>\n",
    "bytes.msgpack": b"\x81\xa1x\xc4\x04\0\0\x80\x3f",
    "index.html": b"<!DOCTYPE html><html><script>1</script></html>",
    "table.parquet": b"PAR1" + b"\0" * 20 + struct.pack("<I", 10) + b"PAR1",
    "train.py": b"import torch\nprint(1)\n",
    "run.sh": b"#!/bin/sh\necho 1\n",
    "notes.ipynb": b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
}
