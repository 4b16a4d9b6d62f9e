"""Alerts as they arrive: messages of Kafka topics in, one score each out, into a topic or a folder.

:func:`space2vec.stream.loop.run` is the loop of ``space2vec stream``; it needs the package ``confluent-kafka``.
"""

from space2vec.stream.options import StreamOptions

__all__ = ["StreamOptions"]
