# SPDX-License-Identifier: Apache-2.0
"""Notebooks: cells become Python whose lines can be told, and what IPython adds to it is neither lost nor a cover."""

from __future__ import annotations

import json

import pytest

from wardein.code import notebooks, reading, shell
from wardein.code.notebooks import Notebook
from wardein.code.reading import Unreadable

pytestmark = pytest.mark.scanners


def notebook(*cells: str | list[str], **document: object) -> bytes:
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"nbformat": 4, "cells": code, "metadata": {}, **document}).encode()


def read(*cells: str | list[str]) -> Notebook:
    return notebooks.read(notebook(*cells))


def test_lines_are_told_by_cell() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# text"},
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
        {"cell_type": "code", "source": []},
        {"cell_type": "code", "source": "c = 3\n"},
    ]
    book = notebooks.read(json.dumps({"nbformat": 4, "cells": cells}).encode())
    lines = book.text.split("\n")
    assert [book.place(lines.index(text) + 1) for text in ("a = 1", "b = 2", "c = 3")] == [
        ("cell 2", 1),
        ("cell 2", 2),
        ("cell 4", 1),
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!ls\nx = 1", "pass\nx = 1"),
        ("if y:\n    !ls\n    x = 1", "if y:\n    pass\n    x = 1"),
        ("files = !ls\nx = 1", "files = None\nx = 1"),
        ("x = %time f()", "x = f()"),
        ("%time pickle.loads(b)", "pickle.loads(b)"),
        ("%timeit -n 3 eval(x)", "eval(x)"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%timeit pickle.loads(b)\npass", "pickle.loads(b)\npass"),
        ("\n%%capture out\nx = 1", "\n\nx = 1"),
        ("%%writefile train.py\neval(x)", "\neval(x)"),
        ("%%script python3\neval(x)", "\neval(x)"),
        ("%%html\n<b>", "\n"),
        ("%%html?\neval(x)", "pass\neval(x)"),
        ("%%script /usr/bin/python3\neval(x)", "\neval(x)"),
        ("%%script --bg python\neval(x)", "\neval(x)"),
        ("%%script bash\nls", "\n"),
        ('%%writefile "train.py"\neval(x)', "\neval(x)"),
        ("%%writefile train.py -a\neval(x)", "\neval(x)"),
        ("%%writefile {name}\neval(x)", "\neval(x)"),
        ("%%writefile a.yaml\na: [", "\n"),
        ("%%time\n%%capture out\neval(x)", "\n\neval(x)"),
        ("%%wandb\neval(x)", "\neval(x)"),
        ("%%px --targets 1:3\neval(x)", "\neval(x)"),
        ("%prun -s cumulative eval(x)", "eval(x)"),
        ("%prun -qs cumulative -l 5 eval(x)", "eval(x)"),
        ("%lprun -f f -T out.txt m = eval(x)", "m = eval(x)"),
        ("%time x = !ls", "x = None"),
        ("%time %timeit -n3 eval(x)", "eval(x)"),
        (";os.system ls -la", "os.system('ls -la')"),
        (",f a b", "f('a', 'b')"),
        ("/pickle.load open('x', 'rb')", "pickle.load(open('x', 'rb'))"),
        ("!echo {eval(x)} {y}", "(eval(x))"),
        ("%cd {eval(x)}", "(eval(x))"),
        ("a = b = !ls", "a = b = None"),
        ("d['a'] = !ls", "d['a'] = None"),
        ("x.mean?", "pass"),
        ("os.getcwd()?", "os.getcwd()"),
        ("cd ..\nls -la data", "pass\npass"),
        ("time eval(x)", "eval(x)"),
        ("%%bash\nls", "\n"),
        ("%%R\nx <- 1", "\n"),
        ("f?\n?g\nh??", "pass\npass\npass"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
        ("await f()", "await f()"),
        ("!a \\\n  b \\\n  c\nx = 1", "pass\n\n\nx = 1"),
        ("x = (1\n%y)", "x = (1\n%y)"),
        ('s = """\n%d of\n!x\n"""\n%matplotlib inline', 's = """\n%d of\n!x\n"""\npass'),
        ('s = f"""\n%{pickle.loads(b)}\n"""\n!ls', 's = f"""\n%{pickle.loads(b)}\n"""\npass'),
        ("x = 1;", "x = 1;"),
        ("", ""),
        ("# only a comment", "# only a comment"),
    ],
)
def test_ipython_becomes_python(cell: str, text: str) -> None:
    assert read(cell).text == text + "\n"


def test_shell_commands_are_kept_with_their_lines() -> None:
    book = read(
        "x = 1", "!pip install \\\n  pandas\n%pip install torch\ny = !curl u | sh", "%%bash\nls\nwget -q u | bash"
    )
    assert [(book.place(line), text.split()) for line, text in book.commands] == [
        (("cell 2", 1), ["pip", "install", "pandas"]),
        (("cell 2", 3), ["pip", "install", "torch"]),
        (("cell 2", 4), ["curl", "u", "|", "sh"]),
        (("cell 3", 1), ["ls", "wget", "-q", "u", "|", "bash"]),
    ]


@pytest.mark.parametrize(
    ("cell", "command"),
    [
        ("%time !curl u | sh", "curl u | sh"),
        ("x = %sx curl u | sh", "curl u | sh"),
        ("%alias go curl u | sh", "curl u | sh"),
        ("%uv pip install x", "uv pip install x"),
        ("pip install x==1.0", "pip install x==1.0"),
        ("%ls ; curl u | sh", "curl u | sh"),
        ("%%time\n%%bash\ncurl u | sh", "curl u | sh"),
        ("%%script --bg bash\ncurl u | sh", "curl u | sh"),
        ("%%writefile x.sh\ncurl u | sh", "curl u | sh"),
        ("try:\n    import x\nexcept ImportError:\n    !curl u | sh", "curl u | sh"),
    ],
)
def test_every_command_is_kept(cell: str, command: str) -> None:
    assert any(text.endswith(command) for _, text in read(cell).commands)


@pytest.mark.parametrize(
    "cell",
    ["%dostuff with(this)", "%%mine\nno Python (", "%prun -s a b c", "%time f(", ";f) x", "x = %mine y", "%%time f("],
)
def test_magic_that_is_not_known_is_a_gap_and_the_rest_is_read(cell: str) -> None:
    book = read("eval(x)", cell)
    assert len(book.gaps) == 1
    assert book.gaps[0].startswith("cell 2 holds")
    assert "eval(x)" in book.text


@pytest.mark.parametrize(
    "cell",
    ["%matplotlib inline", "%config A.b = 'c'  # d", "%mine", "%load_ext x\n%autoreload 2", "%env A=b", "%run a.py"],
)
def test_harmless_magic_is_no_gap(cell: str) -> None:
    assert read(cell).gaps == []


def test_outputs_need_not_be_strict() -> None:
    deep = "[" * 200 + "]" * 200
    text = (
        '{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1", "outputs": [NaN, %s, {"a": 1, "a": 2}]}]}'
    )
    assert notebooks.read((text % deep).encode()).text == "x = 1\n"


@pytest.mark.parametrize(("name", "fine"), [("pyspark", True), ("python3", True), ("", False), ("ir", False)])
def test_kernel_tells_the_language_if_nothing_else_does(name: str, fine: bool) -> None:
    content = notebook("x = 1", metadata={"kernelspec": {"language": "", "name": name}})
    if fine:
        assert notebooks.read(content).text == "x = 1\n"
    else:
        with pytest.raises(Unreadable, match="another language"):
            notebooks.read(content)


def test_pyspark_is_python() -> None:
    kernel = {"kernelspec": {"language": "", "name": "pysparkkernel"}, "language_info": {"name": "pyspark"}}
    assert notebooks.read(notebook("x = 1", metadata=kernel)).text == "x = 1\n"


def test_cells_of_other_languages_are_told() -> None:
    book = read("x = 1", "%%R\nx <- 1", "%%html\n<b>", "%%bash\nls", "%sql select 1")
    assert [book.place(line) for line in book.foreign] == [("cell 2", 1), ("cell 5", 1)]


def test_format_3_is_read() -> None:
    cells = [{"cell_type": "code", "input": ["eval(x)\n"], "language": "python"}]
    document = {"nbformat": 3, "worksheets": [{"cells": cells}]}
    assert notebooks.read(json.dumps(document).encode()).text == "eval(x)\n\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x", "source": "y"}]}', "duplicate key"),
        (b"\xff", "not UTF-8"),
        (b"{", "not a notebook"),
        (b"[]", "not an object"),
        (b"[" * 100_000, "not a notebook"),
        (b'{"nbformat": 4}', "not a list"),
        (b'{"nbformat": 2, "cells": []}', "format '2'"),
        (b'{"nbformat": 4, "nbformat": 3, "cells": []}', "duplicate key"),
        (b'{"nbformat": 4, "cells": [1]}', "not an object"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "hidden", "source": "x"}]}', "cell 1 is of an unknown type"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "cell 1 has no source"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "cell 1 has no source"),
        (notebook("x = 1", "def f(:"), "cell 2 is not valid Python in line 1, as Python 3."),
        (notebook("x = 1 \\\n%pickle.loads(b)\n!ls"), "cell 1 is not valid Python"),
        (notebook("x = f(1\n%pickle.loads(b))\n!ls"), "cell 1 is not valid Python"),
        (notebook("x <- 1", metadata={"language_info": {"name": "R"}}), "another language"),
        (notebook("x", metadata={"kernelspec": {"language": "julia"}}), "another language"),
        (notebook("'\ud800'"), "not"),
    ],
)
def test_what_is_no_notebook_is_not_examined(content: bytes, why: str) -> None:
    with pytest.raises((Unreadable, UnicodeError)) as caught:
        reading.parse(notebooks.read(content).text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        ("pip install pandas", {"code/install-unpinned"}),
        ("pip3 install -q -U pandas>=2 torch", {"code/install-unpinned"}),
        ("python -m pip install 'pandas[all]'", {"code/install-unpinned"}),
        ("cd x && uv pip install pandas", {"code/install-unpinned"}),
        ("pip install pandas==2.2.0 'torch[cpu]==2.6.0'", set()),
        ("pip install -r requirements.txt", set()),
        ("pip install .", set()),
        ("pip list; pip --version", set()),
        ("pip install git+https://example.org/x", {"code/install-from-url"}),
        ("pip install https://example.org/x.whl", {"code/install-from-url"}),
        ("pip install --index-url http://example.org x==1", {"code/install-from-url"}),
        ("pip install --extra-index-url=https://example.org x==1", {"code/install-from-url"}),
        ("curl -s https://example.org/i.sh | sudo bash", {"code/pipe-to-shell"}),
        ("wget -qO- https://example.org/i.sh | sh", {"code/pipe-to-shell"}),
        ("bash <(curl -s https://example.org/i.sh)", {"code/pipe-to-shell"}),
        ('sh -c "$(curl -fsSL https://example.org/i.sh)"', {"code/pipe-to-shell"}),
        ("curl https://example.org/i.py | python3", {"code/pipe-to-shell"}),
        ("curl -o x https://example.org/x", set()),
        ("jupyter lab --ip 0.0.0.0 --ServerApp.token=''", {"code/open-cluster"}),
        ("jupyter lab --ServerApp.token=$TOKEN", set()),
        ("ray start --head --dashboard-host=0.0.0.0", {"code/open-cluster"}),
        ("echo 'unclosed", set()),
        ("", set()),
    ],
)
def test_shell_commands(command: str, rules: set[str]) -> None:
    assert set(shell.rules_of(command)) == rules


@pytest.mark.parametrize("piece", ["| sh ", "curl ", " ", "'", "pip install ", "$(", "a=b "])
def test_long_commands_and_lines_end_soon(piece: str) -> None:
    list(shell.rules_of("curl x " + piece * 30_000))
    with pytest.raises(Unreadable):
        read("!x\n" + piece * 20_000 + "(")
