"""The catalogue columns that packets give."""

import math

import numpy as np
import pytest

from space2vec import registry
from space2vec.data.numeric import band_codes
from space2vec.reading import catalogue


def ztf(**fields):
    columns = {
        "magpsf": 18.0, "sigmapsf": 0.1, "aimage": 2.0, "bimage": 1.5, "magnr": 17.0, "sigmagnr": 0.02, "distnr": 1.0,
        "diffmaglim": 20.5, "xpos": 100.0, "ypos": 3000.0, "mindtoedge": 80.5, "rcid": 33, "fid": 2,
    } | fields  # fmt: skip
    values = catalogue.from_ztf({name: [value] for name, value in columns.items()})
    return {name: float(column[0]) for name, column in values.items()}


def test_ztf_columns_are_the_ones_of_the_definition():
    got = ztf()
    want = {
        "A_IMAGE": 2.0, "BAND": 2, "B_IMAGE": 1.5, "CCDID": 33, "ELLIPTICITY": 0.25, "GFLUX": 1 + 10**0.4, "MAG": 18.0,
        "MAGDIFF": -1.0, "MAGLIM": 0, "MAG_FROM_LIMIT": 2.5, "MAG_REF": 17.0, "MAG_REF_ERR": 0.02,
        "MIN_DISTANCE_TO_EDGE_IN_NEW": 80.0, "NN_DIST_RENORM": 1.0125, "SNR": 10.857362,
    }  # fmt: skip
    assert got == pytest.approx(want, rel=1e-6)
    assert all(registry.FEATURES[name].source == "catalogue" for name in got)


@pytest.mark.parametrize("distance", [4.95, 29.0, None, -999.0])
def test_a_reference_source_counts_within_five_arcsec_only(distance):
    # 4.95 pixels are 5.01 arcsec.
    got = ztf(distnr=distance)
    assert got["MAGLIM"] == 1
    assert got["MAGDIFF"] == pytest.approx(20.5 - 18.0)
    assert got["GFLUX"] == 1
    for name in ("MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM"):
        assert math.isnan(got[name])
    assert ztf(distnr=4.93)["MAGLIM"] == 0


def test_what_is_unknown_is_nan():
    for silent in (None, -999.0):
        got = ztf(magpsf=silent)
        assert all(math.isnan(got[name]) for name in ("MAG", "MAGDIFF", "MAG_FROM_LIMIT", "GFLUX"))
        assert math.isnan(ztf(sigmapsf=silent)["SNR"])
        assert math.isnan(ztf(diffmaglim=silent)["MAG_FROM_LIMIT"])
        assert math.isnan(ztf(aimage=silent)["ELLIPTICITY"])
        assert math.isnan(ztf(magnr=silent)["GFLUX"])
        assert ztf(xpos=silent)["MIN_DISTANCE_TO_EDGE_IN_NEW"] == 80.5
    assert math.isnan(ztf(fid=7)["BAND"])
    assert math.isnan(ztf(sigmapsf=0.0)["SNR"])
    assert ztf(aimage=0.0)["ELLIPTICITY"] == 1


def test_a_field_that_a_schema_lacks_is_unknown_rather_than_null():
    got = catalogue.from_ztf({"magpsf": [18.0, 19.0]})
    assert np.isnan(got["MAGLIM"]).all()
    assert np.isnan(got["GFLUX"]).all()
    assert got["MAG"].tolist() == [18.0, 19.0]
    assert all(column.dtype == np.float32 and column.shape == (2,) for column in got.values())
    assert catalogue.from_ztf({})["MAG"].shape == (0,)


def test_a_value_of_another_kind_is_unknown():
    got = catalogue.from_ztf({"magpsf": [18.0, "bright", None, "19"]})
    assert got["MAG"] == pytest.approx([18, np.nan, np.nan, 19], nan_ok=True)


def test_rubin_columns():
    got = catalogue.from_rubin(
        {
            "psfFlux": [-1000.0, 0.0, None],
            "snr": [12.5, 1.0, None],
            "ixx": [0.16, 0.04, None],
            "iyy": [0.04, 0.04, None],
            "ixy": [0.0, 0.0, None],
            "templateFlux": [500.0, -3.0, 1.0],
            "detector": [140, 0, 3],
            "band": ["z", "u", None],
        }
    )
    assert got["MAG"][0] == pytest.approx(31.4 - 7.5)
    assert np.isnan(got["MAG"][1:]).all()
    assert got["SNR"][:2].tolist() == [12.5, 1.0]
    assert got["A_IMAGE"][:2] == pytest.approx([2.0, 1.0])
    assert got["B_IMAGE"][:2] == pytest.approx([1.0, 1.0])
    assert got["ELLIPTICITY"][:2] == pytest.approx([0.5, 0.0])
    assert got["GFLUX"][0] == pytest.approx(1.5)
    assert got["BAND"][0] == 4
    assert np.isnan(got["BAND"][1:]).all()
    assert got["CCDID"].tolist() == [140, 0, 3]


def test_moments_of_any_orientation_give_the_same_axes():
    angle = np.linspace(0, np.pi, 7)
    major, minor = 0.25, 0.09
    got = catalogue.from_rubin(
        {
            "ixx": major * np.cos(angle) ** 2 + minor * np.sin(angle) ** 2,
            "iyy": major * np.sin(angle) ** 2 + minor * np.cos(angle) ** 2,
            "ixy": (major - minor) * np.sin(angle) * np.cos(angle),
        }
    )
    assert got["A_IMAGE"] == pytest.approx(np.full(7, 2.5), rel=1e-5)
    assert got["B_IMAGE"] == pytest.approx(np.full(7, 1.5), rel=1e-5)


def test_bands_are_letters_or_codes():
    assert band_codes(["g", "r", "i", "z", "3", 2, "Y", None])[:6].tolist() == [1, 2, 3, 4, 3, 2]
    assert np.isnan(band_codes(["Y", None])).all()
