"""Tables as people have them: cells that hold no number, blanks, separators, ids; against a plain reading."""

import csv
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.data import flags
from space2vec.errors import ReadError
from space2vec.reading import csv_file, read, read_labels, read_scores

NOTHING = ("--", "n/a", "masked", "1d3", "1,5", "0x1F", "1_000", "five", "***", "1.2.3", "1e", "INDEF")


def named(table, row):
    return flags.names(int(table.flags[row]))


def write(path, rows, names, **options):
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, **options)
        table.writerow(names)
        table.writerows(rows)


@pytest.mark.parametrize("cell", NOTHING)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_cell_that_is_no_number_costs_itself(tmp_path, suffix, cell):
    names, rows = ["ID", "AMP", "GAUSS"], [[k, f"{k / 7:.9f}", f"{k}.5"] for k in range(500)]
    rows[123][1] = cell
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        write(path, rows, names)
    else:
        columns = list(zip(*rows, strict=True))
        pq.write_table(pa.table({"ID": columns[0], "AMP": columns[1], "GAUSS": columns[2]}), path)
    problems = []
    table = read(path, problems=problems)
    expected = np.array([[np.nan if row[1] == cell else float(row[1]), float(row[2])] for row in rows], np.float32)
    assert np.array_equal(table.values, expected, equal_nan=True)
    assert table.candidate_id.tolist() == list(range(500))
    assert np.flatnonzero(table.flags).tolist() == [123]
    assert named(table, 123) == ["bad_cell"]
    (problem,) = problems
    where = "line 125" if suffix == "csv" else "row 123"
    assert problem.message == f"{where}: column AMP holds {cell!r}, which is no number"
    assert (problem.reason, problem.row, problem.record, problem.of_file) == ("bad_cell", 123, 123, False)


@pytest.mark.parametrize(
    "cell", ["+1.5", " 2.5 ", "1e3", "-.5", "5.", "Infinity", "-inf", "1E-40", "1e60", " NaN", "\t7"]
)
def test_numbers_of_every_spelling(tmp_path, cell):
    for other in ("1.5", "--"):  # read by Arrow, and line by line
        (tmp_path / "t.csv").write_text(f"ID,AMP\n1,{cell}\n2,{other}\n")
        with np.errstate(over="ignore"):
            expected = np.float32(float(cell))
        assert np.array_equal(read(tmp_path / "t.csv")["AMP"][0], expected, equal_nan=True)


@pytest.mark.parametrize("cell", ["", "NULL", "NA", "N/A", "nan", "NaN", "None", "null", "-nan", " ", " NA "])
def test_cells_that_say_nothing_are_no_mistake(tmp_path, cell):
    for other in ("1.5", "--"):
        (tmp_path / "t.csv").write_text(f"ID,AMP\n1,{cell}\n2,{other}\n")
        table = read(tmp_path / "t.csv")
        assert np.isnan(table["AMP"][0])
        assert named(table, 0) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("ID,AMP\n1,2\n".encode("utf-16"), "the table is in UTF-16"),
        ("ID,AMP\n1,2\n".encode("utf-16-le"), "header is not text"),
        (b"PK\3\4\0\0\n1,2\n", "header is not text"),
    ],
)
def test_a_file_that_is_no_text_is_told_in_printable_words(tmp_path, content, told):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=told) as caught:
        s2v.read_table(path)
    assert str(caught.value).isprintable()


def test_a_nul_costs_its_cell(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"ID,AMP\n1,2\n2,\0\n3,4\n")
    table = s2v.read_table(path, strict=False)
    assert table.candidate_id.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(table.values[:, 0], [2, np.nan, 4])


def test_damage_costs_no_other_row_of_a_long_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = [[k, f"{value:.8g}", f"{value * 3:.8g}", "griz"[k % 4]] for k, value in enumerate(rng.normal(size=60_000))]
    sound = {k: [float(row[1]), float(row[2])] for k, row in enumerate(rows)}
    for k in rng.choice(60_000, 300, replace=False).tolist():
        column = 1 + k % 2
        rows[k][column] = NOTHING[k % len(NOTHING)]
        sound[k][column - 1] = np.nan
    write(tmp_path / "t.csv", rows, ["ID", "AMP", "GAUSS", "BAND"])
    problems = []
    table = read(tmp_path / "t.csv", problems=problems)
    expected = np.array([sound[k] for k in range(60_000)], np.float32)
    assert np.array_equal(table.values[:, :2], expected, equal_nan=True)
    assert table["BAND"].tolist() == [1 + k % 4 for k in range(60_000)]
    bad = np.flatnonzero(np.isnan(expected).any(axis=1)).tolist()
    assert np.flatnonzero(table.flags).tolist() == [problem.row for problem in problems] == bad
    assert table.candidate_id.dtype == np.int64


