"""Networks in integers, transcribed from docs/integer-networks.md: int64 where the text has 32 bits.

``logit`` takes the tensors of a file without their prefixes: those of the integers, and those of the columns
(median, spread, mean, deviation, lacking; low and size where columns are encoded).
"""

import numpy as np

F = np.float32
VALUE, MARK, STEP = 3276, 3276, 4095


def sat16(x):
    return np.clip(x, -32768, 32767)


def rounding_shift(x, s):
    """(x + half) >> s; x where s is 0."""
    s = np.asarray(s, dtype=np.int64)
    return np.where(s == 0, x, (x + (np.int64(1) << np.maximum(s - 1, 0))) >> s)


def floor(x):
    """The integer below a float32."""
    whole = x.astype(np.int64)
    return whole - (whole.astype(F) > x)


def log_scaled(t, shift):
    """log(t 2^shift) of a normal t > 0, in float32."""
    bits = t.view(np.uint32).astype(np.int64) + 0x004AFB0D
    k = (bits >> 23) - 127
    r = ((bits & 0x007FFFFF) + 0x3F3504F3).astype(np.uint32).view(F) - F(1)
    z = r * r
    p = F(7.0376836292e-2)
    for c in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
              -2.4999993993e-1, 3.3333331174e-1):  # fmt: skip
        p = p * r + F(c)
    kf = (k + shift).astype(F)
    return ((r * (z * p) + kf * F(-2.12194440e-4)) - F(0.5) * z + r) + kf * F(0.693359375)


def asinh(x):
    sign = x.view(np.uint32) & np.uint32(0x80000000)
    a = (x.view(np.uint32) ^ sign).view(F)
    z = a * a
    p = F(4.6925996e-3)
    for c in (-1.5357734e-2, 2.8161213e-2, -4.4264500e-2, 7.4969485e-2, -1.6666584e-1):
        p = p * z + F(c)
    near = a + a * (z * p)
    large = a > F(8192)
    within = np.where(large, F(1), a)
    t = np.where(large, a, within + np.sqrt(within * within + F(1)))
    far = log_scaled(t, np.where(large, 1, 0))
    return (np.where(a < F(0.75), near, far).view(np.uint32) | sign).view(F)


def magnitudes(ratio):
    """2.5 log10 |ratio|, NaN where it is 0, subnormal or not finite."""
    a = np.abs(ratio)
    good = (a >= F(2.0**-126)) & np.isfinite(a)
    return np.where(good, log_scaled(np.where(good, a, F(1)), 0) * F(1.0857362), F(np.nan))


DERIVED = (
    ("MAG_REF MAG", lambda host, mag: host - mag),
    ("A_IMAGE B_IMAGE", lambda a, b: a * b),
    ("A_IMAGE A_REF", lambda a, host: a / host),
    ("SCALE A_IMAGE B_IMAGE", lambda scale, a, b: scale / np.sqrt(a * b)),
    ("A_REF B_REF", lambda a, b: a / b),
    ("SPREAD_MODEL SPREADERR_MODEL", lambda spread, error: spread / error),
    ("NN_DIST_RENORM A_REF B_REF", lambda away, a, b: away / np.sqrt(a * b)),
    ("MAG SNR", lambda mag, snr: mag + magnitudes(snr)),
    ("MAG MAG_FROM_LIMIT", lambda mag, below: mag + below),
    ("MAG_REF A_REF B_REF", lambda mag, a, b: mag + magnitudes(a * b)),
    ("MAG_REF MAG SNR", lambda host, mag, snr: (host - mag) - magnitudes(snr)),
    ("FLUX_RATIO MAG_REF MAG", lambda ratio, host, mag: magnitudes(F(1) + ratio) - (host - mag)),
    ("AMP SCALE", lambda height, scale: (height * scale) * scale),
    ("DIFFSUMRN SNR", lambda total, snr: total / snr),
    ("L1 GAUSS", lambda l1, residual: l1 / residual),
    ("L1 DIFFSUMRN", lambda l1, total: l1 / total),
    ("N2SIG5SHIFT N2SIG3SHIFT", lambda outer, inner: outer - inner),
    ("N2SIG5 N2SIG3", lambda outer, inner: outer - inner),
    ("N3SIG5 N3SIG3", lambda outer, inner: outer - inner),
    ("N2SIG3SHIFT N2SIG3", lambda shift, negative: shift + negative),
)


def derived(x, names):
    """The columns and what is derived of them, NaN where that is not finite."""
    with np.errstate(all="ignore"):
        return _derived(x, names)


def _derived(x, names):
    column = {name: x[:, k] for k, name in enumerate(names)}
    more = [rule(*(column[name] for name in of.split())) for of, rule in DERIVED if set(of.split()) <= column.keys()]
    return np.stack([*x.T, *(np.where(np.isfinite(v), v, F(np.nan)) for v in more)], axis=1)


def of_columns(x, scale):
    """The integers of columns (n, k): values, marks, encodings."""
    with np.errstate(all="ignore"):
        return _of_columns(x, scale)


