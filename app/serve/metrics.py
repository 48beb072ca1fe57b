"""What Prometheus sees: requests, questions by type and outcome, the queue, and vLLM's own figures."""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.types import Prediction

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The server's own metrics, in a registry of their own so that two applications can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shopbench_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "shopbench_http_request_seconds",
            "From the first byte of a request to the last of its response.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._questions = Counter(
            "shopbench_questions", "Questions by type and outcome.", ("task_type", "outcome"), registry=self._registry
        )
        self._question_seconds = Histogram(
            "shopbench_question_seconds",
            "From handing a question to the engine until its answer; of one without an answer, all of its time.",
            ("task_type",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._refused = Counter(
            "shopbench_refused_questions",
            "Questions not accepted, by reason; a request that a full queue refuses unread counts as one.",
            ("reason",),
            registry=self._registry,
        )
        self._batch_lines = Counter(
            "shopbench_batch_lines",
            "Lines of batches that were answered, by status.",
            ("status",),
            registry=self._registry,
        )

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks."""
        Gauge(f"shopbench_{name}", description, registry=self._registry).set_function(value)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is the path's pattern, so that there are few."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def answered(self, prediction: Prediction) -> None:
        """Count one question that was accepted."""
        task_type = prediction.task_type or "none"
        self._questions.labels(task_type, prediction.outcome).inc()
        self._question_seconds.labels(task_type).observe(prediction.seconds)

    def refused(self, reason: str, questions: int) -> None:
        """Count questions that were not accepted."""
        self._refused.labels(reason).inc(questions)

    def batch_line(self, status: int) -> None:
        """Count one line of a batch."""
        self._batch_lines.labels(str(status)).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format; vLLM and the process report to the common registry."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)


METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
"""Methods are the client's to invent, and every label value is memory."""