def test_lines_and_cells_keep_their_number_in_spite_of_comments_and_empty_lines(tmp_path):
    text = "# a\n\n# b\nID,AMP\n1,1\n\n2,--\n\r\n3\n4,x\n5,5"
    (tmp_path / "t.csv").write_bytes(text.encode())
    problems = []
    table = read(tmp_path / "t.csv", strict=False, problems=problems)
    assert table.candidate_id.tolist() == [1, 2, -1, 4, 5]
    assert [problem.message.split(":")[0] for problem in problems] == [
        "line 7",
        "line 9 has 1 values, not 2",
        "line 10",
    ]
    with pytest.raises(ReadError, match="line 9 has 1 values, not 2"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ", ", " , ", ";", "\t", "; "])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blanks_separators_quotes_and_ends_of_lines(tmp_path, newline, separator, quoted, mark):
    rows = [["object_id", "ID", "AMP", "GAUSS", "BAND"], ["a", "1", "1.5", "2", "g"], ["b c", "007", "", "-4e2", "r"]]
    lines = [separator.join(f'"{cell}"' if quoted else cell for cell in row) for row in rows]
    (tmp_path / "t.csv").write_bytes((mark + newline.join(lines) + newline).encode())
    if quoted and separator == " , ":
        return  # a quote with a blank before the separator is no CSV
    table = read(tmp_path / "t.csv")
    assert table.names == ("AMP", "GAUSS", "BAND")
    assert table.object_id.tolist() == ["a", "b c"]
    assert table.candidate_id.tolist() == ["1", "007"]
    assert np.array_equal(table.values, np.float32([[1.5, 2, 1], [np.nan, -400, 2]]), equal_nan=True)
    assert not table.flags.any()


def test_text_that_is_not_utf8_costs_no_row(tmp_path):
    text = "# caf\xe9\nID,note,AMP\ncaf\xe9,\xe9,1\n2,\xe9,3\n".encode("latin-1")
    (tmp_path / "t.csv").write_bytes(text)
    table = read(tmp_path / "t.csv")
    assert table.candidate_id.tolist() == ["caf\\xe9", "2"]
    assert table["AMP"].tolist() == [1, 3]
    out = tmp_path / "scored.parquet"
    assert main(["features", str(tmp_path / "t.csv"), "-o", str(out)]) == 2  # a table of features already
    assert table.to_arrow()["candidate_id"].to_pylist() == ["caf\\xe9", "2"]


def test_quoted_names_with_separators_and_a_line_behind_a_blank(tmp_path):
    (tmp_path / "t.csv").write_text('"object_id", "ID", "AMP"\n"a,b", 5, 1\n"c ""d""", "6", 2\n')
    table = read(tmp_path / "t.csv")
    assert table.object_id.tolist() == ["a,b", 'c "d"']
    assert table.candidate_id.tolist() == [5, 6]


@pytest.mark.parametrize("separator", [",", ", ", "; "])
def test_names_in_a_comment_as_numpy_writes_them(tmp_path, separator):
    rows = np.array([[5, 1.5, np.nan], [7, -2.0, 3.0]])
    np.savetxt(tmp_path / "t.csv", rows, delimiter=separator, header=separator.join(["ID", "AMP", "GAUSS"]), fmt="%g")
    table = read(tmp_path / "t.csv")
    assert table.candidate_id.tolist() == [5, 7]
    assert np.array_equal(table.values, rows[:, 1:].astype(np.float32), equal_nan=True)
    # A comment of as many words before a header is none.
    (tmp_path / "t.csv").write_text("# a,b,c\nID,AMP,GAUSS\n5,1,2\n")
    assert read(tmp_path / "t.csv").names == ("AMP", "GAUSS")


def test_a_table_without_rows_is_one_of_features(tmp_path):
    (tmp_path / "t.csv").write_text("\nID,AMP\n\n")
    pq.write_table(
        pa.table({"ID": pa.array([], pa.int64()), "AMP": pa.array([], pa.float64())}), tmp_path / "t.parquet"
    )
    for name in ("t.csv", "t.parquet"):
        table = read(tmp_path / name)
        assert (table.names, len(table), table.candidate_id.dtype) == (("AMP",), 0, np.int64)


# Ids


