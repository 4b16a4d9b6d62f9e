"""Cascades: every row has what two plain networks and the rule for doubt give it, whoever computes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.cascades import parts
from helpers.packets import avro_bytes, fits_bytes, packet, planes
from oracle import stamps as synthetic
from space2vec import reading, simulation
from space2vec.backends import kernels
from space2vec.backends.cuda.backend import Cuda
from space2vec.cli import main
from space2vec.data import flags as flag_bits
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import ModelError
from space2vec.model_files.calibration import Calibration
from space2vec.models.network import Network
from space2vec.studies.packaged import cascade as building

EARLY = np.uint32(flag_bits.bits("scored_early"))


def expected(doubt: tuple[float, float], first: s2v.Scores, second: s2v.Scores) -> tuple[Any, Any]:
    """Return the scores and flags that the rule gives, row by row."""
    low, high = map(np.float32, doubt)
    score, flags = [], []
    for row, early in enumerate(first.score):
        if low <= early <= high:
            score.append(second.score[row])
            flags.append(second.flags[row])
        else:
            score.append(early)
            flags.append(first.flags[row] if np.isnan(early) else first.flags[row] | EARLY)
    return np.array(score, dtype=np.float32), np.array(flags, dtype=np.uint32)


def same(found: s2v.Scores, wanted: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(found.score.view(np.uint32), wanted[0].view(np.uint32))
    np.testing.assert_array_equal(found.flags, wanted[1])


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    """Return stamps of every kind, with and without planes, and flags of a reader."""
    rng = np.random.default_rng(8)
    cases = [case for _, case in synthetic.named_cases()] + synthetic.batch(120, seed=5)
    batch = s2v.Stamps([case.planes for case in cases], centre=[case.centre for case in cases], saturation=60000.0)
    for every, channel in ((4, 1), (17, 0), (19, 2)):
        batch.offset[3::every, channel] = -1
    seen = [0, 0, 0, *(flag_bits.bits(name) for name in ("missing", "bad_stamp", "padded"))]
    batch.flags = rng.choice(seen, len(batch)).astype(np.uint32)
    return batch


def a_third(first: Network, stamps: s2v.Stamps) -> tuple[float, float]:
    """Return a doubt in which a third of the scores of a first network lie."""
    score = first.score(stamps).score
    low, high = np.nanquantile(score, (1 / 3, 2 / 3))
    return float(low), float(high)


def doubtful_cascade(stamps: s2v.Stamps) -> tuple[tuple[float, float], Network, Network, Network]:
    doubt = a_third(parts((0.2, 0.8))[1], stamps)
    return (doubt, *parts(doubt))


@pytest.mark.filterwarnings("ignore::space2vec.errors.Space2vecWarning")
@pytest.mark.parametrize("backend", ["native", "numba"])
def test_a_row_has_the_score_that_the_rule_gives_it(
    stamps: s2v.Stamps, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    elif kernels.name() != "native":
        pytest.skip("the library is not built")
    monkeypatch.setenv("SPACE2VEC_BACKEND", backend)
    doubt, cascade, first, second = doubtful_cascade(stamps)
    wanted = expected(doubt, first.score(stamps), second.score(stamps))
    early = (wanted[1] & EARLY) != 0
    lacks = stamps.offset[:, 1] < 0
    assert early[lacks].any()  # without a template, and nobody minds
    assert np.isnan(wanted[0][~early]).any()
    assert (~early & np.isfinite(wanted[0])).any()
    for threads in (1, 2):
        same(cascade.score(stamps, threads=threads), wanted)
    if backend == "native":
        one = [cascade.score(stamps[row : row + 1]) for row in range(0, len(stamps), 9)]
        np.testing.assert_array_equal(np.concatenate([scores.score for scores in one]), wanted[0][::9])


def test_inputs_are_scored_by_the_same_rule(stamps: s2v.Stamps) -> None:
    doubt, cascade, first, second = doubtful_cascade(stamps)
    sound = stamps[(stamps.offset >= 0).all(axis=1)]
    inputs = cascade.inputs(sound)
    assert inputs.planes is not None
    assert inputs.planes.shape[1:] == second.shapes["planes"]
    score, of_first = cascade.predict(*inputs.arrays), first.inputs(sound)
    early, late = first.predict(*of_first.arrays), second.predict(*inputs.arrays)
    low, high = map(np.float32, doubt)
    wanted = np.where((early >= low) & (early <= high), late, early)
    np.testing.assert_array_equal(score[inputs.scored], wanted[inputs.scored])
    assert 0 < np.count_nonzero((early >= low) & (early <= high)) < len(sound)
    assert inputs.scored.sum() > len(sound) / 2


@pytest.mark.parametrize("runtime", ["torch"])
def test_floats_follow_the_same_rule(stamps: s2v.Stamps, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(runtime)
    monkeypatch.setenv("SPACE2VEC_RUNTIME", runtime)
    doubt, cascade, first, second = doubtful_cascade(stamps)
    wanted = expected(doubt, first.score(stamps), second.score(stamps))
    found = cascade.score(stamps)
    np.testing.assert_allclose(found.score, wanted[0], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.flags, wanted[1])
    inputs = cascade.inputs(stamps[:40])
    np.testing.assert_allclose(
        cascade.predict(*inputs.arrays)[inputs.scored], found.score[:40][inputs.scored], rtol=0, atol=1e-6
    )


def test_a_calibration_is_that_of_all_scores(stamps: s2v.Stamps) -> None:
    cascade = parts((0.3, 0.7))[0]
    table = Calibration((0.1, 0.5, 0.9), (0.0, 0.3, 1.0))
    found, plain = cascade.calibrated(table), cascade.score(stamps)
    same(found.score(stamps), (table(plain.score), plain.flags))
    assert found.id != cascade.id
    inputs = cascade.inputs(stamps)
    np.testing.assert_array_equal(found.predict(*inputs.arrays), table(cascade.predict(*inputs.arrays)))


def test_the_doubt_holds_the_share_that_is_asked_for() -> None:
    score = np.random.default_rng(1).uniform(size=4000).astype(np.float32)
    low, high = building.doubt_interval(score, 0.3)
    assert low == pytest.approx(1 - high)
    assert np.mean((score >= low) & (score <= high)) == pytest.approx(0.3, abs=0.01)


def night(folder: Path) -> Path:
    """Write alerts, some without a template, some whose template is damaged; return their folder."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    for number in range(60):
        pixels = planes(number)
        spot = np.exp(-0.5 * ((np.indices((63, 63)) - 31) ** 2).sum(axis=0) / 2.0) * rng.uniform(0, 40)
        pixels[0] += spot
        pixels[2] += spot
        cutouts: dict[str, Any] = {}
        if number % 3 == 1:
            cutouts["cutoutTemplate"] = b"\x1f\x8b damaged"
        elif number % 9 == 2:
            cutouts["cutoutTemplate"] = None
        elif number == 12:
            cutouts["cutoutScience"] = b"no image"
        (folder / f"{number:03d}.avro").write_bytes(avro_bytes([packet(number, pixels, **cutouts)]))
    return folder


