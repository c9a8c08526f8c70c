# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import gzip
import io
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardein.errors import WardeinError
from wardein.tables import labels_of, read_table, require_columns, shown

SLOWLY = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def table(tmp_path):
    """Writes bytes to a file and reads them as a table."""

    def read(content: bytes | str):
        path = tmp_path / "table"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read


def refusal(read, content) -> str:
    with pytest.raises(WardeinError) as caught:
        read(content)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Tables that are read


def test_csv_parquet_and_gzip_are_told_apart_by_content(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, np.nan]})
    frame.to_csv(tmp_path / "1.parquet", index=False)
    frame.to_parquet(tmp_path / "2.csv")
    (tmp_path / "3.txt").write_bytes(gzip.compress((tmp_path / "1.parquet").read_bytes(), mtime=0))
    for name in ("1.parquet", "2.csv", "3.txt"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), frame, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", 1),
        ("a,b\n1,2", 1),
        ("a,b\r\n1,2\r\n3,4\r\n", 2),
        ("\ufeffa,b\n1,2\n", 1),
        ('a,b\n1,"x\ny"\n2,"x, y"\n3,"say ""x"""\n', 3),
        ('"a, b",c\n1,2\n', 1),
        ("a,b\n,\n", 1),
        ("a\n1\n\n2\n", 3),  # in one column a blank line is a missing value
        ("a,b\n1,2\n\n\n", 1),  # blank lines after the last row are no rows
        ("ä,ö\n1,ü\n", 1),
        ("a,b\n1,5\" pipe\n", 1),
    ],
)  # fmt: skip
def test_regular_csv_is_read(table, text, rows):
    assert len(table(text)) == rows


def test_a_utf8_mark_is_no_part_of_a_name(table):
    assert list(table("\ufeffa,b\n1,2\n").columns) == ["a", "b"]


def test_row_numbers_of_pandas_are_no_column_and_a_named_index_is(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    frame.set_axis([5, 1, 9]).to_parquet(tmp_path / "filtered")
    read = read_table(tmp_path / "filtered")
    assert list(read.columns) == ["a", "b"]
    assert list(read.index) == [0, 1, 2]
    frame.assign(a=[3, 1, 2]).set_index("a").to_parquet(tmp_path / "indexed")
    assert sorted(read_table(tmp_path / "indexed").columns) == ["a", "b"]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"))
NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])).filter(str.strip)
NAMES = st.lists(NAME, min_size=2, max_size=4, unique=True) | st.lists(
    st.from_regex(r"\A[a-zA-Z0-9_][\w .-]{0,9}\Z"), min_size=1, max_size=1
)