@pytest.mark.parametrize("at", [0, 39_999, 59_999])
@pytest.mark.parametrize("odd", ["007", "0x1F", "x7", "18446744073709551615", "1.5", "9" * 30])
def test_one_id_that_is_text_costs_no_row_wherever_it_stands(tmp_path, at, odd):
    ids = [str(10**11 + k) for k in range(60_000)]
    ids[at] = odd
    write(tmp_path / "t.csv", [[one, "1.5", "2.5", "x" * 20] for one in ids], ["ID", "AMP", "GAUSS", "note"])
    table = read(tmp_path / "t.csv")
    assert table.candidate_id.tolist() == ids
    assert table.object_id.tolist() == ids
    assert not table.flags.any()


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pa.array([2**64 - 1, 5], pa.uint64()), [str(2**64 - 1), "5"]),
        (pa.array([2**63, None], pa.uint64()), [str(2**63), None]),
        (pa.array([2**63 - 1, None], pa.uint64()), [2**63 - 1, -1]),
        (pa.array([2**60 + 1, None], pa.int64()), [2**60 + 1, -1]),
        (pa.array([5, 6], pa.int8()), [5, 6]),
        (pa.array(["5", "6"]), [5, 6]),
        (pa.array(["5", "006"]), ["5", "006"]),
        (pa.array(["5", None]).dictionary_encode(), [5, -1]),
        (pa.array([b"5", b"\xe9"]), ["5", "\\xe9"]),
        (pa.array([18446744073709551615, None], pa.decimal128(20, 0)), ["18446744073709551615", None]),
        (pa.array([None, None], pa.null()), [-1, -1]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
    ],
)
def test_parquet_ids_of_every_type(tmp_path, column, ids):
    pq.write_table(pa.table({"candid": column, "AMP": [1.0, 2.0], "label": [1, 0]}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").candidate_id.tolist() == ids
    assert read_labels(tmp_path / "t.parquet").candidate_id.tolist() == ids


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1.5", "--"]),
        pa.array(["1.5", None]).dictionary_encode(),
        pa.array([b"1.5", b"x"]),
        pa.array([1.5, None], pa.float64()),
        pa.array([None, None], pa.null()),
        pa.array([1, None], pa.int64()),
        pa.array([True, None]),
        pa.array(["1.50", None], pa.string()).cast(pa.decimal128(5, 2)),
    ],
)
def test_parquet_features_of_every_type(tmp_path, column):
    pq.write_table(pa.table({"candid": [1, 2], "AMP": column}), tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    first = column[0].as_py()
    assert np.array_equal(table["AMP"], np.float32([np.nan if first is None else float(first), np.nan]), equal_nan=True)


def test_parquet_features_that_can_be_none(tmp_path):
    for column in (pa.array([[1.0]]), pa.array(np.array(["2020-01-01"], "datetime64[s]"))):
        pq.write_table(pa.table({"candid": [1], "AMP": column}), tmp_path / "t.parquet")
        with pytest.raises(ReadError, match="column AMP holds no numbers but"):
            read(tmp_path / "t.parquet")


def test_rows_without_ids_belong_to_their_file(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text("AMP\n1\n2\n")
        np.save(tmp_path / folder / "x.npy", np.ones((2, 3, 9, 9)))
    assert read(tmp_path / "one" / "t.csv").candidate_id.tolist() == [0, 1]
    tables = read([tmp_path / "one" / "t.csv", tmp_path / "two" / "t.csv"])
    assert tables.candidate_id.tolist() == ["one/t:0", "one/t:1", "two/t:0", "two/t:1"]
    assert tables.object_id.tolist() == tables.candidate_id.tolist()
    stamps = read([tmp_path / "two" / "x.npy", tmp_path / "one" / "x.npy"])
    assert stamps.candidate_id.tolist() == ["two/x:0", "two/x:1", "one/x:0", "one/x:1"]
    np.savez(tmp_path / "y.npz", pixels=np.ones((2, 3, 9, 9)), candidate_id=[0, 1])
    mixed = read([tmp_path / "one" / "x.npy", tmp_path / "y.npz"])
    assert mixed.candidate_id.tolist() == ["x:0", "x:1", "0", "1"]


# Labels and scores


def test_labels_and_scores_with_damage(tmp_path):
    (tmp_path / "t.csv").write_text("ID,label,score\n1,1,0.5\n2,--,high\n3\n4,0,n/a\n5,1,0.25\n")
    for reader, values in (
        (read_labels, [1, np.nan, np.nan, 0, 1]),
        (read_scores, [0.5, np.nan, np.nan, np.nan, 0.25]),
    ):
        problems = []
        table = reader(tmp_path / "t.csv", problems=problems)
        got = table.real if reader is read_labels else table.score
        assert np.array_equal(got, np.array(values, got.dtype), equal_nan=True)
        assert table.candidate_id.tolist() == [1, 2, -1, 4, 5]
        assert "line 3" in problems[0].message
        assert problems[1].message == "line 4 has 1 values, not 3"
        with pytest.raises(ReadError, match="line 4 has 1 values"):
            reader(tmp_path / "t.csv")


def test_labels_may_be_words(tmp_path):
    (tmp_path / "t.csv").write_text("ID,label\n1,True\n2,false\n3,FALSE\n4,\n")
    assert np.array_equal(read_labels(tmp_path / "t.csv").real, np.float32([1, 0, 0, np.nan]), equal_nan=True)
    pq.write_table(pa.table({"ID": [1, 2], "label": [True, False]}), tmp_path / "t.parquet")
    assert read_labels(tmp_path / "t.parquet").real.tolist() == [1, 0]


# Tables beside arrays


def test_a_table_beside_stamps_goes_by_ids_where_both_have_them(tmp_path):
    np.savez(tmp_path / "x.npz", pixels=np.ones((3, 3, 9, 9)), candidate_id=[5, 6, 7])
    (tmp_path / "x.csv").write_text("ID,MAG\n7,17\n5,15\n6,--\n")
    problems = []
    stamps = read(tmp_path / "x.npz", problems=problems)
    assert np.array_equal(stamps.catalogue["MAG"], np.float32([15, np.nan, 17]), equal_nan=True)
    assert stamps.candidate_id.tolist() == [5, 6, 7]
    assert [flags.names(int(bits)) for bits in stamps.flags] == [[], ["bad_cell"], []]
    assert [(problem.row, "line 4" in problem.message) for problem in problems] == [(1, True)]
    for text, told in (("7,17\n5,15\n5,16\n", "more than once"), ("7,17\n5,15\n8,1\n", "has no rows of 1 .*: 6")):
        (tmp_path / "x.csv").write_text("ID,MAG\n" + text)
        with pytest.raises(ReadError, match=told):
            read(tmp_path / "x.npz")


def test_a_table_beside_stamps_goes_by_rows_where_they_have_no_ids(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 3, 9, 9)))
    (tmp_path / "x.csv").write_text("ID,MAG\n7,17\n007,n/a\n6\n8,18\n")
    problems = []
    stamps = read(tmp_path / "x.npy", strict=False, problems=problems)
    assert stamps.candidate_id.tolist() == ["7", "007", None, "8"]
    assert np.array_equal(stamps.catalogue["MAG"], np.float32([17, np.nan, np.nan, 18]), equal_nan=True)
    assert [problem.row for problem in problems] == [1, 2]


