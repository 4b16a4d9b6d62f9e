"""``space2vec stream``: score alerts as they arrive from Kafka."""

from __future__ import annotations

import argparse
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from space2vec.cli.common import add_model, positive
from space2vec.cli.own_module import load_scorer
from space2vec.cli.printing import print_line, print_lines, print_notice

if TYPE_CHECKING:
    from space2vec.cli.progress import Progress
    from space2vec.stream.events import Counts
    from space2vec.stream.options import Start, StreamOptions

__all__ = ["register", "stream_options"]

_DESCRIPTION = """Score alerts as they arrive from Kafka: exactly one score for each message, into a topic or a folder
of Parquet files. Messages are whole Avro files, or records with the header of a schema registry. SIGTERM and Ctrl-C end
the stream after what is in work is stored; the same command continues where it ended, however it ended."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = _DESCRIPTION
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT,...", help="addresses of Kafka brokers")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--topic", action="append", metavar="NAME", help="a topic to read; may be given several times")
    source.add_argument(
        "--topic-pattern",
        metavar="REGEX",
        help="read all topics whose whole name matches, also those that appear later, such as a topic each night",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="TOPIC|FOLDER",
        help="the topic of the scores; or a folder of Parquet files, if it contains a / or exists (./scores)",
    )
    parser.add_argument("--group", default="space2vec", metavar="NAME", help="consumer group (default: space2vec)")
    parser.add_argument(
        "--member",
        default="",
        metavar="NAME",
        help="name of this process in the group, the same after a restart (default: the machine's name and a number)",
    )
    parser.add_argument(
        "--schema-registry",
        metavar="URL|FOLDER",
        help="schemas of messages with a header: a schema registry, or a folder with files ID.avsc",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=_start,
        default="earliest",
        metavar="earliest|DATE|committed",
        help="where to begin in partitions for which the group has no position yet: the oldest message, the first one "
        "of a date (ISO 8601, UTC), or nowhere: a group without any is refused (default: earliest)",
    )
    parser.add_argument(
        "--exactly-once", action="store_true", help="write scores and positions in transactions: no duplicates either"
    )
    parser.add_argument("--dead-letter", metavar="TOPIC", help="copy messages that cannot be read to this topic")
    parser.add_argument(
        "--until-eos",
        action="store_true",
        help="end when all partitions have been read to their end; with an error if no broker answers for two minutes",
    )
    parser.add_argument(
        "--batch", type=positive, default=256, metavar="N", help="messages scored together at most (default: 256)"
    )
    parser.add_argument(
        "--max-wait-ms",
        type=_wait,
        default=100,
        metavar="MS",
        help="how long a message waits for others of its batch (default: 100)",
    )
    parser.add_argument(
        "--part-rows", type=positive, default=16384, metavar="N", help="rows of a file in a folder (default: 16384)"
    )
    parser.add_argument(
        "--part-seconds",
        type=positive,
        default=60,
        metavar="S",
        help="age of its first row at which a file is written (default: 60)",
    )
    add_model(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings of the clients as librdkafka names them, such as security.protocol, in lines name=value",
    )
    parser.add_argument(
        "--prometheus",
        type=_address,
        metavar="[HOST:]PORT",
        help="serve counts and lag for Prometheus (default host: 127.0.0.1)",
    )
    parser.set_defaults(run=run)


def _start(text: str) -> Start:
    """Parse where to begin, for argparse."""
    from space2vec.stream.options import parse_start

    try:
        return parse_start(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _wait(text: str) -> int:
    """Parse milliseconds, for argparse."""
    value = int(text)
    if not 0 <= value <= 60_000:
        raise argparse.ArgumentTypeError(f"{text} does not lie from 0 to 60000")
    return value


def _address(text: str) -> tuple[str, int]:
    """Parse [HOST:]PORT, for argparse."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not [HOST:]PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def stream_options(arguments: argparse.Namespace) -> StreamOptions:
    """Return the options that the arguments of the command set.

    Raises
    ------
    ValueError
        If they contradict each other.
    """
    from space2vec.stream.options import StreamOptions, read_properties

    pattern: str | None = arguments.topic_pattern
    return StreamOptions(
        brokers=arguments.brokers,
        output=arguments.output,
        topics=tuple(arguments.topic) if pattern is None else (f"^({pattern.removeprefix('^').removesuffix('$')})$",),
        group=arguments.group,
        member=arguments.member,
        schema_registry=arguments.schema_registry,
        start=arguments.start,
        exactly_once=arguments.exactly_once,
        dead_letter=arguments.dead_letter,
        until_eos=arguments.until_eos,
        batch=arguments.batch,
        max_wait=arguments.max_wait_ms / 1000,
        part_rows=arguments.part_rows,
        part_seconds=float(arguments.part_seconds),
        settings={} if arguments.config is None else read_properties(arguments.config),
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.cli.progress import Progress
    from space2vec.errors.packages import need
    from space2vec.stream import loop
    from space2vec.stream.metrics import MetricsServer

    need("confluent_kafka", "a stream needs confluent-kafka")
    options = stream_options(arguments)
    model = load_scorer(arguments)
    counts: list[Counts] = []
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_on_signals())
        progress = stack.enter_context(Progress("stream", "alerts"))
        if arguments.prometheus is not None:
            host, port = arguments.prometheus
            server = stack.enter_context(MetricsServer(host, port, counts))
            print_notice(f"metrics at http://{host}:{server.port}/metrics")
        total = loop.run(options, model, stop=stop, report=_show(progress, counts), notice=print_notice)
    for line in _summary(total):
        print_lines(line)
    print_line(f"model {model.id}; scores in {'folder' if options.to_folder else 'topic'} {options.output}")
    return 1 if options.until_eos and total.unread and not stop.is_set() else 0


def _show(progress: Progress, held: list[Counts]) -> Callable[[Counts], None]:
    """Return a function that shows counts, and keeps them for the server of metrics."""
    shown = 0

    def show(counts: Counts) -> None:
        nonlocal shown
        held[:] = [counts]
        lag = f"lag {sum(counts.lag.values())} in {len(counts.lag)} partitions" if counts.lag else "no partitions"
        delay = f", {counts.latency:.1f} s behind" if counts.latency == counts.latency else ""
        progress.update(counts.stored - shown, note=f"{lag}{delay}")
        shown = counts.stored

    return show


def _summary(counts: Counts) -> list[str]:
    """Return the summary of a run, as other commands have it."""
    import time

    from space2vec.cli.progress import summary

    by_kind = {"done": Counter(rows=counts.scored), "flags": counts.flags, "refused": counts.refused}
    lines = summary("scored", counts.rows, by_kind, time.monotonic() - counts.started).splitlines()
    if counts.stored != counts.rows:
        lines.append(f"{counts.stored} of them are stored; the rest is read again")
    if counts.unread:
        lines.append(f"{counts.unread} messages hold no alert that can be read; their rows say why (column problem)")
    return lines


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; the second signal ends the command at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            print_notice("ending after what is in work is stored")
            return
        signal.signal(number, before[signal.Signals(number)])
        signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
