"""The seeds of the targets in Python: small whole files, and bytes of which files are made."""

from __future__ import annotations

import io
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from helpers import tiny_models
from helpers.packets import CUTOUTS, SCHEMA, fits_bytes, planes
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.training.dataset import MANIFEST, write_dataset

__all__ = ["reader_seeds"]


def _parquet(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _gif(side: int, frames: int = 1) -> bytes:
    pictures = [Image.fromarray(np.full((side, side), 40 * k + 7, np.uint8)) for k in range(frames)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=frames > 1, append_images=pictures[1:])
    return file.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _made() -> dict[str, bytes]:
    """Return bytes of which files are made, long and short."""
    rng = np.random.default_rng(11)
    return {f"made{k}": b"\1" + rng.integers(0, 256, 20 * 2 ** (k % 6), dtype=np.uint8).tobytes() for k in range(12)}


def _dataset() -> dict[str, bytes]:
    stamps = Stamps(planes(3, (5, 7))[None], object_id=["a"], candidate_id=[7])
    truth = {"label": [1], "kind": ["sn"], "weight": [1.0], "teacher": [np.nan], "group": ["a"]}
    part = LabelledStamps(stamps, **{name: np.array(values) for name, values in truth.items()})
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder) / "set", [part], {})
        return {"manifest": (Path(folder) / "set" / MANIFEST).read_bytes()}


def reader_seeds() -> dict[str, dict[str, bytes]]:
    """Return the seeds by target and name."""
    image = fits_bytes(planes(1, (5, 7))[0])
    squeezed = zlib.compressobj(wbits=31)
    alert = {name: pa.array([{"stampData": image}], pa.struct([("stampData", pa.binary())])) for name in CUTOUTS}
    text = b"ID,AMP,MAG,SNR\n7,1.5,20.1,3\n8,,nan,x\n"
    return {
        "csv": {
            "features": text,
            "semicolons": text.replace(b",", b"; "),
            "tabulators": text.replace(b",", b"\t").replace(b"\n", b"\r\n"),
            "quoted": b'candidate_id,object_id,label\n"1","a ""b"" c",1\n"2\n3","x,y",0\n',
            "scores": b"\xef\xbb\xbfcandid,score,flags\n1,0.25,0\n2,0.75,3\n",
            "des": b"ID,OBJECT_TYPE,BAND,AMP\n1,0,g,1\n2,1,r,2\n",
            "ragged": b"ID,AMP\n1\n2,3,4\n\n5,6\n",
        },
        "parquet": {
            **_made(),
            "features": _parquet(ID=[7, 8], AMP=[1.5, None], label=[0, 1], score=[0.5, 0.25]),
            "alerts": _parquet(objectId=["a"], candid=[5], **alert),
            "nested": _parquet(candid=[5], candidate=[{"jd": 1.0, "magpsf": 18.0}], cutoutDifference=[image]),
        },
        "npz": {
            **_made(),
            "pixels": _npy(np.ones((2, 3, 5, 7), np.float32)),
            "planes": _npz(
                difference=np.ones((2, 5, 7), ">i2"), candidate_id=np.arange(2), mask=np.zeros((5, 7), bool)
            ),
        },
        "gif": {"stamp": _gif(51), "frames": _gif(9, 3), "cut": _gif(51)[:-9]},
        "fits_folder": {
            "image": image,
            "gzipped": squeezed.compress(image) + squeezed.flush(),
            "cube": fits_bytes(planes(2, (5, 7))),
        },
        "model": tiny_models.models(),
        "schema": {
            "alert": json.dumps(SCHEMA, separators=(",", ":")).encode(),
            "unknown_type": b'{"type":"record","name":"a.b","fields":[{"name":"x","type":"c"}]}',
            "deep": b'{"type":"array","items":' * 60 + b'"int"' + b"}" * 60,
        },
        "dataset": {**_dataset(), **_made()},
    }