# Speed


def test_damaged_blocks_are_not_much_slower(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20_000, 20))
    names = ["ID", *list(s2v.registry.FEATURES)[:20]]
    rows = [[k, *(f"{one:.7g}" for one in row)] for k, row in enumerate(values.tolist())]
    write(tmp_path / "a.csv", rows, names)
    for row in rows:
        row[3] = "--"
    write(tmp_path / "b.csv", rows, names)

    def seconds(path):
        start = time.perf_counter()
        table = read(path)
        assert len(table) == 20_000
        return time.perf_counter() - start

    seconds(tmp_path / "a.csv")
    # A line in the errors for each of 20,000 rows is most of it.
    assert seconds(tmp_path / "b.csv") < 30 * seconds(tmp_path / "a.csv") + 1


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "_LONGEST", 1 << 20)
    (tmp_path / "t.csv").write_bytes(b"ID,AMP\n" + b"1" * (3 << 20))
    with pytest.raises(ReadError, match="a line of more than"):
        read(tmp_path / "t.csv")


# The command line


def test_features_with_damage_are_scored_and_told(tmp_path, capsys):
    names = list(s2v.registry.AUTOSCAN)
    rows = [[k, *(["1.0"] * len(names))] for k in range(20)]
    rows[7][names.index("AMP") + 1] = "--"
    write(tmp_path / "t.csv", rows, ["ID", *names])
    out = tmp_path / "s.parquet"
    assert main(["score", str(tmp_path / "t.csv"), "-o", str(out), "--model", "autoscan"]) == 1
    table, errors = pq.read_table(out), pq.read_table(tmp_path / "s.errors.parquet").to_pylist()
    assert not np.isnan(table["score"].to_numpy()).any()
    assert table["flags"][7].as_py() == ["bad_cell"]
    assert [(line["row"], line["candidate_id"], line["reason"]) for line in errors] == [(7, 7, "bad_cell")]
    assert errors[0]["message"] == "line 9: column AMP holds '--', which is no number"
    assert "line 9: column AMP holds '--'" in capsys.readouterr().err
    strict = ["score", str(tmp_path / "t.csv"), "-o", str(out), "--model", "autoscan", "--strict", "--restart"]
    assert main(strict) == 2
