# SPDX-License-Identifier: Apache-2.0
"""Which calls break which rule: by the function's full name, by a method's name, or by a keyword argument."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wardein.code import shell
from wardein.code.names import Names, leading_to
from wardein.report import Severity


class Broken(NamedTuple):
    """A rule that is broken; with a severity where it is another one than the rule's."""

    rule: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Use:
    """A call, or a function that is handed on to be called by somebody else, without arguments that could be seen."""

    names: Names
    args: Sequence[ast.expr] = ()
    keywords: Mapping[str, ast.expr] = field(default_factory=dict)

    def get(self, position: int, *keywords: str) -> ast.expr | None:
        """An argument by its position or keyword; a position below 0 for none."""
        if 0 <= position < len(self.args):
            return self.args[position]
        return next((self.keywords[name] for name in keywords if name in self.keywords), None)

    def text(self, position: int, *keywords: str) -> str | None:
        """An argument that is a constant text."""
        value = self.names.constant(self.get(position, *keywords))
        return value if isinstance(value, str) else None

    def says(self, keyword: str, value: object) -> bool:
        """Whether a keyword argument is given, and is this constant."""
        given = self.names.constant(self.keywords.get(keyword))
        return given is not None and type(given) is type(value) and given == value

    def is_on(self, keyword: str) -> bool:
        """Whether a keyword argument is given that counts as true, or may well do so: its name is bound to such too."""
        given = self.keywords.get(keyword)
        return given is not None and any(self.names.truth(value) is True for value in self.names.values(given))

    def is_off(self, keyword: str) -> bool:
        """Whether a keyword argument is given that counts as false, and is not None, or may well do so."""
        given = self.keywords.get(keyword)
        return given is not None and any(is_false(value, self.names) for value in self.names.values(given))

    def is_surely(self, keyword: str, value: bool) -> bool:
        """Whether a keyword argument is given that surely counts as this."""
        return keyword in self.keywords and self.names.truth(self.keywords[keyword]) is value


def is_false(value: ast.expr, names: Names) -> bool:
    """Whether an expression counts as false and is not None, which mostly stands for the default."""
    literal = names.literal(value)
    is_none = isinstance(literal, ast.Constant) and literal.value is None
    return not is_none and names.truth(value) is False


Judge = Callable[[Use], Iterable[Broken]]


def always(rule: str) -> Judge:
    """Every call breaks it."""
    return lambda use: [Broken(rule)]


def when(keyword: str, rule: str) -> Judge:
    """Calls with this keyword argument switched on break it."""
    return lambda use: [Broken(rule)] if use.is_on(keyword) else []


def unless(keyword: str, rule: str) -> Judge:
    """Calls without this keyword argument switched on for sure break it."""
    return lambda use: [] if use.is_surely(keyword, True) else [Broken(rule)]


# Loading


def _numpy_load(use: Use) -> Iterable[Broken]:
    value = use.get(2, "allow_pickle")
    if value is not None and use.names.truth(value) is not False:
        yield Broken("code/numpy-allow-pickle")


def _torch_hub(use: Use) -> Iterable[Broken]:
    repository = use.text(0, "repo_or_dir") or ""
    if not use.says("source", "local") and not re.search(r":[0-9a-f]{40}$", repository):
        yield Broken("code/torch-hub")


def _keras_load(use: Use) -> Iterable[Broken]:
    path = use.text(0, "filepath", "path", "export_dir", "saved_model_dir")
    if path is not None and path.lower().endswith((".h5", ".hdf5")):
        yield Broken("code/keras-unsafe-load")
    elif path is None or not path.lower().endswith(".keras"):
        yield Broken("code/keras-load")


def _yaml_load(use: Use) -> Iterable[Broken]:
    loader = use.get(1, "Loader")
    names = use.names.of(loader) if loader is not None else frozenset()
    if not names or not names <= _SAFE_LOADERS:
        yield Broken("code/yaml-load")


def _ruamel(use: Use) -> Iterable[Broken]:
    if use.text(0, "typ") == "unsafe":
        yield Broken("code/yaml-load")


