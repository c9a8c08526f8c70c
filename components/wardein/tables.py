# SPDX-License-Identifier: Apache-2.0
"""Reading tables so that nothing is repaired, dropped or renamed in silence."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"


def read_table(path: Path) -> pd.DataFrame:
    """Read CSV (UTF-8, with a header, optionally gzipped) or Parquet; the content decides which, not the name.

    Returns:
        The table, with at least one row and unique, non-empty column names.

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
            has = ", ".join(map(str, table.columns[:20]))
            raise WardeinError(f"has no column {name!r}", where=where, mend=f"its columns are: {has}")


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
            f"the label column {label!r} has {missing} missing values",
            where=where,
            mend="label every row or leave the row out",
        )
    if column.nunique() < 2:
        raise WardeinError(
            f"the label column {label!r} holds the single class {column.iloc[0]!r}",
            where=where,
            mend="give rows of at least two classes",
        )
    labels: np.ndarray = column.to_numpy()
    return labels


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        table: pd.DataFrame = pyarrow.parquet.ParquetFile(path).read().to_pandas()
    except (pyarrow.lib.ArrowException, OSError, ValueError) as error:
        first = str(error).splitlines()[0][:160]
        raise WardeinError(
            f"is not a complete Parquet file ({first})", where=str(path), mend="write the file again"
        ) from None
    _check_names([str(name) for name in table.columns], path)
    return table


def _read_csv(path: Path, *, gzipped: bool) -> pd.DataFrame:
    import pandas as pd

    raw = path.read_bytes()
    if gzipped:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError):
            raise WardeinError("is a damaged gzip file", where=str(path), mend="compress it again") from None
    text = _decode(raw, path)
    header = next(csv.reader(io.StringIO(text)), [])
    _check_names(header, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text), index_col=False, on_bad_lines="error", skip_blank_lines=False, low_memory=False
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise WardeinError(
            f"is not a regular CSV table ({' '.join(str(error).split())[:160]})",
            where=str(path),
            mend="give every row as many fields as the header",
        ) from None
    _check_width(text, len(header), path)
    return table


def _decode(raw: bytes, path: Path) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4096]:
        raise WardeinError(
            "is not UTF-8 text (it holds NUL bytes or a UTF-16 mark)",
            where=str(path),
            mend="save it as UTF-8 CSV or as Parquet",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise WardeinError(
            f"is not UTF-8 (byte 0x{raw[error.start]:02x} in line {line})", where=str(path), mend="save it as UTF-8"
        ) from None


def _check_names(names: list[str], path: Path) -> None:
    if not names or any(not name.strip() for name in names):
        raise WardeinError("a column has no name", where=str(path), mend="give every column a name in the header")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise WardeinError(
            f"the column {doubled[0]!r} appears more than once", where=str(path), mend="rename or drop the duplicate"
        )


def _check_width(text: str, width: int, path: Path) -> None:
    """Pandas fills short rows with missing values; a row that lost its end is a broken row."""
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if len(row) != width:
            raise WardeinError(
                f"row {number} has {len(row)} fields, the header has {width}",
                where=str(path),
                mend="the file may be truncated; write it again",
            )
