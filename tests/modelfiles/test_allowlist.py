# SPDX-License-Identifier: Apache-2.0
"""The allowlists: nothing on them does more than build data, and no honest file is stopped for want of an entry."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.modelfiles.samples import BENIGN
from tools import allowlist as tool
from wardein.modelfiles.allowlist import audited
from wardein.modelfiles.scan import Examined, examine_model
from wardein.report import Severity

LISTS = sorted(tool.ALLOWED.glob("*.tsv"))
INSTALLED = {"sklearn": "scikit-learn", "numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "joblib": "joblib"}
OTHER_VERSIONS = " (other versions)"
HONEST = sorted(BENIGN.glob("*/*"))

# Each of them opens, runs, imports, calls what it is given, dials out, or walks attributes.
GADGETS = """
    os.system os.popen os.execv os.spawnl os.remove os.putenv posix.system nt.system subprocess.Popen subprocess.run
    subprocess.check_output subprocess.getoutput builtins.eval builtins.exec builtins.compile builtins.__import__
    builtins.open builtins.getattr builtins.setattr builtins.delattr builtins.globals builtins.vars builtins.map
    builtins.filter builtins.iter builtins.type builtins.super builtins.input builtins.breakpoint builtins.print
    builtins.sorted builtins.memoryview __builtin__.eval __builtin__.apply __builtin__.execfile __builtin__.file
    __builtin__.getattr __builtin__.type __builtin__.map io.open io.FileIO io.open_code _io.open _io.FileIO
    codecs.open codecs.decode _codecs.decode _codecs.lookup importlib.import_module importlib.reload imp.load_source
    runpy.run_path runpy.run_module runpy._run_code pydoc.locate pydoc.pipepager pkgutil.resolve_name pickle.loads
    pickle.load _pickle.loads cPickle.loads marshal.loads shelve.open dill.loads dill._dill._create_type
    dill._dill._create_function dill._dill._import_module dill._dill._load_type cloudpickle.cloudpickle._make_function
    cloudpickle.cloudpickle._builtin_type cloudpickle.cloudpickle.subimport cloudpickle.loads joblib.load
    joblib.numpy_pickle.load joblib.memory.Memory joblib._store_backends.FileSystemStoreBackend
    functools.reduce functools.singledispatch itertools.starmap itertools.accumulate operator.attrgetter
    operator.methodcaller operator.itemgetter operator.call operator.getitem types.FunctionType types.CodeType
    types.MethodType types.DynamicClassAttribute code.interact code.InteractiveInterpreter timeit.timeit
    timeit.Timer trace.Trace cProfile.run profile.run pdb.run bdb.Bdb doctest.debug_script ctypes.CDLL
    ctypes.PyDLL _ctypes.dlopen cffi.FFI socket.socket socket.create_connection ssl.get_server_certificate
    http.client.HTTPConnection urllib.request.urlopen urllib.request.urlretrieve requests.get smtplib.SMTP
    ftplib.FTP telnetlib.Telnet webbrowser.open shutil.rmtree shutil.copyfile shutil.unpack_archive
    tempfile.mktemp pathlib.Path.write_text glob.glob zipfile.ZipFile tarfile.open gzip.open bz2.open lzma.open
    logging.FileHandler logging.config.dictConfig logging.config.fileConfig linecache.getlines fileinput.input
    sqlite3.connect dbm.open multiprocessing.Process multiprocessing.util.spawnv_passfds threading.Thread
    asyncio.run concurrent.futures.ThreadPoolExecutor weakref.finalize atexit.register signal.signal sys.settrace
    sys.exit gc.get_objects inspect.getsource ast.literal_eval string.Formatter re.sub re.Scanner
    enum.Enum collections.namedtuple dataclasses.make_dataclass abc.ABCMeta copyreg.__newobj__ copyreg.add_extension
    numpy.load numpy.save numpy.savez numpy.fromfile numpy.memmap numpy.loadtxt numpy.genfromtxt numpy.DataSource
    numpy.lib.npyio.NpzFile numpy.lib.npyio.DataSource numpy.vectorize numpy.frompyfunc numpy.apply_along_axis
    numpy.fromfunction numpy.piecewise numpy.testing._private.utils.runstring numpy.f2py.compile numpy.test
    numpy.core.memmap numpy.core.multiarray.fromfile numpy.ctypeslib.load_library
    numpy.distutils.exec_command.exec_command scipy.io.loadmat scipy.stats._continuous_distns.norm_gen
    scipy.stats._distn_infrastructure.rv_frozen scipy.stats._continuous_distns.uniform_gen
    scipy.integrate.quad scipy.optimize.minimize scipy.LowLevelCallable pandas.eval pandas.read_pickle
    pandas.read_csv pandas.io.common.get_handle pandas.io.pickle.read_pickle pandas.core.computation.eval.eval
    pandas.core.frame.DataFrame.eval pandas.io.formats.style.Styler pandas.io.sql.SQLTable
    sklearn.datasets._base.load_files sklearn.datasets.fetch_openml sklearn.utils._testing.TempMemmap
    sklearn.metrics._scorer.make_scorer sklearn.utils.parallel.Parallel sklearn.utils.parallel.delayed
    sklearn.neighbors._dist_metrics.PyFuncDistance sklearn.metrics._dist_metrics.PyFuncDistance64
    torch.load torch.save torch.hub.load torch.jit.load torch.compile torch.from_file torch.serialization.load
    torch.fx.graph_module.reduce_graph_module torch.fx.graph_module.GraphModule torch._dynamo.guards.GuardBuilder
    torch.utils._config_module.load_config torch.utils.bottleneck.__main__.run_cprofile
    torch.utils.collect_env.run torch.utils.data.datapipes.utils.decoder.basichandlers torch.classes.load_library
    torch.ops.load_library torch.distributed.init_process_group torch.distributed.rpc.init_rpc
    torch.nn.parallel.distributed.DistributedDataParallel torch.package.PackageImporter
    torch._inductor.codecache.PyCodeCache
    torch.testing._internal.common_utils.run_tests torch._tensor._rebuild_from_type torch.multiprocessing.spawn
    torch.storage.UntypedStorage.from_file torch.multiprocessing.reductions.rebuild_storage_filename
    xgboost.core.DMatrix xgboost.core._LIB lightgbm.basic.Dataset lightgbm.basic._LIB catboost.core.Pool
    patsy.eval.EvalFactor patsy.highlevel.dmatrix patsy.design_info.DesignInfo statsmodels.iolib.smpickle.load_pickle
    formulaic.model_spec.ModelSpec
    keras.saving.load_model tensorflow.io.read_file mlflow.pyfunc.load_model transformers.AutoModel
    accelerate.state.PartialState skops.io.load yaml.load yaml.unsafe_load jinja2.Template mako.template.Template
    paramiko.SSHClient docker.from_env boto3.client pip.main setuptools.setup distutils.spawn.spawn
    unittest.mock.patch unittest.main pytest.main nose.run idlelib.pyshell.ModifiedInterpreter lib2to3.main
    _pyrepl.console.InteractiveColoredConsole bpython.embed IPython.embed ensurepip._run_pip venv.create
