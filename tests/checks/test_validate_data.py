# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wardein import wire
from wardein.cli import main
from wardein.report import Report
from wardein.suites.condition import rewrite
from wardein.suites.outcome import without_values
from wardein.suites.suite import parse

SHARED = Path(__file__).parents[3] / "shared" / "data"


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"u{seed}-{number}" for number in range(rows)],
            "age": random.integers(17, 90, rows),
            "income": random.lognormal(10, 0.5, rows).round(2),
            "job": random.choice(["nurse", "baker", "clerk"], rows),
            "label": random.integers(0, 2, rows),
            "member": random.choice([True, False], rows),
            "note": np.where(random.random(rows) < 0.2, None, random.choice(["x", "y"], rows)),
            "unused": np.nan,
        }
    )


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.csv"
    people().to_csv(path, index=False)
    return path


def expect(kind: str, **kwargs) -> dict:
    return {"type": kind, "kwargs": kwargs, "meta": {}}


BETWEEN = expect("expect_column_values_to_be_between", column="age", min_value=0, max_value=120)


ANY = expect("expect_table_row_count_to_be_between", min_value=1)


class Check:
    """Runs the step through the real command line and reads what it printed."""

    def __init__(self, capsys, folder):
        self.capsys, self.folder = capsys, folder

    def __call__(self, data, *arguments, suite=None):
        if isinstance(data, pd.DataFrame):
            frame, data = data, self.folder / "data.csv"
            frame.to_csv(data, index=False)
        if suite is not None:
            path = self.folder / "suite.json"
            if isinstance(suite, list):
                suite = {"name": "s", "expectations": suite, "meta": {}}
            path.write_bytes(suite if isinstance(suite, bytes) else json.dumps(suite).encode())
            arguments += ("--suite", path)
        code = main(["validate-data", "--data", str(data), *map(str, arguments), "--json"])
        printed = self.capsys.readouterr()
        document = json.loads(printed.out)
        report = wire.from_json(document)
        assert (code == 2) == (report.verdict == "ERROR")
        lines = printed.err.splitlines()
        assert len(lines) == (1 if code == 2 else 0), printed.err
        return code, report


@pytest.fixture
def check(capsys, tmp_path):
    return Check(capsys, tmp_path)


def rules(report: Report) -> list[tuple[str, str]]:
    return [(finding.rule, finding.location) for finding in report.findings]


def value(report: Report, name: str, part: str = "") -> float:
    (found,) = [metric.value for metric in report.metrics if (metric.name, metric.slice) == (name, part)]
    return found


# What must pass, and what it says


def test_clean_data_meet_the_suite_inferred_from_their_like(check, reference):
    code, report = check(people(seed=0), "--reference", reference)
    assert code == 0
    assert report.coverage.unit == "expectations"
    assert report.coverage.examined == report.coverage.expected > 20
    assert value(report, "expectations_met") == 1
    assert value(report, "rows") == 400
    assert value(report, "null_fraction", "column=unused") == 1
    assert 0.1 < value(report, "null_fraction", "column=note") < 0.3


def test_new_rows_from_the_same_source_pass(check, reference):
    new = people(300, seed=5)
    assert check(new, "--reference", reference)[0] == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_test_half_of_adult_meets_the_suite_of_its_training_half(check, tmp_path):
    import gzip

    header = "age,work,weight,school,years,married,job,relation,race,sex,gain,loss,hours,country,income\n"
    for half in ("train", "test"):
        text = gzip.decompress((SHARED / f"adult-{half}.csv.gz").read_bytes()).decode()
        (tmp_path / f"{half}.csv").write_text(header + text.replace(", ", ",").replace("K.\n", "K\n"))
    code, report = check(tmp_path / "test.csv", "--reference", tmp_path / "train.csv")
    assert (code, report.findings) == (0, ())


def test_parquet_and_csv_of_the_same_rows_meet_the_same_suite(check, reference, tmp_path):
    people().to_parquet(tmp_path / "rows.bin")
    code, report = check(tmp_path / "rows.bin", "--reference", reference)
    assert (code, report.findings) == (0, ())


# The planted flaws


def broken(column: str, rows: list[int], new: object) -> pd.DataFrame:
    frame = people()
    if not isinstance(new, (int, float)) or isinstance(new, bool):
        frame[column] = frame[column].astype(object)
    frame.loc[rows, column] = new
    return frame