def _of_columns(x, scale):
    missing = np.isnan(x)
    y = (np.where(missing, F(0), x) - scale["median"]) / scale["spread"]
    y = np.clip(y, F(-1e30), F(1e30))
    z = np.clip((asinh(y) - scale["mean"]) / scale["deviation"], F(-10), F(10))
    z = np.where(missing, F(0), z)
    parts = [floor(z * F(VALUE) + F(0.5)), MARK * (missing & (scale["lacking"] != 0)).astype(np.int64)]
    if "low" in scale:
        e = np.clip((z[:, :, None] - scale["low"]) / scale["size"], F(0), F(1))
        parts.append(floor(e * F(STEP) + F(0.5)).reshape(len(x), -1))
    return np.concatenate(parts, axis=1)


def bytes_of(planes, scale):
    """The bytes of planes (n, channel, side, side)."""
    t = np.clip(planes * scale[:, None, None], F(-127), F(127))
    return np.where(np.isnan(t), 128, (np.nan_to_num(t) + F(128.5)).astype(np.int64))


def convolution(u, weight, zero):
    """Sums of a 3x3 convolution of stride 2 with a border of `zero`."""
    n, _, side, _ = u.shape
    framed = np.pad(u, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=zero)
    half = (side - 1) // 2 + 1
    total = np.zeros((n, len(weight), half, half), dtype=np.int64)
    for dy in range(3):
        for dx in range(3):
            part = framed[:, :, dy : dy + 2 * half - 1 : 2, dx : dx + 2 * half - 1 : 2]
            total += np.einsum("ncyx,oc->noyx", part, weight[:, :, dy, dx].astype(np.int64))
    return total


def requantised(total, shift, multiplier):
    per_channel = (slice(None), None, None)
    t = sat16(total >> shift.astype(np.int64)[per_channel])
    v = (t * multiplier.astype(np.int64)[per_channel] + 16384) >> 15
    return np.clip(rounding_shift(v, 6), 0, 255)


def ring_means(maps):
    """Eight times the means over the pixels that turns and flips about the middle join, from the middle out."""
    n, channels, side, _ = maps.shape
    middle = side // 2
    means = []
    for far in range(middle + 1):
        for near in range(far + 1):
            pixels = {(s * a, t * b) for a, b in ((far, near), (near, far)) for s in (1, -1) for t in (1, -1)}
            total = sum(maps[:, :, middle + y, middle + x] for y, x in pixels)
            means.append(total * (8 // len(pixels)))
    return np.stack(means, axis=2).reshape(n, channels * len(means))


def activations(tensors, planes=None, features=None, scale=None, names=None):
    """The activations of the last hidden layer; `names` are the columns where there are derived ones."""
    with np.errstate(all="ignore"):
        wide = wide_integers(tensors)
        joined = wide["hidden0.bias"]
        if planes is not None:
            maps, layer = bytes_of(planes, tensors["planes.scale"]), 0
            while f"conv{layer}.weight" in wide:
                own = f"conv{layer}."
                total = convolution(maps, wide[own + "weight"], 0 if layer else 128)
                total += wide[own + "bias"][:, None, None]
                maps = requantised(total, wide[own + "shift"], wide[own + "multiplier"])
                layer += 1
            sums = ring_means(maps) @ wide["of_planes.weight"].T
            joined = joined + sums * wide["hidden0.planes_multiplier"]
        if features is not None:
            x = features if names is None else derived(features, names)
            sums = of_columns(x, scale) @ wide["of_features.weight"].T
            joined = joined + sums * wide["hidden0.features_multiplier"]
        values, layer = np.clip(rounding_shift(joined, wide["hidden0.shift"]), 0, 32767), 1
        while f"hidden{layer}.weight" in wide:
            own = f"hidden{layer}."
            total = (values @ wide[own + "weight"].T) * wide[own + "multiplier"] + wide[own + "bias"]
            values = np.clip(rounding_shift(total, wide[own + "shift"]), 0, 32767)
            layer += 1
        return values


def wide_integers(tensors):
    """The tensors of integers in 64 bits."""
    return {name: tensor.astype(np.int64) for name, tensor in tensors.items() if tensor.dtype.kind in "iu"}


def logit(tensors, planes=None, features=None, scale=None, names=None):
    """The logits (n,), float32."""
    values = activations(tensors, planes, features, scale, names)
    wide = wide_integers(tensors)
    return (values @ wide["out.weight"] + wide["out.bias"][0]).astype(F) * tensors["out.scale"][0]


def vectors(tensors, planes=None, features=None, scale=None, names=None):
    """The vectors (n, numbers) of a network of vectors; zeros where a pixel is not finite."""
    values = activations(tensors, planes, features, scale, names)
    wide = wide_integers(tensors)
    total = (values @ wide["vector.weight"].T) * wide["vector.multiplier"] + wide["vector.bias"]
    out = np.clip(rounding_shift(total, wide["vector.shift"]), -127, 127).astype(np.int8)
    if planes is not None:
        out[~np.isfinite(planes).all(axis=(1, 2, 3))] = 0
    return out


def exponential(x):
    """exp(x) of doubles from -600 to 0; 0 below."""
    k = np.rint(x * 1.4426950408889634)
    r = x - k * 0.6931471805599453
    p = np.full_like(r, 1.0 / 362880.0)
    for c in (1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0):
        p = p * r + c
    return np.where(x < -600.0, 0.0, np.ldexp(p, np.maximum(k, -1000).astype(np.int64)))


def score(found, temperature):
    """P(real) of logits, float32."""
    x = found / F(temperature)
    e = exponential(-np.abs(x).astype(np.float64))
    return np.where(x < 0, e / (1.0 + e), 1.0 / (1.0 + e)).astype(F)
