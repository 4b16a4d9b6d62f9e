"""Vectors of stamps in Python: of arrays, of detections, of what is read; rows without stamps; the wrong model."""

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers import host_device, tiny_models
from space2vec.backends import numba as twin
from space2vec.data.flags import bits
from space2vec.errors import ModelError
from space2vec.models.card import model_card
from space2vec.models.onnx_graph import write_graph
from space2vec.models.workers import BatchScorer
from space2vec.reading import Limits, MessageReader, batches


@pytest.fixture(scope="module")
def network(vector_file):
    return s2v.load(vector_file)


def odd_stamps():
    """Return 24 stamps, of which row 3 lacks its difference, row 5 is constant, and row 7 has the flag bad_stamp."""
    simulated = s2v.simulate(24, seed=3).stamps
    planes = [[simulated.plane(row, channel).copy() for channel in simulated.channels] for row in range(24)]
    planes[3][2] = None
    for plane in planes[5]:
        plane[:] = 2.0
    stamps = s2v.Stamps(planes, object_id=[f"ZTF{row}" for row in range(24)], columns={"ra": np.arange(24) / 4})
    stamps.flags[7] = bits("bad_stamp")
    return stamps


LOST = [3, 5, 7]


def test_vectors_of_stamps(network, vector_file):
    stamps = odd_stamps()
    vectors = s2v.embed(stamps, model=network)
    assert isinstance(vectors, s2v.Vectors)
    assert vectors.vector.shape == (24, 64)
    assert np.flatnonzero(~vectors.has_vector).tolist() == LOST
    assert all(vectors.flags[LOST])
    assert vectors.object_id.tolist() == stamps.object_id.tolist()
    assert vectors.candidate_id.tolist() == stamps.candidate_id.tolist()
    assert vectors.columns["ra"].tolist() == (np.arange(24) / 4).tolist()
    assert vectors.model == network.id
    assert vectors.device == "cpu"
    again = [s2v.embed(stamps, model=str(vector_file)), network.embed(stamps, threads=2, device="cpu")]
    for other in again:
        assert np.array_equal(other.vector, vectors.vector)
        assert np.array_equal(other.flags, vectors.flags)
    # Each row is embedded by itself.
    assert np.array_equal(network.embed(stamps[4:9]).vector, vectors.vector[4:9])
    assert np.array_equal(network.embed(stamps[::-1]).vector, vectors.vector[::-1])


def test_the_twin_in_numba_gives_the_same_bits(network, monkeypatch):
    stamps = odd_stamps()
    wanted = network.embed(stamps)
    vectors, flags = np.empty((24, 64), np.int8), np.empty(24, np.uint32)
    twin.Model(network.file).embed(stamps, network.needs.catalogue_columns(stamps), vectors, flags, 1)
    assert np.array_equal(vectors, wanted.vector)
    assert np.array_equal(flags, wanted.flags)


def test_no_stamps(network):
    vectors = network.embed(odd_stamps()[:0])
    assert vectors.vector.shape == (0, 64)
    assert len(vectors) == 0
    assert vectors.to_arrow().num_rows == 0


def test_a_network_of_planes_alone(tmp_path):
    file = tmp_path / "planes.safetensors"
    file.write_bytes(tiny_models.vector_models()["vectors of planes"])
    stamps = s2v.simulate(4, seed=1).stamps
    planes = np.stack([[stamps.plane(row, channel) for channel in stamps.channels] for row in range(4)])
    vectors = s2v.embed(s2v.Stamps(planes), model=file)
    other = s2v.embed(s2v.Stamps(planes[::-1].copy()), model=file)
    assert np.array_equal(vectors.vector[::-1], other.vector)
    assert len(np.unique(vectors.vector, axis=0)) == 4


def test_stamps_on_a_device(vector_file, monkeypatch):
    network, stamps = s2v.load(vector_file), odd_stamps()  # a network keeps its form on a device
    wanted = network.embed(stamps)
    host_device.make(monkeypatch)
    there = network.embed(stamps.to_device())
    assert there.device == "cuda:0"
    assert np.array_equal(there.to_numpy(), wanted.vector)
    assert np.array_equal(there.flags, wanted.flags)
    assert np.array_equal(there[2:9].vector, wanted.vector[2:9])
    copied = network.embed(stamps, device="cuda")
    assert isinstance(copied.vector, np.ndarray)
    assert np.array_equal(copied.vector, wanted.vector)
    with network.embed_pipeline("cuda") as pipeline:
        parts = list(pipeline.run(iter([stamps[:10], stamps[10:10], stamps[10:]])))
    assert [len(part) for part in parts] == [10, 0, 14]
    assert np.array_equal(np.concatenate([part.vector for part in parts]), wanted.vector)


@pytest.mark.parametrize("name", ["default", "forest"])
def test_scores_and_vectors_of_one_copy_on_a_device(vector_file, monkeypatch, name):
    stamps, scorer, network = odd_stamps(), s2v.load(name), s2v.load(vector_file)
    scores, vectors = scorer.score(stamps), network.embed(stamps)
    host_device.make(monkeypatch)
    with scorer.both_pipeline(network, "cuda") as pipeline:
        parts = list(pipeline.run(iter([stamps[:10], stamps[10:10], stamps[10:]])))
    assert [len(part) for part in parts] == [10, 0, 14]
    whole = s2v.Scores.concatenate(parts)
    assert np.array_equal(whole.score, scores.score, equal_nan=True)
    assert np.array_equal(whole.flags, scores.flags)
    assert np.array_equal(whole.vectors.vector, vectors.vector)
    assert np.array_equal(whole.vectors.flags, vectors.flags)
    with pytest.raises(ModelError, match="gives scores, not vectors"):
        scorer.both_pipeline(scorer, "cuda")


