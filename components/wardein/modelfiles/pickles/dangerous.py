# SPDX-License-Identifier: Apache-2.0
"""Names that are known to run code or to reach files or the network.

Only for better words: what is on no allowlist is refused whether it is here or not.
"""

from __future__ import annotations

_MODULES = frozenset(
    """
    _aix_support _osx_support _posixsubprocess _pyrepl _socket aiohttp asyncio bdb cgi code codeop
    commands concurrent cProfile ctypes cffi dbm distutils doctest ensurepip fileinput ftplib glob httplib http
    idlelib imaplib imp importlib inspect io joblib lib2to3 linecache mailcap marshal mmap multiprocessing nntplib nt
    numpy.distutils numpy.f2py numpy.testing os pdb pip pickle pkg_resources pkgutil platform popen2 poplib posix
    profile pty pydoc py_compile requests runpy setuptools shelve shutil signal site smtplib socket socketserver
    sqlite3 ssl subprocess sys sysconfig tarfile telnetlib tempfile test threading timeit torch.hub
    torch.utils.bottleneck torch.utils.cpp_extension trace turtle types urllib urllib2 venv webbrowser
    wsgiref xmlrpc zipapp zipfile zipimport _pickle cPickle _io _ctypes _winapi winreg msvcrt
    """.split()  # noqa: SIM905 - a hundred of them
)
_NAMES = frozenset(
    """
    apply attrgetter breakpoint compile delattr eval exec execfile file getattr globals input load_module loads
    methodcaller open partial popen reduce run_module setattr spawn startfile system vars __builtins__ __import__
    __globals__ __subclasses__ __code__
    """.split()  # noqa: SIM905 - a hundred of them
)
_BUILTINS = {"builtins", "__builtin__", "operator", "_operator", "functools", "_functools", "nt", "posix"}


def is_dangerous(module: str, name: str) -> bool:
    """Whether a global is one of those that attacks are made of."""
    parts = module.split(".")
    if any(".".join(parts[:end]) in _MODULES for end in range(1, len(parts) + 1)):
        return True
    walked = name.split(".")
    if len(walked) > 1 and any(part.lstrip("_") in _MODULES or part in _NAMES for part in walked):
        return True
    return module in _BUILTINS and walked[0] in _NAMES
