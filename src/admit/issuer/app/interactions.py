"""An application's own sign-in page: what is asked of it, and how it says who signed in (contracts §9).

    asked = await issuer.interactions.get(id)                    # `i` of the address that the browser came with
    there = await issuer.interactions.finish(id, subject)        # where to send the browser: 303

A browser comes to `login_url?i=…` and goes back by the address that `finish` or `refuse` gives. All that is bound to
the browser is checked there: whoever is sent another's address signs in as nobody.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from admit.errors import ConfigError, SessionError
from admit.issuer.accounts.rules import may_sign_in
from admit.issuer.app import flow
from admit.issuer.factors.assurance import Proof
from admit.issuer.grants.answers import Answers
from admit.issuer.grants.records import Interaction
from admit.issuer.oauth.authorize import steps
from admit.issuer.oauth.authorize.request import Prompt
from admit.issuer.oauth.errors import UntrustedTargetError
from admit.issuer.oauth.services import Services

DONE: Final = "/login/done"
OWN: Final = "own"
"""The member of a kept request that is of no client: somebody wants to see a page of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInAsked:
    """What a sign-in page is told. All of it came from a client, and is text to be escaped.

    `client_id`, `client_name`, `client_host`: who asks, None where somebody only wants to see an account page.
    `verified`: whether an operator vouches for the client. `scopes` are the asked ones. `login_hint`: who it is, as far
    as the client knows. `anew`: who is signed in with the application already has to prove it once more, now.
    `ui_locales`: wanted languages, the best first.
    """

    client_id: str | None = None
    client_name: str | None = None
    client_host: str | None = None
    verified: bool = True
    scopes: frozenset[str] = frozenset()
    login_hint: str | None = None
    anew: bool = False
    ui_locales: tuple[str, ...] = ()


class SignIns:
    """`issuer.interactions`. An id is good while its interaction is open: `grants.interaction_lifetime`, 30 min."""

    def __init__(self, services: Services, answers: Answers, clock: Callable[[], float]) -> None:
        self._services = services
        self._answers = answers
        self._clock = clock

    async def get(self, id: str) -> SignInAsked | None:
        """What is asked; None for what is over, was never there, or is no longer allowed."""
        found = await self._answers.open(id, self._clock())
        if found is None:
            return None
        if OWN in found.request:
            return SignInAsked(anew=bool(found.request[OWN]["again"]))
        return await self._asked(found)

    async def _asked(self, found: Interaction) -> SignInAsked | None:
        try:
            request = await flow.judged_kept(self._services, found.request, self._clock())
        except (UntrustedTargetError, steps.RedirectableError):
            return None
        card = flow.card(request)
        return SignInAsked(
            client_id=request.client.id,
            client_name=card.name,
            client_host=card.host,
            verified=card.verified,
            scopes=request.scope,
            login_hint=request.login_hint,
            anew=Prompt.LOGIN in request.prompt or request.max_age is not None,
            ui_locales=tuple((request.ui_locales or "").split()),
        )

    async def finish(self, id: str, subject: str, *, proofs: Collection[Proof] = (Proof.PASSWORD,)) -> str:
        """This user proved just now who they are, by `proofs`. The address to send the browser to, good for a minute.

        It is no shorter way in: who has to show a second factor that is not among `proofs` is asked for it by Admit,
        and a disabled user comes to nothing.

        `Proof.PASSWORD` is among `proofs`, and stands for whatever is shown first on your page: a second factor alone
        signs nobody in.

        Raises:
            ConfigError: `proofs` are no proofs, or `Proof.PASSWORD` is not among them.
            SessionError: the interaction is over, or there is no such user who may sign in.
        """
        check_proofs(proofs)
        user = await self._services.accounts.get(subject)
        if user is None or not may_sign_in(user):
            raise SessionError("no such user, or a disabled one")
        return await self._keep(
            id,
            user_id=user.id,
            credential_version=user.credential_version,
            proofs=[one.value for one in proofs],
        )

    async def refuse(self, id: str) -> str:
        """Nobody signs in: the client is told `access_denied`. The address to send the browser to, good for a minute.

        Raises:
            SessionError: the interaction is over.
        """
        return await self._keep(id)

    async def _keep(
        self,
        id: str,
        *,
        user_id: str | None = None,
        credential_version: int | None = None,
        proofs: Collection[str] = (),
    ) -> str:
        now = self._clock()
        if await self._answers.open(id, now) is None:
            raise SessionError("no such interaction, or it is over")
        key = await self._answers.keep(
            id, now, user_id=user_id, credential_version=credential_version, proofs=proofs
        )
        return f"{self._services.issuer}{DONE}?{urlencode({'i': id, 'k': key})}"


def check_proofs(proofs: Collection[Proof]) -> None:
    """What was shown, by an application's word, is enough to be asked for the rest.

    Raises:
        ConfigError: it is not.
    """
    if not all(isinstance(proof, Proof) for proof in proofs) or Proof.PASSWORD not in proofs:
        raise ConfigError("proofs are of admit.issuer.Proof, and Proof.PASSWORD is one of them")
