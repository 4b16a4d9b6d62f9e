"""Which files an input consists of, and stamps and tables that are no alerts."""

import contextlib
import gzip
import os
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.packets import avro_bytes, fits_bytes, packet, planes
from space2vec import Features, Stamps, read
from space2vec.data import flags
from space2vec.data.stamps import NO_ID
from space2vec.errors import ReadError
from space2vec.reading import batches, files, read_labels, read_scores


def flagged(rows, row):
    return flags.names(rows.flags[row])


# Inputs


def write_alerts(folder, *names):
    for k, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(avro_bytes([packet(k, np.ones((3, 2, 2)))]))


def test_inputs_are_found_in_natural_order(tmp_path):
    write_alerts(tmp_path, "b10.avro", "b9.avro", "n2/1.avro", "n10/1.avro", "n2/deep/er/2.avro", ".hidden.avro")
    (tmp_path / "notes.txt").write_text("not an input")
    order = ["b9.avro", "b10.avro", "n2/1.avro", "n2/deep/er/2.avro", "n10/1.avro"]
    for inputs in (tmp_path, str(tmp_path), f"{tmp_path}/**", [tmp_path, tmp_path / "b9.avro"]):
        assert list(files(inputs)) == [str(tmp_path / name) for name in order]
    assert list(files([tmp_path / "n2", tmp_path / "b9.avro"]))[-1] == str(tmp_path / "b9.avro")
    assert [os.path.basename(path) for path in files(f"{tmp_path}/b*.avro")] == ["b9.avro", "b10.avro"]
    assert len(list(files(f"{tmp_path}/**/1.avro"))) == 2
    assert len(read(f"{tmp_path}/n*")) == 3


def test_a_name_with_glob_characters_is_a_name(tmp_path):
    write_alerts(tmp_path, "a[1].avro")
    assert len(read(tmp_path / "a[1].avro")) == 1


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [("", "holds no file"), ("none.avro", "does not exist"), ("*.avro", "matches no file"), ("no[thing", "matches no")],
)
def test_an_input_of_nothing_is_an_error(tmp_path, inputs, reason):
    for strict in (True, False):
        with pytest.raises(ReadError, match=rf"{reason}.*accepted are"):
            read(tmp_path / inputs, strict=strict)
    with pytest.raises(ReadError, match="no input given"):
        read([])


def test_inputs_are_told_before_the_first_batch(tmp_path):
    with pytest.raises(ReadError, match="holds no file"):
        batches(tmp_path)


def test_pipes_are_passed_over(tmp_path):
    write_alerts(tmp_path, "a.avro")
    os.mkfifo(tmp_path / "b.avro")
    assert len(read(tmp_path)) == len(read(str(tmp_path / "*.avro"))) == 1
    with pytest.raises(ReadError, match=r"b\.avro is no regular file"):
        read(tmp_path / "b.avro")


@pytest.mark.parametrize("name", ["b.avro", "b.npy", "b.parquet"])
def test_a_file_that_goes_away_stops_the_reading(tmp_path, name):
    write_alerts(tmp_path, "a.avro", "b.avro", "c.avro")
    np.save(tmp_path / "b.npy", np.ones((1, 3, 4, 4)))
    parquet.write_table(pa.Table.from_pylist([packet(5)]), tmp_path / "b.parquet")
    parts = batches([tmp_path / "a.avro", tmp_path / name, tmp_path / "c.avro"], batch=1)
    (tmp_path / name).unlink()
    assert next(parts).rows.object_id.tolist() == ["ZTF18test000"]
    with pytest.raises(OSError, match=rf"{name}.*No such file|No such file.*{name}"):
        next(parts)


# DES stamps


TICKS = [(r, c) for k in range(10) for r in (k, 50 - k) for c in (k, 50 - k)]


def write_des(folder, number, kind="fits", only=("srch", "temp", "diff")):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = planes(number, (51, 51))
    if kind == "gif":
        image = pytest.importorskip("PIL.Image")
        pixels = np.round(pixels * 20 + 128).clip(0, 254)
        for plane in pixels:
            plane[tuple(np.transpose(TICKS))] = 255
    for name, plane in zip(("srch", "temp", "diff"), pixels, strict=True):
        if name not in only:
            continue
        file = folder / f"{name}{number}.{kind}"
        if kind == "gif":
            image.fromarray(plane.astype(np.uint8)).save(file)
        else:
            file.write_bytes(fits_bytes(plane))
    return pixels


