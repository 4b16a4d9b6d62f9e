"""File names, members and texts whose bytes are no UTF-8: nothing ends for that, and they are told by their codes."""

import io
import os
import subprocess
import sys
import tarfile

import numpy as np
import pyarrow.csv
import pytest
from pyarrow import parquet

from helpers.packets import avro_bytes, fits_bytes, packet, planes
from space2vec import read
from space2vec.data.stamps import CHANNELS
from space2vec.reading import batches

NAME = b"night_\xff\xe9"
TOLD = "night_\\xff\\xe9"


def in_folder(folder, name, content):
    path = os.path.join(os.fsencode(folder), name)
    try:
        with open(path, "wb") as file:
            file.write(content)
    except OSError:
        pytest.skip("the file system wants names in UTF-8")
    return os.fsdecode(path)


def of_archive(name, content):
    file = io.BytesIO()
    with tarfile.open(
        fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        member = tarfile.TarInfo(os.fsdecode(name))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


DAMAGED = {
    "avro": lambda: (NAME + b".avro", avro_bytes([packet(0)])[:3000]),
    "foreign": lambda: (NAME + b".avro", b"xyz"),
    "parquet": lambda: (NAME + b".parquet", b"PAR1 and no more"),
    "npy": lambda: (NAME + b".npy", b"\x93NUMPY and no more"),
    "npz": lambda: (NAME + b".npz", b"PK\x03\x04 and no more"),
    "fits": lambda: (NAME + b".fits", fits_bytes(planes(0)[0])[:2000]),
    "member": lambda: (b"plain.tar", of_archive(NAME + b".avro", avro_bytes([packet(0)])[:3000])),
    "tar": lambda: (NAME + b".tar", of_archive(NAME + b".avro", avro_bytes([packet(0)])[:3000])),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_under_such_a_name(tmp_path, kind):
    name, content = DAMAGED[kind]()
    path = in_folder(tmp_path, name, content)
    problems = []
    stamps = read(path, strict=False, problems=problems)
    assert len(problems) >= 1
    assert TOLD in problems[0].path
    for text in (problems[0].path, problems[0].message, str(problems[0]), *stamps.object_id.tolist()):
        text.encode()
    assert all(part.problems for part in batches(path))


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_line_goes_on(tmp_path, kind, suffix):
    name, content = DAMAGED[kind]()
    in_folder(tmp_path, b"0.avro", avro_bytes([packet(k) for k in range(2)]))
    in_folder(tmp_path, name, content)
    output = os.path.join(os.fsencode(tmp_path), b"scores_\xfe" + suffix.encode())
    command = [sys.executable, "-m", "space2vec", "features", os.fsencode(tmp_path), "-o", output]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": ""}, check=False)
    assert done.returncode == 1, done.stderr.decode(errors="replace")
    errors = os.path.join(os.fsencode(tmp_path), b"scores_\xfe.errors" + suffix.encode())
    with open(errors, "rb") as file:
        table = parquet.read_table(file) if suffix == ".parquet" else pyarrow.csv.read_csv(io.BytesIO(file.read()))
    assert any(TOLD in told for told in table["file"].to_pylist())
    with open(output, "rb") as file:
        table = parquet.read_table(file) if suffix == ".parquet" else pyarrow.csv.read_csv(io.BytesIO(file.read()))
    assert table["object_id"].to_pylist()[:2] == ["ZTF18test000", "ZTF18test001"]
    assert done.stdout.count(b"\n") >= 3


def test_sound_files_of_such_names(tmp_path):
    path = in_folder(tmp_path, NAME + b".npy", b"")
    np.save(path, planes(0)[None])
    stamps = read(path)
    assert all(TOLD in name for name in stamps.object_id.tolist())
    path = in_folder(tmp_path, NAME + b".avro", avro_bytes([packet(3)]))
    assert read(path).candidate_id.tolist() == [10**17 + 3]
    assert next(batches(path)).origin.paths[0].endswith(TOLD + ".avro")


def test_texts_of_packets(tmp_path):
    image = fits_bytes(planes(1)[0])
    schema = {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "objectId", "type": "bytes"},
            {"name": "candid", "type": "bytes"},
            *({"name": f"cutout{channel.capitalize()}", "type": "bytes"} for channel in CHANNELS),
        ],
    }
    alerts = [{"objectId": b"o\xff", "candid": bytes([0xF0 + k])} for k in range(3)]
    alerts = [alert | {f"cutout{channel.capitalize()}": image for channel in CHANNELS} for alert in alerts]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=schema))
    stamps = read(tmp_path / "x.avro", columns=["objectId"])
    assert stamps.object_id.tolist() == ["o\\xff"] * 3
    assert stamps.candidate_id.tolist() == ["\\xf0", "\\xf1", "\\xf2"]
    assert stamps.columns["objectId"].tolist() == ["o\\xff"] * 3
