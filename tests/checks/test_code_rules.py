# SPDX-License-Identifier: Apache-2.0
"""wardein's own rules for code: each finds what it is for, in whatever way it is spelled, and nothing else."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from wardein.code import walk
from wardein.code.calls import FUNCTIONS, KEYWORDS, METHODS
from wardein.code.hook import scan_files
from wardein.code.rules import BY_ID, OWN, RULES
from wardein.code.severities import CANONICAL
from wardein.code.text import masked, unquoted

pytestmark = pytest.mark.scanners

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def rules(code: str) -> list[str]:
    return [hit.rule for hit in walk.examine(ast.parse(code))]


BAD = {
    "code/pickle-load": [
        "import pickle\npickle.load(f)",
        "import pickle as p\np.loads(b)",
        "from pickle import loads as harmless\nharmless(b)",
        "from pickle import *\nloads(b)",
        "import cPickle\ncPickle.load(f)",
        "from six.moves import cPickle as p\np.load(f)",
        "import _pickle\n_pickle.loads(b)",
        "import pickle\np = pickle\nq = p\nq.loads(b)",
        "q = p.loads\nimport pickle\np = pickle\nq(b)",
        "import pickle\nload = pickle.load if x else None\nload(f)",
        "import pickle\n(p := pickle).loads(b)",
        "import pickle\ngetattr(pickle, 'loads')(b)",
        "import pickle\nname = 'loads'\ngetattr(pickle, name)(b)",
        "__import__('pickle').loads(b)",
        "import importlib as i\ni.import_module('pickle').loads(b)",
        "from importlib import import_module\np = import_module('pickle')\np.loads(b)",
        "import sys\nsys.modules['pickle'].loads(b)",
        "import pickle\nvars(pickle)['loads'](b)",
        "import pickle\npickle.__dict__['loads'](b)",
        "import pickle\nglobals()['pickle'].loads(b)",
        "import pickle\nlist(map(pickle.loads, xs))",
        "from functools import partial\nimport pickle\npartial(pickle.loads)(b)",
        "import pickle\nx = {'decode': pickle.loads}",
        "import pickle\nrun(decoder=pickle.loads)",
        "import pickle\npickle.Unpickler(f).load()",
        "import pickle\nclass U(pickle.Unpickler):\n    pass",
        "import pickle\nTABLE['.pkl'] = pickle.load",
        "import pickle\nread = pickle.load",
        "import pickle\nclass M:\n    read = pickle.load\nM.read(f)",
        "import pickle\nclass M:\n    def __init__(self):\n        self.p = pickle\n    def f(self): self.p.load(f)",
        "import pickle\nfor p in (pickle,): p.load(f)",
        "import pickle\n[p.load(f) for p in [pickle]]",
        "import pickle\ndef f(x, p=pickle): p.load(x)",
        "import pickle\ndef f(*, p=pickle): p.load(x)",
        "p = __import__(name='pickle')\np.load(f)",
        "import pickle, operator\noperator.attrgetter('load')(pickle)(f)",
        "import pickle\ngetattr(pickle, 'lo' + 'a' + 'd')(f)",
        "import dill\ndill.load(f)",
        "import cloudpickle\ncloudpickle.loads(b)",
        "import jsonpickle\njsonpickle.decode(s)",
        "import shelve\nshelve.open(p)",
        "import pandas as pd\npd.read_pickle(p)",
        "from torch.package import PackageImporter\nPackageImporter(p)",
        "socket.recv_pyobj()",
        "import pickle\na = 1\na = 2\na = 3\na = 4\na = 5\na = 6\na = 7\na = 8\na = 9\na = pickle\na.loads(b)",
    ],
    "code/marshal-load": ["import marshal\nmarshal.loads(b)"],
    "code/joblib-load": [
        "import joblib\njoblib.load(f)",
        "from sklearn.externals import joblib\njoblib.load(f)",
        "from joblib import load\nmodel = load(f)",
    ],
    "code/numpy-allow-pickle": [
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        "import numpy as np\nnp.load(f, None, True)",
        "import numpy as np\nnp.load(f, **{'allow_pickle': True})",
        "import numpy as np\nkw = dict(allow_pickle=True)\nnp.load(f, **kw)",
        "import numpy as np\nnp.load(f, allow_pickle=args.trust)",
        "import numpy as np\nnp.load(f, allow_pickle=1)",
        "import numpy as np\nok = False\ndef read(f, ok): np.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\nfor ok in xs: np.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\nok |= True\nnp.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\nfrom settings import ok\nnp.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\ntry: pass\nexcept E as ok: np.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\nmatch x:\n    case {'a': 1, **ok}: np.load(f, allow_pickle=ok)",
        "import numpy as np\nok = False\nmatch x:\n    case ok: np.load(f, allow_pickle=ok)",
        "import numpy as np\no = {'allow_pickle': False}\no['allow_pickle'] = True\nnp.load(f, **o)",
        "import numpy as np\no = {'allow_pickle': False}\no.update(allow_pickle=True)\nnp.load(f, **o)",
        "import numpy as np\no = {}\no['allow_pickle'] = True\nnp.load(f, **o)",
        "from functools import partial\nimport numpy as np\nload = partial(np.load, allow_pickle=True)",
    ],
    "code/torch-load": [
        "import torch\ntorch.load(f)",
        "import torch\ntorch.load(f, weights_only=False)",
        "import torch\ntorch.load(f, weights_only=0)",
        "import torch\nsafe = True\ndef read(f, safe): torch.load(f, weights_only=safe)",
        "import torch\no = {'weights_only': True}\no['weights_only'] = x\ntorch.load(f, **o)",
        "from torch.serialization import load as l\nl(f)",
        "import torch\nfrom functools import partial\npartial(torch.load, map_location='cpu')",
        "import torch\ntorch.hub.load_state_dict_from_url(u)",
        "Model.load_from_checkpoint(p)",
    ],
    "code/torch-hub": ["import torch\ntorch.hub.load('a/b', 'm')", "import torch\ntorch.hub.load('a/b:main', 'm')"],
    "code/torch-script": ["import torch\ntorch.jit.load(p)"],
    "code/keras-unsafe-load": [
        "import keras\nkeras.models.load_model('m.keras', safe_mode=False)",
        "import keras\nkeras.models.load_model('m.keras', safe_mode=0)",
        "import tensorflow as tf\ntf.keras.models.load_model('m.h5')",
        "import keras\nkeras.config.enable_unsafe_deserialization()",
    ],
    "code/keras-load": [
        "from tensorflow.keras.models import load_model\nload_model(path)",
        "import tensorflow as tf\ntf.saved_model.load(p)",
    ],
    "code/keras-lambda": ["from keras.layers import Lambda\nLambda(f)"],
    "code/trust-remote-code": [
        f"from transformers import pipeline\npipeline('m', revision='{COMMIT}', trust_remote_code=True)",
        f"AutoModel.from_pretrained('m', revision='{COMMIT}', trust_remote_code=True)",
        "anything(**{'trust_' 'remote_code': True})",
        "anything(trust_remote_code=1)",
        "anything(trust_remote_code='yes')",
        "anything(trust_remote_code=not False)",
        "def f(trust=True): anything(trust_remote_code=trust)",
        "kwargs = {'trust_remote_code': True}\nanything(**kwargs)",
    ],
    "code/hub-unpinned": [
        "AutoModel.from_pretrained('org/m')",
        "AutoModel.from_pretrained('org/m', revision='main')",
        "AutoModel.from_pretrained('org/m', revision='v1.0')",
        "AutoModel.from_pretrained('org/m', revision='0123abc')",
        "AutoModel.from_pretrained('org/m', revision=None)",
        "REV = 'main'\nAutoModel.from_pretrained('org/m', revision=REV)",
        "from datasets import load_dataset\nload_dataset('squad')",
        "from huggingface_hub import hf_hub_download, snapshot_download\nhf_hub_download('o/m', 'f')",
        "import huggingface_hub as h\nh.snapshot_download('o/m')",
    ],
    "code/mlflow-load": [
        "import mlflow\nmlflow.pyfunc.load_model(uri)",
        "import mlflow\nmlflow.sklearn.load_model('models:/m@champion')",
        "import mlflow.pyfunc as p\np.load_model('s3://bucket/m')",
    ],
    "code/yaml-load": [
        "import yaml\nyaml.load(f)",
        "import yaml\nyaml.load(f, Loader=yaml.FullLoader)",
        "import yaml\nyaml.unsafe_load(f)",
        "import yaml\nyaml.load(f, yaml.SafeLoader if x else yaml.Loader)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe')",
    ],
    "code/skops-trusted": [
        "import skops.io as sio\nsio.load(f, trusted=sio.get_untrusted_types(file=f))",
        "import skops.io\nskops.io.load(f, trusted=True)",
    ],
    "code/dangerous-flag": [
        "load(allow_dangerous_deserialization=1)",
        "FAISS.load_local(p, e, allow_dangerous_deserialization=True)",
    ],
    "code/shell": [
        "import subprocess as s\ns.run(f'ls {x}', shell=True)",
        "import os\nos.system('rm ' + x)",
        "from subprocess import Popen\nPopen(cmd, shell=1)",
        "import subprocess\nsubprocess.check_output('ls', shell=True)",
        "import asyncio\nasyncio.create_subprocess_shell(cmd)",
    ],
    "code/airflow-template-in-shell": [
        "BashOperator(task_id='t', bash_command='echo {{ dag_run.conf[\"x\"] }}')",
        "BashOperator(task_id='t', bash_command=f'cp {{{{ params.x }}}} /y')",
    ],
    "code/eval": ["eval(x)", "import builtins\nbuiltins.exec(x)", "__builtins__['eval'](x)", "list(map(eval, xs))"],
    "code/tls-verify-off": [
        "import requests\nrequests.get(u, verify=False)",
        "import requests\ns = requests.Session()\ns.get(u, verify=False)",
        "import httpx\nwith httpx.Client(verify=False) as c: pass",
        "import ssl\nssl._create_unverified_context()",
        "import ssl\nssl._create_default_https_context = ssl._create_unverified_context",
        "session.verify = False",
        "import ssl\nctx.verify_mode = ssl.CERT_NONE",
    ],
    "code/plain-http": ["import pandas as pd\npd.read_csv('http://data.example.org/x.csv')"],
    "code/tar-extract": [
        "import tarfile\nwith tarfile.open(p) as t:\n    t.extractall(d)",
        "import tarfile\ntarfile.open(p).extractall()",
        "import tarfile\nt = tarfile.TarFile(p)\nt.extractall(d, filter='fully_trusted')",
    ],
    "code/mktemp": ["import tempfile\ntempfile.mktemp()"],
    "code/weak-hash": ["import hashlib\nhashlib.md5(b)", "import hashlib\nhashlib.new('sha1')"],
    "code/debug-server": ["from flask import Flask\napp = Flask(__name__)\napp.run(debug=True)"],
    "code/public-share": ["demo.launch(share=True)"],
    "code/open-cluster": ["import ray\nray.init(dashboard_host='0.0.0.0')"],
    "code/install-unpinned": [
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'pandas'])",
        "import pip\npip.main(['install', 'pandas'])",
        "@dsl.component(packages_to_install=['pandas'])\ndef f(): pass",
        "get_ipython().run_line_magic('pip', 'install pandas')",
        "PythonVirtualenvOperator(task_id='t', requirements=['pandas>=2'])",
    ],
    "code/install-from-url": [
        "import subprocess\nsubprocess.run(['pip', 'install', 'git+https://example.org/x.git'])",
        "@dsl.component(packages_to_install=['x==1'], pip_index_urls=['http://index.example.org'])\ndef f(): pass",
        "get_ipython().system('pip install --extra-index-url https://example.org/simple x==1')",
    ],
    "code/pipe-to-shell": ["BashOperator(task_id='t', bash_command='curl https://example.org/x | sh')"],
    "code/native-library": ["import ctypes\nctypes.CDLL(path)", "import torch\ntorch.ops.load_library(p)"],
}  # fmt: skip
SAFE = [
    "import json\njson.load(f)\njson.loads(s)",
    "import pickle\npickle.dump(m, f)\npickle.dumps(m)",
    "import pickle\nfrom joblib import load\nclass M:\n    def f(self): self.load(x)",
    "import torch\ntorch.load(f, weights_only=1)",
    "anything(trust_remote_code=0, safe_mode=1)\nanything(trust_remote_code=None, safe_mode=None)",
    "import requests\nrequests.get(u, verify=None)",
    "import pickle\nclass Safe(pickle.Unpickler):\n    def find_class(self, m, n): raise ValueError",
    "import pickle\ntry: pass\nexcept pickle.UnpicklingError: pass",
    "from .pickle import loads\nloads(b)",
    "from . import pickle\npickle.loads(b)",
    "import joblib\njoblib.dump(m, f)\njoblib.Parallel(2)(joblib.delayed(g)(x) for x in xs)",
    "import numpy as np\nnp.load(f)\nnp.load(f, allow_pickle=False)\nnp.loadtxt(f)",
    "import torch\ntorch.load(f, weights_only=True)\ntorch.save(m, f)",
    "import torch\nfrom functools import partial\npartial(torch.load, weights_only=True)(f)",
    "import torch\ntorch.hub.load('local', 'm', source='local')",
    f"import torch\ntorch.hub.load('a/b:{COMMIT}', 'm')",
    "from safetensors.torch import load_file\nload_file(f)",
    "import keras\nkeras.models.load_model('model.keras')",
    f"AutoModel.from_pretrained('org/m', revision='{COMMIT}')",
    f"REV = '{COMMIT}'\nAutoModel.from_pretrained('org/m', revision=REV)",
    "AutoModel.from_pretrained('org/m', revision=settings.revision)",
    "AutoModel.from_pretrained('./model')\nAutoModel.from_pretrained('org/m', local_files_only=True)",
    "class M:\n    @classmethod\n    def f(cls): return super().from_pretrained('x')",
    "from datasets import load_dataset\nload_dataset('csv', data_files='x.csv')",
    "AutoModel.from_pretrained('./m', trust_remote_code=False)",
    "import mlflow\nmlflow.pyfunc.load_model('models:/churn/3')",
    "import yaml\nyaml.safe_load(f)\nyaml.load(f, Loader=yaml.SafeLoader)",
    "import yaml\nfrom yaml import CSafeLoader as L\nfrom yaml import SafeLoader as L\nyaml.load(f, L)",
    "from ruamel.yaml import YAML\nYAML(typ='safe')",
    "import skops.io\nskops.io.load(f, trusted=['m.T'])",
    "import subprocess\nsubprocess.run(['ls', x])\nsubprocess.run(['ls'], shell=False)",
    "BashOperator(task_id='t', bash_command='echo {{ ds }}')",
    "model.eval()\ndf.eval('a + b')\nimport re\nre.compile(x)\nimport ast\nast.literal_eval(x)",
    "import requests\nrequests.get(u)\nrequests.get(u, verify='/ca.pem', timeout=3)",
    "import requests\nrequests.get('http://localhost:8080/health')",
    "import tarfile\nwith tarfile.open(p) as t:\n    t.extractall(d, filter='data')",
    "import zipfile\nzipfile.ZipFile(p).extractall(d)",
    "import tempfile\ntempfile.mkstemp()\ntempfile.NamedTemporaryFile()",
    "import hashlib\nhashlib.sha256(b)\nhashlib.md5(b, usedforsecurity=False)",
    "from flask import Flask\nFlask(__name__).run()",
    "demo.launch()\nplot(share=True)",
    "import ray\nray.init()",
    "import subprocess\nsubprocess.run(['pip', 'install', 'pandas==2.2.0'])",
    "subprocess.run(['pip', 'install', '-r', 'requirements.txt'])",
    "@dsl.component(packages_to_install=['pandas==2.2.0'])\ndef f(): pass",
    "import ctypes\nctypes.CDLL('libc.so.6')",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BAD.items() for code in codes])
def test_planted_risk_is_found(rule: str, code: str) -> None:
    assert rule in rules(code)


@pytest.mark.parametrize("code", SAFE)
def test_safe_code_is_not_found(code: str) -> None:
    assert rules(code) == []


def test_every_rule_has_a_planted_risk() -> None:
    elsewhere = {"code/bytecode", "code/cached-bytecode", "code/native-code", "code/unreadable"}
    assert {rule.id for rule in OWN} - BAD.keys() == elsewhere | {"code/other-language-cell"}
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert set(CANONICAL.values()) <= BY_ID.keys()
    assert all(rule.why and rule.mend and rule.title for rule in RULES)


@pytest.mark.parametrize(
    "code",
    [
        "import requests\nrequests.get(u, verify=0)",
        "import requests\ns = requests.Session()\ns.verify = 0",
        "import requests\nclass C:\n    def f(self): self.s = requests.Session()\n"
        "    def g(self): self.s.get(u, verify=False)",
        "import requests\nok = False\ndef f(ok): requests.get(u, verify=ok)",
    ],
)
def test_verification_is_off_for_whatever_counts_as_false(code: str) -> None:
    assert rules(code) == ["code/tls-verify-off"]


def test_flag_that_cannot_be_told_is_medium() -> None:
    code = "def f(trust):\n    anything(trust_remote_code=trust)\n    anything(allow_dangerous_code=trust)\n"
    found = walk.examine(ast.parse(code))
    assert [(hit.rule, hit.severity) for hit in found] == [
        ("code/trust-remote-code", "medium"),
        ("code/dangerous-flag", "medium"),
    ]


def test_constant_commands_and_texts_are_low() -> None:
    found = walk.examine(ast.parse("import os\nos.system('ls')\nos.system(x)\neval('1')\neval(x)"))
    assert [(hit.rule, hit.severity) for hit in found] == [
        ("code/shell", "low"),
        ("code/shell", None),
        ("code/eval", "low"),
        ("code/eval", None),
    ]


def test_one_call_is_one_hit_on_its_lines() -> None:
    (hit,) = walk.examine(ast.parse("import torch as t\nmodel = t.load(\n    path,\n    map_location='cpu',\n)"))
    assert (hit.rule, hit.line, hit.last, hit.what) == ("code/torch-load", 2, 5, "torch.load")


@pytest.mark.parametrize(
    "code",
    [
        "x = " + "(" * 80 + "1" + ")" * 80,
        "x" + ".a" * 300,
        "x" + ".f()" * 150,
        "x = " + " or ".join(["y"] * 2000),
        "\n".join(f"a{n} = a{n + 1}" for n in range(300)) + "\nimport pickle\na300 = pickle\na0.loads(b)",
        "a = b\nb = a\na.loads(x)",
        "a = a.a\na = getattr(a, 'b')\na()",
    ],
)
def test_odd_shapes_end(code: str) -> None:
    walk.examine(ast.parse(code))


def test_chain_of_aliases_has_no_limit() -> None:
    chain = "\n".join(f"a{n} = a{n + 1}" for n in range(300))
    assert rules(chain + "\nimport pickle\na300 = pickle\na0.loads(b)") == ["code/pickle-load"]


def test_nesting_too_deep_to_follow_is_not_passed_over() -> None:
    code = "import pickle\nf = " + "(0 or " * 80 + "(1 and " * 30 + "pickle" + ")" * 110 + "\nf.loads(b)"
    with pytest.raises(RecursionError):
        walk.examine(ast.parse(code))


def test_hook_runs_own_rules_on_given_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import joblib\njoblib.load(f)  # nosec # noqa\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "notes.txt").write_text("pickle.load(f)")
    (tmp_path / "run").write_text("#!/usr/bin/env python3\neval(x)\n")
    (tmp_path / "x.pyc").write_bytes(b"\0")
    (tmp_path / "n.ipynb").write_text('{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["eval(x)"]}]}')
    (tmp_path / "link.py").symlink_to("a.py")
    found = scan_files(sorted(tmp_path.iterdir()))
    assert sorted((f.rule, Path(f.path).name, f.part, f.line) for f in found) == [
        ("code/bytecode", "x.pyc", "", 0),
        ("code/eval", "n.ipynb", "cell 1", 1),
        ("code/eval", "run", "", 2),
        ("code/joblib-load", "a.py", "", 2),
        ("code/unreadable", "broken.py", "", 0),
    ]


def test_hook_tells_what_it_could_not_tell(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": text} for text in ("eval(x)", "%mine y")]
    (tmp_path / "n.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    found = scan_files([tmp_path / "n.ipynb"])
    assert [f.rule for f in found] == ["code/eval", "code/unreadable"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("f('hunter2')", 'f("letmein")  # s3cret'),
        ("f('''a\nhunter2''')", "f('''b\nletmein''')"),
        ("f('hunter\\'2')", "f('letm\\'ei')"),
        ("f('hunter2", "f('letmein"),
    ],
)
def test_texts_are_masked(text: str, same: str) -> None:
    assert masked(["", *text.split("\n")], 2, 9) == masked(["", *same.split("\n")], 2, 9).rstrip()
    assert masked(["f('a')"], 1, 1) != masked(["f('" + "a" * 40 + "')"], 1, 1) != masked(["g('a')"], 1, 1)


@pytest.mark.parametrize("piece", ["'", "\\", "'''", "#", '"\\', "a'''\""])
def test_masking_ends_soon(piece: str) -> None:
    masked([piece * 100_000], 1, 1)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Chmod setting a permissive mask 0o777 on file (/home/ann).", "Chmod setting a permissive mask 0o777 on file"),
        ("Possible hardcoded password: 'hunter2'", "Possible hardcoded password"),
        ("`os.chmod` setting a permissive mask `0o777` on file", "os.chmod setting a permissive mask 0o777 on file"),
        ("`hunter 2`", ""),
    ],
)
def test_messages_quote_nothing(message: str, said: str) -> None:
    assert unquoted(message) == said


def test_tables_name_rules_that_exist() -> None:
    assert len(FUNCTIONS) > 100
    assert METHODS
    assert KEYWORDS
