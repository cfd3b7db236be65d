"""An OpenID provider over HTTP: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

What the provider publishes of itself is kept for an hour; keys that it has added since are fetched when a token names one, at
most once a minute. An ID token counts only if it is signed by an asymmetric key of the provider's, comes from it, is for us, has
not ended, and carries the nonce of this attempt. Nothing else that a provider tells of a person is read.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # pyright: ignore[reportUnknownVariableType] - untyped
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # pyright: ignore[reportUnknownVariableType] - untyped
from authlib.oidc.discovery import get_well_known_url  # pyright: ignore[reportUnknownVariableType] - untyped
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from pyreqwest.client import SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

from headgate.access.decide.proving import SKEW
from headgate.access.errors import ProviderRefused, ProviderUnavailable
from headgate.access.model import Proven

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyreqwest.client import SyncClient
    from pyreqwest.request import SyncRequestBuilder

    from headgate.access.model import Asked
    from headgate.kernel.clock import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that only the provider can make; one by a shared secret could be made by whoever stole it here."""

_KEPT = timedelta(hours=1)
_KEYS_AGAIN = timedelta(minutes=1)
_TIMEOUT = timedelta(seconds=10)
_SESSION_S = 12 * 3600
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OK = 200
_request_at = cast("Callable[..., str]", prepare_grant_uri)
_challenge = cast("Callable[[str], str]", create_s256_code_challenge)
_well_known = cast("Callable[..., str]", get_well_known_url)
_BAD_REQUEST, _UNAUTHORIZED = 400, 401


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to a provider.

    Attributes:
        issuer: The provider, as it spells itself.
        id: What it calls us.
        secret: What we prove that with; empty for a public client.
        back: Where it sends browsers back to.
    """

    issuer: str
    id: str
    secret: str = field(repr=False)
    back: str


@dataclass(frozen=True, slots=True)
class _Published:
    authorization: str
    token: str
    jwks: str
    methods: tuple[str, ...]
    keys: KeySet
    read_at: datetime


class OpenidProvider:
    """A ``Provider`` over HTTP.

    Args:
        client: Who we are to it.
        clock: The time.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._published: _Published | None = None
        builder = SyncClientBuilder().timeout(_TIMEOUT).follow_redirects(enable=False)
        self._http: SyncClient = (builder.no_proxy() if _is_here(client.issuer) else builder).build()

    @property
    def issuer(self) -> str:
        return self._client.issuer

    def address(self, asked: Asked) -> str:
        published = self._known()
        more = {"prompt": "login", "max_age": "0"} if asked.fresh else {"max_age": str(_SESSION_S)}
        return _request_at(
            published.authorization,
            self._client.id,
            "code",
            redirect_uri=self._client.back,
            scope="openid",
            state=asked.state,
            nonce=asked.nonce,
            code_challenge=_challenge(asked.verifier),
            code_challenge_method="S256",
            **more,
        )

    def proven(self, code: str, asked: Asked) -> Proven:
        token = self._token(self._known(), code, asked)
        claims = self._claims(token)
        nonce, subject, seen = claims.get("nonce"), claims.get("sub"), claims.get("auth_time")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), asked.nonce.encode()):
            raise _refused("it belongs to another attempt")
        audience = claims.get("aud")
        several = isinstance(audience, list) and len(cast("list[object]", audience)) > 1
        if claims.get("azp", None if several else self._client.id) != self._client.id:
            raise _refused("it was made for somebody else")
        if isinstance(seen, bool) or not isinstance(seen, int | float) or not 0 < seen <= self._now().timestamp() + SKEW.seconds:
            raise _refused("it does not say when you were asked")  # it must: `max_age` was sent
        return Proven(self._client.issuer, str(subject), datetime.fromtimestamp(seen, UTC))

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what an ID token says that the provider signed for us, just now."""
        try:
            claims = self._decoded(token)
            JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=SKEW.seconds,
                iss={"essential": True, "value": self._client.issuer},
                aud={"essential": True, "value": self._client.id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError) as problem:
            raise _refused("its signature or its terms do not hold") from problem
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self._known().keys, algorithms=ALGORITHMS).claims
        except InvalidKeyIdError:  # it has new keys, perhaps
            return jwt.decode(token, self._known(keys_again=True).keys, algorithms=ALGORITHMS).claims

    def _token(self, published: _Published, code: str, asked: Asked) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.back,
            "code_verifier": asked.verifier,
        }
        request = self._http.post(published.token).header("accept", "application/json")
        if not self._client.secret:
            form["client_id"] = self._client.id
        elif "client_secret_basic" in published.methods:
            request = request.basic_auth(quote_plus(self._client.id), quote_plus(self._client.secret))
        else:
            form |= {"client_id": self._client.id, "client_secret": self._client.secret}
        status, answer = self._json(request.form(form))
        if status in (_BAD_REQUEST, _UNAUTHORIZED):
            raise _refused("it does not take this code")
        token = answer.get("id_token")
        if status != _OK or not isinstance(token, str):
            raise _unavailable()
        return token

    def _known(self, *, keys_again: bool = False) -> _Published:
        """Return what the provider publishes of itself, from memory where that is young enough."""
        known, now = self._published, self._now()
        if known is not None and now - known.read_at < (_KEYS_AGAIN if keys_again else _KEPT):
            return known
        told = self._get(_well_known(self._client.issuer, external=True))
        if told.get("issuer") != self._client.issuer:
            raise _unavailable()
        authorization, token, jwks = (
            self._address(told.get(name)) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not isinstance(methods, list):
            raise _unavailable()
        try:
            keys = KeySet.import_key_set(cast("Any", self._get(jwks)))
        except (JoseError, ValueError, TypeError, LookupError) as problem:
            raise _unavailable() from problem
        self._published = _Published(
            authorization, token, jwks, tuple(map(str, cast("list[object]", methods))), keys, read_at=now
        )
        return self._published

    def _address(self, told: object) -> str:
        """Return an address that the provider names; over TLS, unless all of this happens on one machine."""
        if not isinstance(told, str) or not (told.startswith("https://") or (_is_here(self.issuer) and _is_here(told))):
            raise _unavailable()
        return told

    def _get(self, url: str) -> dict[str, Any]:
        status, answer = self._json(self._http.get(url).header("accept", "application/json"))
        if status != _OK:
            raise _unavailable()
        return answer

    def _json(self, request: SyncRequestBuilder) -> tuple[int, dict[str, Any]]:
        try:
            response = request.build().send()
            status, answer = response.status, response.json()
        except (PyreqwestError, ValueError) as problem:
            raise _unavailable() from problem
        if not isinstance(answer, dict):
            raise _unavailable()
        return status, cast("dict[str, Any]", answer)

    def _now(self) -> datetime:
        return self._clock.now()


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _refused(why: str) -> ProviderRefused:
    return ProviderRefused(f"What the provider says of you cannot be used: {why}.", help="Begin again, or sign in by a link.")


def _unavailable() -> ProviderUnavailable:
    return ProviderUnavailable(
        "The provider does not answer as an OpenID provider does.", help="Try again later, or sign in by a link or a passkey."
    )
