"""Tables of vectors: rows, Arrow and Torch without a copy, Astropy and pandas, and reading them back."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.data.flags import bits
from space2vec.errors import ReadError

N, SIZE = 7, 64
WITHOUT = 3


def example_vectors(n=N, **options):
    vector = np.random.default_rng(4).integers(-127, 128, (n, SIZE)).astype(np.int8)
    flags = np.zeros(n, dtype=np.uint32)
    if n > WITHOUT:
        vector[WITHOUT] = 0
        flags[WITHOUT] = bits(["bad_stamp", "padded"])
    objects = np.array([f"ZTF{row}" for row in range(n)], dtype=object)
    columns = {
        "ra": np.where(np.arange(n) == 1, np.nan, np.arange(n) / 2),
        "fid": np.ma.array(np.arange(n), mask=np.arange(n) == 2),
        "name": np.array([None if row == 4 else f"<{row}>" for row in range(n)], dtype=object),
    }
    return s2v.Vectors(
        vector, flags, objects, np.arange(n) + 10, **{"model": "vectornet 0123", "columns": columns} | options
    )


def assert_same(one, other):
    assert np.array_equal(one.vector, other.vector)
    assert one.vector.dtype == other.vector.dtype == np.int8
    assert one.model == other.model
    for name in ("object_id", "candidate_id", "flags"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        assert repr(values.tolist()) == repr(other.columns[name].tolist())
        assert values.dtype == other.columns[name].dtype


@pytest.mark.parametrize("rows", [slice(1, 5), slice(None, None, -2), [4, 0, 0], np.arange(N) % 2 == 1, slice(0, 0)])
def test_some_rows(rows):
    whole = example_vectors()
    part = whole[rows]
    assert np.array_equal(part.vector, whole.vector[rows])
    assert part.object_id.tolist() == whole.object_id[rows].tolist()
    assert part.flags.tolist() == whole.flags[rows].tolist()
    assert part.columns["ra"].tolist() == pytest.approx(whole.columns["ra"][rows].tolist(), nan_ok=True)
    assert (part.model, part.device, len(part)) == (whole.model, whole.device, len(whole.object_id[rows]))


def test_a_row_and_a_loop():
    vectors = example_vectors()
    row = vectors[WITHOUT]
    assert row["vector"] == [0] * SIZE
    assert set(row["flags"]) == {"bad_stamp", "padded"}
    assert [each["vector"] for each in vectors] == vectors.vector.tolist()
    assert vectors["vector"] is vectors.vector
    assert vectors.has_vector.tolist() == [row != WITHOUT for row in range(N)]
    with pytest.raises(KeyError, match="no column 'score'; the table has vector, ra"):
        vectors["score"]


def test_what_a_table_looks_like():
    text = repr(example_vectors())
    assert text.startswith("Vectors: 7 rows of 64 integers, 6 by vectornet 0123 on cpu\n")
    assert "0 0 0 0 ..." in text
    assert max(map(len, text.splitlines())) < 100
    assert "<td>0 0 0 0 ...</td>" in example_vectors()._repr_html_()


def test_concatenation():
    vectors = example_vectors()
    assert_same(s2v.Vectors.concatenate([vectors[:2], vectors[2:2], vectors[2:]]), vectors)
    with pytest.raises(ValueError, match="vectors of vectornet 0123 and of other 4567 cannot be compared"):
        s2v.Vectors.concatenate([vectors, example_vectors(model="other 4567")])
    with pytest.raises(ValueError, match="no vectors to concatenate"):
        s2v.Vectors.concatenate([])


@pytest.mark.parametrize(
    ("vector", "error", "words"),
    [
        (np.zeros((2, 4)), TypeError, "vectors must be of int8; given float64"),
        (np.zeros(2, np.int8), ValueError, r"shape \(n, k\) with k above 0; given \(2,\)"),
        (np.zeros((2, 0), np.int8), ValueError, r"given \(2, 0\)"),
        (np.zeros((3, 4), np.int8), ValueError, r"flags must have one value for each of 3 rows; given \(2,\)"),
    ],
)
def test_arrays_that_are_no_vectors(vector, error, words):
    with pytest.raises(error, match=words):
        s2v.Vectors(vector, np.zeros(2, np.uint32), np.array(["a", "b"], object), np.arange(2), "mine")


def test_arrow_shares_memory():
    vectors = example_vectors()
    column = vectors.to_arrow()["vector"].chunk(0)
    assert column.type == pa.list_(pa.int8(), SIZE)
    assert column.values.buffers()[1].address == vectors.vector.ctypes.data
    assert column.to_pylist() == vectors.vector.tolist()
    # Rows of an array that is not contiguous are copied, and are right.
    assert vectors[::-2].to_arrow()["vector"].to_pylist() == vectors.vector[::-2].tolist()


def test_numpy_and_torch_share_memory():
    vectors = example_vectors()
    assert vectors.to_numpy() is vectors.vector
    assert np.asarray(vectors).shape == (N, SIZE)
    torch = pytest.importorskip("torch")
    assert torch.from_numpy(vectors.to_numpy()).data_ptr() == vectors.vector.ctypes.data


def test_astropy():
    table = example_vectors().to_astropy()
    assert table["vector"].shape == (N, SIZE)
    assert table["vector"].tolist() == example_vectors().vector.tolist()
    assert table.meta["model"] == "vectornet 0123"


def test_pandas():
    pytest.importorskip("pandas")
    vectors = example_vectors()
    frame = vectors.to_pandas()
    assert np.array_equal(np.stack(frame["vector"]), vectors.vector)
    assert frame.attrs["model"] == vectors.model


@pytest.mark.parametrize("rows", [0, 1, N])
def test_reading_back(tmp_path, rows):
    path = tmp_path / "vectors.parquet"
    vectors = example_vectors(rows)
    pq.write_table(vectors.to_arrow(), path)
    back = s2v.read_vectors(path)
    if rows:
        assert_same(back, vectors)
    assert back.vector.shape == (rows, SIZE)
    assert back.vector.flags.writeable


def test_reading_back_many_rows_in_several_row_groups(tmp_path):
    path = tmp_path / "vectors.parquet"
    n = 70_000
    vector = np.random.default_rng(5).integers(-127, 128, (n, 8)).astype(np.int8)
    flags = np.where(np.arange(n) % 1000 == 7, bits("padded"), 0).astype(np.uint32)
    ids = np.array([f"id{row}" for row in range(n)], dtype=object)
    vectors = s2v.Vectors(vector, flags, ids, ids, "mine")
    pq.write_table(vectors.to_arrow(), path, row_group_size=20_000)
    assert_same(s2v.read_vectors(path), vectors)


def test_null_vectors_are_zero(tmp_path):
    path = tmp_path / "vectors.parquet"
    column = pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8(), 2))
    pq.write_table(pa.table({"vector": column, "candidate_id": [1, 2, 3]}), path)
    back = s2v.read_vectors(path)
    assert back.vector.tolist() == [[1, 2], [0, 0], [3, 0]]
    assert back.candidate_id.tolist() == [1, 2, 3]
    assert back.model == ""
    assert not back.flags.any()


def test_flags_of_later_versions_are_left_out(tmp_path):
    path = tmp_path / "vectors.parquet"
    column = pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))
    pq.write_table(pa.table({"vector": column, "flags": [["padded", "not_known_yet"], []]}), path)
    assert s2v.read_vectors(path).flags.tolist() == [bits("padded"), 0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"score": [1.0]}, "no column vector"),
        ({"vector": [1.0]}, "its column vector holds double"),
        ({"vector": pa.array([[1, 2]], pa.list_(pa.int8()))}, "no lists of int8 of one fixed size"),
        ({"vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}, "no lists of int8 of one fixed size"),
    ],
)
def test_tables_without_vectors(tmp_path, table, words):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(table), path)
    with pytest.raises(ReadError, match=words):
        s2v.read_vectors(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        s2v.read_vectors(tmp_path / "nothing.parquet")
    damaged = tmp_path / "damaged.parquet"
    pq.write_table(example_vectors().to_arrow(), damaged)
    whole = damaged.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        damaged.write_bytes(whole[:size])
        with pytest.raises(ReadError, match="not a Parquet file, or cut short"):
            s2v.read_vectors(damaged)