""".split()  # noqa: SIM905


def stopped(examined: Examined) -> list[str]:
    """What would make the verdict FAIL or ERROR."""
    failing = [one.message for one in examined.found if one.severity in (Severity.HIGH, Severity.CRITICAL)]
    return failing + [one.reason for one in examined.skipped]


def lines() -> Iterator[tuple[Path, str]]:
    for path in LISTS:
        yield from ((path, line) for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


# The lists ------------------------------------------------------------------------------------------------------------


def test_every_line_is_a_name_its_uses_and_a_reason():
    for path, line in lines():
        name, uses, reason = line.split("\t")
        assert name.count(".") >= 1, (path.name, line)
        assert all(part.isidentifier() for part in name.split(".")), (path.name, line)
        assert set(uses.split(",")) <= {"refer", "new", "call"}, (path.name, line)
        assert len(reason) > 5, (path.name, line)
        assert reason == reason.strip(), (path.name, line)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_lists_are_sorted(path):
    names = [line.partition("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()]

    assert names == sorted(names)


def test_nothing_is_listed_twice():
    names = [line.partition("\t")[0] for _, line in lines()]

    assert len(names) == len(set(names))
    assert len(audited()) == len(names)


def test_no_known_gadget_is_listed():
    assert len(set(GADGETS)) > 200
    assert not set(GADGETS) & audited().keys()


def test_no_entry_walks_from_another_one():
    walks = [name for name in audited() if name.rpartition(".")[0] in audited()]

    assert walks == []


@pytest.mark.parametrize("library", INSTALLED)
def test_names_of_what_is_installed_are_there_or_said_to_be_of_other_versions(library):
    missing = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, entry in audited().items():
            if name.startswith(f"{library}.") and not _of_other_versions(entry.reason, library):
                module, _, last = name.rpartition(".")
                try:
                    importlib.import_module(module).__getattribute__(last)
                except (ImportError, AttributeError):
                    missing.append(name)

    assert missing == []


def _of_other_versions(reason: str, library: str) -> bool:
    seen = tool.SEEN.search(reason)
    installed = tool.version_of(version(INSTALLED[library]))
    return reason.endswith(OTHER_VERSIONS) or bool(
        seen and not tool.version_of(seen[2]) <= installed <= tool.version_of(seen[3] or seen[2])
    )


# What is derived ------------------------------------------------------------------------------------------------------


def test_all_that_can_be_derived_from_what_is_installed_is_listed():
    assert tool.missing(Path(sysconfig.get_path("purelib"))) == []


@pytest.mark.parametrize(
    ("body", "derived"),
    [
        ("def fit(self): pass", True),
        ("def __setstate__(self, state): state['f']()", False),
        ("def __del__(self): pass", False),
        ("__setattr__ = print", False),
        ("def append(self, item): item()", False),
    ],
)
def test_a_class_with_a_method_that_an_unpickler_sets_off_is_not_derived(body, derived):
    text = f"from ..base import BaseEstimator\nclass Between(BaseEstimator):\n    {body}\nclass New(Between): pass\n"
    base = "class BaseEstimator:\n    def __setstate__(self, state): pass\n"
    library = tool.read_library("1", [("sklearn/base.py", base), ("sklearn/svm/new.py", text)])

    unread = dict(tool.derived(tool.FAMILIES[0], library, []))["sklearn.svm.new.New"]

    assert (unread == []) is derived


def test_a_class_over_an_unknown_base_is_not_derived():
    text = "from ..base import BaseEstimator\nfrom elsewhere import Mixin\nclass New(Mixin, BaseEstimator): pass\n"
    library = tool.read_library("1", [("sklearn/base.py", "class BaseEstimator: pass"), ("sklearn/svm/new.py", text)])

    assert dict(tool.derived(tool.FAMILIES[0], library, []))["sklearn.svm.new.New"] == ["what elsewhere.Mixin is"]


def test_what_was_written_by_hand_stays_when_the_lists_are_written(tmp_path, monkeypatch):
    by_hand = "sklearn.by.Hand\tcall\twritten by a person\n"
    (tmp_path / "sklearn.tsv").write_text(by_hand + "sklearn.svm.gone.Old\tnew\tderived once (scikit-learn 0.1)\n")
    monkeypatch.setattr(tool, "ALLOWED", tmp_path)

    tool.write([Path(sysconfig.get_path("purelib"))])

    written = (tmp_path / "sklearn.tsv").read_text()
    assert by_hand in written
    assert "sklearn.svm.gone.Old" not in written
    assert "sklearn.svm._classes.SVC\tnew\t" in written


# What is honest passes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HONEST, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_honest_files_are_not_stopped(path):
    assert stopped(examine_model(path, [])) == []


def test_the_honest_corpus_is_there():
    assert len(HONEST) > 100
    assert {path.parent.name for path in HONEST} >= {"sklearn", "xgboost", "lightgbm", "torch", "pandas", "keras"}


def every_estimator() -> Iterator[tuple[str, Any]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils import all_estimators

    needed = {"estimator": LogisticRegression(), "estimators": [("a", LogisticRegression())], "dictionary": [[1.0]]}
    needed |= {"steps": needed["estimators"], "transformer_list": needed["estimators"], "param_grid": {"C": [1]}}
    needed |= {"param_distributions": {"C": [1]}, "transformers": [("a", LogisticRegression(), [0])]}
    for name, kind in all_estimators():
        parameters = inspect.signature(kind).parameters.values()
        wanted = [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
        yield name, kind(**{key: needed[key] for key in wanted})


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_every_estimator_of_the_installed_scikit_learn_passes(protocol, tmp_path):
    examined = {}
    for name, estimator in every_estimator():
        path = tmp_path / f"{name}.pkl"
        path.write_bytes(pickle.dumps(estimator, protocol))
        examined[name] = stopped(examine_model(path, []))

    assert len(examined) > 180
    assert {name: why for name, why in examined.items() if why} == {}


def test_an_estimator_among_others_that_is_no_estimator_is_stopped(tmp_path):
    class Sly:
        def __reduce__(self) -> Any:
            return importlib.import_module, ("antigravity",)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([*dict(every_estimator()).values(), Sly()], 4))

    assert any("importlib.import_module" in why for why in stopped(examine_model(path, [])))


def test_the_command_passes_an_honest_model(wardein):
    ran = wardein("scan-model", "--model", BENIGN / "sklearn", "--json")

    assert ran.code == 0, ran.out


# What is only known to be harmless where the stream itself uses it -----------------------------------------------


def _named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


LOADER = _named("torch.storage", "_load_from_bytes")
TRANSFORMER = _named("sklearn.preprocessing._function_transformer", "FunctionTransformer") + b")\x81"


@pytest.mark.parametrize(
    "stream",
    [
        TRANSFORMER + b"}(" + _text("func") + LOADER + b"ub.",
        b"]" + LOADER + b"a.",
        b"]" + LOADER + b"\x85a.",
        b"](" + b"K\x01" * 300 + LOADER + b"e.",
        LOADER + b"q\x000]h\x00a.",
        LOADER + b".",
        _named("copy_reg", "_reconstructor") + _named("sklearn.svm._classes", "SVC")
        + b"c__builtin__\nobject\n" + LOADER + b"\x87R.",
        TRANSFORMER + b"}(" + _text("func") + _named("xgboost.core", "Booster") + b"ub.",
    ],
)  # fmt: skip
def test_what_may_be_called_by_the_stream_may_not_be_left_for_others_to_call(stream, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02" + stream)

    assert any("could call" in why for why in stopped(examine_model(path, [])))


@pytest.mark.parametrize(
    ("formula", "passes"),
    [
        ("y ~ a + b", True),
        ("y ~ np.log(a) * C(g)", True),
        ("y ~ __import__('os').system('true')", False),
        ("y ~ np.load('x')", False),
        ("y ~ a.b(c)", False),
    ],
)
def test_formulas_of_statsmodels_that_would_run_code_are_stopped(formula, passes, tmp_path):
    state = b"}(" + _text("formula") + _text(formula) + _text("restore_model_spec") + b"\x88u"
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02" + _named("statsmodels.base.data", "PandasData") + b")\x81" + state + b"b.")

    assert (stopped(examine_model(path, [])) == []) is passes


@pytest.mark.parametrize("name", ["model", "data", "_results", "model_spec", "design_info"])
def test_what_statsmodels_asks_for_a_formula_is_its_own(name, tmp_path):
    stand_in = _named("types", "SimpleNamespace") + b")R}" + _text("formula") + _text("x") + b"sb"
    path = tmp_path / "model.pkl"
    results = _named("statsmodels.regression.linear_model", "OLSResults") + b")\x81"
    path.write_bytes(b"\x80\x02" + results + b"}" + _text(name) + stand_in + b"sb.")

    assert stopped(examine_model(path, [])) != []