def test_a_model_that_scores_gives_no_vectors():
    stamps = odd_stamps()
    for name in ("default", "forest", "stampnet-fast"):
        model = s2v.load(name)
        assert model.vector == 0
        with pytest.raises(ModelError, match="gives scores, not vectors; use score"):
            model.embed(stamps)
        with pytest.raises(ModelError, match="gives scores, not vectors; use score"):
            s2v.embed(stamps, model=name)


def test_a_model_of_vectors_gives_no_scores(network, vector_file, tmp_path):
    stamps = odd_stamps()
    pytest.importorskip("torch")
    from space2vec.training.network import network_header

    assert network.vector == 64
    planes, features = network.inputs(stamps).arrays
    calls = {
        "score": lambda: network.score(stamps),
        "predict": lambda: network.predict(planes, features),
        "score_arrow": lambda: network.score_arrow(pa.table({"cutoutScience": [b""]})),
        "messages": lambda: MessageReader(model=network),
        "engines": lambda: BatchScorer(network),
        "training": lambda: network_header(None, None, None, None, None, network),
        "export": lambda: write_graph(network, tmp_path / "model.onnx"),
    }
    for call in calls.values():
        with pytest.raises(ModelError, match="gives vectors"):
            call()
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("given", [np.zeros((2, 3, 63, 63), np.float32), None, "night"])
def test_what_has_no_pixels(network, given):
    with pytest.raises(TypeError, match="which have pixels; given"):
        network.embed(given)
    with pytest.raises(TypeError, match="given Features"):
        network.embed(s2v.Features(np.zeros((1, 1), np.float32), ("L1",)))


def test_an_unknown_model():
    with pytest.raises(ModelError, match="unknown model 'starnet'"):
        s2v.embed(odd_stamps(), model="starnet")


def test_vectors_while_alerts_are_read(network, night):
    stamps = s2v.read(night, strict=False)
    wanted = network.embed(stamps)
    parts = [part.rows for part in batches(night, model=network, batch=7)]
    assert {type(part) for part in parts} == {s2v.Vectors}
    read = s2v.Vectors.concatenate(parts)
    assert np.array_equal(read.vector, wanted.vector)
    assert np.array_equal(read.flags, wanted.flags)
    assert read.candidate_id.tolist() == wanted.candidate_id.tolist()
    assert np.count_nonzero(~read.has_vector) == 1
    assert read.model == network.id


def test_scores_and_vectors_in_one_pass(network, night):
    scorer = s2v.load("default")
    stamps = s2v.read(night, strict=False)
    scores = s2v.Scores.concatenate([part.rows for part in batches(night, model=scorer, embedder=network, batch=7)])
    alone = scorer.score(stamps)
    assert np.array_equal(scores.score, alone.score, equal_nan=True)
    assert np.array_equal(scores.flags, alone.flags)
    wanted = network.embed(stamps)
    assert np.array_equal(scores.vectors.vector, wanted.vector)
    assert np.array_equal(scores.vectors.flags, wanted.flags)
    assert np.array_equal(scores[3:8].vectors.vector, wanted.vector[3:8])
    assert alone.vectors is None
    with pytest.raises(ValueError, match="embedder gives vectors beside the scores of a model"):
        batches(night, embedder=network, model=None)


def test_an_id_that_is_too_long_costs_its_vector(network, night):
    parts = batches(night, model=network, limits=Limits(id_bytes=4))
    read = s2v.Vectors.concatenate([part.rows for part in parts])
    assert not read.has_vector.any()
    assert (read.flags & bits("bad_stamp")).all()


def test_detections_in_whole_images(network):
    rng = np.random.default_rng(2)
    frames = {name: rng.normal(size=(200, 220)).astype(np.float32) for name in ("science", "template", "difference")}
    x, y = np.array([60.0, 100.0, 150.0]), np.array([70.0, 120.0, 90.0])
    located = s2v.locate(**frames, x=x, y=y)
    vectors = network.embed(located)
    assert vectors.has_vector.all()
    assert np.array_equal(vectors.vector, network.embed(s2v.cut(located)).vector)


def test_what_a_network_says_of_itself(network):
    assert "vectors of 64 integers" in repr(network)
    assert "| gives | a vector of 64 integers from -127 to 127 |" in model_card(network)
    assert network.runtime is None


def test_floating_point_gives_no_vectors(network, monkeypatch):
    monkeypatch.setattr(network, "runtime", "torch")
    with pytest.raises(ModelError, match="vectors are computed in integers"):
        network.embed(odd_stamps())


def test_the_environment_does_not_make_vectors_floats(vector_file, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    network = s2v.load(vector_file)
    assert network.runtime is None
    assert network.embed(odd_stamps()[:1]).has_vector.all()