def _skops_load(use: Use) -> Iterable[Broken]:
    trusted = use.get(1, "trusted")
    computed = trusted is not None and "skops.io.get_untrusted_types()" in use.names.of(trusted)
    if computed or use.names.constant(trusted) is True:
        yield Broken("code/skops-trusted")


def _native_library(use: Use) -> Iterable[Broken]:
    path = use.get(0, "name", "path", "library_filename")
    if path is not None and not isinstance(use.names.literal(path), ast.Constant):
        yield Broken("code/native-library")


def _mlflow_load(use: Use) -> Iterable[Broken]:
    uri = use.text(0, "model_uri")
    if uri is None or not _PINNED_MODEL.match(uri):
        yield Broken("code/mlflow-load")


# Hubs


def _hub(use: Use) -> Iterable[Broken]:
    """A revision that is computed may well be a commit; a missing one, a branch and a tag are not."""
    if use.is_surely("local_files_only", True):
        return
    name = use.text(0, "pretrained_model_name_or_path", "path", "repo_id", "model", "model_id")
    if name is not None and (name.startswith((".", "/", "~", "dbfs:")) or name in _BUILDERS):
        return
    given = use.keywords.get("revision")
    computed = given is not None and not isinstance(use.names.literal(given), ast.Constant)
    if not computed and not re.fullmatch(r"[0-9a-f]{40}", str(use.names.constant(given))):
        yield Broken("code/hub-unpinned")


# Commands


def _shell(use: Use) -> Iterable[Broken]:
    """A function whose first argument goes to a shell."""
    command = use.get(0, "command", "cmd")
    text = use.names.constant(command)
    yield Broken("code/shell", Severity.LOW if isinstance(text, str) else None)
    yield from _commands(command, use.names)


def _subprocess(use: Use) -> Iterable[Broken]:
    command = use.get(0, "args")
    is_shell = use.get(8, "shell")
    if is_shell is not None and use.names.truth(is_shell) is not False:
        text = use.names.constant(command)
        yield Broken("code/shell", Severity.LOW if isinstance(text, str) else None)
    yield from _commands(command, use.names)


def _commands(command: ast.expr | None, names: Names) -> Iterable[Broken]:
    """What a command does that can be told from its constant parts."""
    command = names.literal(command)
    if isinstance(command, (ast.List, ast.Tuple)):
        words = [str(names.constant(word) or "") for word in command.elts]
        found = set(shell.rules_of_words(words))
        found.update(rule for word in words if " " in word for rule in shell.rules_of(word))  # sh -c "…"
        yield from (Broken(rule) for rule in sorted(found))
    else:
        yield from (Broken(rule) for rule in sorted(set(shell.rules_of(_text_in(command)))))


def _text_in(node: ast.expr | None) -> str:
    """The constant parts of a text that is put together."""
    parts: list[str] = []
    todo = [node] if node is not None else []
    while todo:
        inner = todo.pop()
        if isinstance(inner, ast.Constant):
            parts.append(str(inner.value))
        elif isinstance(inner, ast.JoinedStr):
            todo += reversed(inner.values)
        elif isinstance(inner, ast.BinOp):
            todo += [inner.right, inner.left]
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            todo.append(inner.func.value)
        else:
            parts.append("x")
    return "".join(parts)


def _pip(use: Use) -> Iterable[Broken]:
    words = use.names.literal(use.get(0, "args"))
    if isinstance(words, (ast.List, ast.Tuple)):
        texts = ["pip", *(str(use.names.constant(word) or "") for word in words.elts)]
        yield from (Broken(rule) for rule in shell.rules_of_words(texts))


def _magic(use: Use) -> Iterable[Broken]:
    """``get_ipython().run_line_magic("pip", "install x")``, as notebooks become when they are exported."""
    name, line = use.text(0), use.text(1) or ""
    if name in ("pip", "conda", "sx", "system"):
        yield from (Broken(rule) for rule in shell.rules_of(f"{name} {line}" if name == "pip" else line))
    elif name in ("bash", "sh"):
        yield from (Broken(rule) for rule in shell.rules_of(use.text(2) or ""))


def _text_of_code(use: Use) -> Iterable[Broken]:
    constant = isinstance(use.names.literal(use.get(0, "source")), ast.Constant)
    yield Broken("code/eval", Severity.LOW if constant else None)


