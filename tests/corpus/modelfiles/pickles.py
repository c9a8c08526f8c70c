# SPDX-License-Identifier: Apache-2.0
"""Pickles, assembled opcode by opcode and never by pickling anything: malicious, malformed and benign.

Nothing here is ever loaded. Where a payload would run a command, it is ``touch canary/pickled``.
"""

from __future__ import annotations

import struct

CANARY = "touch canary/pickled"

# --- A tiny assembler


def proto(version: int) -> bytes:
    return b"\x80" + bytes([version])


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def old_text(value: str) -> bytes:
    """A text of Python 2."""
    return b"U" + bytes([len(value)]) + value.encode("latin-1")


def raw(value: bytes) -> bytes:
    return b"C" + bytes([len(value)]) + value if len(value) < 256 else b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)


def put(index: int) -> bytes:
    return b"q" + bytes([index])


def get(index: int) -> bytes:
    return b"h" + bytes([index])


def named(module: str, name: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    """STACK_GLOBAL."""
    return text(module) + text(name) + b"\x93"


def row(*values: bytes) -> bytes:
    """A tuple."""
    return b")" if not values else b"(" + b"".join(values) + b"t"


def rows(*values: bytes) -> bytes:
    """A list."""
    return b"](" + b"".join(values) + b"e" if values else b"]"


def mapping(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u" if values else b"}"


def call(what: bytes, *args: bytes) -> bytes:
    return what + row(*args) + b"R"


def made(what: bytes, *args: bytes) -> bytes:
    """NEWOBJ."""
    return what + row(*args) + b"\x81"


def framed(body: bytes, length: int | None = None) -> bytes:
    return b"\x95" + struct.pack("<Q", len(body) if length is None else length) + body


def whole(body: bytes, version: int = 4) -> bytes:
    return proto(version) + body + b"."


SYSTEM = call(named("os", "system"), text(CANARY))
LIST = named("builtins", "list")
TRUE, FALSE, NONE = b"\x88", b"\x89", b"N"


def dtype(kind: str, *state: bytes) -> bytes:
    """numpy.dtype with a state, by default the one of little-endian numbers."""
    state = state or (number(3), text("<"), NONE, NONE, NONE, number(-1), number(-1), number(0))
    return call(named("numpy", "dtype"), text(kind), FALSE, TRUE) + row(*state) + b"b"


def wrapper(shape: bytes, of: bytes, *, aligned: bool = True, **more: bytes) -> bytes:
    """joblib's place holder for an array."""
    state = {
        "subclass": named("numpy", "ndarray"),
        "shape": shape,
        "order": text("C"),
        "dtype": of,
        "allow_mmap": TRUE,
        **({"numpy_array_alignment_bytes": number(16)} if aligned else {}),
        **more,
    }
    return made(named("joblib.numpy_pickle", "NumpyArrayWrapper")) + mapping(**state) + b"b"


def npy(descr: str, shape: str, body: bytes) -> bytes:
    """A .npy file."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def torch_file(obj: bytes, keys: bytes = b"\x80\x02].", storages: bytes = b"") -> bytes:
    """A file of torch.save before its version 1.6."""
    return MAGIC + b"\x80\x02M\xe9\x03." + b"\x80\x02}." + obj + keys + storages


def storage(key: str, count: int) -> bytes:
    """A persistent id of torch, pushed and taken up."""
    return row(old_text("storage"), named("torch", "FloatStorage"), text(key), text("cpu"), number(count), NONE) + b"Q"


# --- Malicious

# Callables of the standard library and of the libraries of machine learning that run, load, open or send something.
CALLABLES = """
os.system os.popen os.execv os.execvp os.spawnl os.spawnv os.spawnvp os.posix_spawn os.remove os.unlink os.rename
os.putenv os.open os.fdopen os.kill os.chmod os.makedirs os.symlink os.truncate os.fork os.startfile posix.system
posix.popen nt.system subprocess.Popen subprocess.run subprocess.call subprocess.check_output subprocess.check_call
subprocess.getoutput subprocess.getstatusoutput builtins.eval builtins.exec builtins.compile builtins.open
builtins.__import__ builtins.getattr builtins.setattr builtins.delattr builtins.map builtins.filter builtins.input
builtins.breakpoint builtins.vars builtins.type builtins.classmethod builtins.property builtins.print builtins.exit
builtins.help builtins.memoryview builtins.super __builtin__.eval __builtin__.execfile __builtin__.apply
__builtin__.reduce __builtin__.file importlib.import_module importlib.reload importlib._bootstrap._gcd_import
importlib.util.spec_from_file_location importlib.machinery.SourceFileLoader runpy.run_path runpy.run_module
runpy._run_code code.interact code.InteractiveInterpreter codeop.compile_command timeit.timeit timeit.repeat
timeit.main cProfile.run cProfile.runctx profile.run trace.Trace pdb.run pdb.runeval bdb.Bdb doctest.debug_script
doctest.testsource ctypes.CDLL ctypes.cdll.LoadLibrary ctypes.PyDLL ctypes.string_at _ctypes.dlopen _ctypes.FuncPtr
socket.socket socket.create_connection socket.getaddrinfo socketserver.TCPServer ssl.wrap_socket
urllib.request.urlopen urllib.request.urlretrieve urllib.request.Request http.client.HTTPConnection
http.client.HTTPSConnection http.server.HTTPServer ftplib.FTP smtplib.SMTP poplib.POP3 imaplib.IMAP4 telnetlib.Telnet
nntplib.NNTP xmlrpc.client.ServerProxy webbrowser.open webbrowser.get webbrowser.GenericBrowser shutil.rmtree
shutil.copyfile shutil.move shutil.make_archive shutil.unpack_archive shutil.chown tempfile.mkstemp
tempfile.NamedTemporaryFile pathlib.Path.write_text pathlib.Path.unlink io.open io.open_code io.FileIO _io.open
_io.FileIO codecs.open codecs.decode codecs.encode tokenize.open fileinput.input fileinput.FileInput linecache.getline
linecache.updatecache glob.glob mmap.mmap gzip.open bz2.open lzma.open zipfile.ZipFile tarfile.open
zipimport.zipimporter pickle.load pickle.loads pickle.Unpickler _pickle.loads _pickle.Unpickler cPickle.loads
marshal.loads marshal.load shelve.open dbm.open sqlite3.connect copyreg.add_extension copyreg.pickle copy.copy
copy.deepcopy functools.partial functools.reduce functools.partialmethod functools.wraps functools.singledispatch
itertools.starmap itertools.accumulate itertools.groupby itertools.filterfalse operator.attrgetter
operator.methodcaller operator.itemgetter operator.call _operator.attrgetter _operator.methodcaller types.FunctionType
types.CodeType types.ModuleType types.MethodType types.LambdaType types.DynamicClassAttribute types.new_class
types.coroutine inspect.getattr_static inspect.unwrap inspect.getsource sys.exit sys.setprofile sys.settrace
sys.modules.clear sys.addaudithook sys.breakpointhook sys.excepthook site.addsitedir site.main site.execsitecustomize
sysconfig.get_config_vars platform.popen platform._syscmd_ver platform.system pty.spawn pty.fork tty.setraw
threading.Thread threading.Timer _thread.start_new_thread multiprocessing.Process multiprocessing.Pool
multiprocessing.util.spawnv_passfds multiprocessing.popen_fork.Popen multiprocessing.reduction.rebuild_arg
concurrent.futures.ProcessPoolExecutor concurrent.futures.ThreadPoolExecutor asyncio.run
asyncio.create_subprocess_shell asyncio.unix_events._UnixSubprocessTransport._start signal.signal signal.raise_signal
atexit.register atexit._run_exitfuncs weakref.finalize weakref.ref gc.get_objects faulthandler._sigsegv
contextlib.ExitStack contextlib.contextmanager unittest.main unittest.mock._importer unittest.loader.TestLoader
pydoc.pipepager pydoc.tempfilepager pydoc.locate pydoc.safeimport pydoc.writedoc pkgutil.resolve_name pkgutil.get_data
pkgutil.get_loader pip.main pip._internal.main ensurepip.bootstrap ensurepip._run_pip venv.create venv.EnvBuilder
zipapp.create_archive compileall.compile_file py_compile.compile lib2to3.pgen2.grammar.Grammar.loads
lib2to3.pgen2.pgen.ParserGenerator.make_label idlelib.pyshell.ModifiedInterpreter.runcode
idlelib.autocomplete.AutoComplete.get_entity idlelib.calltip.get_entity idlelib.debugobj.ObjectTreeItem.SetText
idlelib.run.Executive.runcode idlelib.pyshell.ModifiedInterpreter.runcommand distutils.spawn.spawn
distutils.file_util.write_file distutils.core.run_setup setuptools.sandbox.run_setup
test.support.script_helper.assert_python_ok turtle.Screen turtledemo.__main__.main tkinter.Tk tkinter.Tcl
wsgiref.simple_server.make_server logging.FileHandler logging.config.dictConfig logging.config.fileConfig
logging.config.listen logging.handlers.SocketHandler configparser.ConfigParser.read email.message_from_file
mailbox.mbox mailcap.findmatch netrc.netrc getpass.getpass readline.read_init_file rlcompleter.Completer cmd.Cmd
sched.scheduler gettext.translation locale.setlocale optparse.Values._update argparse.FileType argparse.ArgumentParser
string.Formatter.vformat string.Template dataclasses.make_dataclass dataclasses._create_fn collections.namedtuple
enum.Enum typing._eval_type typing.ForwardRef._evaluate typing.get_type_hints abc.ABCMeta ast.literal_eval ast.parse
symtable.symtable dis.dis opcode.stack_effect xml.sax.parse xml.etree.ElementTree.parse xml.dom.minidom.parse
plistlib.load csv.DictReader json.load statistics.NormalDist random._os.system random._inst.seed logging.os.system
uuid._popen uuid.os.system _osx_support._read_output _aix_support._read_cmd_output _pyrepl.pager.pipe_pager
_posixsubprocess.fork_exec ctypes.util._findLib_gcc ctypes.util._get_soname cgi.test cgitb.handler bdb.Bdb.run
nturl2path.url2pathname numpy.load numpy.save numpy.savez numpy.savetxt numpy.loadtxt numpy.genfromtxt numpy.fromfile
numpy.memmap numpy.DataSource numpy.fromregex numpy.fromfunction numpy.apply_along_axis numpy.vectorize
numpy.frompyfunc numpy.piecewise numpy.lib.npyio.DataSource numpy.lib.format.open_memmap numpy.lib.utils.safe_eval
numpy.core.memmap.memmap numpy.testing._private.utils.runstring numpy.testing._private.utils.rundocs
numpy.f2py.compile numpy.f2py.crackfortran.myeval numpy.f2py.capi_maps.getinit numpy.f2py.diagnose.run_command
numpy.distutils.exec_command.exec_command numpy.distutils.cpuinfo.getoutput numpy.distutils.lib2def.getnm
numpy.ctypeslib.load_library numpy.show_config pandas.eval pandas.read_pickle pandas.read_csv pandas.read_sql
pandas.read_html pandas.read_json pandas.read_parquet pandas.io.common.get_handle pandas.io.pickle.read_pickle
pandas.core.computation.eval.eval pandas.core.computation.expr.Expr pandas.io.clipboard.paste
pandas.core.frame.DataFrame.query pandas.core.frame.DataFrame.apply pandas.core.frame.DataFrame.to_pickle
pandas.util._tester.test pandas.testing.assert_frame_equal sklearn.datasets.load_files sklearn.datasets.fetch_openml
sklearn.datasets.load_svmlight_file sklearn.utils._testing.check_skip_network sklearn.utils.parallel.delayed
sklearn.externals.joblib.load scipy.io.loadmat scipy.io.savemat scipy.sparse.load_npz scipy.weave.inline
scipy.LowLevelCallable scipy.optimize.minimize scipy.datasets.face scipy._lib._testutils.PytestTester joblib.load
joblib.dump joblib.Memory joblib.Parallel joblib.delayed joblib.parallel.BatchedCalls
joblib.externals.cloudpickle.loads joblib.externals.loky.get_reusable_executor torch.load torch.save torch.hub.load
torch.hub.download_url_to_file torch.hub.load_state_dict_from_url torch.jit.load torch.jit.script
torch.jit.CompilationUnit torch.classes.load_library torch.ops.load_library torch.from_file torch.compile
torch.package.PackageImporter torch.utils.cpp_extension.load_inline torch.utils.cpp_extension.load
torch.utils.bottleneck.__main__.run_cprofile torch.utils._config_module.ConfigModule.load_config
torch.utils.data.datapipes.utils.decoder.basichandlers torch.utils.collect_env.run torch.utils.model_zoo.load_url
torch._dynamo.guards.GuardBuilder.get torch._inductor.codecache.compile_file
torch._inductor.runtime.compile_tasks._reload_python_module_in_subproc
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression torch.fx._symbolic_trace.Tracer
torch.fx.graph_module.reduce_graph_module torch.fx.graph_module._forward_from_src
torch.fx.graph_module._exec_with_source torch.serialization.load torch.distributed.rpc.rpc_sync
torch.distributed.elastic.multiprocessing.start_processes torch.multiprocessing.spawn torch._utils._rebuild_from_type
torch.storage.UntypedStorage.from_file xgboost.Booster.load_model lightgbm.basic._load_lib
catboost.core.CatBoost.load_model statsmodels.iolib.smpickle.load_pickle statsmodels.datasets.utils.webuse
patsy.eval.EvalEnvironment patsy.dmatrices imblearn.datasets.fetch_datasets dill._dill._create_function
dill._dill._create_type dill._dill._import_module dill._dill._load_type dill.loads
cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._builtin_type
cloudpickle.cloudpickle._make_skeleton_class cloudpickle.cloudpickle.subimport cloudpickle.loads
tensorflow.keras.models.load_model tensorflow.io.read_file keras.utils.get_file keras.layers.Lambda
keras.saving.load_model mlflow.pyfunc.load_model transformers.pipeline transformers.AutoModel.from_pretrained
huggingface_hub.hf_hub_download requests.get requests.post httpx.get aiohttp.ClientSession boto3.client
paramiko.SSHClient fabric.Connection sh.Command pexpect.spawn plumbum.local yaml.load yaml.unsafe_load
jsonpickle.decode jinja2.Template mako.template.Template flask.render_template_string
django.core.management.call_command IPython.get_ipython IPython.core.interactiveshell.InteractiveShell.run_cell
""".split()  # noqa: SIM905 - hundreds of them


def _held_out() -> dict[str, bytes]:
    """Every callable, each called in another of the ways there are."""
    found = {}
    for index, callable_ in enumerate(CALLABLES):
        module, _, name = callable_.rpartition(".")
        arg = text(CANARY)
        ways = (
            whole(call(named(module, name), arg), 2),
            whole(call(stacked(module, name), arg)),
            f"(S'{CANARY}'\ni{module}\n{name}\n.".encode(),
            whole(b"(" + named(module, name) + arg + b"o", 1),
            whole(made(stacked(module, name), arg), 2),
            whole(stacked(module, name) + row(arg) + mapping() + b"\x92"),
            f"c{module}\n{name}\np0\n(V{CANARY}\np1\ntp2\nRp3\n.".encode(),
            whole(framed(call(stacked(module, name), arg) + b".")[:-1]),
            whole(row(stacked(module, name), number(1))),
            whole(stacked(module, name) + mapping(a=number(1)) + b"b"),
        )
        found[f"callable/{index:03}-{callable_}"] = ways[index % len(ways)]
    return found


# Attributes walked from a module that is imported for something harmless (protocol 4 follows the dots).
WALKS = """
logging:os.system random:_os.system uuid:os.popen numpy:os.system numpy.lib.npyio:os.system pandas.io.common:os.system
sklearn.utils:os.system sklearn.base:inspect.os.system sklearn.tree._tree:__builtins__.eval
pandas._libs.internals:__builtins__.exec joblib.memory:os.system torch:os.system torch.serialization:os.system
torch.storage:io.open collections:abc.sys.modules collections:_sys.modules.clear datetime:sys.modules decimal:sys.exit
fractions:sys._getframe numpy.core.multiarray:os.system numpy.ma.core:builtins.eval numpy.random._pickle:__builtins__
copyreg:__builtins__ _codecs:__loader__.load_module builtins:object.__subclasses__ builtins:str.__class__.__base__
builtins:dict.__getitem__ builtins:list.__class__.mro collections:OrderedDict.__init__.__globals__.__getitem__
collections:namedtuple.__globals__ functools:partial.__new__ sklearn.svm._classes:SVC.__init__.__globals__.__getitem__
sklearn.ensemble._forest:RandomForestClassifier.fit numpy:ndarray.tofile numpy:ndarray.dump
pandas.core.frame:DataFrame.to_csv torch._utils:torch.load torch.nn.modules.module:torch.hub.load
scipy.sparse._csr:csr_matrix.__reduce__ datetime:datetime.__class__ pathlib:Path.write_bytes
builtins:type.__subclasses__ builtins:__import__.__call__
""".split()  # noqa: SIM905 - hundreds of them


def _walks() -> dict[str, bytes]:
    found = {}
    for index, walk in enumerate(WALKS):
        module, _, name = walk.partition(":")
        ways = (
            whole(call(named(module, name), text(CANARY))),
            whole(call(stacked(module, name), text(CANARY))),
            proto(4) + f"(V{CANARY}\ni{module}\n{name}\n.".encode(),
        )
        found[f"walk/{index:02}-{walk}"] = ways[index % 3]
    return found


_BIG = b"X" + struct.pack("<I", 600_000) + b" " * 600_000
_OS, _SYS = text("os"), text("system")
_RUN = row(text(CANARY)) + b"R"
_SVC = named("sklearn.svm._classes", "SVC")
_FLOATS = struct.pack("<2d", 1.0, 2.0)
_PADDED = b"\x05" + b"\xff" * 5 + _FLOATS
_OBJECTS = (number(3), text("|"), NONE, NONE, NONE, number(-1), number(-1), number(63))

_TRICKS = {
    # how the name comes about
    "name/from-memo": whole(_OS + put(0) + b"0" + _SYS + put(1) + b"0" + get(0) + get(1) + b"\x93" + _RUN),
    "name/memoized": whole(_OS + b"\x94" + _SYS + b"\x94" + b"00" + get(0) + get(1) + b"\x93" + _RUN),
    "name/memo-overwritten": whole(
        text("collections") + put(0) + b"0" + _OS + put(0) + b"0" + get(0) + _SYS + b"\x93" + _RUN
    ),
    "name/memo-gap": whole(
        text("no") + put(200) + b"0" + _OS + put(7) + b"0" + _SYS + b"\x94" + b"0" + get(7) + get(2) + b"\x93" + _RUN
    ),
    "name/duplicated": whole(text("system") + b"2" + b"0" + put(3) + b"0" + _OS + get(3) + b"\x93" + _RUN),
    "name/popped-decoy": whole(_OS + _SYS + text("decoy") + b"0" + b"\x93" + _RUN),
    "name/mark-decoy": whole(_OS + _SYS + b"(" + text("collections") + text("OrderedDict") + b"1" + b"\x93" + _RUN),
    "name/old-texts": whole(old_text("os") + old_text("system") + b"\x93" + _RUN),
    "name/long-forms": whole(
        b"X" + struct.pack("<I", 2) + b"os" + b"\x8d" + struct.pack("<Q", 6) + b"system" + b"\x93" + _RUN
    ),
    "name/escaped-line": proto(4) + b"V\\u006fs\nV\\u0073ystem\n\x93" + _RUN + b".",
    "name/escaped-string": proto(4) + b"S'\\x6fs'\nS'\\163ystem'\n\x93" + _RUN + b".",
    "name/double-quotes": proto(4) + b'S"os"\nS"system"\n\x93' + _RUN + b".",
    "name/computed-str": whole(call(named("builtins", "str"), text("os")) + _SYS + b"\x93" + _RUN),
    "name/computed-encode": whole(
        call(named("_codecs", "encode"), text("os"), text("latin1")) + _SYS + b"\x93" + _RUN
    ),
    "name/computed-list": whole(rows(_OS) + _SYS + b"\x93" + _RUN),
    "name/bytes": whole(raw(b"os") + _SYS + b"\x93" + _RUN),
    "name/very-long": whole(text("x" * 4000) + _SYS + b"\x93" + _RUN),
    "name/lookalike": whole(call(named("b\u0443iltins", "eval"), text("1"))),
    "name/case": whole(call(named("Builtins", "List"), text("1"))),
    "name/space": whole(call(named("collections ", "OrderedDict"))),
    "name/carriage-return": proto(2) + b"cos\r\nsystem\r\n" + _RUN + b".",
    "name/backslash": proto(2) + b"cos\\\nsystem\n" + _RUN + b".",
    "name/null": proto(2) + b"ccollections\0os\nOrderedDict\n" + _RUN + b".",
    "name/over-a-window": whole(_BIG + b"0" + _BIG + b"0" + call(named("os", "system"), text(CANARY))),
    "name/beyond-a-skip": whole(
        b"\x8e" + struct.pack("<Q", 3_000_000) + b"." * 3_000_000 + b"0" + call(stacked("os", "system"), text(CANARY))
    ),
    "name/python-2": whole(call(named("__builtin__", "execfile"), text("x")), 2),
    "name/python-2-moved": whole(call(named("commands", "getoutput"), text(CANARY)), 2),
    "name/python-2-renamed": whole(call(named("itertools", "imap"), text("x")), 2),
    "name/module-main": whole(call(named("__main__", "Model"))),
    "name/unknown-package": whole(made(named("mycompany.models", "Net")) + mapping(a=number(1)) + b"b"),
    # which opcode does it
    "opcode/extension-1": whole(b"\x82\x01" + _RUN, 2),
    "opcode/extension-2": whole(b"\x83\x01\x01" + _RUN, 2),
    "opcode/extension-4": whole(b"\x84\x01\x01\x01\x01" + _RUN, 2),
    "opcode/persistent-line": proto(0) + b"Pos.system\n.",
    "opcode/persistent-tuple": whole(row(text("storage"), text("x")) + b"Q"),
    "opcode/persistent-class": whole(
        row(text("storage"), named("os", "system"), text("0"), text("cpu"), number(1)) + b"Q"
    ),
    "opcode/persistent-other": whole(row(text("reduce_package"), named("torch", "FloatStorage"), text("0")) + b"Q"),
    "opcode/reduce-with-list": whole(named("os", "system") + rows(text(CANARY)) + b"R"),
    "opcode/reduce-twice": whole(call(call(named("operator", "methodcaller"), text("x")), text("y"))),
    "opcode/reduce-in-reduce": whole(call(named("collections", "OrderedDict"), rows(row(text("a"), SYSTEM)))),
    "opcode/build-calls": whole(made(named("collections", "OrderedDict")) + SYSTEM + b"b"),
    "opcode/inst-in-list": b"(lp0\n(S'touch canary/pickled'\nios\nsystem\na.",
    "opcode/obj-from-memo": whole(named("os", "system") + put(0) + b"0(" + get(0) + text(CANARY) + b"o", 1),
    "opcode/newobj-ex": whole(stacked("subprocess", "Popen") + row(text(CANARY)) + mapping(shell=TRUE) + b"\x92"),
    "opcode/only-named": whole(named("antigravity", "fly")),
    "opcode/setitems-on-class": whole(_SVC + b"(" + text("a") + number(1) + b"u"),
    "opcode/appends-on-class": whole(named("collections", "deque") + b"(" + text("a") + b"e"),
    # where it stands
    "place/popped": whole(SYSTEM + b"0" + number(1)),
    "place/popped-mark": whole(b"(" + SYSTEM + b"1" + number(1)),
    "place/left-over": whole(SYSTEM + number(1)),
    "place/key": whole(b"}" + SYSTEM + number(1) + b"s"),
    "place/in-set": whole(b"\x8f(" + SYSTEM + b"\x90"),
    "place/in-frozenset": whole(b"(" + SYSTEM + b"\x91"),
    "place/after-stop": whole(number(1)) + whole(SYSTEM),
    "place/third-pickle": whole(number(1)) + whole(rows(number(2))) + whole(SYSTEM, 2),
    "place/before-break": proto(4) + SYSTEM + b"\xff\xff\xff",
    "place/before-truncation": proto(2) + SYSTEM,
    "place/before-missing-memo": proto(2) + SYSTEM + get(9) + b".",
    "place/before-underflow": proto(2) + SYSTEM + b"ttt.",
    "place/before-bad-protocol": SYSTEM + proto(77) + b".",
    "place/no-protocol": SYSTEM + b".",
    "place/protocol-in-the-middle": proto(2) + b"N0" + whole(call(named("logging", "os.system"), text("x"))),
    "place/behind-newlines": whole(text("\n\n.\n") + b"0" + SYSTEM),
    "place/deep-in-data": whole(rows(*(number(i) for i in range(200)), rows(mapping(a=row(number(1), SYSTEM))))),
    "place/among-a-million": whole(b"](" + number(7) * 500_000 + SYSTEM + b"e"),
    # frames
    "frame/straddled": proto(4) + b"\x95" + struct.pack("<Q", 4) + SYSTEM + b".",
    "frame/name-split": proto(4) + b"\x95" + struct.pack("<Q", 2) + b"cos\nsystem\n" + _RUN + b".",
    "frame/in-a-frame": proto(4) + b"\x95" + struct.pack("<Q", 60) + framed(SYSTEM + b"."),
    "frame/too-long": proto(4) + framed(SYSTEM + b".", 10_000),
    "frame/empty": proto(4) + framed(b"") + framed(b"") + framed(SYSTEM + b"."),
    "frame/after-stop": proto(4) + framed(number(1) + b"." + whole(SYSTEM)),
    "frame/in-protocol-0": framed(SYSTEM + b"."),
    # what may be named, and is used in another way
    "use/class-called": whole(call(named("pandas.core.frame", "DataFrame"), text("x"))),
    "use/function-called": whole(call(named("sklearn.metrics._regression", "r2_score"), text("x"))),
    "use/class-changed": whole(_SVC + row(NONE, mapping(predict=named("builtins", "list"))) + b"b"),
    "use/function-changed": whole(named("copyreg", "_reconstructor") + row(NONE, mapping(__code__=number(1))) + b"b"),
    "use/state-replaces-setstate": whole(made(_SVC) + mapping(__setstate__=named("builtins", "list")) + b"b"),
    "use/state-replaces-class": whole(made(_SVC) + row(NONE, mapping(__class__=named("builtins", "list"))) + b"b"),
    "use/state-computed-key": whole(
        made(_SVC) + b"}" + call(named("numpy", "str_"), text("__setstate__")) + LIST + b"sb"
    ),
    "use/state-dict": whole(made(_SVC) + row(NONE, mapping(__dict__=mapping())) + b"b"),
    "use/state-of-ordered-dict": whole(
        made(_SVC) + call(named("collections", "OrderedDict")) + text("__setstate__") + LIST + b"sb"
    ),
    "use/reconstructor-of-unknown": whole(
        call(named("copyreg", "_reconstructor"), named("subprocess", "Popen"), named("builtins", "object"), NONE)
    ),
    "use/reconstructor-base": whole(call(named("copyreg", "_reconstructor"), _SVC, _SVC, text("x"))),
    "use/defaultdict-factory": whole(call(named("collections", "defaultdict"), named("os", "getcwd"))),
    "use/defaultdict-known-factory": whole(call(named("collections", "defaultdict"), _SVC)),
    "use/defaultdict-object-factory": whole(call(named("collections", "defaultdict"), made(_SVC))),
    "use/defaultdict-state": whole(
        call(named("collections", "defaultdict"), LIST) + row(NONE, mapping(default_factory=_SVC)) + b"b"
    ),
    "use/codec-rot13": whole(call(named("_codecs", "encode"), text("x"), text("rot13"))),
    "use/codec-zip": whole(call(named("_codecs", "encode"), text("x"), text("zlib_codec"))),
    "use/codec-computed": whole(
        call(named("_codecs", "encode"), text("x"), call(named("builtins", "str"), text("hex")))
    ),
    "use/codec-errors": whole(call(named("_codecs", "encode"), text("x"), text("ascii"), text("surrogateescape"))),
    "use/many-bytes": whole(call(named("builtins", "bytearray"), b"\x8a\x05\x00\x00\x00\x00\x10")),
    "use/many-items": whole(
        call(
            named("numpy.core.multiarray", "_reconstruct"),
            named("numpy", "ndarray"), row(b"J\xff\xff\xff\x7f"), raw(b"b"),
        )
    ),
    "use/reconstruct-memmap-call": whole(call(named("numpy", "memmap"), text("/etc/passwd"))),
    "use/generator-ctor": whole(
        call(named("numpy.random._pickle", "__generator_ctor"), text(CANARY), named("sklearn.metrics", "r2_score"))
    ),
    "use/bit-generator-class": whole(call(named("numpy.random._pickle", "__bit_generator_ctor"), _SVC)),
    "use/new-index-of-unknown": whole(
        call(named("pandas.core.indexes.base", "_new_Index"), named("subprocess", "Popen"), mapping(args=text(CANARY)))
    ),
    "use/new-object-of-unknown": whole(call(named("sklearn.neighbors._kd_tree", "newObj"), named("os", "system"))),
    "use/rebuild-from-type": whole(
        call(
            named("torch._tensor", "_rebuild_from_type_v2"),
            named("os", "system"),
            named("torch", "Tensor"),
            row(text(CANARY)),
            NONE,
        )
    ),
    "use/identity-then-build": whole(
        call(named("torch.jit._pickle", "build_intlist"), _SVC) + row(NONE, mapping(fit=LIST)) + b"b"
    ),
    "use/object-called": whole(call(made(_SVC), text("x"))),
    "use/newobj-of-function": whole(made(named("sklearn.metrics._regression", "r2_score"), text("x"))),
    "use/fraction-bomb": whole(call(named("fractions", "Fraction"), text("1e1000000000"))),
    "use/partial-of-unknown": whole(call(named("functools", "partial"), named("os", "system"))),
    "use/partial-of-class": whole(call(named("functools", "partial"), _SVC)),
    "use/partial-exchanged": whole(
        call(named("functools", "partial"), named("sklearn.utils.validation", "check_array"))
        + row(named("sklearn.metrics._regression", "r2_score"), row(), mapping(), NONE)
        + b"b"
    ),
    "use/formula": whole(
        made(named("statsmodels.base.data", "PandasData"))
        + mapping(restore_design_info=TRUE, formula=text("y ~ __import__('os').system('x')"))
        + b"b"
    ),
    # memory
    "memory/dtype-hides-objects": whole(
        dtype("O8", number(3), text("|"), NONE, NONE, NONE, number(-1), number(-1), number(0))
    ),
    "memory/dtype-feigns-objects": whole(
        dtype("f8", number(3), text("|"), NONE, NONE, NONE, number(-1), number(-1), number(1))
    ),
    "memory/fields-outside": whole(
        dtype(
            "V8", number(3), text("|"), NONE, row(text("a")), mapping(a=row(dtype("f8"), number(64))),
            number(8), number(1), number(16),
        )
    ),
    "memory/hidden-object-field": whole(
        dtype(
            "V8", number(3), text("|"), NONE, row(text("a")), mapping(a=row(dtype("O8", *_OBJECTS), number(0))),
            number(8), number(1), number(16),
        )
    ),
    "memory/scalar-of-objects": whole(
        call(named("numpy.core.multiarray", "scalar"), dtype("O8", *_OBJECTS), raw(b"\x01" * 8))
    ),
    "memory/from-buffer-of-objects": whole(
        call(
            named("numpy.core.numeric", "_frombuffer"),
            raw(b"\x01" * 8), dtype("O8", *_OBJECTS), row(number(1)), text("C"),
        )
    ),
    # joblib
    "joblib/after-an-array": whole(row(wrapper(row(number(2)), dtype("f8")) + _PADDED, SYSTEM), 2),
    "joblib/in-objects": whole(wrapper(row(number(1)), dtype("O8", *_OBJECTS)) + whole(SYSTEM), 2),
    "joblib/companion-elsewhere": whole(
        made(named("joblib.numpy_pickle", "NDArrayWrapper"))
        + mapping(filename=text("../../evil.npy"), subclass=named("numpy", "ndarray"))
        + b"b",
        2,
    ),
    "joblib/companion-absolute": whole(
        made(named("joblib.numpy_pickle_compat", "ZNDArrayWrapper"))
        + mapping(filename=text("/tmp/evil.npy"), state=row(), init_args=row())
        + b"b",
        2,
    ),
    "joblib/subclass": whole(wrapper(row(number(2)), dtype("f8"), subclass=named("os", "system")) + _PADDED, 2),
    # numpy
    "npy/objects": npy("'|O'", "(1,)", whole(SYSTEM)),
    "npy/field-of-objects": npy("[('a', '<f8'), ('b', '|O')]", "(1,)", whole(SYSTEM)),
    "npy/trailing": npy("'<f8'", "(2,)", _FLOATS + whole(SYSTEM)),
    "npy/second-array": npy("'<f8'", "(2,)", _FLOATS) + npy("'|O'", "(1,)", whole(SYSTEM, 2)),
    # torch
    "torch/object": torch_file(whole(SYSTEM, 2)),
    "torch/system-info": MAGIC + b"\x80\x02M\xe9\x03." + whole(SYSTEM, 2) + b"\x80\x02}.\x80\x02].",
    "torch/keys": torch_file(b"\x80\x02}.", whole(rows(SYSTEM), 2)),
    "torch/behind-storages": torch_file(b"\x80\x02}.") + whole(SYSTEM, 2),
    "torch/nested-bytes": whole(call(named("torch.storage", "_load_from_bytes"), raw(torch_file(whole(SYSTEM, 2))))),
    "torch/nested-pickle": whole(call(named("torch.storage", "_load_from_bytes"), raw(whole(SYSTEM)))),
    "torch/nested-text": whole(
        call(
            named("torch.storage", "_load_from_bytes"),
            call(named("_codecs", "encode"), text(whole(SYSTEM, 2).decode("latin-1")), text("latin1")),
        ),
        2,
    ),
}  # fmt: skip

# Whose first opcode is one that every unpickler takes, and no pickler writes: a text to whoever gives up on it.
_ODD = {"memo-gap": b"Va\np99999\n", "blank": b"I 1\n", "underscore": b"I1_0\n", "base": b"L0x10\n"}
_OLD_CALL = b"0cposix\nsystem\n(S'true'\ntR."


def _odd() -> dict[str, bytes]:
    streams = {name: begin + _OLD_CALL for name, begin in _ODD.items()}
    streams["binary-gap"] = b"Nr\xff\xff\0\0" + _OLD_CALL
    inside = {
        f"odd/nested-{name}": whole(call(named("torch.storage", "_load_from_bytes"), raw(s)))
        for name, s in streams.items()
    }
    return {**{f"odd/{name}": stream for name, stream in streams.items()}, **inside}


_LATER = {
    "later/method-by-name": whole(
        made(named("sklearn.ensemble._stacking", "StackingRegressor"))
        + mapping(stack_method_=rows(text("eval")))
        + b"b"
    ),
    "later/file-by-name": whole(
        made(named("sklearn.feature_extraction.text", "CountVectorizer")) + mapping(input=text("filename")) + b"b"
    ),
    "memory/more-objects-than-there-are": whole(
        call(named("numpy.core.multiarray", "_reconstruct"), named("numpy", "ndarray"), row(number(0)), raw(b"b"))
        + b"("
        + number(1)
        + row(number(210))
        + dtype("O8", *_OBJECTS)
        + b"\x89"
        + rows(text("a"))
        + b"tb"
    ),
    "later/time-zone": whole(
        call(named("pandas.core.dtypes.dtypes", "DatetimeTZDtype"), text("ns"), text("dateutil//etc/hostname"))
    ),
}
MALICIOUS: dict[str, bytes] = {**_TRICKS, **_walks(), **_held_out(), **_odd(), **_LATER}

# --- Malformed: none of them may pass, all of them must end

_GOOD = whole(framed(rows(text("a"), number(1), mapping(b=b"G" + struct.pack(">d", 0.5))) + b".")[:-1])
_TEXT = b"(dp0\nVa\np1\nI1\nsVb\np2\n(lp3\nF0.5\naL12345678901L\naI01\nas."
MALFORMED: dict[str, bytes] = {
    **{f"truncated/{length:02}": _GOOD[:length] for length in range(1, len(_GOOD))},
    **{f"truncated-text/{length:02}": _TEXT[:length] for length in range(10, len(_TEXT))},
    "one-byte": b"\x80",
    "protocol-alone": proto(4),
    "protocol-6": proto(6) + b"N.",
    "protocol-255": proto(255) + b"N.",
    "no-opcode": proto(4) + b"\xff.",
    "zero-opcode": proto(4) + b"\x00.",
    "stop-alone": proto(2) + b".",
    "stop-at-a-mark": proto(2) + b"N(.",
    "memo-unset": proto(2) + get(3) + b".",
    "memo-unset-far": proto(2) + b"j\xff\xff\xff\xff.",
    "memo-unset-in-gap": whole(number(1) + put(9) + get(4)),
    "memo-huge": proto(2) + b"Nr\xff\xff\xff\xff.",
    "memo-negative": proto(2) + b"Np-1\n.",
    "memo-underscore": proto(2) + b"Np1_0\n.",
    "memoize-nothing": proto(4) + b"\x94N.",
    "memoize-below-mark": proto(4) + b"N(\x94.",
    "underflow-tuple": proto(2) + b"N\x87.",
    "underflow-append": proto(2) + b"]a.",
    "underflow-appends": proto(2) + b"]((Ne1.",
    "underflow-reduce": proto(2) + b")R.",
    "underflow-below-mark": proto(2) + b"](Na.",
    "no-mark": proto(2) + b"Nt.",
    "odd-items": proto(2) + b"}(Nu.",
    "odd-dict": proto(2) + b"(Nd.",
    "append-to-text": proto(2) + text("a") + b"Na.",
    "set-item-of-number": proto(2) + number(1) + b"NNs.",
    "reduce-number": proto(2) + number(1) + b")R.",
    "build-of-number": proto(2) + number(1) + b"}b.",
    "negative-string": proto(1) + b"T\xff\xff\xff\xff.",
    "negative-long": proto(2) + b"\x8b\xff\xff\xff\xff.",
    "length-beyond": proto(2) + b"X\xff\xff\xff\xff.",
    "length-far-beyond": proto(4) + b"\x8d" + b"\xff" * 8 + b".",
    "bytes-beyond": proto(4) + b"\x8e" + struct.pack("<Q", 2**62) + b".",
    "integer-words": proto(2) + b"Iseven\n.",
    "integer-hex": proto(2) + b"I0x10\n.",
    "integer-octal": proto(2) + b"I010\n.",
    "integer-underscore": proto(2) + b"I1_000\n.",
    "long-words": proto(2) + b"Lseven\n.",
    "float-words": proto(2) + b"Fpi\n.",
    "line-without-end": proto(2) + b"I123",
    "string-unquoted": proto(2) + b"Sabc\n.",
    "string-one-quote": proto(2) + b"S'\n.",
    "text-not-utf8": whole(b"\x8c\x02\xff\xfe"),
    "name-not-utf8": proto(2) + b"c\xff\xfe\nx\n.",
    "name-empty-module": proto(2) + b"c\nsystem\n.",
    "name-empty": proto(2) + b"cos\n\n.",
    "name-without-end": proto(2) + b"cos\nsys",
    "name-endless": proto(2) + b"c" + b"a" * 100_000,
    "buffer": proto(5) + b"\x97.",
    "marks": proto(2) + b"(" * 200_000,
    "nested-lists": proto(2) + b"]" * 1_000_000 + b"a" * 999_999 + b".",
    "nested-marks": proto(2) + b"(" * 90_000 + b"l" * 90_000 + b".",
    "stack-of-millions": proto(2) + b"N" * 3_000_000 + b".",
    "joblib/truncated": proto(2) + wrapper(row(number(9)), dtype("f8")) + _PADDED + b".",
    "joblib/unpadded": proto(2) + wrapper(row(number(2)), dtype("f8")) + b"\x00" + _FLOATS + b".",
    "joblib/padded-otherwise": proto(2) + wrapper(row(number(2)), dtype("f8")) + b"\x05abcde" + _FLOATS + b".",
    "joblib/huge": proto(2) + wrapper(row(*[b"J\xff\xff\xff\x7f"] * 4), dtype("f8")) + _PADDED + b".",
    "joblib/negative": proto(2) + wrapper(row(number(-2)), dtype("f8")) + _PADDED + b".",
    "joblib/no-dtype": proto(2) + wrapper(row(number(2)), text("f8")) + _PADDED + b".",
    "joblib/strange-key": proto(2) + wrapper(row(number(2)), dtype("f8"), more=TRUE) + _PADDED + b".",
    "joblib/in-a-frame": proto(4) + framed(wrapper(row(number(2)), dtype("f8")) + _PADDED + b"."),
    "joblib/followed": proto(2) + wrapper(row(number(8)), dtype("u1"), aligned=False) + b"0](NNNe." + b"N.",
    "npy/empty": b"\x93NUMPY",
    "npy/version": npy("'<f8'", "(2,)", _FLOATS).replace(b"\x01\x00", b"\x09\x00", 1),
    "npy/short": npy("'<f8'", "(3,)", _FLOATS),
    "npy/long": npy("'<f8'", "(1,)", _FLOATS),
    "npy/negative": npy("'<f8'", "(-2,)", _FLOATS),
    "npy/no-dtype": npy("'spam'", "(2,)", _FLOATS),
    "npy/call": npy("__import__('os')", "(2,)", _FLOATS),
    "npy/nested": npy("(" * 50, "(2,)", _FLOATS),
    "npy/objects-cut": npy("'|O'", "(1,)", proto(4) + b"]"),
    "torch/truncated": torch_file(b"\x80\x02}.")[:-3],
    "torch/storage-cut": torch_file(
        whole(storage("0", 4), 2), whole(rows(text("0")), 2), struct.pack("<q", 4) + b"\0" * 8
    ),
    "torch/storage-unknown": torch_file(b"\x80\x02}.", whole(rows(text("7")), 2), struct.pack("<q", 0)),
    "torch/keys-no-list": torch_file(b"\x80\x02}.", b"\x80\x02}."),
}

# --- Benign: all of them must pass

BENIGN: dict[str, bytes] = {
    "none": proto(2) + b"N.",
    "good": _GOOD,
    "protocol-0": _TEXT,
    "protocol-0-string": b"(lp0\nS'it\\'s'\np1\na.",
    "python-2-memo": b"\x80\x02]q\x01(U\x01aq\x02h\x02e.",
    "two-pickles": whole(number(1)) + whole(rows(number(2))),
    "set": whole(b"\x8f(" + number(1) + number(2) + b"\x90"),
    "frozenset": whole(b"(" + number(1) + b"\x91"),
    "bytearray": proto(5) + b"\x96" + struct.pack("<Q", 3) + b"abc.",
    "recursive-list": whole(b"]" + put(0) + get(0) + b"a"),
    "names-as-data": whole(rows(text("os"), text("system"), text(CANARY), text("cos\nsystem\n"))),
    "opcodes-as-data": whole(raw(whole(SYSTEM))),
    "ordered-dict": whole(call(named("collections", "OrderedDict")) + b"(" + text("a") + number(1) + b"u"),
    "default-dict": whole(call(named("collections", "defaultdict"), LIST)),
    "reconstructor": whole(
        call(named("copy_reg", "_reconstructor"), _SVC, named("__builtin__", "object"), NONE)
        + mapping(C=number(1))
        + b"b",
        2,
    ),
    "estimator": whole(framed(made(stacked("sklearn.svm._classes", "SVC")) + mapping(C=number(1)) + b"b.")[:-1]),
    "bytes-of-protocol-2": whole(call(named("_codecs", "encode"), text("\x00\xff"), text("latin1")), 2),
    "scalar": whole(call(named("numpy.core.multiarray", "scalar"), dtype("f8"), raw(b"\0" * 8))),
    "joblib": whole(row(wrapper(row(number(2)), dtype("f8")) + _PADDED, number(1)), 2),
    "joblib-unaligned": whole(row(wrapper(row(number(2)), dtype("f8"), aligned=False) + _FLOATS, number(1)), 2),
    "joblib-objects": whole(wrapper(row(number(1)), dtype("O8", *_OBJECTS)) + whole(rows(text("a"))), 2),
    "npy": npy("'<f8'", "(2,)", _FLOATS),
    "npy-empty": npy("'<f8'", "(0, 4)", b""),
    "npy-scalar": npy("'<f8'", "()", _FLOATS[:8]),
    "npy-fields": npy("[('a', '<f8'), ('b', '<i4', (2,))]", "(1,)", _FLOATS),
    "npy-objects": npy("'|O'", "(1,)", whole(rows(text("a")))),
    "npy-two": npy("'<f8'", "(2,)", _FLOATS) * 2,
    "torch": torch_file(whole(storage("0", 2), 2), whole(rows(text("0")), 2), struct.pack("<q", 2) + _FLOATS[:8]),
    "torch-nested": whole(call(named("torch.storage", "_load_from_bytes"), raw(torch_file(b"\x80\x02}.")))),
}