RANGE, SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
NULLS, COLUMNS = "expect_column_values_to_not_be_null", "expect_table_columns_to_match_ordered_list"
FLAWS = {
    "a negative age": (broken("age", [4], -5), (RANGE, "age")),
    "a sentinel": (broken("age", [4], 999), (RANGE, "age")),
    "cents for euros": (people().assign(income=lambda f: f.income * 100), (RANGE, "income")),
    "a new category": (broken("job", [1, 2], "bakerr"), (SET, "job")),
    "a third label": (broken("label", [3], 2), (SET, "label")),
    "a missing value": (broken("income", [7], np.nan), (NULLS, "income")),
    "many more missing": (broken("note", list(range(200)), None), (NULLS, "note")),
    "the same person twice": (broken("id", [5], "u0-0"), ("expect_column_values_to_be_unique", "id")),
    "text in numbers": (broken("age", [5], "old"), ("expect_column_values_to_be_in_type_list", "age")),
    "columns swapped": (people()[["age", "id", *people().columns[2:]]], (COLUMNS, "table")),
    "one column more": (people().assign(extra=1), (COLUMNS, "table")),
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_planted_flaw_is_found(check, reference, flaw):
    frame, finding = FLAWS[flaw]
    code, report = check(frame, "--reference", reference)
    assert finding in rules(report)
    assert report.verdict == ("FAIL" if flaw != "text in numbers" else "ERROR")


def test_a_finding_gives_counts_and_rows_and_no_value(check):
    frame = people()
    frame.loc[[3, 8, 9, 10], "job"] = "SECRET"
    code, report = check(
        frame, suite=[expect("expect_column_values_to_be_in_set", column="job", value_set=["nurse", "baker", "clerk"])]
    )
    assert code == 1
    (finding,) = report.findings
    assert "4 of 400 values (1 %)" in finding.message
    assert "rows 4, 9, 10" in finding.message
    assert "SECRET" not in json.dumps(wire.to_json(report))


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("could not convert string to float: 'SECRET'", "could not convert string to float: '…'"),
        ("Could not convert 'it's SECRET' to numeric", "Could not convert '…' to numeric"),
        ('cannot read "SECRET\'S\nvalue"', "cannot read '…'"),
        ("an open 'SECRET", "an open '…'"),
        ("'<' not supported between 'str' and 'float'", "'<' not supported between 'str' and 'float'"),
    ],
)
def test_exceptions_do_not_carry_values_into_the_report(message, kept):
    assert without_values(message) == kept


@pytest.mark.parametrize(
    ("kind", "kwargs", "said"),
    [
        ("expect_column_mean_to_be_between", {"column": "age", "max_value": 10}, "it is 5"),
        ("expect_column_max_to_be_between", {"column": "age", "max_value": 10}, "not so"),
        ("expect_column_to_exist", {"column": "height"}, "not so"),
        ("expect_column_distinct_values_to_be_in_set", {"column": "job", "value_set": ["baker"]}, "2 distinct values"),
        ("expect_column_distinct_values_to_contain_set", {"column": "job", "value_set": ["cook"]}, "1 distinct values"),
        ("expect_column_values_to_be_of_type", {"column": "age", "type_": "str"}, "it is int64"),
        ("expect_table_row_count_to_be_between", {"min_value": 1000}, "it is 400"),
        ("expect_table_columns_to_match_set", {"column_set": ["id", "height"]}, "missing: 'height'; not expected: 'ag"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "age", "column_B": "label"}, "of 400 rows"),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "age", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}},
            "not so",
        ),
    ],
)  # fmt: skip
def test_every_shape_of_result_becomes_a_finding(check, kind, kwargs, said):
    code, report = check(people(), suite=[expect(kind, **kwargs)])
    assert (code, [finding.rule for finding in report.findings]) == (1, [kind])
    assert said in report.findings[0].message


def test_severities_of_the_suite_are_kept(check):
    wrong = {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "max_value": 20}}
    suite = [
        wrong,
        {**wrong, "severity": "warning"},
        {**wrong, "severity": "info"},
        {**wrong, "meta": {"severity": "warning"}},
    ]
    code, report = check(people(), suite=suite)
    assert code == 1
    assert [str(finding.severity) for finding in report.findings] == ["critical", "medium", "info", "medium"]


def test_min_rows_and_max_null_fraction(check):
    suite = [expect("expect_column_values_to_be_in_set", column="note", value_set=["x", "y"])]
    assert check(people(), suite=suite)[0] == 0
    code, report = check(people(), "--min-rows", 401, suite=suite)
    assert (code, report.reason) == (1, "not met: rows >= 401: is 400")
    code, report = check(people(), "--max-null-fraction", 0.1, suite=suite)
    assert code == 1
    assert report.reason.startswith("not met: highest_null_fraction <= 0.1")


