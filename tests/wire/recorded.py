"""Recorded exchanges of real model servers, read into one shape whatever recorder kept them.

The recordings lie beside the checkout, with a catalogue that says of each which surface it belongs to, how faithful its bytes
are, and what is odd about it. What no recording kept is made up here in one place: framing that a recorder dropped, the status
and headers of bare bodies. What a recorder added is taken away again: lengths it rewrote, and a ``content-encoding`` on a body
it had decoded.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "recorded_streams"
_GZIP = b"\x1f\x8b"
_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"})
_TYPE = re.compile(rb'\{\s*"type"\s*:\s*"([^"]+)"')
_EVENTS_NAMED = frozenset({"responses", "messages"})
"""Surfaces whose frames carry an ``event`` line."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange.

    Attributes:
        name: Its file and its place there.
        source: The repository it comes from.
        surface: As the catalogue names it.
        streamed: Whether the answer is an event stream.
        fidelity: How faithful the body is: ``A`` the wire's own bytes, ``B`` decoded, ``C`` written anew, ``D`` alone.
        quirks: What is odd about it.
        method: The request's.
        url: The request's, as recorded; empty where it was not.
        request: The request's body as recorded, empty where it was not.
        status: The answer's status; 200 where it was not recorded.
        headers: The answer's, without those of the connection and without a coding.
        body: The answer's, decoded.
        coded: The answer's body in gzip as the wire had it, empty where that was not kept.
    """

    name: str
    source: str
    surface: str
    streamed: bool
    fidelity: str
    quirks: frozenset[str]
    method: str
    url: str
    request: bytes
    status: int
    headers: Headers
    body: bytes = field(repr=False)
    coded: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The answer's content type, empty where it has none."""
        return next((value.decode("latin-1") for name, value in self.headers if name == b"content-type"), "")


@dataclass(frozen=True, slots=True)
class _Raw:
    """An exchange as a recorder kept it, before anything is put right."""

    request: bytes
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class _Loader(yaml.CSafeLoader):
    """Reads Ruby's binary tag too."""


def _binary(loader: Any, node: Any) -> bytes:
    return loader.construct_yaml_binary(node)


_Loader.add_constructor("!binary", _binary)


@cache
def everything() -> tuple[Recorded, ...]:
    """Return every exchange of the catalogue, in its order; skip the test where there are no recordings.

    On a continuous-integration run their absence is a failure: what is skipped there would be skipped for good.
    """
    if not FOLDER.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the recorded exchanges are not at {FOLDER}")
        pytest.skip(f"the recorded exchanges are not at {FOLDER}")
    lines = [json.loads(line) for line in (FOLDER / "CATALOGUE.jsonl").read_text().splitlines()]
    by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_file[line["file"]].append(line)
    return tuple(found for file, entries in by_file.items() for found in _file(file, entries))


def _file(file: str, entries: list[dict[str, Any]]) -> Iterable[Recorded]:
    raws = _READERS[entries[0]["fmt"]]((FOLDER / file).read_bytes(), entries[0])
    for entry in entries:
        raw = raws[entry["i"]]
        is_coded = raw.body.startswith(_GZIP) and any(name.lower() == "content-encoding" for name, _ in raw.headers)
        yield Recorded(
            name=f"{file}#{entry['i']}",
            source=entry["source"],
            surface=entry["surface"],
            streamed=entry["streamed"],
            fidelity=entry["fidelity"],
            quirks=frozenset(entry["quirks"]),
            method="POST" if entry["method"] == "-" else entry["method"],
            url="" if entry["url"] == "-" else entry["url"],
            request=raw.request,
            status=raw.status,
            headers=_kept(raw, streamed=entry["streamed"]),
            body=_decoded(raw.body) if is_coded else raw.body,
            coded=raw.body if is_coded else b"",
        )


def _kept(raw: _Raw, *, streamed: bool) -> Headers:
    gone = _CONNECTION | {"content-encoding"}
    typed = any(name.lower() == "content-type" and value != "application/json" for name, value in raw.headers)
    if streamed and not typed:  # a recorder dropped it, or somebody edited it
        gone |= {"content-type"}
    kept = [(name.lower().encode("latin-1"), value.strip().encode()) for name, value in raw.headers if name.lower() not in gone]
    return (*kept, *(((b"content-type", b"text/event-stream"),) if "content-type" in gone else ()))