@SLOWLY
@given(
    NAMES,
    st.lists(st.lists(TEXT, min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_whatever_pandas_writes_is_read_with_all_its_rows(tmp_path, names, rows):
    frame = pd.DataFrame([row[: len(names)] for row in rows], columns=names, dtype="str")
    frame.to_csv(tmp_path / "t.csv", index=False, quoting=csv.QUOTE_ALL)
    read = read_table(tmp_path / "t.csv")
    assert (len(read), list(read.columns)) == (len(frame), names)


# Tables that are refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty (0 bytes)"),
        (b"a,b\n", "no rows"),
        (b"\n1,2\n", "has no header"),
        (b"\xef\xbb\xbf", "has no header"),
        (b",a\n0,1\n", "a column has no name"),
        (b"a, \n0,1\n", "a column has no name"),
        (b"a,b,a\n1,2,3\n", "'a' appears more than once"),
        (b"a,\x1b]0;x\x07\n1,2\n", "the name of column 2 holds a control character"),
        (b'a,"b\nc"\n1,2\n', "control character"),
        ("a,\u202egnp.exe\n1,2\n".encode(), "control character"),
        ("a,b\u2028c\n1,2\n".encode(), "control character"),
        (b"a,b\n1,2\n3\n", "row 2 has 1 fields, the header has 2"),
        (b"a,b\n1\n2,3\n", "row 1 has 1 fields"),
        (b"a,b\n1,2\n3,4,5\n", "row 2 has 3 fields"),
        (b"a,b\n1,2,\n3,4,\n", "row 1 has 3 fields"),
        (b"a,b\n1,2\n\n3,4\n", "has 1 blank line;"),
        (b"a,b\n\n\n3,4\n", "has 2 blank lines;"),
        (b'a,b\n1,"2\n3,4\n', "close every quote"),
        (b'"a,b\n1,2\n', "close every quote"),
        (b'"' + b"a" * 200_000 + b"\n1\n", "header that cannot be read"),
        (b"a,b\n1,\xff\n", "byte 0xff in line 2"),
        (b"a\n" + b"1\n" * 9000 + b"\0\n", "NUL"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-32"), "not UTF-8"),
        (b"PK\x03\x04\x14\x00\x00\x00", "not UTF-8"),
        (b"PAR1", "not a complete Parquet file"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "not a complete Parquet file"),
        (b"\x1f\x8b", "damaged gzip"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6], "damaged gzip"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 30, "damaged gzip"),
        (gzip.compress(b"", mtime=0), "has no header"),
        (b"a,b\n1," + b"x" * (40 * 1024 * 1024) + b"\n", "a row of more than"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(table, content, said):
    assert said in refusal(table, content)


def test_a_short_row_is_found_without_telling_its_content(table):
    assert "SECRET" not in refusal(table, "a,b\nSECRET\n")
    assert "SECRET" not in refusal(table, "a,b\nSECRET,SECRET,SECRET\n")


@pytest.mark.parametrize(
    "first",
    [
        "DB_PASSWORD=SECRET",
        "root:SECRET:0:0:root:/root:/bin/bash",
        "-----BEGIN SECRET PRIVATE KEY-----",
        "{SECRET",
        "SECRET" * 11,
    ],
)
def test_a_text_that_is_no_table_does_not_tell_its_first_line(table, first):
    """Reports hold column names, so the first line of any file that is given as data would be in signed evidence."""
    message = refusal(table, f"{first}\nDB_HOST=db\n")
    assert "does not look like a table" in message
    assert "SECRET" not in message


@pytest.mark.parametrize("name", ["price", "petal width", "x_1", "größe", "a-b.c"])
def test_one_column_with_a_plain_name_is_a_table(table, name):
    assert list(table(f"{name}\n1\n2\n").columns) == [name]


def test_the_name_of_an_only_column_is_in_no_error(table):
    with pytest.raises(WardeinError, match="has no column 'y'; it has one column, of another name"):
        require_columns(table("hunter2\n1\n"), ["y"], "--data")


def test_control_characters_in_the_names_of_parquet(tmp_path):
    pd.DataFrame({"a": [1], "b\x1b[2J": [2]}).to_parquet(tmp_path / "t")
    with pytest.raises(WardeinError, match="name of column 2 holds a control character"):
        read_table(tmp_path / "t")


def test_long_names_are_cut_and_stay_two():
    names = ["x" * 64, "x" * 65, "x" * 66]
    cut = [shown(name) for name in names]
    assert cut[0] == names[0]
    assert len(set(cut)) == 3
    assert {len(name) for name in cut} == {64}


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(WardeinError, match="cannot be read"):
            read_table(path)


def test_parquet_with_two_columns_of_one_name(tmp_path):
    import pyarrow
    import pyarrow.parquet

    columns = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    pyarrow.parquet.write_table(columns, tmp_path / "t")
    with pytest.raises(WardeinError, match="'a' appears more than once"):
        read_table(tmp_path / "t")


def test_parquet_without_rows_or_columns(tmp_path):
    pd.DataFrame({"a": []}).to_parquet(tmp_path / "rows")
    pd.DataFrame(index=range(3)).to_parquet(tmp_path / "columns")
    for name, said in (("rows", "no rows"), ("columns", "no header")):
        with pytest.raises(WardeinError, match=said):
            read_table(tmp_path / name)


@SLOWLY
@given(st.integers(0, 10_000))
def test_parquet_cut_anywhere_is_refused(tmp_path, cut):
    whole = tmp_path / "whole"
    if not whole.exists():
        pd.DataFrame({"a": range(50), "b": ["x"] * 50}).to_parquet(whole)
    content = whole.read_bytes()
    (tmp_path / "cut").write_bytes(content[: cut % len(content)])
    with pytest.raises(WardeinError):
        read_table(tmp_path / "cut")


@SLOWLY
@given(st.text(st.sampled_from('ab1,"\n\r é'), max_size=60))
def test_no_row_is_lost_repaired_or_invented(tmp_path, body):
    """Against the csv module: a table that is read has its rows, each with as many fields as the header."""
    content = "a,b\n" + body
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    try:
        read = read_table(path)
    except WardeinError:
        return
    rows = [row for row in csv.reader(io.StringIO(content, newline=""))]
    while rows and rows[-1] == []:
        rows.pop()
    assert {len(row) for row in rows} == {2}
    assert len(read) == len(rows) - 1


@SLOWLY
@given(st.binary(max_size=200), st.sampled_from([b"", b"PAR1", b"\x1f\x8b\x08", b"a,b\n", b"\xef\xbb\xbf"]))
def test_any_bytes_are_a_table_or_a_refusal(tmp_path, content, start):
    (tmp_path / "t").write_bytes(start + content)
    try:
        assert len(read_table(tmp_path / "t")) > 0
    except WardeinError:
        return


def test_counting_fields_costs_less_than_reading(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(100_000, 10))
    path = tmp_path / "t.csv"
    pd.DataFrame(numbers).to_csv(path, index=False, header=[f"c{n}" for n in range(10)])
    times = []
    for read in (lambda: pd.read_csv(path, low_memory=False), lambda: read_table(path)):
        began = time.process_time()
        read()
        times.append(time.process_time() - began)
    assert times[1] < 2 * times[0] + 0.2


# Columns


def test_a_column_that_is_missing_is_named_with_those_that_exist(table):
    with pytest.raises(WardeinError, match="has no column 'c'; its columns are: a, b"):
        require_columns(table("a,b\n1,2\n"), ["a", "c"], "--data")


@pytest.mark.parametrize(
    ("text", "said"),
    [("a\n1\n", "no column 'y'"), ("a,y\n1,\n2,0\n", "1 missing values"), ("a,y\n1,0\n2,0\n", "single class")],
)
def test_labels_must_be_complete_and_of_two_classes(table, text, said):
    with pytest.raises(WardeinError, match=said):
        labels_of(table(text), "y")


def test_labels_are_the_column(table):
    assert list(labels_of(table("a,y\n1,0\n2,1\n"), "y")) == [0, 1]