# What was not looked at is an ERROR, whatever the library says


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (expect("expect_column_values_to_not_be_null", column="height"), "no column 'height'; its columns are: id"),
        (expect("expect_column_values_to_not_be_null", column="AGE"), "no column 'AGE'"),
        (expect("expect_compound_columns_to_be_unique", column_list=["id", "height"]), "no column 'height'"),
        (expect("expect_column_values_to_be_between", column="unused", min_value=0), "'unused' holds no value"),
        (expect("expect_column_max_to_be_between", column="unused", max_value=9), "'unused' holds no value"),
        (expect("expect_column_unique_value_count_to_be_between", column="unused", max_value=9), "holds no value"),
        (expect("expect_column_values_to_be_between", column="age", min_value=500, mostly=0), "states no limit"),
        (expect("expect_column_values_to_be_between", column="age", min_value=500, mostly="0.0"), "states no limit"),
        (expect("expect_column_max_to_be_between", column="age"), "states no limit"),
        (expect("expect_table_row_count_to_be_between"), "states no limit"),
        (expect("expect_table_column_count_to_be_between"), "states no limit"),
        (expect("expect_table_columns_to_match_ordered_list"), "states no limit"),
        (expect("expect_column_values_to_be_in_type_list", column="age"), "states no limit"),
        (expect("expect_column_values_to_match_regex", column="job"), "states no limit"),
        (expect("expect_column_values_to_not_be_in_set", column="job", value_set=[]), "states no limit"),
        (expect("expect_column_kl_divergence_to_be_less_than", column="job"), "states no limit"),
        (expect("expect_column_values_to_be_between", column="job", min_value=0), "could not be computed"),
        (expect("expect_column_mean_to_be_between", column="job", min_value=0), "could not be computed"),
        (expect("unexpected_rows_expectation", unexpected_rows_query="SELECT 1 FROM {batch}"), "could not be computed"),
        (
            expect(
                "expect_column_values_to_be_between", column="age", min_value=0,
                row_condition="age > 1000", condition_parser="pandas",
            ),
            "no row with a value was left",
        ),
        (
            expect(
                "expect_column_unique_value_count_to_be_between", column="age", max_value=1000,
                row_condition="age > 1000", condition_parser="pandas",
            ),
            "no row with a value was left",
        ),
        (
            expect(
                "expect_column_values_to_not_be_null", column="age",
                row_condition="nothing > 1", condition_parser="pandas",
            ),
            "could not be computed",
        ),
    ],
)  # fmt: skip
def test_an_expectation_that_saw_nothing_is_not_met(check, expectation, said):
    code, report = check(people(), suite=[BETWEEN, expectation])
    assert code == 2
    assert (report.coverage.expected, report.coverage.examined) == (2, 1)
    assert said in report.reason
    assert expectation["type"] in report.reason


def test_findings_are_kept_beside_what_could_not_be_evaluated(check, reference):
    frame = people().drop(columns="income")
    frame.loc[3, "age"] = -1
    code, report = check(frame, "--reference", reference)
    assert code == 2
    assert "no column 'income'" in report.reason
    assert ("expect_column_values_to_be_between", "age") in rules(report)


def test_a_column_without_values_may_be_expected_to_have_none(check):
    suite = [
        expect("expect_column_values_to_be_null", column="unused"),
        expect("expect_column_proportion_of_non_null_values_to_be_between", column="unused", max_value=0),
    ]
    assert check(people(), suite=suite)[0] == 0


def test_the_same_expectation_twice_is_evaluated_twice(check):
    failing = expect("expect_column_mean_to_be_between", column="job", min_value=0)
    code, report = check(people(), suite=[BETWEEN, BETWEEN, failing] * 2)
    assert code == 2
    assert (report.coverage.expected, report.coverage.examined) == (6, 4)


def test_a_row_condition_is_honoured(check):
    frame = people()
    frame.loc[frame.job == "baker", "label"] = 1
    only = {"column": "label", "value_set": [1], "condition_parser": "pandas"}
    kind = "expect_column_values_to_be_in_set"
    assert check(frame, suite=[expect(kind, row_condition='job == "baker"', **only)])[0] == 0
    assert check(frame, suite=[expect(kind, row_condition='job != "baker" and age.notnull()', **only)])[0] == 1
    structured = {"column": {"name": "job"}, "operator": "==", "parameter": "baker", "type": "comparison"}
    own = {"column": "label", "value_set": [1], "condition_parser": "great_expectations"}
    assert check(frame, suite=[expect(kind, row_condition='col("job") == "baker"', **own)])[0] == 0
    assert check(frame, suite=[expect(kind, row_condition=structured, column="label", value_set=[1])])[0] == 0


@pytest.mark.parametrize(
    ("condition", "query"),
    [
        ("age > 30", "(age > 30)"),
        ("18 <= age < 30", "((18 <= age) and (age < 30))"),
        ("age > 30 & income < 5", "((age > 30) and (income < 5))"),  # as pandas binds it, and Python does not
        ("(age > 30) | ~(job == 'a & b')", "((age > 30) or (not (job == 'a & b')))"),
        ("not member and job in ('x', \"it's\")", "((not member) and (job in ['x', \"it's\"]))"),
        ("note.isna() or age.isin([-1, 2])", "(note.isnull() or (age in [-1, 2]))"),
        ("income / 12 > age * 2 + 1", "((income / 12) > ((age * 2) + 1))"),
        ('col("age").notNull()', "age.notnull()"),
        ({"type": "pass_through", "pass_through_filter": "age > -1"}, "(age > (-1))"),
        ({"type": "nullity", "column": {"name": "note"}, "is_null": False}, "note.notnull()"),
        (
            {
                "type": "or",
                "conditions": [
                    {"type": "comparison", "column": {"name": "age"}, "operator": "NOT_IN", "parameter": [1, 2]},
                    {"type": "comparison", "column": {"name": "job"}, "operator": "==", "parameter": "x' or 'y"},
                ],
            },
            "((age not in [1, 2]) or (job == \"x' or 'y\"))",
        ),
    ],
)
def test_conditions_are_written_anew(condition, query):
    frame = people()
    assert rewrite(condition, "pandas", "--suite") == query
    assert 0 <= len(frame.query(query)) <= len(frame)
    if isinstance(condition, str) and "col(" not in condition:
        assert frame.query(condition).index.tolist() == frame.query(query).index.tolist()


# Suites that are none


