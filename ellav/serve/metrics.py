"""What Prometheus is told of a server."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ellav.serve.speaker import Speaker

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Of one server; several in a process do not mix."""

    def __init__(self, speaker: Speaker):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        here = {"registry": self.registry}
        self.requests = Counter("ellav_requests", "Requests answered, by route and status", ("route", "status"), **here)
        self.first = Histogram("ellav_first_audio_seconds", "Until speech began to be sent", buckets=SECONDS, **here)
        self.whole = Histogram("ellav_speech_seconds", "Until speech was made", buckets=SECONDS, **here)
        self.audio = Counter("ellav_audio_seconds", "Speech that was made, in seconds", **here)
        self.ended = Counter("ellav_ended", "Speech that was ended early, by why", ("why",), **here)
        for name, about, tell in (
            ("ellav_waiting", "Requests in line", lambda: speaker.waiting),
            ("ellav_running", "Requests being spoken", lambda: speaker.running),
            ("ellav_slots", "Requests that can be spoken at once", lambda: speaker.slots),
        ):
            Gauge(name, about, **here).set_function(tell)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)