# Networks


def _not_verified(use: Use) -> Iterable[Broken]:
    if any(use.is_off(keyword) for keyword in ("verify", "verify_ssl", "ssl")):
        yield Broken("code/tls-verify-off")
    if any(_is_plain(use.names.constant(argument)) for argument in [*use.args[:2], *use.keywords.values()]):
        yield Broken("code/plain-http")


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and _PLAIN_HTTP.match(value) is not None


def _extract(use: Use) -> Iterable[Broken]:
    given = use.keywords.get("filter")
    names = use.names.of(given) if given is not None else frozenset()
    if use.names.constant(given) not in ("data", "tar") and "tarfile.data_filter" not in names:
        yield Broken("code/tar-extract")


def _weak_hash(use: Use) -> Iterable[Broken]:
    if not use.is_surely("usedforsecurity", False):
        yield Broken("code/weak-hash")


def _named_hash(use: Use) -> Iterable[Broken]:
    if (use.text(0, "name") or "").lower().replace("-", "") in ("md5", "sha1", "md4"):
        yield from _weak_hash(use)


def _open_cluster(use: Use) -> Iterable[Broken]:
    if any(use.text(-1, name) in ("0.0.0.0", "::") for name in ("dashboard_host", "host", "dashboard_address")):  # noqa: S104 - what is looked for
        yield Broken("code/open-cluster")


# Keyword arguments, whatever the function


def _requirements(argument: ast.expr, names: Names) -> Iterable[Broken]:
    """Packages that a Kubeflow component or an Airflow task installs before it runs."""
    packages = names.literal(argument)
    if isinstance(packages, (ast.List, ast.Tuple)):
        words = [str(names.constant(word) or "") for word in packages.elts]
        rule = shell.requirements_rule([word for word in words if word])
        if rule:
            yield Broken(rule)


def _index(argument: ast.expr, names: Names) -> Iterable[Broken]:
    urls = names.literal(argument)
    texts = [names.constant(word) for word in urls.elts] if isinstance(urls, (ast.List, ast.Tuple)) else []
    if any(_is_plain(text) for text in texts):
        yield Broken("code/install-from-url")


def _bash_command(argument: ast.expr, names: Names) -> Iterable[Broken]:
    text = _text_in(names.literal(argument))
    if _RUN_CONFIGURATION.search(text):
        yield Broken("code/airflow-template-in-shell")
    yield from (Broken(rule) for rule in sorted(set(shell.rules_of(text))))


def _is_on(rule: str, unknown: Severity | None = None) -> Callable[[ast.expr, Names], Iterable[Broken]]:
    """Switched on; what cannot be told is broken with a severity of its own, if there is one."""

    def judge(argument: ast.expr, names: Names) -> Iterable[Broken]:
        truths = [names.truth(value) for value in names.values(argument)]
        if True in truths:
            yield Broken(rule)
        elif unknown is not None and names.truth(argument) is None:
            yield Broken(rule, unknown)

    return judge


def _is_off(rule: str) -> Callable[[ast.expr, Names], Iterable[Broken]]:
    """Switched off; what cannot be told is not: others use the word for something else."""

    def judge(argument: ast.expr, names: Names) -> Iterable[Broken]:
        if any(is_false(value, names) for value in names.values(argument)):
            yield Broken(rule)

    return judge


_SAFE_LOADERS = frozenset(
    f"{module}.{name}"
    for module in ("yaml", "yaml.loader", "yaml.cyaml")
    for name in ("SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader")
)
_OTHER_LOADERS = (
    "yaml.Loader",
    "yaml.FullLoader",
    "yaml.UnsafeLoader",
    "yaml.CLoader",
    "yaml.CFullLoader",
    "yaml.CUnsafeLoader",
)
_PINNED_MODEL = re.compile(r"(?:models:/(?:[^/@]+/\d+|m-[0-9a-f]+)|runs:/[0-9a-f]{32}/).*\Z")
_BUILDERS = frozenset({"csv", "json", "parquet", "text", "arrow", "imagefolder", "audiofolder", "webdataset", "xml"})
_PLAIN_HTTP = re.compile(r"http://(?!localhost\b|127\.|\[::1\]|0\.0\.0\.0|host\.docker\.internal)[^/\s]", re.IGNORECASE)
_RUN_CONFIGURATION = re.compile(
    r"\{\{[^}]*\b(?:dag_run\s*\.\s*conf|params)\b(?![^}]*\|\s*(?:tojson|quote|shell_quote))"
)

