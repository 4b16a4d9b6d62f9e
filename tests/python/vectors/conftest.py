"""A small network of vectors, and a night of alerts."""

import pytest

from helpers import tiny_models
from space2vec.cli import main


@pytest.fixture(scope="session")
def vector_file(tmp_path_factory):
    """Return the file of a network of 64 integers, of planes and columns."""
    path = tmp_path_factory.mktemp("model") / "vectors.safetensors"
    path.write_bytes(tiny_models.vector_models()["vectors"])
    return path


@pytest.fixture(scope="session")
def night(tmp_path_factory):
    """Return a folder of 30 simulated alerts and a file that is none."""
    folder = tmp_path_factory.mktemp("night") / "alerts"
    assert main(["simulate", "-n", "30", "-o", str(folder), "--seed", "8"]) == 0
    (folder / "damaged.avro").write_bytes(b"this is not Avro")
    return folder
