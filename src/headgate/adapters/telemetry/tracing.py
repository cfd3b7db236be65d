"""Each exchange as a span, for OpenTelemetry; off unless the environment names a receiver.

A span follows the conventions for generative AI: what operation, which model, how many tokens, how it ended. It holds no word of
a prompt or an answer, no key and no account; the exchange's identifier leads whoever may read the record to it. The client's
``traceparent``, ``tracestate`` and ``baggage`` are taken up, and the model server is told the exchange's span as its parent.

Spans are queued in memory and sent by a thread. A receiver that is slow or gone costs the spans that do not fit into the queue,
and nothing else; that it is gone is logged at most once a minute.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from headgate.adapters.telemetry.counting import operation_of
from headgate.kernel.clock import to_us
from headgate.traffic.model import OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from opentelemetry.trace import Span

    from headgate.gateway.model import Admitted, Call
    from headgate.kernel.ids import ExchangeId
    from headgate.traffic.model import Outcome

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_SERVICE = "headgate"
_EXPORT_S = 5
"""Longest that one attempt to send spans may take, and that stopping waits for the last ones."""
_TOLD_EVERY_S = 60.0
_CONTEXT = frozenset({"traceparent", "tracestate"})
_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_PARENTS = TraceContextTextMapPropagator()

log = structlog.get_logger()


class SpanTrace:
    """The span of one exchange.

    Args:
        span: OpenTelemetry's own.
    """

    def __init__(self, span: Span) -> None:
        self.span = span

    def onward(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        context: dict[str, str] = {}
        _PARENTS.inject(context, set_span_in_context(self.span))
        # What a span's context does not carry is not invented: an unusable parent of the client's goes no further.
        return [pair for pair in headers if pair[0] not in _CONTEXT] + list(context.items())


class Tracing:
    """Makes spans and sends them.

    Args:
        provider: OpenTelemetry's own, with a way out for spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE)

    @classmethod
    def of(cls, environment: Mapping[str, str], *, version: str, worker: str) -> Tracing | None:
        """Return the tracing that the environment asks for, by OpenTelemetry's own names; ``None`` where it asks for none.

        Args:
            environment: The process's; the exporter reads the rest of its settings from the process itself.
            version: This software's.
            worker: This worker's name.
        """
        asked = any(environment.get(name) for name in _ENDPOINTS) and environment.get("OTEL_TRACES_EXPORTER", "otlp") != "none"
        if not asked or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        _told_through_ours()
        name = environment.get("OTEL_SERVICE_NAME") or _SERVICE
        resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version, SERVICE_INSTANCE_ID: worker})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_S)))
        return cls(provider)

    def begun(
        self, exchange_id: ExchangeId, call: Call, admitted: Admitted, at: datetime, headers: Sequence[tuple[bytes, bytes]]
    ) -> SpanTrace:
        """Return the span of an exchange that goes upstream now, under the client's own span if it named one."""
        upstream = admitted.policy.upstream
        operation = operation_of(call.surface)
        attributes: dict[str, str | int | bool] = {
            gen_ai.GEN_AI_OPERATION_NAME: operation,
            gen_ai.GEN_AI_PROVIDER_NAME: "anthropic" if call.surface == "api.messages" else "openai",
            gen_ai.GEN_AI_REQUEST_MODEL: admitted.policy.model,
            gen_ai.GEN_AI_REQUEST_STREAM: call.stream,
            "headgate.exchange.id": exchange_id,
            "headgate.surface": call.surface,
            "headgate.release.id": admitted.policy.release_id,
            "headgate.stage": admitted.rule.stage,
        }
        address = urlsplit(upstream.url)
        if address.hostname is not None:
            attributes[server_attributes.SERVER_ADDRESS] = address.hostname
        if address.port is not None:
            attributes[server_attributes.SERVER_PORT] = address.port
        if (most := admitted.output_cap or call.output_tokens) is not None:
            attributes[gen_ai.GEN_AI_REQUEST_MAX_TOKENS] = most
        if call.choices != 1:
            attributes[gen_ai.GEN_AI_REQUEST_CHOICE_COUNT] = call.choices
        span = self._tracer.start_span(
            f"{operation} {admitted.policy.model}",
            context=_PARENTS.extract(_context_of(headers)),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=1000 * to_us(at),
        )
        return SpanTrace(span)

    def settled(self, trace: SpanTrace, outcome: Outcome, first_byte_s: float | None) -> None:
        """End a span with what became of its exchange."""
        span = trace.span
        if span.is_recording():
            attributes: dict[str, str | int | float] = {"headgate.outcome": outcome.status.value}
            if outcome.http_status is not None:
                attributes[http_attributes.HTTP_RESPONSE_STATUS_CODE] = outcome.http_status
            if outcome.prompt_tokens is not None:
                attributes[gen_ai.GEN_AI_USAGE_INPUT_TOKENS] = outcome.prompt_tokens
            if outcome.completion_tokens is not None:
                attributes[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] = outcome.completion_tokens
            if first_byte_s is not None:
                attributes[gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = first_byte_s
            if outcome.output_screened is not Screened.NOT_ASKED:
                attributes["headgate.output_screened"] = outcome.output_screened.value
            if outcome.status is not OutcomeStatus.COMPLETED:
                code = outcome.detail if outcome.detail and _CODE.fullmatch(outcome.detail) else outcome.status.value
                attributes[error_attributes.ERROR_TYPE] = code
                span.set_status(Status(StatusCode.ERROR))
            span.set_attributes(attributes)
        span.end(end_time=1000 * to_us(outcome.at))

    def close(self) -> None:
        """Send what is queued, for as long as that may take, and stop; blocks."""
        self._provider.force_flush(1000 * _EXPORT_S)
        self._provider.shutdown()


def _context_of(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Return a request's trace headers, each as often as it was sent: two parents are none."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        text = name.decode("latin-1")
        if text in _CONTEXT:
            found.setdefault(text, []).append(value.decode("latin-1"))
    if len(found.get("traceparent", ())) != 1:
        return {}
    return found


class _Ours(logging.Handler):
    """Says through our own log what OpenTelemetry says through the standard one, and not all of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _TOLD_EVERY_S
            log.warning("telemetry.trouble", source=record.name, level_of=record.levelname.lower())


def _told_through_ours() -> None:
    logger = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, _Ours) for handler in logger.handlers):
        logger.addHandler(_Ours())
        logger.propagate = False
