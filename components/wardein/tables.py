# SPDX-License-Identifier: Apache-2.0
"""Reading tables so that nothing is repaired, dropped or renamed in silence."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import unicodedata
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_LONGEST_ROW = 16 * 1024 * 1024
_LONGEST_SHOWN = 64
# Marks that turn the direction of the text around them, in a terminal as well.
_TURNING = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
# The header of a CSV table with one column, which has no delimiter by which to know it from any other text.
_ONLY_NAME = re.compile(r"\w[\w .-]{0,63}")
# What pandas calls the numbering of a frame's rows when it stores it beside the columns.
_ROW_NUMBERS = re.compile(r"__index_level_\d+__")


def read_table(path: Path) -> pd.DataFrame:
    """Read CSV (UTF-8, with a header, optionally gzipped) or Parquet; the content decides which, not the name.

    Empty fields, and the words that pandas takes for missing ("NA", "null", "NaN" and so on), are missing values.
    The numbering of rows that pandas stores in Parquet files is no column; an index with a name is one.

    Any text file would be a CSV table of one column, and its first line the column's name, which reports hold. So the
    name of an only column must be a plain word, which the first line of a key, a log or a settings file is not.

    Returns:
        The table, with at least one row and unique, non-empty column names without control characters.

    Raises:
        WardeinError: If it is missing, empty, truncated, ragged, not UTF-8, or has no row.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError as error:
        raise WardeinError(
            f"cannot be read ({error.strerror})", where=str(path), mend="give a CSV or Parquet file"
        ) from None
    if not head:
        raise WardeinError(
            "is empty (0 bytes)", where=str(path), mend="give a CSV or Parquet file with a header and rows"
        )
    table = _read_parquet(path) if head == _PARQUET else _read_csv(path, gzipped=head[:2] == _GZIP)
    if len(table) == 0:
        raise WardeinError("has a header but no rows", where=str(path), mend="give a table with at least one row")
    return table


def require_columns(table: pd.DataFrame, names: list[str], where: str) -> None:
    """Refuse a table that lacks a column.

    Raises:
        WardeinError: Naming the column and those that exist.
    """
    for name in names:
        if name not in table.columns:
            raise WardeinError(f"has no column {shown(name)!r}", where=where, mend=columns_of(table))