def test_des_fits_in_nested_folders_with_their_table(tmp_path):
    pixels = {k: write_des(tmp_path / f"2013{k % 2:02d}" / "x", k) for k in (12, 7, 100)}
    (tmp_path / "autoscan.csv").write_text(
        "# a comment\n#\nID,OBJECT_TYPE,BAND,MAG,SNR,N2SIG3\n100,0,z,22.5,10,1\n12,1,g,,5.5,2\n55,1,r,20,3,4\n"
    )
    stamps = read(tmp_path)
    assert stamps.candidate_id.tolist() == [12, 100, 7]
    assert stamps.object_id.tolist() == ["12", "100", "7"]
    assert not stamps.flags.any()
    assert stamps.catalogue["BAND"] == pytest.approx([1, 4, np.nan], nan_ok=True)
    assert stamps.catalogue["MAG"] == pytest.approx([np.nan, 22.5, np.nan], nan_ok=True)
    assert stamps.catalogue["SNR"] == pytest.approx([5.5, 10, np.nan], nan_ok=True)
    assert set(stamps.catalogue) == {"BAND", "MAG", "SNR"}
    assert np.array_equal(stamps.pixels, np.stack([pixels[k] for k in (12, 100, 7)]))
    assert (stamps.centre == 25).all()


def test_a_des_table_may_stand_elsewhere(tmp_path):
    write_des(tmp_path / "stamps", 3)
    (tmp_path / "t.csv").write_text("ID,MAG\n3,21.25\n")
    assert read([tmp_path / "stamps", tmp_path / "t.csv"]).catalogue["MAG"].tolist() == [21.25]
    (tmp_path / "bad.csv").write_text("MAG\n21.25\n")
    with pytest.raises(ReadError, match=r"bad\.csv of the stamps has no rows with an ID"):
        read([tmp_path / "stamps", tmp_path / "bad.csv"])


def test_des_gif_tick_marks_are_masked(tmp_path):
    pixels = write_des(tmp_path, 5, "gif")
    pixels[:, *np.transpose(TICKS)] = np.nan
    stamps = read(tmp_path)
    assert np.isnan(stamps.pixels).sum() == 3 * 40
    assert np.array_equal(stamps.pixels[0], pixels, equal_nan=True)
    assert flagged(stamps, 0) == ["masked_pixels"]
    # FITS has the fluxes, so it comes first.
    want = write_des(tmp_path, 5)
    stamps = read(tmp_path)
    assert np.array_equal(stamps.pixels[0], want)
    assert flagged(stamps, 0) == []


def test_gif_without_pillow_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "diff1.gif").write_bytes(b"GIF89a")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ReadError, match=r"pip install '\.\[plot\]'"):
        read(tmp_path, strict=False)


def test_des_planes_that_are_missing_or_bad(tmp_path):
    write_des(tmp_path, 1, only=("srch", "diff"))
    write_des(tmp_path, 2)
    (tmp_path / "temp2.fits").write_bytes(b"SIMPLE  = nothing more")
    pytest.importorskip("PIL.Image")
    (tmp_path / "diff3.gif").write_bytes(b"GIF89a cut")
    problems = []
    stamps = read(tmp_path, problems=problems)
    assert stamps.candidate_id.tolist() == [1, 2, 3]
    assert [flagged(stamps, row) for row in range(3)] == [["missing"], ["bad_stamp"], ["bad_stamp", "missing"]]
    assert stamps.plane(0, "template") is None
    assert stamps.plane(1, "difference").shape == (51, 51)
    assert [os.path.basename(problem.path) for problem in problems] == ["temp2.fits", "diff3.gif"]


# NumPy files


@pytest.mark.parametrize("dtype", ["f2", "f8", "<f4", ">f4", ">i2", "u1"])
def test_npy_of_any_dtype(tmp_path, dtype):
    pixels = np.arange(4 * 3 * 5 * 6).reshape(4, 3, 5, 6).astype(dtype)
    np.save(tmp_path / "x.npy", pixels)
    np.save(tmp_path / "f.npy", np.asfortranarray(pixels))
    for name in ("x", "f"):
        stamps = read(tmp_path / f"{name}.npy")
        assert stamps.pixels.dtype == np.float32
        assert np.array_equal(stamps.pixels, pixels.astype(np.float32))
        assert stamps.object_id.tolist() == [f"{name}:{row}" for row in range(4)]
        assert stamps.candidate_id.tolist() == [0, 1, 2, 3]