def _decoded(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except EOFError:  # a stream that was not read to its end; what came is what counts
        return zlib.decompressobj(wbits=31).decompress(body)


def _bytes(value: Any) -> bytes:
    match value:
        case bytes():
            return value
        case str():
            return value.encode("utf-8", "surrogatepass")
        case None:
            return b""
        case _:
            return json.dumps(value, ensure_ascii=False, default=str).encode()


def _headers(value: Any) -> list[tuple[str, str]]:
    pairs = value.items() if isinstance(value, dict) else ((item["name"], item["value"]) for item in value or ())
    return [(name, str(one)) for name, many in pairs for one in (many if isinstance(many, list) else [many])]


def _said(interaction: dict[str, Any]) -> _Raw:
    """Read one interaction of the YAML and JSON recorders, which differ in where they put the same four things."""
    request, response = interaction["request"], interaction["response"]
    asked = request.get("body") or request.get("parsed_body")
    if isinstance(asked, dict) and "encoding" in asked and "string" in asked:
        asked = asked["string"]
    body = next((response[key] for key in ("body", "parsed_body", "content") if response.get(key) is not None), None)
    if isinstance(body, dict) and "string" in body:
        body = body["string"]
    status = response.get("code") or response.get("status_code") or response["status"]["code"]
    return _Raw(_bytes(asked), int(status), _headers(response.get("headers")), _bytes(body))


def _interactions(key: str) -> Callable[[bytes, dict[str, Any]], list[_Raw]]:
    def read(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
        return [_said(interaction) for interaction in yaml.load(data, _Loader)[key]]

    return read


def _mocked(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
    raws: list[_Raw] = []
    for document in yaml.load_all(data, _Loader):
        when, then = document["when"], document["then"]
        asked, body = _bytes(when.get("body")), _bytes(then.get("body"))
        if then.get("body_encoding") == "base64":
            body = base64.b64decode(body)
        raws.append(_Raw(asked, int(then["status"]), _headers(then.get("header")), body))
    return raws


def _archived(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
    raws: list[_Raw] = []
    for item in json.loads(data)["log"]["entries"]:
        content = item["response"]["content"]
        body = _bytes(content.get("text"))
        if content.get("encoding") == "base64":
            pieces = json.loads(body) if body.startswith(b"[") else [body]
            body = b"".join(base64.b64decode(piece) for piece in pieces)
        asked = _bytes((item["request"].get("postData") or {}).get("text"))
        raws.append(_Raw(asked, item["response"]["status"], _headers(item["response"]["headers"]), body))
    return raws


def _nocked(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
    raws: list[_Raw] = []
    for item in json.loads(data):
        body = item["response"]
        if isinstance(body, list) and all(isinstance(piece, str) for piece in body):
            body = b"".join(bytes.fromhex(piece) for piece in body)
        raws.append(_Raw(_bytes(item.get("body")), item["status"], _headers(item["rawHeaders"]), _bytes(body)))
    return raws


def _alone(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
    """Read a bare body; frames that were kept without their empty lines get them back."""
    if not entry["streamed"]:
        return [_Raw(b"", 200, [("content-type", "application/json")], data)]
    if entry["file"].endswith(".chunks.txt"):
        data = b"".join(_framed(line, entry["surface"]) for line in data.splitlines() if line.strip())
        if entry["surface"] in {"chat", "completions"}:
            data += b"data: [DONE]\n\n"
    elif entry["source"] == "codecompanion":
        data = b"".join(line + (b"\n\n" if line.startswith(b"data:") else b"\n") for line in data.splitlines() if line.strip())
    return [_Raw(b"", 200, [("content-type", "text/event-stream")], data)]


def _framed(line: bytes, surface: str) -> bytes:
    # Read without a parser: the lines of one fixture are not quite JSON.
    found = _TYPE.match(line) if surface in _EVENTS_NAMED else None
    name = b"" if found is None else b"event: " + found[1] + b"\n"
    return name + b"data: " + line + b"\n\n"


def _one(data: bytes, entry: dict[str, Any]) -> list[_Raw]:
    return [_said(json.loads(data))]


_READERS: dict[str, Callable[[bytes, dict[str, Any]], list[_Raw]]] = {
    "vcr-py": _interactions("interactions"),
    "vcr-py-parsed": _interactions("interactions"),
    "vcr-go": _interactions("interactions"),
    "vcr-ruby": _interactions("http_interactions"),
    "ddjson": _one,
    "httpmock": _mocked,
    "har": _archived,
    "nock": _nocked,
    "bare": _alone,
}