def age(**kwargs) -> list[dict]:
    return [expect(RANGE, **{"column": "age", "min_value": 0} | kwargs)]


def age_where(condition: object) -> list[dict]:
    return age(row_condition=condition, condition_parser="pandas")


BAD_SUITES = {
    "not JSON": (b"{", "not valid JSON"),
    "not UTF-8": (b'{"name": "\xff"}', "not UTF-8"),
    "a list": (b"[]", "not a suite"),
    "twice the same key": (b'{"name": "a", "name": "b", "expectations": []}', "duplicate key"),
    "NaN": (b'{"name": "a", "expectations": [{"type": "x", "kwargs": {"min_value": NaN}}]}', "NaN"),
    "too large": (b" " * (33 * 1024 * 1024), "larger than"),
    "no name": ({"expectations": [BETWEEN]}, "has no name"),
    "no list": ({"name": "s"}, 'no list "expectations"'),
    "an object for a list": ({"name": "s", "expectations": {}}, 'no list "expectations"'),
    "empty": ({"name": "s", "expectations": []}, "expects nothing"),
    "a suite of 0.18": ({"expectation_suite_name": "s", "expectations": []}, "before 1.0"),
    "an expectation of 0.18": ([{"expectation_type": BETWEEN["type"], "kwargs": {}}], 'write "type"'),
    "a key misspelt": ([{**BETWEEN, "severty": "info"}], "did you mean 'severity'"),
    "a text for an expectation": (["expect_column_to_exist"], "is not an object"),
    "no kwargs": ([{"type": "expect_column_to_exist"}], '"kwargs"'),
    "an unknown severity": ([{**BETWEEN, "severity": "mild"}], "'mild' is none of"),
    "an unknown type": ([BETWEEN, expect("expect_column_value_to_be_between")], f"did you mean {RANGE!r}"),
    "an unknown argument": (age(min_val=0), "did you mean 'min_value'"),
    "an argument that does not fit": (age(mostly=2), "mostly"),
    "no limits": (age(min_value=None), "cannot both be None"),
    "a column that is a number": (age(column=3), "column"),
    "a suite parameter": (age(min_value={"$PARAMETER": "low"}), "'low'"),
    "a remote schema": (age(json_schema={"$ref": "https://example.org/s.json"}), "refers to"),
    "a condition that runs a program": (age_where("@pd.io.common.os.system('touch ran')"), "more than a comparison"),
    "a condition that writes a file": (age_where("age.to_csv('ran') == 1"), "more than a comparison"),
    "a condition that writes in another grammar": (age_where("col('age').to_csv('ran')"), "more than a comparison"),
    "a condition that is hidden in an argument": (age_where("age.isin([age.to_csv('ran')])"), "more than a comparison"),
    "a condition that is an object": (
        age_where({"type": "pass_through", "pass_through_filter": "age.to_csv('ran') == 1"}), "more than a comparison",
    ),
    "a condition that is no expression": (age_where("age = 1"), "more than a comparison"),
    "a backtick in a condition's column": (
        age_where({"type": "comparison", "column": {"name": "age` or `age"}, "operator": ">", "parameter": 1}),
        "no identifier",
    ),
    "a condition that is hidden between backticks in texts": (
        age_where("age > 0 or job == '`' or @pd.io.common.os.system('touch ran') or job == '`'"), "backticks",
    ),
    "a condition that is hidden between backticks of an object": (
        age_where({"type": "comparison", "column": {"name": "job"}, "operator": "==", "parameter": "` or @x"}),
        "a backtick",
    ),
    "a condition on a column that is no identifier": (age_where("`monthly income` > 0"), "no identifier"),
    "a condition with a variable of the calling code": (age_where("__pd_eval_local_secret == 5"), "no identifier"),
    "a condition with a variable": (age_where("age > @x"), "the character @"),
    "a condition over two lines": (age_where("age > 0\n or age < 1"), "cannot be printed"),
    "a condition that fills the memory": (age_where("age > 9 ** 9 ** 9 ** 9"), "more than a comparison"),
    "a condition that repeats a text": (age_where("job == 'a' * 9999999999"), "arithmetic with a text"),
    "a condition with an attribute": (age_where("age.__class__ == 1"), "more than a comparison"),
    "a condition in a list of calls": (age_where("age in [f()]"), "more than a comparison"),
    "a condition that formats": (age_where("job == f'{age}'"), "more than a comparison"),
    "a condition that is deep": (age_where("not " * 200 + "age"), "nested too deep"),
    "a condition of another language": (age(row_condition="age > 0", condition_parser="spark"), "condition_parser"),
    "a condition of an unknown type": (age_where({"type": "other"}), "more than a comparison"),
    "a condition that is a list": (age_where(["age > 0"]), "more than a comparison"),
    "a schema that is fetched at run time": (age(json_schema={"$dynamicRef": "file:///etc/hostname"}), "refers to"),
    "a schema with an address": (age(json_schema={"$id": "file:///etc/x", "$ref": "#a"}), "refers to"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SUITES)
def test_a_suite_that_is_none_is_an_error_in_one_line(check, name, tmp_path, monkeypatch):
    suite, said = BAD_SUITES[name]
    monkeypatch.chdir(tmp_path)
    code, report = check(people(), suite=suite)
    assert code == 2
    assert said in report.reason
    assert "--suite" in report.reason
    assert report.coverage.examined == 0
    assert not (tmp_path / "ran").exists()


# Tables that are none


def truncated(folder: Path) -> bytes:
    people().to_parquet(folder / "whole")
    return (folder / "whole").read_bytes()[:-200]


BAD_TABLES = {
    "zero bytes": (lambda f: b"", "empty (0 bytes)"),
    "a header only": (lambda f: b"age,job\n", "no rows"),
    "a truncated Parquet": (truncated, "not a complete Parquet file"),
    "latin-1": (lambda f: "age,job\n1,fl\xfcgel\n".encode("latin-1"), "byte 0xfc in line 2"),
    "UTF-16": (lambda f: "age,job\n1,a\n".encode("utf-16"), "not UTF-8"),
    "UTF-16 without a mark": (lambda f: "age,job\n1,a\n".encode("utf-16-le"), "not UTF-8"),
    "a short row": (lambda f: b"age,job\n1,a\n2\n", "row 2 has 1 fields, the header has 2"),
    "a long row": (lambda f: b"age,job\n1,a\n2,b,c\n", "row 2 has 3 fields"),
    "two columns of one name": (lambda f: b"age,age\n1,2\n", "'age' appears more than once"),
    "an open quote": (lambda f: b'age,job\n1,"a\n2,b\n', "not a regular CSV table"),
    "a damaged gzip": (lambda f: b"\x1f\x8b\x08\x00" + b"x" * 40, "damaged gzip"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
@pytest.mark.parametrize("role", ["data", "reference"])
def test_a_table_that_is_none_is_an_error_in_one_line(check, reference, tmp_path, name, role):
    make, said = BAD_TABLES[name]
    bad = tmp_path / "bad.csv"
    bad.write_bytes(make(tmp_path))
    data, other = (bad, reference) if role == "data" else (reference, bad)
    code, report = check(data, "--reference", other)
    assert code == 2
    assert said in report.reason


def test_a_missing_file_and_a_folder(check, reference, tmp_path):
    assert "does not exist" in check(tmp_path / "none.csv", "--reference", reference)[1].reason
    (tmp_path / "folder").mkdir()
    assert "holds no file" in check(tmp_path / "folder", "--reference", reference)[1].reason
    (tmp_path / "folder" / "part.csv").write_text("a\n1\n")
    assert check(tmp_path / "folder", "--reference", reference)[0] == 2


# The call itself


def test_neither_suite_nor_reference(check):
    code, report = check(people())
    assert code == 2
    assert "give --suite, or --reference" in report.reason


def test_with_both_the_suite_is_applied_and_the_reference_is_looked_for_rows_in(check, reference):
    code, report = check(people(), "--reference", reference, suite=[BETWEEN])
    assert code == 0
    assert report.coverage.expected == 1
    assert value(report, "overlap_fraction", "with=reference") == 1
    assert check(people(seed=3), "--reference", reference, suite=[BETWEEN])[1].coverage.expected == 1


def test_a_reference_of_other_columns_is_none(check, reference, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("x,y\n1,2\n3,4\n")
    code, report = check(people(), "--reference", other, suite=[BETWEEN])
    assert code == 2
    assert "has no column of the data" in report.reason


def test_a_given_suite_is_written_out_as_it_was_given(check, tmp_path):
    """Kubeflow always asks for the output, whether the suite is inferred or not."""
    code, _ = check(people(), "--write-suite", tmp_path / "out.json", suite=[BETWEEN])
    assert code == 0
    assert json.loads((tmp_path / "out.json").read_text())["expectations"][0]["type"] == BETWEEN["type"]


def test_a_file_that_is_no_suite_is_not_copied(check, tmp_path):
    secret, target = tmp_path / "secret", tmp_path / "out.json"
    for content in (b"DB_PASSWORD=hunter2\n", b'{"password": "hunter2"}'):
        secret.write_bytes(content)
        code, report = check(people(), "--suite", secret, "--write-suite", target)
        assert code == 2
        assert "hunter2" not in report.reason
        assert not target.exists()
    text = json.dumps({"name": "s", "expectations": [BETWEEN]}) + " " * 5000
    assert check(people(), "--write-suite", target, suite=text.encode())[0] == 0
    assert json.loads(target.read_bytes()) == json.loads(text)
    assert b" " * 100 not in target.read_bytes()


@pytest.mark.parametrize(
    ("flag", "number"), [("--max-null-fraction", 1.5), ("--range-tolerance", -1), ("--null-tolerance", -0.1)]
)
def test_parameters_out_of_range(check, reference, flag, number):
    assert flag in check(people(), "--reference", reference, flag, number)[1].reason


def test_a_suite_that_cannot_be_written(reference, tmp_path, wardein):
    """It is found out before anything is looked at."""
    target = tmp_path / "none" / "suite.json"
    ran = wardein("validate-data", "--data", reference, "--reference", reference, "--write-suite", target)
    assert ran.code == 2
    assert "cannot be written" in ran.one_line


def test_the_missing_package_is_named_with_the_command(check, reference, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "great_expectations"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    code, report = check(people(), "--reference", reference)
    assert code == 2
    assert "pip install 'wardein[data]'" in report.reason


# The inferred suite


def test_the_written_suite_gives_the_same_result(check, reference, tmp_path):
    frame = people(seed=0)
    frame.loc[3, "age"] = -1
    written = tmp_path / "written.json"
    _, first = check(frame, "--reference", reference, "--write-suite", written)
    _, second = check(frame, "--suite", written, "--reference", reference)
    assert first.verdict == second.verdict == "FAIL"
    assert first.findings == second.findings
    assert first.metrics == second.metrics
    assert first.coverage == second.coverage


def test_the_written_suite_is_one_of_great_expectations_with_reasons(check, reference, tmp_path):
    import great_expectations

    written = tmp_path / "written.json"
    check(people(), "--reference", reference, "--write-suite", written)
    suite = json.loads(written.read_text())
    assert all(item["meta"]["reason"] for item in suite["expectations"])
    read = great_expectations.ExpectationSuite(**suite)
    assert len(read.expectations) == len(suite["expectations"]) > 20


def inferred(check, tmp_path, frame: pd.DataFrame, *arguments) -> set[tuple[str, str]]:
    frame.to_parquet(tmp_path / "r.parquet")
    written = tmp_path / "inferred.json"
    code, report = check(
        tmp_path / "r.parquet", "--reference", tmp_path / "r.parquet", "--write-suite", written, *arguments
    )
    assert (code, report.findings) == (0, ()), report.reason
    return {(item.type, item.location) for item in parse(written.read_bytes(), "")}


def test_awkward_columns_are_inferred_so_that_the_reference_meets_them(check, tmp_path):
    rows = 120
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2026-01-01", periods=rows),
            "zone": pd.date_range("2026-01-01", periods=rows, tz="Europe/Vienna"),
            "day": [d.date() for d in pd.date_range("2026-01-01", periods=rows)],
            "kind": pd.Categorical(["a", "b"] * (rows // 2)),
            "lists": [[1, 2]] * rows,
            "maybe": [True, None, False] * (rows // 3),
            "constant": [7.5] * rows,
            "huge": [2**62 + n for n in range(rows)],
            "small": pd.Series(range(rows), dtype="uint8"),
            "narrow": pd.Series(np.linspace(-1, 1, rows), dtype="float32"),
            "bytes": [b"x"] * rows,
            "wide floats": [-1.7e308, 1.7e308] * (rows // 2),
            "two words, and a comma": range(rows),
        }
    )
    found = inferred(check, tmp_path, frame)
    assert ("expect_column_values_to_be_in_set", "kind") in found
    assert ("expect_column_values_to_be_unique", "huge") in found
    assert ("expect_column_values_to_be_between", "constant") in found
    assert ("expect_column_values_to_be_between", "wide floats") not in found


def test_tolerances_are_used(check, reference, tmp_path):
    older = people()
    older.loc[0, "age"] = 95
    assert check(older, "--reference", reference)[0] == 0
    assert check(older, "--reference", reference, "--range-tolerance", 0)[0] == 1
    assert ("expect_column_values_to_be_in_set", "job") not in inferred(
        check, tmp_path, people(), "--max-categories", 2
    )
    emptier = people()
    emptier.loc[:15, "note"] = None
    assert check(emptier, "--reference", reference)[0] == 0
    assert check(emptier, "--reference", reference, "--null-tolerance", 0)[0] == 1


def test_infinite_numbers_in_the_reference_are_not_expected_again(check, tmp_path):
    frame = people()
    frame.loc[0, "income"] = np.inf
    frame.to_parquet(tmp_path / "r.parquet")
    code, report = check(tmp_path / "r.parquet", "--reference", tmp_path / "r.parquet")
    assert rules(report) == [("expect_column_values_to_be_between", "income")]


# Shells


def test_two_runs_have_one_verdict_core(tmp_path, reference):
    from wardein.execute import Options, run
    from wardein.spec import load

    data = tmp_path / "data.csv"
    broken("age", [4], -5).to_csv(data, index=False)
    step = load("validate_data")
    cores = {wire.core_sha256(run(step, {"data": data, "reference": reference}, Options())) for _ in range(2)}
    assert len(cores) == 1


def test_a_real_process_prints_one_document_and_nothing_else(tmp_path, reference):
    data = tmp_path / "data.csv"
    broken("age", [4], -5).to_csv(data, index=False)
    command = [sys.executable, "-m", "wardein", "validate-data", "--data", data, "--reference", reference]
    ended = subprocess.run([*map(str, command), "--json"], capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert json.loads(ended.stdout)["verdict"] == "FAIL"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "reference.csv"]


def test_the_library_logs_nothing_whatever_the_host_logs(check, reference, caplog):
    caplog.set_level("DEBUG")
    check(people(), "--reference", reference)
    assert [record.name for record in caplog.records if record.name.startswith("great_expectations")] == []


def test_long_names_are_cut_in_reports(check, tmp_path):
    first, second = "x" * 80 + "1", "x" * 80 + "2"
    frame = pd.DataFrame({first: [1, None, 3], second: [1, 2, 3]})
    code, report = check(frame, suite=[expect("expect_column_values_to_not_be_null", column=first), BETWEEN])
    assert code == 2
    assert first not in str(wire.to_json(report)["findings"]) + str(report.metrics) + report.reason
    assert len({metric.label for metric in report.metrics}) == len(report.metrics)
    assert max(len(finding.location) for finding in report.findings) == 64


def test_the_first_line_of_a_file_that_is_no_table_is_in_no_report(check, reference, tmp_path):
    """A text of one word a line cannot be told from a table of one column; no report says what its first line is."""
    word = tmp_path / "word"
    word.write_text("hunter2\nanother\n")
    for arguments in (("--reference", word), ("--reference", reference)):
        code, report = check(word, *arguments)
        assert "hunter2" not in json.dumps(wire.to_json(report)), arguments
    word.write_text("DB_PASSWORD=hunter2\nDB_HOST=db\n")
    code, report = check(word, "--reference", word)
    assert code == 2
    assert "does not look like a table" in report.reason
    assert "hunter2" not in json.dumps(wire.to_json(report))


def test_a_wide_table_measures_its_worst_columns(check, tmp_path):
    frame = pd.DataFrame({f"c{n}": [1.0] * 20 for n in range(150)})
    frame["c140"] = np.nan
    code, report = check(frame, suite=[expect("expect_column_values_to_not_be_null", column="c1")])
    assert code == 0
    assert value(report, "null_fraction", "column=c140") == 1
    assert sum(metric.name == "null_fraction" for metric in report.metrics) == 100


# Rows that are the same


def measured(rows: int, seed: int) -> pd.DataFrame:
    """Fine measurements, hardly ever the same in two rows, and a label: what most tables of a study hold."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(size=(rows, 4)), columns=["a", "b", "c", "d"])
    return table.assign(label=random.integers(0, 2, rows))


def coarse(rows: int, seed: int) -> pd.DataFrame:
    """Whole numbers and words, each of them the same in many rows."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.integers(0, 40, (rows, 6)), columns=list("abcdef"))
    return table.assign(job=random.choice(["nurse", "baker"], rows), label=random.integers(0, 2, rows))


DISGUISES = {
    "none": lambda table: table,
    "a number": lambda table: table.assign(id=range(len(table))),
    "a word": lambda table: table.assign(id=[f"u{n * 7919 % 100003}" for n in range(len(table))]),
    "noise": lambda table: table.assign(id=np.random.default_rng(len(table)).normal(size=len(table))),
    "two": lambda table: table.assign(id=range(len(table)), no=np.random.default_rng(1).random(len(table))),
}


def disguised(table: pd.DataFrame, how: str, path: Path | None = None) -> Path | pd.DataFrame:
    table = DISGUISES[how](table.reset_index(drop=True))
    if path is None:
        return table
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("kind", [measured, coarse])
def test_rows_of_the_reference_are_found_under_new_identifiers(check, tmp_path, kind, how):
    known = kind(300, 1)
    reference = disguised(known, how, tmp_path / "reference.csv")
    mixed = pd.concat([kind(200, 2), known.sample(50, random_state=0)])
    code, report = check(disguised(mixed, how), "--reference", reference, suite=[ANY])
    assert code == 0
    assert value(report, "overlap_fraction", "with=reference") == pytest.approx(0.2)
    assert value(report, "duplicate_fraction") == 0
    (found,) = (metric for metric in report.metrics if metric.name == "overlap_fraction")
    assert (found.n, found.direction) == (250, "lower")


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("kind", [measured, coarse])
@pytest.mark.parametrize("times", [2, 30])
def test_repeated_rows_are_found_under_new_identifiers(check, tmp_path, kind, how, times):
    reference = disguised(kind(300, 1), how, tmp_path / "reference.csv")
    table = disguised(pd.concat([kind(100, 2)] * times), how)
    report = check(table, "--reference", reference, suite=[ANY])[1]
    assert value(report, "duplicate_fraction") == pytest.approx(1 - 1 / times)
    assert value(report, "overlap_fraction", "with=reference") == 0


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("kind", [measured, coarse])
@pytest.mark.parametrize("rows", [50, 300, 4000])
def test_honest_tables_are_not_taken_for_repeated_ones(check, tmp_path, kind, how, rows):
    reference = disguised(kind(300, 1), how, tmp_path / "reference.csv")
    report = check(disguised(kind(rows, 2), how), "--reference", reference, suite=[ANY])[1]
    assert value(report, "duplicate_fraction") < 0.02
    assert value(report, "overlap_fraction", "with=reference") < 0.02


def test_few_categories_are_the_same_in_rows_of_different_people(check, tmp_path):
    """A column that tells rows apart is not passed over where the others do not."""
    random = np.random.default_rng(0)

    def table(rows):
        return pd.DataFrame(
            {"time": random.random(rows), "sex": random.integers(0, 2, rows), "y": random.integers(0, 2, rows)}
        )

    table(400).to_csv(tmp_path / "reference.csv", index=False)
    report = check(table(300), "--reference", tmp_path / "reference.csv")[1]
    assert (value(report, "duplicate_fraction"), value(report, "overlap_fraction", "with=reference")) == (0, 0)


@pytest.mark.parametrize(("values", "rows"), [(80, 4000), (25, 300)])
def test_people_who_agree_by_chance_are_not_the_same(check, tmp_path, values, rows):
    """Many rows to a small reference, or columns that tell most of its rows apart, but not nearly all."""
    random = np.random.default_rng(0)

    def table(rows):
        frame = pd.DataFrame(random.integers(0, values, (rows, 2)), columns=["a", "b"])
        return frame.assign(id=random.permutation(10**6)[:rows], label=random.integers(0, 2, rows))

    table(150).to_csv(tmp_path / "reference.csv", index=False)
    frame = table(rows)
    assert frame[["a", "b", "label"]].duplicated().mean() > 0.05
    report = check(frame, "--reference", tmp_path / "reference.csv", suite=[ANY])[1]
    assert value(report, "duplicate_fraction") == 0
    assert value(report, "overlap_fraction", "with=reference") < 0.03


def test_values_count_in_their_own_column(check, tmp_path):
    table = coarse(200, 1)
    table.to_csv(tmp_path / "reference.csv", index=False)
    swapped = table.rename(columns={"a": "b", "b": "a"})[table.columns]
    report = check(swapped, "--reference", tmp_path / "reference.csv", suite=[ANY])[1]
    assert value(report, "overlap_fraction", "with=reference") < 0.05


def test_a_small_reference_tells_nothing_of_columns(check, tmp_path):
    measured(99, 1).to_csv(tmp_path / "reference.csv", index=False)
    mixed = measured(99, 1).assign(d=0.0)
    assert value(check(mixed, "--reference", tmp_path / "reference.csv")[1], "overlap_fraction", "with=reference") == 0
    assert (
        value(
            check(measured(99, 1), "--reference", tmp_path / "reference.csv")[1], "overlap_fraction", "with=reference"
        )
        == 1
    )


def test_equal_cells_are_equal_however_they_are_stored(check, tmp_path):
    """Text or number, CSV or Parquet, single or double precision, and the order of columns."""
    table = measured(200, 1).assign(
        whole=range(200), gap=[None, 1.0] * 100, flag=[True, False] * 100, job="baker", big=2**60 + 5
    )
    table.to_csv(tmp_path / "reference.csv", index=False)
    stored = table.astype({"a": "float32", "whole": float})
    stored["gap"] = stored["gap"].map(lambda cell: None if pd.isna(cell) else " 1")
    stored["flag"] = stored["flag"].map(str)
    stored["job"] = " baker "
    stored["big"] = stored["big"].map(str)
    stored[sorted(stored.columns, reverse=True)].to_parquet(tmp_path / "data.parquet")
    arguments = (tmp_path / "data.parquet", "--reference", tmp_path / "reference.csv")
    report = check(*arguments, suite=[ANY])[1]
    assert value(report, "overlap_fraction", "with=reference") == 1
    stored["big"] = str(2**60 + 6)
    stored.to_parquet(tmp_path / "data.parquet")
    report = check(*arguments, suite=[ANY])[1]
    assert value(report, "overlap_fraction", "with=reference") == 0


def test_noise_too_small_to_matter_hides_no_row(check, tmp_path):
    table = measured(200, 1)
    table.to_csv(tmp_path / "reference.csv", index=False)
    noisy = table.assign(**{name: table[name] * (1 + 1e-10) for name in "abcd"})
    report = check(noisy, "--reference", tmp_path / "reference.csv")[1]
    assert value(report, "overlap_fraction", "with=reference") > 0.95


def test_cells_that_are_lists(check, tmp_path):
    frame = pd.DataFrame({"a": [[1, 2], [1, 2], [3], None], "b": [1, 1, 1, 1]})
    frame.to_parquet(tmp_path / "data.parquet")
    code, report = check(tmp_path / "data.parquet", suite=[expect("expect_column_values_to_not_be_null", column="b")])
    assert (code, value(report, "duplicate_fraction")) == (0, 0.25)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_halves_of_adult_have_few_rows_in_common(check, tmp_path):
    import gzip

    header = "age,work,weight,school,years,married,job,relation,race,sex,gain,loss,hours,country,income\n"
    for half in ("train", "test"):
        text = gzip.decompress((SHARED / f"adult-{half}.csv.gz").read_bytes()).decode()
        (tmp_path / f"{half}.csv").write_text(header + text.replace(", ", ",").replace("K.\n", "K\n"))
    report = check(tmp_path / "test.csv", "--reference", tmp_path / "train.csv", suite=[BETWEEN])[1]
    assert value(report, "overlap_fraction", "with=reference") == pytest.approx(23 / 16281)
    assert value(report, "duplicate_fraction") == pytest.approx(5 / 16281)


def test_names_that_could_pass_for_slices(check, tmp_path):
    """A page takes what follows a comma for another key of the slice, and a value of epsilon for a number."""
    frame = pd.DataFrame({"a, epsilon=x": [1, None, 3], "b, epsilon=y": [1, 2, 3], "a; epsilon:x": [None, None, 1]})
    page = tmp_path / "page.html"
    code, report = check(frame, "--html", page, suite=[ANY])
    assert (code, page.is_file()) == (0, True)
    parts = [metric.slice for metric in report.metrics if metric.name == "null_fraction"]
    assert len(set(parts)) == 3
    assert not [part for part in parts if "," in part or part.count("=") > 1]
