"""Simulated nights: what is in them, that they repeat, and that their packets are ZTF's."""

import csv
import gzip
import io
import warnings

import fastavro
import numpy as np
import pytest
from astropy.io import fits

from space2vec.simulation import KINDS, SURVEYS, Night, simulate, write_packets
from space2vec.simulation.exposure import draw_exposure
from space2vec.simulation.psf import Psf, matching_kernel
from space2vec.simulation.sky import PROFILES, Galaxies, Stars, draw_galaxies, draw_stars, expose


@pytest.fixture(scope="module")
def night():
    return simulate(160, seed=4)


def of_kind(kind, n=12, seed=0):
    return simulate(n, seed=seed, kinds={kind: 1.0}, real_fraction=float(KINDS[kind]))


def noise_of(plane):
    return 1.4826 * np.nanmedian(np.abs(plane - np.nanmedian(plane)))


def at_candidate(night, row, channel, half=1):
    y, x = night.stamps.centre[row]
    return night.stamps.plane(row, channel)[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]


def decode(cutout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.open(io.BytesIO(gzip.decompress(cutout["stampData"])))[0]


# The sky


def test_psf_is_the_moffat_profile_it_stands_for():
    psf = Psf.moffat(3.0, 3.5)
    image = psf.image(30, 30, 61, 61)
    assert image.sum() == pytest.approx(1.0, abs=2e-3)
    alpha = 1.5 / np.sqrt(2 ** (1 / 3.5) - 1)
    r = np.arange(6)
    moffat = (1 + (r / alpha) ** 2) ** -3.5
    np.testing.assert_allclose(image[30, 30:36] / image[30, 30], moffat, atol=0.04)


@pytest.mark.parametrize(("profile", "index", "b"), [("exponential", 1, 1.678), ("de_vaucouleurs", 4, 7.669)])
def test_profiles_are_sersic_inside_three_half_light_radii(profile, index, b):
    share, variance = PROFILES[profile]
    r = np.array([0.2, 0.5, 1.0, 2.0, 3.0])
    drawn = (share / variance * np.exp(-0.5 * r[:, None] ** 2 / variance)).sum(axis=1)
    sersic = np.exp(-b * (r ** (1 / index) - 1))
    np.testing.assert_allclose(drawn / drawn[2], sersic, rtol=0.1)


def test_stars_and_galaxies_keep_their_flux_and_place():
    psf = Psf.moffat(2.2, 3.5)
    image = draw_stars(psf, Stars(np.array([20.3]), np.array([35.0]), np.array([500.0])), 71, 61)
    rows, columns = np.mgrid[:71, :61]
    assert image.sum() == pytest.approx(500.0, rel=0.01)
    assert (image * columns).sum() / image.sum() == pytest.approx(20.3, abs=0.05)
    assert (image * rows).sum() / image.sum() == pytest.approx(35.0, abs=0.05)
    one = np.ones(1)
    galaxy = Galaxies(30 * one, 30 * one, 1000 * one, 2 * one, 0.5 * one, 0 * one, ("exponential",))
    drawn = draw_galaxies(psf, galaxy, 61, 61)
    assert drawn.sum() == pytest.approx(1000.0, rel=0.02)
    assert (drawn * (columns[:61] - 30) ** 2).sum() > 1.5 * (drawn * (rows[:61] - 30) ** 2).sum()


def test_kernel_brings_the_template_to_the_science_psf():
    sharp, wide = Psf.moffat(1.9, 3.2), Psf.moffat(2.6, 3.2)
    spectrum = np.fft.rfft2(sharp.image(40, 40, 81, 81)) * matching_kernel(wide.transform(81), sharp.transform(81))
    np.testing.assert_allclose(np.fft.irfft2(spectrum, (81, 81)), wide.image(40, 40, 81, 81), atol=1e-3)


def test_noise_is_that_of_photons_and_of_reading():
    light = np.full((300, 300), 150.0)
    one = expose(np.random.default_rng(0), light, gain=6.2, read_noise=10.0)
    many = expose(np.random.default_rng(1), light, gain=6.2, read_noise=10.0, frames=25)
    expected = np.hypot(np.sqrt(150 / 6.2), 10 / 6.2)
    assert one.std() == pytest.approx(expected, rel=0.02)
    assert many.std() == pytest.approx(expected / 5, rel=0.02)
    assert one.mean() == pytest.approx(150.0, abs=0.1)


def test_most_templates_are_sharper_than_science_images():
    sharper = []
    for seed in range(50):
        exposure = draw_exposure(np.random.default_rng(seed), SURVEYS["des"])
        matching = exposure.matching_filters(90)
        sharper.append(exposure.seeing < exposure.template_seeing)
        if sharper[-1]:
            assert exposure.matching in ("damped", "science")
        # However it is done, no frequency is blown up beyond what the damping allows.
        for kernel in (matching.science, matching.template):
            assert kernel is None or np.abs(kernel).max() <= max(1.05, 0.5 / exposure.damping)
    assert 0.1 < np.mean(sharper) < 0.4


# Nights


def test_the_same_seed_gives_the_same_night_and_another_does_not():
    first, again, other = simulate(20, seed=1), simulate(20, seed=1), simulate(20, seed=2)
    np.testing.assert_array_equal(first.stamps.buffer, again.stamps.buffer)
    assert first.records == again.records
    assert first.kinds.tolist() == again.kinds.tolist()
    assert first.stamps.buffer.shape != other.stamps.buffer.shape or not np.array_equal(
        first.stamps.buffer, other.stamps.buffer, equal_nan=True
    )


def test_labels_are_balanced_mixed_and_follow_the_kinds(night):
    assert night.labels.sum() == 80
    assert [KINDS[kind] for kind in night.kinds] == night.labels.astype(bool).tolist()
    assert 10 < night.labels[:40].sum() < 30
    assert simulate(10, real_fraction=0.2).labels.sum() == 2
    assert set(simulate(6, kinds={"hostless": 1, "edge": 1}).kinds) == {"hostless", "edge"}


def test_stamps_have_ids_planes_and_catalogue(night):
    stamps = night.stamps
    assert stamps.channels == ("science", "template", "difference")
    assert len(set(stamps.candidate_id.tolist())) == len(set(stamps.object_id)) == 160
    assert stamps.candidate_id.dtype == np.int64
    full = (stamps.shape == 63).all(axis=(1, 2))
    assert 0.85 < full.mean() < 1.0
    assert (stamps.centre[full] == 31).all()
    assert (stamps.shape[:, :1] == stamps.shape).all()
    magnitudes = stamps.catalogue["MAG"]
    np.testing.assert_array_equal(magnitudes, [np.float32(record["magpsf"]) for record in night.records])
    assert np.isfinite(stamps.catalogue["SNR"]).all()
    assert (stamps.catalogue["SNR"] > 4.9).all()


@pytest.mark.parametrize("size", [21, 31, 101])
def test_other_sizes(size):
    other = simulate(12, size=size, seed=3)
    assert other.stamps.shape.max() == size


def test_levels_are_those_of_ztf(night):
    plain = [row for row in range(160) if night.labels[row] and np.isfinite(night.stamps.plane(row, "science")).all()]
    sky = np.array([np.median(night.stamps.plane(row, "science")) for row in plain])
    noise = np.array([[noise_of(night.stamps.plane(row, c)) for c in night.stamps.channels] for row in plain])
    assert 70 < sky.min() < sky.max() < 270
    science, template, difference = np.median(noise, axis=0)
    # Medians of a night of public alerts: 6.8, 2.0 and 4.5 DN.
    assert 4 < science < 8
    assert 0.7 < template < 2.5
    assert 4 < difference < 8


def test_injected_flux_is_recovered_within_the_noise():
    hostless = of_kind("hostless", 60)
    recovered = np.array([10 ** (-0.4 * (r["magpsf"] - r["magzpsci"])) for r in hostless.records])
    sigma = np.array([r["sigmapsf"] for r in hostless.records]) * recovered / 1.0857
    pull = (recovered - hostless.flux) / sigma
    assert np.abs(np.median(pull)) < 0.4
    assert (np.abs(pull) < 4).mean() > 0.95
    # The flux is in the stamp too: the aperture of 14 pixels across the difference holds it.
    for row in np.argsort(hostless.flux)[-5:]:
        plane = hostless.stamps.plane(row, "difference").astype(np.float64)
        y, x = hostless.stamps.centre[row]
        rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= 49
        flux = np.nansum(plane[inside] - np.nanmedian(plane))
        error = noise_of(plane) * np.sqrt(inside.sum()) + 0.08 * hostless.flux[row]
        assert abs(flux - hostless.flux[row]) < 5 * error


def test_difference_is_positive_at_every_real_candidate_whatever_its_sign(night):
    signs = {night.records[row]["isdiffpos"] for row in range(160) if night.labels[row]}
    assert signs == {"t", "f"}
    for row in np.nonzero(night.labels)[0]:
        plane = night.stamps.plane(row, "difference")
        assert at_candidate(night, row, "difference").max() > np.nanmedian(plane) + 2.5 * noise_of(plane)


def test_edge_stamps_are_cut_and_say_where_their_candidate_is():
    border = simulate(40, seed=2, kinds={"edge": 1}, real_fraction=0.0)
    shapes = border.stamps.shape[:, 0]
    assert (shapes.min(axis=1) < 50).all()
    for row, record in enumerate(border.records):
        x, y = (min(31, round(record[name]) - 1) for name in ("xpos", "ypos"))
        assert border.stamps.centre[row].tolist() == [y, x]
        height, width = shapes[row]
        assert width == min(round(record["xpos"]) - 1 + 31, 3071) - max(round(record["xpos"]) - 1 - 31, 0) + 1
        assert height == min(round(record["ypos"]) - 1 + 31, 3079) - max(round(record["ypos"]) - 1 - 31, 0) + 1
        assert 0 < record["mindtoedge"] < 15


def test_blanks_lie_in_all_planes_alike(night):
    with_nan = [row for row in range(160) if np.isnan(night.stamps.plane(row, "science")).any()]
    assert 4 <= len(with_nan) <= 50
    for row in with_nan:
        blank = np.isnan(night.stamps.plane(row, "science"))
        for channel in ("template", "difference"):
            np.testing.assert_array_equal(np.isnan(night.stamps.plane(row, channel)), blank)
        assert not np.isnan(at_candidate(night, row, "difference", 0)).any()


# Artifacts


def test_misregistered_stars_leave_dipoles():
    depths = []
    dipoles = of_kind("misregistered", 20)
    for row in range(20):
        plane = dipoles.stamps.plane(row, "difference")
        near = at_candidate(dipoles, row, "difference", 4)
        depths.append(-np.nanmin(near) / noise_of(plane))
    assert np.median(depths) > 5


def test_mismatch_leaves_rings_on_bright_stars():
    rings = of_kind("mismatch", 20)
    assert np.median([at_candidate(rings, row, "template", 6).max() for row in range(20)]) > 1000
    depth = [-np.nanmin(at_candidate(rings, row, "difference", 5)) for row in range(20)]
    assert np.median(depth) > 30


@pytest.mark.parametrize("kind", ["cosmic_ray", "hot_pixel"])
def test_hits_are_sharper_than_the_psf_and_absent_in_the_template(kind):
    hits = of_kind(kind, 20)
    ratios = []
    for row in range(20):
        near = at_candidate(hits, row, "difference", 3) - np.nanmedian(hits.stamps.plane(row, "difference"))
        peak = np.unravel_index(np.argmax(near), near.shape)
        neighbours = [near[r, c] for r, c in [(peak[0], peak[1] - 1), (peak[0], (peak[1] + 1) % 7)]]
        ratios.append(min(neighbours) / near[peak])
    point = of_kind("hostless", 20, seed=9)
    assert np.median(ratios) < 0.25
    assert np.median([record["fwhm"] for record in hits.records]) < np.median([r["fwhm"] for r in point.records])


def test_bad_columns_run_along_a_column():
    columns = of_kind("bad_column", 15)
    for row in range(15):
        plane = columns.stamps.plane(row, "difference")
        x = int(columns.stamps.centre[row, 1])
        # Half of the rows at least lie beyond the noise in one of the columns next to the candidate.
        beyond = np.abs(plane[:, x - 2 : x + 3]) > 1.5 * noise_of(plane)
        assert beyond[columns.stamps.centre[row, 0] :].mean(axis=0).max() > 0.5


def test_saturated_stars_are_clipped_or_blanked():
    stars = of_kind("saturated", 25)
    blanked = [bool(np.isnan(stars.stamps.plane(row, "science")).any()) for row in range(25)]
    assert 0.5 < np.mean(blanked) < 1.0
    top = np.array([np.nanmax(stars.stamps.plane(row, "science")) for row in range(25)])
    assert (top <= 52_000).all()
    # Stars that bleed fill a row far beyond their profile.
    assert (top > 10_000).mean() > 0.5


def test_noise_peaks_stand_in_raised_noise_of_either_sign():
    peaks = of_kind("noise_peak", 25)
    raised = []
    for row in range(25):
        near = at_candidate(peaks, row, "difference", 3)
        raised.append(-np.nanmin(near) / noise_of(peaks.stamps.plane(row, "difference")))
    # Around a source on blank sky the lowest of these pixels would lie near -1.5.
    assert np.median(raised) > 2.5
    assert {record["isdiffpos"] for record in peaks.records} == {"t", "f"}


def test_borders_glow():
    border = simulate(20, seed=5, kinds={"edge": 1}, real_fraction=0.0)
    contrast = []
    for row in range(20):
        plane = border.stamps.plane(row, "science")
        plane = plane if plane.shape[0] < plane.shape[1] else plane.T
        means = np.nanmedian(plane, axis=1)
        ends = means[0] - means[len(means) // 2], means[-1] - means[len(means) // 2]
        contrast.append(max(ends) / noise_of(plane))
    assert np.median(contrast) > 0.7


def test_no_single_column_gives_the_label_away():
    from sklearn.metrics import roc_auc_score

    many = simulate(400, seed=11)
    for name in ("jd", "fid", "rcid", "field", "xpos", "ypos", "diffmaglim", "nbad", "candid", "tblid", "ncovhist"):
        values = np.array([record[name] for record in many.records], dtype=np.float64)
        assert 0.38 < roc_auc_score(many.labels, values) < 0.62, name
    missing = np.array([[record[name] is None for name in record] for record in many.records])
    assert not missing[many.labels == 1].any(axis=0)[~missing[many.labels == 0].any(axis=0)].sum() > 5


# Packets


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_packets_read_back_as_they_were(tmp_path, codec):
    alerts = simulate(7, seed=5)
    files = write_packets(alerts, tmp_path / codec, codec=codec, per_file=3)
    assert [file.name for file in files] == ["alerts_00000.avro", "alerts_00001.avro", "alerts_00002.avro"]
    packets = []
    for file in files:
        with file.open("rb") as stream:
            reader = fastavro.reader(stream)
            assert reader.codec == codec
            assert reader.writer_schema["name"] == "ztf.alert"
            packets += list(reader)
    assert [p["candid"] for p in packets] == alerts.stamps.candidate_id.tolist()
    for row, packet in enumerate(packets):
        assert packet["schemavsn"] == "3.3"
        assert packet["prv_candidates"] is None
        assert packet["objectId"] == alerts.stamps.object_id[row]
        known = {name: packet["candidate"][name] for name in alerts.records[row]}
        assert known == alerts.records[row]
        assert packet["candidate"]["rb"] is packet["candidate"]["drb"] is None
        for channel, name in (("science", "Science"), ("template", "Template"), ("difference", "Difference")):
            image = decode(packet[f"cutout{name}"])
            assert image.header["BITPIX"] == -32
            np.testing.assert_array_equal(image.data, alerts.stamps.plane(row, channel))


def test_one_alert_a_file_is_named_after_it_and_truth_lies_beside(tmp_path):
    alerts = simulate(5, seed=6)
    files = write_packets(alerts, tmp_path / "night")
    assert [file.stem for file in files] == [str(i) for i in alerts.stamps.candidate_id]
    with (tmp_path / "night" / "truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    assert [int(line["candid"]) for line in truth] == alerts.stamps.candidate_id.tolist()
    assert [int(line["label"]) for line in truth] == alerts.labels.tolist()
    assert [line["kind"] for line in truth] == alerts.kinds.tolist()
    assert [line["objectId"] for line in truth] == list(alerts.stamps.object_id)


def test_written_bytes_repeat(tmp_path):
    for name in ("a", "b"):
        write_packets(simulate(4, seed=8), tmp_path / name, codec="deflate", per_file=2)
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_reader_gives_the_same_stamps(tmp_path):
    from space2vec.reading import read

    alerts = simulate(30, seed=12)
    write_packets(alerts, tmp_path, per_file=30)
    stamps = read(tmp_path / "alerts_00000.avro")
    np.testing.assert_array_equal(stamps.buffer, alerts.stamps.buffer)
    np.testing.assert_array_equal(stamps.centre, alerts.stamps.centre)
    assert list(stamps.object_id) == list(alerts.stamps.object_id)
    for name, values in alerts.stamps.catalogue.items():
        np.testing.assert_array_equal(stamps.catalogue[name], values, err_msg=name)


def test_the_schema_has_every_field_of_real_packets(data):
    from space2vec.simulation.packet import SCHEMA

    real = next((data / "ztf" / "brokers" / "kowalski").glob("20200202__*.avro"), None)
    if real is None:
        pytest.skip(f"real data missing: {data / 'ztf' / 'brokers' / 'kowalski'}")
    with real.open("rb") as file:
        theirs = fastavro.reader(file).writer_schema
    fields = {field["name"]: field["type"] for field in theirs["fields"]}
    ours = {field["name"]: field["type"] for field in SCHEMA["fields"]}
    assert list(ours) == list(fields)

    def kinds(record):
        return {f["name"]: {f["type"]} if isinstance(f["type"], str) else set(f["type"]) for f in record["fields"]}

    assert kinds(ours["candidate"]) == kinds(fields["candidate"])


# Errors and limits


def test_a_night_is_shown_in_one_line():
    few = simulate(3, seed=1, size=21, real_fraction=2 / 3, kinds={"nuclear": 1, "hot_pixel": 1})
    assert repr(few) == "Night(n=3, real=2, bogus=1, kinds: hot_pixel 1, nuclear 2)"
    assert repr(simulate(0)) == "Night(n=0, real=0, bogus=0, kinds: none)"


def test_an_empty_night(tmp_path):
    empty = simulate(0)
    assert isinstance(empty, Night)
    assert len(empty) == len(empty.stamps) == 0
    assert write_packets(empty, tmp_path) == []
    assert (tmp_path / "truth.csv").read_text() == "candid,objectId,label,kind\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": -1}, "n must not be negative"),
        ({"n": 3, "size": 62}, "size must be odd"),
        ({"n": 3, "real_fraction": 1.5}, "real_fraction"),
        ({"n": 3, "kinds": {"ufo": 1}}, "ufo"),
        ({"n": 4, "kinds": {"edge": 1}}, "real kinds"),
    ],
)
def test_what_cannot_be_simulated_raises(arguments, told):
    with pytest.raises(ValueError, match=told):
        simulate(**arguments)


def test_what_cannot_be_written_raises(tmp_path):
    with pytest.raises(ValueError, match="codec"):
        write_packets(simulate(0), tmp_path, codec="zip")
    with pytest.raises(ValueError, match="per_file"):
        write_packets(simulate(0), tmp_path, per_file=0)


def test_progress_counts_candidates():
    steps = []
    simulate(5, progress=steps.append)
    assert steps == [1] * 5
