"""Login with an ID token (AF_10057, AF_10234): from the bytes to the account.

A token is worth one login, at one process of this server. What it says is believed only after its
signature, and nothing is written before everything else has been looked at.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import attrs

from synapse_tim.adapter import metrics
from synapse_tim.adapter.answers import count_allowed, count_denied
from synapse_tim.adapter.threads import Threads
from synapse_tim.federation.federation_members import Federation
from synapse_tim.jose import jwe
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.signed_token import SignatureRules, SignedToken
from synapse_tim.login.accounts import Accounts
from synapse_tim.login.denials import ID_TOKEN
from synapse_tim.login.provider_keys import KeysUnavailableError, ProviderKeys
from synapse_tim.login.rules.identity_provider import IdentityProvider, Person, ThisServer, UsedToken
from synapse_tim.login.rules.nonces import NonceMint
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError, as_refusals
from synapse_tim.login.store import LoginStore, ProviderSession

logger = logging.getLogger(__name__)

#: Kind and value of what may be used once: a token, and its nonce.
Used = tuple[tuple[str, str], ...]

# Reasons that other keys under the same name may cure.
_OF_OLD_KEYS: Final = frozenset({JoseReason.SIGNATURE_INVALID, JoseReason.KEY_MISMATCH})


@attrs.frozen(eq=False)
class Provider:
    """A provider with what is needed to verify its signatures."""

    rules: IdentityProvider  #: what its tokens have to be
    keys: ProviderKeys
    threads: Threads  #: where they are fetched; of its own, so that no provider keeps another one waiting

    async def verify(self, token: SignedToken, rules: SignatureRules) -> Mapping[str, Any]:
        """The claims of a token of this provider.

        Raises:
            TokenRefusedError: it is not signed as it has to be, or there are no keys.
        """
        with as_refusals():
            token.require(rules)
            return await self._verify(token)

    async def _verify(self, token: SignedToken) -> Mapping[str, Any]:
        keys = self.keys.at_hand(token.kid)
        if keys is None:
            try:
                keys = await self.threads.run(self.keys.for_token, token.kid)
            except KeysUnavailableError as error:
                raise TokenRefusedError(TokenRefusal.KEYS_UNAVAILABLE, str(error)) from None
        try:
            return token.verify(keys)
        except JoseError as error:
            if error.reason not in _OF_OLD_KEYS or not self.keys.may_be_newer(keys):
                raise
        return token.verify(await self.threads.run(self.keys.newer, keys))


@attrs.frozen
class LoggedIn:
    """A user whose token was accepted."""

    user_id: str
    session: ProviderSession  #: of the provider that vouches for them
    used: Used  #: what was noted as used, to be released if nothing comes of it


@attrs.frozen(eq=False)
class VerifiedLogin:
    """A verified token, before its account is looked up."""

    provider: IdentityProvider
    claims: Mapping[str, Any]
    person: Person
    use: UsedToken  #: what is to be remembered of it
    now: dt.datetime

    @property
    def session(self) -> ProviderSession:
        """The session at the provider."""
        return ProviderSession(self.provider.id, self.use.session_id, self.person.subject, self.use.issued_at)


@attrs.frozen(eq=False)
class UsedTokens:
    """Sees to it that a token, and a nonce, is used once only."""

    store: LoginStore
    nonces: NonceMint

    async def use(self, verified: VerifiedLogin) -> Used:
        """Note that a token is used.

        Returns:
            What was noted; for ``release``.

        Raises:
            TokenRefusedError: ``replayed`` or ``nonce``.
        """
        use = verified.use
        nonce_until = None if use.nonce is None else self.nonces.holds_until(use.nonce, verified.now)
        if verified.provider.nonce_required and nonce_until is None:
            raise TokenRefusedError(TokenRefusal.NONCE)
        token = ("token", use.replay_key)
        things = [(*token, use.until)]
        if use.nonce is not None and nonce_until is not None:  # the provider's flow has one, and it is ours
            things.append(("nonce", use.nonce, nonce_until))
        before = await self.store.use_once(things, verified.session)
        if before == "session":
            raise TokenRefusedError(TokenRefusal.REPLAYED, "the session at the provider is over")
        if before == "nonce":
            raise TokenRefusedError(TokenRefusal.NONCE, "used before")
        if before is not None:
            raise TokenRefusedError(TokenRefusal.REPLAYED)
        return tuple((kind, value) for kind, value, _ in things)

    async def release(self, used: Used) -> None:
        """Let a token be used again that no session came of, and never will.

        If that cannot be noted, the token stays used.
        """
        try:
            await self.store.release(used)
        except Exception as error:
            logger.warning(
                "A token stays marked as used, although the login failed: %s", type(error).__name__
            )


@attrs.frozen(eq=False)
class LoginContext:
    """What logins with tokens and through single sign-on share at this homeserver."""

    homeserver: ThisServer
    federation: Federation | None  #: knows the insurers' institution codes
    used: UsedTokens
    permits_single_sign_on: bool  #: whether single sign-on is a way to log in here
    marks: MutableMapping[tuple[str, str], str]  #: of accounts that are being made, by provider and localpart

    def person(self, provider: IdentityProvider, claims: Mapping[str, Any], now: dt.datetime) -> Person:
        """The person, by the last verified list, also a stale one: logins go on without the directory."""
        known_list = None if self.federation is None else self.federation.known_list
        return provider.person(claims, self.homeserver, known_list, now)


@attrs.frozen(eq=False)
class TokenLogin:
    """Turns tokens into users."""

    providers: Mapping[str, Provider]
    decryption_keys: tuple[jwe.DecryptionKey, ...]
    context: LoginContext
    accounts: Accounts
    clock: Callable[[], dt.datetime]  #: the time, with a time zone

    async def log_in(self, token: object) -> LoggedIn:
        """The user of a token; the account is made if there is none and the operator wants it."""
        return await self.accept(await self.validate(token))

    async def accept(self, verified: VerifiedLogin) -> LoggedIn:
        """The user of a token that was validated, which is used up; see ``log_in``."""
        whose = (verified.provider, verified.person, verified.claims)
        user_id = await self.accounts.find_or_check(*whose)
        used = await self.context.used.use(verified)
        if user_id is None:
            try:
                user_id = await self.accounts.make(*whose)
            except TokenRefusedError:
                raise
            except Exception:
                await self.context.used.release(used)  # there is no session yet
                raise
        self.accounts.rename(user_id, verified.person.display_name)
        return LoggedIn(user_id, verified.session, used)

    async def confirm(self, token: object, user_id: str) -> LoggedIn:
        """Have a user who is logged in confirm something with a token.

        Another person's token is refused and not used up; nothing is made or changed.
        """
        verified = await self.validate(token)
        if await self.accounts.find(verified.provider, verified.person) != user_id:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        return LoggedIn(user_id, verified.session, await self.context.used.use(verified))

    async def validate(self, token: object) -> VerifiedLogin:
        """What a token says and who it is about; nothing is written, and the token is not used up.

        Raises:
            TokenRefusedError: for a reason of the token or the person.
        """
        signed, provider, encrypted = self.read(token)
        if provider.rules.encrypted and not encrypted:
            raise TokenRefusedError(TokenRefusal.NOT_ENCRYPTED)
        claims = await provider.verify(signed, provider.rules.signature)
        now, rules = self.clock(), provider.rules
        person = self.context.person(rules, claims, now)
        return VerifiedLogin(rules, claims, person, rules.use(claims, signed.digest), now)

    def read(self, token: object) -> tuple[SignedToken, Provider, bool]:
        """Parse and decrypt a token of any kind.

        Returns:
            The token, the provider that it says it is from, and whether it was encrypted.

        Raises:
            TokenRefusedError: it is none, or not of a provider of this server.
        """
        if not isinstance(token, str) or not token.isascii():
            raise TokenRefusedError(TokenRefusal.NOT_A_TOKEN)
        octets = token.encode()
        encrypted = jwe.is_encrypted(octets)
        with as_refusals():
            signed = SignedToken.parse(jwe.decrypt(octets, self.decryption_keys) if encrypted else octets)
        issuer = signed.unverified_claims.get("iss")
        provider = self.providers.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise TokenRefusedError(TokenRefusal.ISSUER_UNKNOWN)
        return signed, provider, encrypted


def count_accepted() -> None:
    """Count a token that leads to an account."""
    metrics.LOGIN_TOKENS.labels("accepted").inc()
    count_allowed(ID_TOKEN)


def count_refused(error: TokenRefusedError) -> None:
    """Count and log a refusal by its reason."""
    metrics.LOGIN_TOKENS.labels(error.reason.value).inc()
    count_denied(ID_TOKEN)
    logger.info("ID token refused: %s", error.reason.value)
    logger.debug("ID token refused: %s", error)
