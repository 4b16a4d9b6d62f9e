"""The contenders of the benchmark of chains that call the reader of alerts themselves."""

from pathlib import Path

import pytest

import space2vec as s2v
from benchmarks.speed.chain import CONTENDERS
from benchmarks.speed.chain_contenders import first_stages

pytest.importorskip("fastavro")


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    from space2vec.simulation import write_packets

    return write_packets(s2v.simulate(3, seed=1), tmp_path_factory.mktemp("alerts"))


@pytest.mark.parametrize("name", [name for name in CONTENDERS if name.startswith("read")])
def test_the_first_stages_read_every_alert(name: str, alerts: list[Path]) -> None:
    assert first_stages(name, alerts)() == 3
