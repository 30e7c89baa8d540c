"""Signing in at an identity provider (OpenID Connect): authorization code with PKCE.

Whoever starts gets an address to send the browser to and a `flow`, which stays with them; only who holds it can finish,
so that nobody is signed in by a link that somebody else has made.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import httpx2
import redis.asyncio
import redis.exceptions
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from api.auth.provider import TIMEOUT_S, Provider
from api.auth.secrets import hash_of
from api.errors import NotFound, Unauthenticated, Unavailable
from wire.settings import Settings

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
FLOW_S: Final = 600
LEEWAY_S: Final = 60
OVER = "this sign-in does not hold; start again"


@dataclass(frozen=True)
class Identity:
    """Whom the provider vouches for; `email` only where it says that it has verified it."""

    issuer: str
    subject: str
    email: str | None


class Oidc:
    """The provider that the settings name. Raises NotFound where they name none, Unavailable where it is away."""

    def __init__(
        self, settings: Settings, fast: redis.asyncio.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._redis = fast
        self._provider = Provider(settings.oidc_issuer, clock)

    @property
    def organization_id(self) -> UUID:
        """Whose users the provider signs in."""
        found = self._settings.oidc_organization_id
        if not self._settings.oidc_issuer or found is None:
            raise NotFound("no identity provider is set up here")
        return found

    async def start(self) -> tuple[str, str]:
        """Where to send the browser, and the flow that finishes it within ten minutes."""
        flow, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        provider = await self._provider.described()
        async with self._client() as client:
            address, state = client.create_authorization_url(
                provider["authorization_endpoint"], code_verifier=verifier, nonce=nonce
            )
        await self._keep(flow, {"state": state, "nonce": nonce, "verifier": verifier})
        return address, flow

    async def finish(self, flow: str, state: str, code: str) -> Identity:
        """Whom the provider vouches for. A flow is good once. Raises Unauthenticated."""
        kept = await self._taken(flow)
        if "identity" in kept:
            return Identity(**kept["identity"])
        if not kept or not secrets.compare_digest(kept["state"].encode(), state.encode()):
            raise Unauthenticated(OVER)
        try:
            return await self._exchange(kept, code)
        except (OAuthError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unauthenticated(OVER) from error

    async def hold(self, flow: str, identity: Identity) -> None:
        """Keep who it was until the second factor comes with the same flow."""
        await self._keep(flow, {"identity": asdict(identity)})

    async def _exchange(self, kept: dict[str, str], code: str) -> Identity:
        provider = await self._provider.described()
        try:
            async with self._client() as client:
                token = await client.fetch_token(
                    provider["token_endpoint"],
                    code=code,
                    code_verifier=kept["verifier"],
                    grant_type="authorization_code",
                )
        except httpx2.HTTPError as error:
            raise Unavailable("the identity provider does not answer; try again") from error
        try:
            return self._read(token, await self._provider.keys(), kept["nonce"])
        except (InvalidKeyIdError, BadSignatureError):
            return self._read(token, await self._provider.keys(newer=True), kept["nonce"])

    def _read(self, token: dict[str, Any], keys: KeySet, nonce: str) -> Identity:
        issuer, client_id = self._settings.oidc_issuer, self._settings.oidc_client_id
        parsed = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            parsed.claims,
            parsed.header,
            {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
            {"nonce": nonce, "client_id": client_id, "access_token": token.get("access_token")},
        )
        claims.validate(now=int(time.time()), leeway=LEEWAY_S)
        verified = claims.get("email_verified") is True and isinstance(claims.get("email"), str)
        return Identity(issuer, str(claims["sub"])[:255], claims["email"].strip().lower() if verified else None)

    def _client(self) -> AsyncOAuth2Client:
        of = self._settings
        return AsyncOAuth2Client(
            of.oidc_client_id,
            of.oidc_client_secret.get_secret_value(),
            scope="openid email",
            redirect_uri=of.oidc_redirect_url or f"{of.web_url.rstrip('/')}/sign-in/oidc",
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    async def _keep(self, flow: str, what: dict[str, Any]) -> None:
        try:
            await self._redis.set(_key(flow), json.dumps(what), ex=FLOW_S)
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            raise Unavailable("a sign-in cannot be kept now; try again") from error

    async def _taken(self, flow: str) -> dict[str, Any]:
        try:
            kept = await self._redis.getdel(_key(flow))
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            raise Unavailable("a sign-in cannot be kept now; try again") from error
        found: dict[str, Any] = json.loads(kept) if kept else {}
        return found


def _key(flow: str) -> str:
    return f"tw:oidc:{hash_of(flow).hex()}"
