"""Pixels that come to a device in 16 bits: the same where that is exact, rounded where that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.device_tables import alike
from space2vec import _core
from space2vec.backends.cuda.packed_pixels import Packing, packings

VARIABLE = "SPACE2VEC_DEVICE_PIXELS"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    return host_device.make(monkeypatch)


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(20, seed=6).stamps


def with_pixels(stamps: s2v.Stamps, pixels: np.ndarray) -> s2v.Stamps:
    return s2v.Stamps(np.ascontiguousarray(pixels, np.float32).reshape(len(stamps), 3, 63, 63))


def scored(stamps: s2v.Stamps, device: str = "cuda") -> s2v.Scores:
    return s2v.load("stampnet").score(stamps, device=device)


def copied(module: host_device.HostDevice, stamps: s2v.Stamps) -> tuple[s2v.Features, int]:
    """Return features of a device, and how many bytes of pixels went there and beside them."""
    module.copied = 0
    return s2v.features(stamps, set="all", device="cuda"), module.copied


def test_exact_pixels_take_half_of_the_link(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.clip(np.round(night.buffer), -32766, 32767)
    gaps = whole.copy()
    gaps[::97] = np.nan
    gaps[1::97] = 1e-30
    half = night.buffer.astype(np.float16).astype(np.float32)
    half[::101] = np.inf
    for pixels in (whole + 0.0, gaps + 0.0, half):
        stamps = with_pixels(night, pixels)
        monkeypatch.delenv(VARIABLE, raising=False)
        plain, bytes_plain = copied(module, stamps)
        monkeypatch.setenv(VARIABLE, "exact")
        packed, bytes_packed = copied(module, stamps)
        assert alike(packed, plain)
        assert alike(packed, s2v.features(stamps, set="all", device="cpu"))
        assert bytes_plain - bytes_packed == 2 * len(night.buffer)
    assert np.array_equal(scored(stamps).score, scored(stamps, "cpu").score, equal_nan=True)


def test_pixels_that_would_change_go_as_they_are(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = np.round(night.buffer) + 0.0
    last[-1] = 0.1
    for pixels in (night.buffer, last):
        stamps = with_pixels(night, pixels)
        monkeypatch.delenv(VARIABLE, raising=False)
        plain, bytes_plain = copied(module, stamps)
        monkeypatch.setenv(VARIABLE, "exact")
        packed, bytes_packed = copied(module, stamps)
        assert alike(packed, plain)
        assert bytes_packed == bytes_plain


def test_rounded_pixels_are_those_that_numpy_rounds(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale, zero = np.float32(0.5), np.float32(10.0)
    whole = np.clip(np.rint((night.buffer - zero) / scale), -32766, 32767).astype(np.float32) * scale + zero
    half = np.clip(night.buffer, -65504, 65504).astype(np.float16).astype(np.float32)
    for text, pixels in (("float16", half), ("int16:0.5:10", whole)):
        assert not np.array_equal(pixels, night.buffer, equal_nan=True)
        monkeypatch.setenv(VARIABLE, text)
        rounded, expected = scored(night), scored(with_pixels(night, pixels), "cpu")
        assert np.array_equal(rounded.score, expected.score, equal_nan=True)
        assert np.array_equal(rounded.flags, expected.flags)
    assert "widen_pixels" in module.calls


def test_memory_for_both_is_counted(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 6 * 6 * 3 * 63 * 63
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", str(limit))
    monkeypatch.setenv(VARIABLE, "float16")
    s2v.features(night, set="all", device="cuda")
    assert 0 < module.most <= limit


@pytest.mark.parametrize("text", ["float32", "", "exact", "float16", "int16", "int16:0.25", "int16:2:-5"])
def test_what_is_known(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    known = packings()
    assert [how.integers for how in known] == {"exact": [True, False], "float16": [False]}.get(
        text, [True] if text.startswith("int16") else []
    )
    assert all(how.exact == (text == "exact") for how in known)
    if text == "int16:2:-5":
        assert known == (Packing(integers=True, scale=2.0, zero=-5.0),)


@pytest.mark.parametrize(
    "text", ["half", "int16:", "int16:0", "int16:-1", "int16:x", "int16:1:inf", "int16:1:2:3", "int8"]
)
def test_what_is_not_known_is_refused(
    text: str, module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match="SPACE2VEC_DEVICE_PIXELS is"):
        s2v.features(night, device="cuda")
    assert module.held == {}


def test_what_the_compiled_module_refuses() -> None:
    pixels, packed = np.zeros(3, np.float32), np.zeros(2, np.uint16)
    with pytest.raises(ValueError, match="as many elements"):
        _core.pack_pixels(pixels, packed, True, 1.0, 0.0, False, 1)
    with pytest.raises(ValueError, match="as many elements"):
        _core.widen_pixels(packed, pixels, True, 1.0, 0.0, 1)
    with pytest.raises(ValueError, match="pack_pixels"):
        _core.pack_pixels(pixels, np.zeros(3, np.uint16), True, 0.0, 0.0, False, 1)