def test_npy_in_batches_numbers_rows_through(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 3, 4, 4)))
    parts = [batch.rows for batch in batches(tmp_path, batch=2)]
    assert [len(part) for part in parts] == [2, 2, 1]
    assert [c for part in parts for c in part.candidate_id] == [0, 1, 2, 3, 4]


def test_npy_without_rows_or_with_other_planes(tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 3, 51, 51), np.float32))
    assert len(read(tmp_path / "none.npy")) == 0
    np.save(tmp_path / "one.npy", np.ones((2, 1, 8, 8)))
    assert read(tmp_path / "one.npy").channels == ("difference",)
    np.save(tmp_path / "two.npy", np.ones((2, 2, 8, 8)))
    with pytest.raises(ReadError, match="2 planes needs channels="):
        read(tmp_path / "two.npy")
    stamps = read(tmp_path / "two.npy", channels=("difference", "template"))
    assert stamps.channels == ("template", "difference")
    np.save(tmp_path / "nan.npy", np.full((1, 3, 8, 8), np.nan))
    assert np.isnan(read(tmp_path / "nan.npy").pixels).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(51), r"shape \(n, channel, height, width\); the array's shape is \(51,\)"),
        (np.array([{"a": 1}], dtype=object), "pickle"),
        (np.zeros((1, 3, 4, 4), complex), "complex128"),
        (np.zeros((1, 3, 4, 4), "U3"), "dtype <U3"),
        (np.zeros((2, 3, 0, 4)), "sides of 1 to 16384 pixels; given 0 x 4"),
    ],
)
def test_npy_that_holds_no_stamps(tmp_path, array, reason):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(ReadError, match=rf"x\.npy: .*{reason}"):
        read(tmp_path / "x.npy")
    stamps = read(tmp_path / "x.npy", strict=False)
    assert stamps.object_id.tolist() == ["x"]
    assert flagged(stamps, 0) == ["bad_stamp"]


def test_a_pickle_never_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "x.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "y.npz", pixels=trap)
    assert len(read(tmp_path, strict=False)) == 2
    assert not (tmp_path / "sprung").exists()


def test_npy_and_npz_that_are_cut_short(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 5, 5)))
    np.savez(tmp_path / "y.npz", pixels=np.zeros((4, 3, 5, 5)))
    for name in ("x.npy", "y.npz"):
        file = tmp_path / name
        for keep in (0.5, 0.02):
            file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
            with pytest.raises(ReadError, match=name):
                read(file)


def test_npz_with_ids_and_catalogue(tmp_path):
    pixels = planes(0, (7, 7))[None].repeat(3, axis=0)
    ids = [9007199254740993, 2, 3]
    np.savez(tmp_path / "x.npz", pixels=pixels, object_id=["a", "b", "c"], candidate_id=ids, MAG=[1.0, 2.0, np.nan])
    stamps = read(tmp_path / "x.npz")
    assert stamps.object_id.tolist() == ["a", "b", "c"]
    assert stamps.candidate_id.tolist() == ids
    assert stamps.catalogue["MAG"] == pytest.approx([1, 2, np.nan], nan_ok=True)
    np.savez_compressed(tmp_path / "y.npz", science=pixels[:, 0], difference=pixels[:, 2])
    stamps = read(tmp_path / "y.npz")
    assert stamps.channels == ("science", "difference")
    assert np.array_equal(stamps.plane(1, "difference"), pixels[1, 2])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": np.zeros(3)}, "no array under pixels, images.*nor under the name of a plane, science.*; it has x"),
        ({"science": np.zeros((2, 4, 4)), "template": np.zeros((2, 5, 4))}, "one shape"),
        ({"pixels": np.zeros((2, 3, 4, 4)), "MAG": np.zeros(3)}, "MAG must have one value for each of 2"),
    ],
)
def test_npz_that_holds_no_stamps(tmp_path, arrays, reason):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ReadError, match=reason):
        read(tmp_path / "x.npz")