_PICKLE = always("code/pickle-load")
_TORCH = unless("weights_only", "code/torch-load")
FUNCTIONS: dict[str, Judge] = {
    **dict.fromkeys(
        (f"{module}.{name}" for module in ("pickle", "dill", "cloudpickle") for name in ("load", "loads", "Unpickler")),
        _PICKLE,
    ),
    **dict.fromkeys(
        ("dill.load_session", "dill.load_module", "jsonpickle.decode", "jsonpickle.loads", "shelve.open")
        + ("shelve.DbfilenameShelf", "pandas.read_pickle", "torch.package.PackageImporter", "compress_pickle.load")
        + ("compress_pickle.loads", "pickle.Unpickler().load"),
        _PICKLE,
    ),
    "marshal.load": always("code/marshal-load"),
    "marshal.loads": always("code/marshal-load"),
    "joblib.load": always("code/joblib-load"),
    "numpy.load": _numpy_load,
    "torch.load": _TORCH,
    "torch.hub.load_state_dict_from_url": _TORCH,
    "torch.utils.model_zoo.load_url": _TORCH,
    "torch.hub.load": _torch_hub,
    "torch.jit.load": always("code/torch-script"),
    "keras.models.load_model": _keras_load,
    "keras.saving.load_model": _keras_load,
    "tensorflow.saved_model.load": _keras_load,
    "tensorflow.saved_model.load_v2": _keras_load,
    "keras.config.enable_unsafe_deserialization": always("code/keras-unsafe-load"),
    "keras.models.model_from_yaml": always("code/keras-unsafe-load"),
    "keras.layers.Lambda": always("code/keras-lambda"),
    "yaml.load": _yaml_load,
    "yaml.load_all": _yaml_load,
    "yaml.unsafe_load": always("code/yaml-load"),
    "yaml.unsafe_load_all": always("code/yaml-load"),
    "yaml.full_load": always("code/yaml-load"),
    "yaml.full_load_all": always("code/yaml-load"),
    "ruamel.yaml.YAML": _ruamel,
    "ruamel.yaml.load": _yaml_load,
    "skops.io.load": _skops_load,
    "skops.io.loads": _skops_load,
    "ctypes.CDLL": _native_library,
    "ctypes.cdll.LoadLibrary": _native_library,
    "torch.ops.load_library": _native_library,
    "torch.classes.load_library": _native_library,
    "tensorflow.load_op_library": _native_library,
    "tensorflow.load_library": _native_library,
    **{
        f"mlflow.{flavour}.load_model": _mlflow_load
        for flavour in ("pyfunc", "sklearn", "pytorch", "tensorflow", "keras", "xgboost", "lightgbm", "catboost")
        + ("transformers", "sentence_transformers", "spark", "statsmodels", "prophet", "langchain", "onnx", "spacy")
    },
    "mlflow.pyfunc.spark_udf": lambda use: _mlflow_load(Use(use.names, use.args[1:], use.keywords)),
    **dict.fromkeys(
        ("transformers.pipeline", "datasets.load_dataset", "huggingface_hub.hf_hub_download")
        + ("huggingface_hub.snapshot_download", "diffusers.DiffusionPipeline.from_pretrained"),
        _hub,
    ),
    **dict.fromkeys(("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), _shell),
    **dict.fromkeys(("asyncio.create_subprocess_shell", "popen2.popen2", "commands.getoutput"), _shell),
    **dict.fromkeys(("builtins.get_ipython().system", "builtins.get_ipython().getoutput"), _shell),
    "builtins.get_ipython().run_line_magic": _magic,
    "builtins.get_ipython().run_cell_magic": _magic,
    **{f"subprocess.{name}": _subprocess for name in ("run", "Popen", "call", "check_call", "check_output")},
    "pip.main": _pip,
    "pip._internal.main": _pip,
    "pip._internal.cli.main.main": _pip,
    "builtins.eval": _text_of_code,
    "builtins.exec": _text_of_code,
    "pandas.eval": _text_of_code,
    **{
        f"{client}.{verb}": _not_verified
        for client in ("requests", "requests.Session()", "requests.session()", "httpx", "httpx.Client()")
        + ("httpx.AsyncClient()", "aiohttp.ClientSession()", "urllib3.PoolManager()")
        for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")
    },
    **dict.fromkeys(("httpx.Client", "httpx.AsyncClient", "aiohttp.TCPConnector"), _not_verified),
    **dict.fromkeys(("urllib.request.urlopen", "urllib.request.urlretrieve", "wget.download"), _not_verified),
    **{f"pandas.read_{form}": _not_verified for form in ("csv", "parquet", "json", "excel", "feather", "table", "hdf")},
    **dict.fromkeys(("keras.utils.get_file", "torch.hub.download_url_to_file", "boto3.client"), _not_verified),
    **dict.fromkeys(("boto3.resource", "torchvision.datasets.utils.download_url", "gdown.download"), _not_verified),
    "ssl._create_unverified_context": always("code/tls-verify-off"),
    "tarfile.open().extractall": _extract,
    "tarfile.open().extract": _extract,
    "tarfile.TarFile().extractall": _extract,
    "tarfile.TarFile().extract": _extract,
    "tarfile.TarFile.open().extractall": _extract,
    "tempfile.mktemp": always("code/mktemp"),
    **dict.fromkeys(("hashlib.md5", "hashlib.sha1"), _weak_hash),
    "hashlib.new": _named_hash,
    "flask.Flask().run": when("debug", "code/debug-server"),
    "dash.Dash().run": when("debug", "code/debug-server"),
    "dash.Dash().run_server": when("debug", "code/debug-server"),
    "ray.init": _open_cluster,
    "dask.distributed.LocalCluster": _open_cluster,
    "distributed.LocalCluster": _open_cluster,
    "dask.distributed.Scheduler": _open_cluster,
}
# What is dangerous to hand on, without any argument that could be seen.
AS_VALUE = frozenset(
    name
    for name in FUNCTIONS
    if name.startswith(("pickle.load", "dill.", "cloudpickle.load", "marshal.", "joblib.", "jsonpickle.", "builtins."))
    or name
    in ("torch.load", "pandas.read_pickle", "yaml.unsafe_load", "yaml.load", "os.system", "os.popen")
    + ("subprocess.getoutput", "ssl._create_unverified_context")
)
METHODS: dict[str, Judge] = {
    "from_pretrained": _hub,
    "load_from_checkpoint": _TORCH,
    "recv_pyobj": _PICKLE,
}
KEYWORDS: dict[str, Callable[[ast.expr, Names], Iterable[Broken]]] = {
    "trust_remote_code": _is_on("code/trust-remote-code", Severity.MEDIUM),
    "allow_dangerous_deserialization": _is_on("code/dangerous-flag", Severity.MEDIUM),
    "allow_dangerous_code": _is_on("code/dangerous-flag", Severity.MEDIUM),
    "allow_dangerous_requests": _is_on("code/dangerous-flag", Severity.MEDIUM),
    "allow_dangerous_tools": _is_on("code/dangerous-flag", Severity.MEDIUM),
    "safe_mode": _is_off("code/keras-unsafe-load"),
    "packages_to_install": _requirements,
    "pip_index_urls": _index,
    "requirements": _requirements,
    "bash_command": _bash_command,
    "share": _is_on("code/public-share"),
}
# A keyword that means this only for a call of this method.
ONLY_FOR = {"share": ("launch",), "requirements": ("PythonVirtualenvOperator", "virtualenv")}
RELEVANT = leading_to(
    (
        *FUNCTIONS,
        *_SAFE_LOADERS,
        *_OTHER_LOADERS,
        "ssl.CERT_NONE",
        "builtins.dict",
        "tarfile.data_filter",
        "skops.io.get_untrusted_types()",
    )
)
# What breaks a rule with no argument but those that it is made with.
JUDGED_AT_ONCE = frozenset(name for name, judge in FUNCTIONS.items() if list(judge(Use(Names(RELEVANT)))))