@pytest.fixture(scope="module")
def read_night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, s2v.Stamps]:
    folder = night(tmp_path_factory.mktemp("cascade") / "night")
    return folder, reading.read(folder, strict=False)


def test_a_damaged_template_costs_rows_in_doubt_alone(
    read_night: tuple[Path, s2v.Stamps], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, stamps = read_night
    doubt, cascade, first, second = doubtful_cascade(stamps)
    of_first = first.score(stamps)
    wanted = expected(doubt, of_first, second.score(stamps))
    low, high = map(np.float32, doubt)
    doubtful = (of_first.score >= low) & (of_first.score <= high)
    damaged = np.arange(len(stamps)) % 3 == 1
    assert np.isnan(wanted[0][damaged & doubtful]).all()
    assert (damaged & doubtful).sum() > 2
    assert np.isfinite(wanted[0][damaged & ~doubtful]).all()
    assert (damaged & ~doubtful).sum() > 2
    same(cascade.score(stamps), wanted)

    path = tmp_path / "cascade.safetensors"
    cascade.save(path)
    ids = {int(candidate): row for row, candidate in enumerate(stamps.candidate_id)}
    for name, more in (("s.parquet", ()), ("t.parquet", ("--threads", "2"))):
        main(["score", str(folder), "-o", str(tmp_path / name), "--model", str(path), *more])
        table = pq.read_table(tmp_path / name)
        rows = [ids[int(candidate)] for candidate in table["candidate_id"].to_pylist()]
        np.testing.assert_array_equal(table["score"].to_numpy(), wanted[0][rows])
        assert table["flags"].to_pylist() == [flag_bits.names(int(wanted[1][row])) for row in rows]
    said = capsys.readouterr()
    assert "scored early" in said.out + said.err
    # A plane that nobody opened is no problem that somebody is told of.
    errors = pq.read_table(next(tmp_path.glob("s*errors*")))
    absent = np.arange(len(stamps)) % 9 == 2
    assert errors.num_rows == np.count_nonzero(damaged & doubtful) + np.count_nonzero(absent) + 1

    whole = (tmp_path / "s.parquet").read_bytes()
    main(["score", str(folder), "-o", str(tmp_path / "s.parquet"), "--model", str(path), "--resume"])
    assert (tmp_path / "s.parquet").read_bytes() == whole


def test_scores_say_which_were_early(read_night: tuple[Path, s2v.Stamps]) -> None:
    _, stamps = read_night
    found = s2v.load("stampnet-fast").score(stamps)
    counts = flag_bits.count(found.flags)
    assert 0 < counts["scored_early"] <= np.count_nonzero(np.isfinite(found.score))


def test_a_device_gives_the_same_scores(stamps: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernels.name() != "native":
        pytest.skip("the stand-in of a device needs the library")
    host_device.make(monkeypatch)
    cascade = doubtful_cascade(stamps)[1]
    wanted = cascade.score(stamps, device="cpu")
    same(cascade.score(stamps, device="cuda"), (wanted.score, wanted.flags))
    inputs = cascade.inputs(stamps[:3])
    with pytest.raises(ModelError, match="device='cpu'"):
        cascade.predict(*inputs.arrays, device="cuda")


def test_floats_of_a_cascade_are_not_run_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    host_device.make(monkeypatch)
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    with pytest.raises(ModelError, match="in integers only"):
        Cuda(0).engine(s2v.load("stampnet-fast"))


def test_parquet_of_cutouts_and_arrays_of_stamps_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    night = [planes(number) * rng.uniform(0.5, 9, (3, 1, 1)).astype(np.float32) for number in range(40)]
    lost = [None if number % 4 == 1 else fits_bytes(own[1]) for number, own in enumerate(night)]
    table = pa.table({
        "candid": list(range(40)),
        "objectId": [f"ZTF18{number:07d}" for number in range(40)],
        "cutoutScience": [fits_bytes(own[0]) for own in night],
        "cutoutTemplate": lost,
        "cutoutDifference": [fits_bytes(own[2]) for own in night],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "night.parquet")
    stamps = reading.read(tmp_path / "night.parquet", strict=False)
    doubt, cascade, first, second = doubtful_cascade(stamps)
    wanted = expected(doubt, first.score(stamps), second.score(stamps))
    cascade.save(tmp_path / "cascade.safetensors")
    main([
        "score", str(tmp_path / "night.parquet"), "-o", str(tmp_path / "s.parquet"),
        "--model", str(tmp_path / "cascade.safetensors"),
    ])  # fmt: skip
    found = pq.read_table(tmp_path / "s.parquet")
    np.testing.assert_array_equal(found["score"].to_numpy(), wanted[0])
    assert found["flags"].to_pylist() == [flag_bits.names(int(flags)) for flags in wanted[1]]


def test_a_first_network_is_trained_without_the_template_and_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    night = simulation.simulate(120, seed=3)
    number = np.arange(120)
    kinds = np.array(["alert", "variant", "flare", "night"])[number % 4]
    groups = np.where(number % 4 == 3, "simulated ztf ", "object ").astype("U40")
    rows = LabelledStamps(night.stamps, night.labels, kinds, group=np.char.add(groups, number.astype("U8")))
    monkeypatch.setattr(building, "EPOCHS", 1)
    second = s2v.load("stampnet")
    assert isinstance(second, Network)
    first = building.build_first(rows, rows, second)
    assert first.feature_names == building.FIRST_COLUMNS
    assert len(first.feature_names) == 43
    assert first.needs.recipe is not None
    assert first.needs.recipe.channels == ("science", "difference")
    lost = rows.stamps[:]
    lost.offset = lost.offset.copy()
    lost.offset[:, 1] = -1
    found = first.score(lost)
    np.testing.assert_array_equal(found.score, first.score(rows.stamps).score)
    assert not (found.flags & np.uint32(flag_bits.bits("missing"))).any()
    cascade = building.join_cascade(first, second, rows)
    assert cascade.name == "stampnet-fast"
    assert cascade.second.id.split()[-1] == second.id.split()[-1]
    shares = cascade.header.metrics["in doubt"]
    assert shares["alerts and variants of validation"] == pytest.approx(0.3, abs=0.05)
    assert "accuracy on simulated candidates of validation" in cascade.header.metrics
    early = first.score(rows.stamps).score[np.isin(kinds, ("alert", "variant"))]
    low, high = np.float32(cascade.header.doubt)
    assert np.mean((early >= low) & (early <= high)) == pytest.approx(shares["alerts and variants of validation"])