def test_a_table_beside_a_numpy_file(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 3, 4, 4)))
    (tmp_path / "x.csv").write_text("ID,BAND,MAG\n5,g,20\n6,i,\n7,z,22\n")
    for inputs in (tmp_path, tmp_path / "x.npy", [tmp_path / "x.npy", tmp_path / "x.csv"]):
        stamps = read(inputs)
        assert stamps.candidate_id.tolist() == [5, 6, 7]
        assert stamps.catalogue["BAND"].tolist() == [1, 3, 4]
        assert stamps.catalogue["MAG"] == pytest.approx([20, np.nan, 22], nan_ok=True)
    (tmp_path / "x.csv").write_text("ID,MAG\n5,20\n")
    with pytest.raises(ReadError, match=r"3 stamps, but the table x\.csv of these stamps has 1 rows"):
        read(tmp_path)


# A dtype that NumPy is about to drop may turn up in the noise.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["alerts.parquet", "features.parquet", "x.tar", "x.tar.gz", "x.npy", "x.npz"])
def test_noise_in_a_file_never_escapes_as_another_error(tmp_path, kind):
    file = tmp_path / kind
    if kind == "alerts.parquet":
        parquet.write_table(pa.Table.from_pylist([packet(k, np.ones((3, 4, 4))) for k in range(3)]), file)
    elif kind == "features.parquet":
        parquet.write_table(pa.table({"ID": [1, 2], "MAG": [1.0, 2.0]}), file)
    elif kind == "x.npy":
        np.save(file, np.ones((3, 3, 4, 4)))
    elif kind == "x.npz":
        np.savez_compressed(file, pixels=np.ones((3, 3, 4, 4)), MAG=np.ones(3))
    else:
        write_alerts(tmp_path, "a.avro", "b.avro")
        with tarfile.open(file, "w") as archive:
            for name in ("a.avro", "b.avro"):  # the same bytes in every run
                member = tarfile.TarInfo(name)
                member.size = (tmp_path / name).stat().st_size
                archive.addfile(member, (tmp_path / name).open("rb"))
        if kind.endswith("gz"):
            file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    whole = file.read_bytes()
    rng = np.random.default_rng(4)
    for _ in range(100):
        noisy = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            noisy[place] = rng.integers(256)
        file.write_bytes(noisy[: rng.integers(len(whole) // 2, 2 * len(whole))])
        # A table whose columns are unknown has no rows to keep.
        with contextlib.suppress(*([ReadError] if kind == "features.parquet" else [])):
            assert len(read(file, strict=False)) <= 7


# Feature tables


CSV = "# DES\n# more\nID,OBJECT_TYPE,MAG,BAND,N2SIG3,other\n11,0,20.5,g,3,x\n12,1,NaN,z,4,y\n13,0,,r,5,z\n"


def test_csv_of_features(tmp_path):
    (tmp_path / "t.csv").write_text(CSV)
    table = read(tmp_path / "t.csv")
    assert isinstance(table, Features)
    assert table.names == ("MAG", "BAND", "N2SIG3")
    assert table.values.dtype == np.float32
    assert table.candidate_id.tolist() == [11, 12, 13]
    assert table.object_id.tolist() == ["11", "12", "13"]
    assert table["MAG"] == pytest.approx([20.5, np.nan, np.nan], nan_ok=True)
    assert table["BAND"].tolist() == [1, 4, 2]
    assert table["N2SIG3"].tolist() == [3, 4, 5]
    assert [len(batch.rows) for batch in batches(tmp_path, batch=2)] == [2, 1]
    labels = read_labels(tmp_path / "t.csv")
    assert labels.real.tolist() == [1, 0, 1]
    assert labels.candidate_id.tolist() == [11, 12, 13]


def test_parquet_of_features_comes_back_as_it_was_written(tmp_path):
    raised = np.array([0, flags.bits(["nan_pixels", "padded"]), flags.bits("bad_stamp")], np.uint32)
    values = np.array([[1, 2], [3, np.nan], [np.nan, np.nan]], np.float32)
    ids = np.array([2**60 + 1, 2**60 + 3, NO_ID])
    table = Features(values, ("AMP", "SCALE"), raised, np.array(["a", "b", "c"], object), ids)
    parquet.write_table(table.to_arrow(), tmp_path / "t.parquet")
    back = read(tmp_path / "t.parquet")
    assert back.names == table.names
    assert np.array_equal(back.values, values, equal_nan=True)
    assert back.flags.tolist() == raised.tolist()
    assert back.candidate_id.tolist() == ids.tolist()
    assert back.object_id.tolist() == ["a", "b", "c"]


def test_lines_that_are_cut_keep_their_place(tmp_path):
    lines = CSV.splitlines()
    lines.insert(4, "99,1")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n14,0")
    with pytest.raises(ReadError, match=r"t\.csv: line 5 has 2 values, not 6"):
        read(tmp_path)
    problems = []
    table = read(tmp_path, strict=False, problems=problems)
    assert table.candidate_id.tolist() == [11, NO_ID, 12, 13, NO_ID]
    assert [bool(bits) for bits in table.flags] == [False, True, False, False, True]
    assert flagged(table, 1) == ["bad_stamp"]
    assert [problem.record for problem in problems] == [1, 4]


def test_long_tables_with_cut_lines_across_blocks(tmp_path):
    rng = np.random.default_rng(3)
    cut = set(rng.choice(60_000, 40, replace=False).tolist())
    lines = ["1" if k in cut else f"{k},{k / 7:.12f},{k % 4 + 1}" for k in range(60_000)]
    (tmp_path / "t.csv").write_text("ID,MAG,BAND\n" + "\n".join(lines) + "\n")
    table = read(tmp_path, strict=False)
    assert table.candidate_id.tolist() == [NO_ID if k in cut else k for k in range(60_000)]
    assert set(np.flatnonzero(table.flags).tolist()) == cut


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("# only\n# comments\n", "empty"),
        ("a,b\n1,2\n", "none of its columns is a known feature; it has a, b"),
        ("ID,MAG\n1\n", "line 2 has 1 values, not 2"),
        ("\x00\x01", "not text"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path, text, reason):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ReadError, match=rf"t\.csv: .*{reason}"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("text", ["ID,MAG\n11,2\n12,3\n", "# c\nID,MAG\n11,2\n12,3\n"])
def test_a_byte_order_mark_is_passed_over(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8-sig")
    assert read(tmp_path / "t.csv").candidate_id.tolist() == [11, 12]
    (tmp_path / "l.csv").write_text(text.replace("MAG", "score"), encoding="utf-8-sig")
    assert read_scores(tmp_path / "l.csv").candidate_id.tolist() == [11, 12]


@pytest.mark.parametrize("double", ["ID", "MAG"])
def test_a_column_that_stands_twice_is_named(tmp_path, double):
    (tmp_path / "t.csv").write_text(f"ID,MAG,label,{double}\n1,2,0,3\n")
    arrays = [pa.array([value]) for value in (1, 2.0, 0, 3)]
    parquet.write_table(pa.Table.from_arrays(arrays, ["ID", "MAG", "label", double]), tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(ReadError, match=rf"{name}: column {double} occurs more than once"):
            read(tmp_path / name)
    (tmp_path / "l.csv").write_text("ID,label,label,other,other\n1,0,0,1,1\n")
    with pytest.raises(ReadError, match=r"l\.csv: column label occurs more than once"):
        read_labels(tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("ID,label,other,other\n1,0,1,1\n")
    assert read_labels(tmp_path / "l.csv").real.tolist() == [0]


def test_candidate_ids_are_no_fractions(tmp_path):
    ids = pa.array([1.0, None], pa.float64())
    parquet.write_table(pa.table({"candid": ids, "MAG": [1.0, 2.0], "label": [0, 1]}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("candid,MAG,label\n1.0,1,0\n")
    for name in ("t.csv", "t.parquet"):
        for reader in (read, read_labels):
            with pytest.raises(ReadError, match=r"column candid holds fractions .*integers or text"):
                reader(tmp_path / name)


def test_tables_of_one_input_have_one_set_of_columns(tmp_path):
    (tmp_path / "1.csv").write_text("ID,MAG,SNR\n1,2,3\n")
    (tmp_path / "2.csv").write_text("ID,SNR\n1,2\n")
    (tmp_path / "3.csv").write_text("ID,SNR,MAG\n4,5,6\n")
    with pytest.raises(ReadError, match=r"2\.csv: the table lacks MAG"):
        read(tmp_path)
    table = read(tmp_path, strict=False)
    assert table.object_id.tolist() == ["1", "2", "4"]
    assert table["MAG"] == pytest.approx([2, np.nan, 6], nan_ok=True)
    assert flagged(table, 1) == ["bad_stamp"]


def test_stamps_and_tables_do_not_mix(tmp_path):
    write_alerts(tmp_path, "a.avro")
    (tmp_path / "t.csv").write_text(CSV)
    parquet.write_table(pa.table({"score": [1.0]}), tmp_path / "scores.parquet")
    # Found beside alerts a table is not an input; named with them it is a mistake.
    assert isinstance(read(tmp_path), Stamps)
    assert len(read(tmp_path)) == 1
    with pytest.raises(ReadError, match=r"t\.csv is a feature table, which cannot be read together with stamps"):
        read([tmp_path / "a.avro", tmp_path / "t.csv"])


def test_labels_by_name(tmp_path):
    (tmp_path / "l.csv").write_text("object_id,candidate_id,label\n007,1,1\nb,2,0\nc,3,\n")
    labels = read_labels(tmp_path / "l.csv")
    assert labels.object_id.tolist() == ["007", "b", "c"]
    assert labels.real == pytest.approx([1, 0, np.nan], nan_ok=True)
    (tmp_path / "n.csv").write_text("ID,MAG\n1,2\n")
    with pytest.raises(ReadError, match="no column label or OBJECT_TYPE; it has ID, MAG"):
        read_labels(tmp_path / "n.csv")


@pytest.mark.parametrize("reader", [read_labels, read_scores])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("ID\n1\n", "no column"),
        ("ID,label,score\n1,x,x\n", "not numeric"),
        ("# a comment\nID,label,score\n1,1,1\n2,1\n", "line 4 has 2 values, not 3"),
    ],
)
def test_labels_and_scores_that_cannot_be_read(tmp_path, reader, text, reason):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ReadError, match=rf"t\.csv: .*{reason}"):
        reader(tmp_path / "t.csv")
    with pytest.raises(ReadError, match="no such file"):
        reader(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="no such file"):
        reader(tmp_path)


def test_labels_and_scores_without_ids_or_rows(tmp_path):
    (tmp_path / "t.csv").write_text("score,OBJECT_TYPE\n0.25,1\nnan,\n")
    labels, scores = read_labels(tmp_path / "t.csv"), read_scores(tmp_path / "t.csv")
    assert (labels.object_id, labels.candidate_id) == (scores.object_id, scores.candidate_id) == (None, None)
    assert labels.real == pytest.approx([0, np.nan], nan_ok=True)
    assert scores.score == pytest.approx([0.25, np.nan], nan_ok=True)
    (tmp_path / "t.csv").write_text("candid,label\n")
    assert len(read_labels(tmp_path / "t.csv").candidate_id) == 0
    (tmp_path / "t.csv").write_text("candid,label\n1,\n2,\n")
    assert np.isnan(read_labels(tmp_path / "t.csv").real).all()
    (tmp_path / "t.csv").write_text("candid,label\n1,2\n")
    with pytest.raises(ReadError, match="must hold 0 or 1; it holds 2"):
        read_labels(tmp_path / "t.csv")


def test_a_table_without_rows_beside_stamps(tmp_path):
    np.save(tmp_path / "t.npy", np.ones((2, 3, 21, 21)))
    (tmp_path / "t.csv").write_text("ID,MAG\n")
    with pytest.raises(ReadError, match=r"2 stamps, but the table t\.csv of these stamps has 0 rows"):
        read(tmp_path)


def test_the_des_table(data):
    file = data / "des_autoscan" / "autoscan_features_train.csv"
    if not file.is_file():
        pytest.skip(f"real data missing: {file}")
    table = read(file)
    raw = np.genfromtxt(file, delimiter=",", names=True)
    assert len(table) == 10_000
    assert table.values.shape[1] == 38
    for name in table.names:
        assert np.array_equal(table[name], raw[name].astype(np.float32), equal_nan=True)
    assert table.candidate_id.tolist() == raw["ID"].astype(int).tolist()
    assert np.array_equal(read_labels(file).real, 1 - raw["OBJECT_TYPE"])
