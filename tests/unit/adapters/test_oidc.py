"""What an OpenID provider must say before anybody is signed in by it: one on a socket that lies where a test asks it to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from headgate.access.errors import ProviderRefused, ProviderUnavailable
from headgate.access.model import Asked
from headgate.adapters.oidc import Client, OpenidProvider

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ASKED = Asked(state="att_x.state", nonce="n" * 32, verifier="v" * 64, fresh=False, since=NOW)
KEY, NEW_KEY = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True) for kid in ("first", "second"))


@dataclass
class Hands:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class Liar:
    """A provider, and what it says.

    Attributes:
        claims: What differs from an honest ID token; ``None`` leaves a claim out.
        published: What differs from an honest discovery document.
        asked: The paths that were asked, in order, and the forms that were sent.
    """

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    published: dict[str, Any] = field(default_factory=dict[str, Any])
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    signs: Any = field(default_factory=lambda: KEY)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    status: int = 200
    asked: list[tuple[str, dict[str, list[str]], str | None]] = field(default_factory=list[Any])
    token: str | None = None

    def document(self) -> dict[str, Any]:
        at = self.issuer
        told = {"issuer": at, "authorization_endpoint": f"{at}/auth", "token_endpoint": f"{at}/token", "jwks_uri": f"{at}/keys"}
        return told | self.published

    def id_token(self) -> str:
        now = int(NOW.timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": "headgate",
            "sub": "noor",
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
        }
        claims |= {"nonce": ASKED.nonce} | self.claims
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, said, self.signs, algorithms=[self.header["alg"]])

    def answer(self, path: str) -> dict[str, Any]:
        match path:
            case "/.well-known/openid-configuration":
                return self.document()
            case "/keys":
                return {"keys": [key.as_dict(private=False) for key in self.keys]}
            case _:
                return {"access_token": "x", "token_type": "Bearer", "id_token": self.token or self.id_token()}


@contextmanager
def serving(liar: Liar) -> Generator[Liar]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

        def _answer(self, body: str) -> None:
            path = urlsplit(self.path).path
            liar.asked.append((path, parse_qs(body), self.headers.get("authorization")))
            content = json.dumps(liar.answer(path)).encode()
            self.send_response(liar.status if path == "/token" else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        liar.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield liar
        server.shutdown()
        thread.join()


@pytest.fixture
def liar() -> Iterator[Liar]:
    with serving(Liar()) as provider:
        yield provider


def provider_of(liar: Liar, clock: Hands | None = None, secret: str = "s:e%c ret") -> OpenidProvider:
    return OpenidProvider(Client(liar.issuer, "headgate", secret, "http://localhost:8900/back"), clock or Hands())


def test_an_honest_provider_says_who_somebody_is_and_since_when(liar: Liar) -> None:
    proven = provider_of(liar).proven("the code", ASKED)
    assert (proven.issuer, proven.subject, proven.authenticated_at) == (liar.issuer, "noor", NOW)
    path, form, authorization = liar.asked[-1]
    assert path == "/token"
    assert (form["code"], form["code_verifier"]) == (["the code"], [ASKED.verifier])
    assert authorization == "Basic aGVhZGdhdGU6cyUzQWUlMjVjK3JldA==", "RFC 6749, section 2.3.1: both are form-encoded first"
    assert "client_secret" not in form


def test_a_browser_is_sent_with_pkce_state_and_nonce(liar: Liar) -> None:
    query = parse_qs(urlsplit(provider_of(liar).address(ASKED)).query)
    assert (query["state"], query["nonce"], query["code_challenge_method"]) == ([ASKED.state], [ASKED.nonce], ["S256"])
    assert ASKED.verifier not in str(query)
    assert (query["scope"], query["response_type"]) == (["openid"], ["code"])
    fresh = Asked(ASKED.state, ASKED.nonce, ASKED.verifier, fresh=True, since=NOW)
    query = parse_qs(urlsplit(provider_of(liar).address(fresh)).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "somebody else"},
        {"aud": ["headgate", "somebody else"]},
        {"aud": ["headgate", "somebody else"], "azp": "somebody else"},
        {"aud": None},
        {"azp": "somebody else"},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": int(NOW.timestamp()) - 61},
        {"exp": None},
        {"exp": "never"},
        {"iat": int(NOW.timestamp()) + 61},
        {"iat": None},
        {"nbf": int(NOW.timestamp()) + 61},
        {"auth_time": None},
        {"auth_time": int(NOW.timestamp()) + 61},
        {"auth_time": True},
        {"auth_time": "now"},
    ],
    ids=str,
)
def test_an_id_token_that_does_not_fit_proves_nothing(liar: Liar, claims: dict[str, Any]) -> None:
    liar.claims = claims
    with pytest.raises(ProviderRefused):
        provider_of(liar).proven("code", ASKED)


@pytest.mark.parametrize(
    "claims", [{"exp": int(NOW.timestamp()) - 59}, {"iat": int(NOW.timestamp()) + 59}, {"aud": ["headgate"]}]
)
def test_clocks_may_be_a_minute_apart(liar: Liar, claims: dict[str, Any]) -> None:
    liar.claims = claims
    assert provider_of(liar).proven("code", ASKED).subject == "noor"


def test_a_token_that_somebody_else_signed_proves_nothing(liar: Liar) -> None:
    liar.signs = RSAKey.generate_key(2048, {"kid": "first"}, private=True)
    with pytest.raises(ProviderRefused):
        provider_of(liar).proven("code", ASKED)


def test_a_token_signed_by_a_shared_secret_or_by_nobody_proves_nothing(liar: Liar) -> None:
    liar.header = {"alg": "HS256", "kid": "first"}
    liar.signs = OctKey.import_key("s:e%c ret, and long enough to be taken for a key")
    with pytest.raises(ProviderRefused):
        provider_of(liar).proven("code", ASKED)
    for token in ("eyJhbGciOiJub25lIn0.e30.", "no token", "a.b.c", ""):
        liar.token = token or " "
        with pytest.raises(ProviderRefused):
            provider_of(liar).proven("code", ASKED)


def test_keys_that_were_added_since_are_fetched_once_a_minute_at_most(liar: Liar) -> None:
    clock = Hands()
    provider = provider_of(liar, clock)
    provider.proven("code", ASKED)
    liar.keys, liar.signs, liar.header = [KEY, NEW_KEY], NEW_KEY, {"alg": "RS256", "kid": "second"}
    for _ in range(3):
        with pytest.raises(ProviderRefused):
            provider.proven("code", ASKED)
    assert [path for path, _, _ in liar.asked].count("/keys") == 1
    clock.at += timedelta(minutes=1)
    assert provider.proven("code", ASKED).subject == "noor"
    assert [path for path, _, _ in liar.asked].count("/keys") == 2


def test_what_it_publishes_is_kept_for_an_hour(liar: Liar) -> None:
    clock = Hands()
    provider = provider_of(liar, clock)
    for _ in range(3):
        provider.address(ASKED)
    clock.at += timedelta(hours=1)
    provider.address(ASKED)
    assert [path for path, _, _ in liar.asked].count("/.well-known/openid-configuration") == 2


@pytest.mark.parametrize(
    "published",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"token_endpoint_auth_methods_supported": "client_secret_basic"},
    ],
    ids=str,
)
def test_a_provider_that_publishes_what_cannot_be_is_not_used(liar: Liar, published: dict[str, Any]) -> None:
    liar.published = published
    with pytest.raises(ProviderUnavailable):
        provider_of(liar).address(ASKED)


@pytest.mark.parametrize(("status", "error"), [(400, ProviderRefused), (401, ProviderRefused), (500, ProviderUnavailable)])
def test_a_code_that_is_not_taken_and_a_provider_that_fails_are_told_apart(
    liar: Liar, status: int, error: type[Exception]
) -> None:
    liar.status = status
    with pytest.raises(error):
        provider_of(liar).proven("code", ASKED)


def test_a_secret_is_sent_as_the_provider_asks_and_stands_in_no_repr(liar: Liar) -> None:
    liar.published = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider_of(liar).proven("code", ASKED)
    _, form, authorization = liar.asked[-1]
    assert (form["client_secret"], authorization) == (["s:e%c ret"], None)
    provider_of(liar, secret="").proven("code", ASKED)
    _, form, authorization = liar.asked[-1]
    assert ("client_secret" in form, form["client_id"], authorization) == (False, ["headgate"], None)
    assert "s:e%c" not in repr(Client("https://x.example", "headgate", "s:e%c ret", "back"))
    for text in (ASKED.state, ASKED.nonce, ASKED.verifier):
        assert text not in repr(ASKED)


def test_a_provider_that_is_gone_is_unavailable() -> None:
    with serving(Liar()) as liar:
        provider = provider_of(liar)
    with pytest.raises(ProviderUnavailable):
        provider.address(ASKED)
