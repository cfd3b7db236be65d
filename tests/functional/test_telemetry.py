"""What an operator sees from outside, and what nobody gets to see: numbers of all workers, spans at a real receiver."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from functional.kit import Running, eventually, problem, running
from wire.kit import SCRIPTS, LoopThread, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from headgate.testing.cast import Member

pytestmark = pytest.mark.slow

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SECRET = "the words of a prompt"


class Receiver:
    """A receiver of spans, over HTTP with protocol buffers as OpenTelemetry speaks it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            assert {"service.name", "service.instance.id"} <= {attribute.key for attribute in resource.resource.attributes}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    thread = LoopThread()
    server = ScriptedUpstream(thread, dict(SCRIPTS))
    thread.run(server.start())
    yield server
    thread.run(server.stop())
    thread.close()


@pytest.fixture(scope="module")
def watched(receiver: Receiver, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with running(tmp_path_factory.mktemp("watched") / "data", upstream.url) as headgate:
            yield headgate


def metrics(headgate: Running, **headers: str) -> httpx.Response:
    return httpx.get(f"{headgate.where.url}/metrics", headers=headers, trust_env=False, timeout=30)


def samples(headgate: Running) -> dict[tuple[str, frozenset[str]], float]:
    """Return every number by its name and the values of its labels."""
    answer = metrics(headgate)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, frozenset(sample.labels.values())): sample.value for family in families for sample in family.samples}


def headers(who: Member, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who.key}", **more}


def test_the_numbers_are_those_of_all_workers_and_name_nobody(watched: Running) -> None:
    who = watched.member("ada-lovelace")
    counted = frozenset({"api.chat", watched.model, "first", "completed", "200"})
    before = samples(watched).get(("headgate_exchanges_total", counted), 0)
    # when: each worker serves, and refuses
    for worker in watched.workers():
        with contextlib.closing(watched.connection_to(worker)) as http:
            body = {"model": watched.model, "messages": [{"role": "user", "content": SECRET}], "max_tokens": 8}
            url = f"{watched.where.url}/v1/chat/completions"
            assert http.post(url, json=body, headers=headers(who)).status_code == 200
            assert http.post(url, json=body | {"max_tokens": 9999}, headers=headers(who)).status_code == 403
    # then
    refused = frozenset({"api.chat", "capability.max_output_tokens"})
    eventually(lambda: samples(watched)["headgate_exchanges_total", counted] == before + 2)
    eventually(lambda: samples(watched)["headgate_refusals_total", refused] >= 2)  # each worker tells its numbers now and then
    found = samples(watched)
    assert found["headgate_workers", frozenset({"ready"})] == 2
    assert found["headgate_policy_stale_workers", frozenset()] == 0
    text = metrics(watched).text
    for word in (who.key, who.account_id, SECRET, "lovelace"):
        assert word not in text


def test_the_numbers_are_for_this_machine_alone_unless_somebody_says_otherwise(watched: Running) -> None:
    assert metrics(watched).status_code == 200
    for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        assert metrics(watched, **{header: "192.0.2.1"}).status_code == 404


def test_a_span_follows_the_client_and_is_followed_by_the_model_server(
    watched: Running, upstream: ScriptedUpstream, receiver: Receiver
) -> None:
    # given
    who = watched.member("traced")
    context = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=opaque", "baggage": "tenant=7"}
    # when
    answer = watched.post(
        who,
        headers=context,
        json={"model": watched.model, "stream": True, "max_tokens": 8, "messages": [{"role": "user", "content": SECRET}]},
    )
    # then: a span of ours, under the client's
    assert answer.status_code == 200
    span = span_of(receiver, answer)
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert span.name == f"chat {watched.model}"
    told = {attribute.key: attribute.value for attribute in span.attributes}
    assert told["gen_ai.operation.name"].string_value == "chat"
    assert told["gen_ai.usage.input_tokens"].int_value == 7
    assert told["gen_ai.usage.output_tokens"].int_value == 5
    assert told["gen_ai.response.time_to_first_chunk"].double_value > 0
    assert told["http.response.status_code"].int_value == 200
    assert told["headgate.exchange.id"].string_value == answer.headers["x-request-id"]
    assert "error.type" not in told
    # and: the model server works for that span
    sent = dict(upstream.received[-1].headers)
    assert sent["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=opaque"
    assert sent["baggage"] == "tenant=7"
    # and: nothing of what was said, or by whom
    for body in receiver.bodies:
        for word in (SECRET, "Hello", who.key, who.account_id):
            assert word.encode() not in body


def test_a_parent_that_is_none_is_not_taken_up_nor_passed_on(
    watched: Running, upstream: ScriptedUpstream, receiver: Receiver
) -> None:
    who = watched.member("odd")
    body = {"model": watched.model, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]}
    for parent in ("00-zz-1-01", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"):
        answer = watched.post(who, headers={"traceparent": parent, "tracestate": "vendor=opaque"}, json=body)
        assert answer.status_code == 200
        sent = dict(upstream.received[-1].headers)
        span = span_of(receiver, answer)
        assert span.parent_span_id == b""
        assert sent["traceparent"].startswith(f"00-{span.trace_id.hex()}-{span.span_id.hex()}-")
        assert "tracestate" not in sent


def test_how_an_exchange_failed_stands_in_its_span(watched: Running, upstream: ScriptedUpstream, receiver: Receiver) -> None:
    async def break_off(connection: Any, _received: Any) -> None:
        connection.close = True

    upstream.scripts["break off"] = break_off
    body = {"model": watched.model, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}], "script": "break off"}

    answer = watched.post(watched.member("unlucky"), json=body)

    assert problem(answer)["code"] == "upstream.failed"
    span = span_of(receiver, answer)
    told = {attribute.key: attribute.value for attribute in span.attributes}
    assert told["error.type"].string_value == "upstream.failed"
    assert span.status.code == 2


def span_of(receiver: Receiver, answer: httpx.Response) -> Span:
    """Return the span of the exchange that was answered like this, once it was received."""

    def found() -> list[Span]:
        exchange = answer.headers["x-request-id"]
        return [span for span in receiver.spans if exchange in (each.value.string_value for each in span.attributes)]

    return eventually(found)[0]


def test_a_receiver_that_is_gone_slows_no_request_and_fails_none(watched: Running, receiver: Receiver) -> None:
    who = watched.member("unmoved")
    receiver.stop()
    began_s = time.monotonic()
    answers = {watched.ask(who).status_code for _ in range(40)}
    assert answers == {200}
    assert time.monotonic() - began_s < 20, "nobody waits for a receiver, which would be given five seconds each time"
    assert httpx.get(f"{watched.where.url}/readyz", trust_env=False).status_code == 200
