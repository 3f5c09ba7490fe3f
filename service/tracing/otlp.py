"""Spans to a collector, by OTLP over HTTP. Protobuf loads when the first span is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import httpx

from service.tracing.spans import Span

PATH = "/v1/traces"
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Collector:
    """Where spans go."""

    url: str
    """With the path."""
    headers: Mapping[str, str] = field(repr=False)
    """Keys of hosted collectors are among them: they belong in no log."""
    version: str

    def send(self, spans: Sequence[Span]) -> None:
        """Raises httpx.HTTPError."""
        headers = {"Content-Type": "application/x-protobuf"} | dict(self.headers)
        body = encoded(spans, self.version)
        answer = httpx.post(
            self.url, content=body, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        answer.raise_for_status()


def collector(
    endpoint: str | None, environment: Mapping[str, str], *, version: str
) -> Collector | None:
    """By our own setting, or OpenTelemetry's environment variables; None: nobody wants traces."""
    whole = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = endpoint or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    url = (
        base.rstrip("/") + PATH
        if endpoint and base
        else whole or (base and base.rstrip("/") + PATH)
    )
    if not url:
        return None
    pairs = environment.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",")
    headers = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return Collector(url, {key.strip(): unquote(value) for key, value in headers.items()}, version)


def encoded(spans: Sequence[Span], version: str) -> bytes:
    """An `ExportTraceServiceRequest`."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _attributes(
        resource.resource.attributes, {"service.name": "residual", "service.version": version}
    )
    scope = resource.scope_spans.add()
    scope.scope.name = "residual"
    for span in spans:
        _add(scope.spans, span)
    body: bytes = request.SerializeToString()
    return body


def _add(spans: Any, span: Span) -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    kinds = {"internal": Message.SPAN_KIND_INTERNAL, "server": Message.SPAN_KIND_SERVER}
    message = spans.add(
        name=span.name,
        trace_id=bytes.fromhex(span.place.trace),
        span_id=bytes.fromhex(span.place.span),
        parent_span_id=bytes.fromhex(span.parent or ""),
        kind=kinds[span.kind],
        start_time_unix_nano=_nanoseconds(span.start),
        end_time_unix_nano=_nanoseconds(span.end),
    )
    _attributes(message.attributes, span.attributes)
    for link in span.links:
        message.links.add(trace_id=bytes.fromhex(link.trace), span_id=bytes.fromhex(link.span))
    if span.error is not None:
        message.status.code = Status.STATUS_CODE_ERROR
        message.status.message = span.error


def _attributes(into: Any, values: Mapping[str, str | int]) -> None:
    for key, value in values.items():
        attribute = into.add(key=key)
        if isinstance(value, int):
            attribute.value.int_value = value
        else:
            attribute.value.string_value = value


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