def shown(name: object) -> str:
    """A column's name as a report may hold it: at most 64 characters; two names that differ stay two."""
    text = str(name)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[: _LONGEST_SHOWN - 9]}…{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def columns_of(table: pd.DataFrame) -> str:
    """Which columns a table has, for an error.

    The name of an only column is left out: any text file reads as such a table, and its first line as the name.
    """
    if len(table.columns) == 1:
        return "it has one column, of another name"
    return f"its columns are: {', '.join(map(shown, table.columns[:20]))}"


def labels_of(table: pd.DataFrame, label: str, where: str = "--data") -> np.ndarray:
    """The label column, complete and with at least two classes.

    Raises:
        WardeinError: If the column is missing, holds missing values, or a single class.
    """
    require_columns(table, [label], where)
    column = table[label]
    missing = int(column.isna().sum())
    if missing:
        raise WardeinError(
            f"the label column {shown(label)!r} has {missing} missing values",
            where=where,
            mend="label every row or leave the row out",
        )
    if column.nunique() < 2:
        raise WardeinError(
            f"the label column {shown(label)!r} holds the single class {column.iloc[0]!r}",
            where=where,
            mend="give rows of at least two classes",
        )
    labels: np.ndarray = column.to_numpy()
    return labels


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_names(names, path)
            columns = [name for name in names if not _ROW_NUMBERS.fullmatch(name)]
            # Without pandas' own metadata the types are those of the file, whoever wrote it.
            table: pd.DataFrame = file.read().select(columns).to_pandas(ignore_metadata=True)
    except (pyarrow.lib.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise WardeinError(
            f"is not a complete Parquet file ({first})", where=str(path), mend="write the file again"
        ) from None
    return table


def _read_csv(path: Path, *, gzipped: bool) -> pd.DataFrame:
    import pandas as pd

    text = _utf8(path, gzipped=gzipped)
    header = _header(text, path)
    if len(header) > 1 and text.endswith((b"\n\n", b"\n\r\n", b"\r\r")):
        text = text.rstrip(b"\r\n") + b"\n"  # blank lines after the last row are no rows; any others are refused
    rows = _count_rows(text, len(header), path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.BytesIO(text), index_col=False, on_bad_lines="error", skip_blank_lines=False, low_memory=False
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise WardeinError(
            f"is not a regular CSV table ({' '.join(str(error).split())[:160]})",
            where=str(path),
            mend="give every row as many fields as the header, and close every quote",
        ) from None
    blank = len(table) - rows
    if blank:
        raise WardeinError(
            f"has {blank} blank line{'s' if blank > 1 else ''}",
            where=str(path),
            mend="remove it, or write the row that is missing",
        )
    return table


def _utf8(path: Path, *, gzipped: bool) -> bytes:
    """The bytes of a text file without its UTF-8 mark, known to be UTF-8."""
    raw = path.read_bytes()
    if gzipped:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise WardeinError("is a damaged gzip file", where=str(path), mend="compress it again") from None
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
        raise WardeinError(
            "is not UTF-8 text (it holds NUL bytes or a UTF-16 mark)",
            where=str(path),
            mend="save it as UTF-8 CSV or as Parquet",
        )
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise WardeinError(
                f"is not UTF-8 (byte 0x{raw[error.start]:02x} in line {line})", where=str(path), mend="save it as UTF-8"
            ) from None
    return raw.removeprefix(codecs.BOM_UTF8)


def _header(text: bytes, path: Path) -> list[str]:
    lines = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")
    try:
        header = next(csv.reader(lines), [])
    except csv.Error as error:
        raise WardeinError(
            f"has a header that cannot be read ({error})", where=str(path), mend="close every quote in the first line"
        ) from None
    _check_names(header, path)
    if len(header) == 1 and not _ONLY_NAME.fullmatch(header[0]):
        raise WardeinError(
            "does not look like a table: it has a single column, whose name is no plain word",
            where=str(path),
            mend="separate columns by commas; an only column's name may hold letters, digits, spaces, '_', '.' and '-'",
        )
    return header


def _check_names(names: list[str], path: Path) -> None:
    if not names:
        raise WardeinError("has no header", where=str(path), mend="write the columns' names in the first line")
    if any(not name.strip() for name in names):
        raise WardeinError(
            "a column has no name",
            where=str(path),
            mend="give every column a name (pandas: to_csv(index=False) leaves the row numbers out)",
        )
    for number, name in enumerate(names, 1):
        if any(
            unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in _TURNING
            for c in name
        ):
            raise WardeinError(
                f"the name of column {number} holds a control character",
                where=str(path),
                mend="rename the column, or close every quote",
            )
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise WardeinError(
            f"the column {shown(doubled[0])!r} appears more than once",
            where=str(path),
            mend="rename or drop the duplicate; a file without a header line needs one",
        )


def _count_rows(text: bytes, width: int, path: Path) -> int:
    """The rows below the header, each of which has as many fields as the header.

    pandas fills short rows with missing values and has no option against it; a row that lost its end is a
    broken row. Arrow's reader counts the fields of every row, in a fraction of the time that pandas takes.
    """
    import pyarrow
    import pyarrow.csv

    wrong = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        # As in findings, row 1 is the first below the header.
        wrong.append(f"row {row.number - 1} has {row.actual_columns} fields, the header has {row.expected_columns}")
        return "error"

    try:
        with pyarrow.csv.open_csv(
            pyarrow.BufferReader(text),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=_LONGEST_ROW, column_names=[str(number) for number in range(width)]
            ),
            # In a table of one column a blank line is a missing value; in any other it is no row.
            pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=width > 1, invalid_row_handler=refuse),
            pyarrow.csv.ConvertOptions(include_columns=["0"], column_types={"0": pyarrow.binary()}),
        ) as batches:
            rows: int = sum(batch.num_rows for batch in batches) - 1
    except pyarrow.ArrowInvalid:
        raise WardeinError(
            wrong[0] if wrong else f"has a row of more than {_LONGEST_ROW} bytes, or a quote that is not closed",
            where=str(path),
            mend="the file may be truncated, or a value with a comma is not quoted; write it again",
        ) from None
    return rows
