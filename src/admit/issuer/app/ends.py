"""What an application or a command can end, whoever it belongs to."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.app.removal import kept_of
from admit.issuer.audit import RequestInfo
from admit.issuer.audit.rules import cut
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.oauth.services import Services
from admit.issuer.sessions.records import Ended

APPLICATION: Final = "application"
REASON: Final = "ended by the application"


class Ends(ABC):
    """The ends of an `Issuer`, for the application that it is part of.

    Each is one transaction with its audit record. When the call returns it is durable, cookies and refresh tokens are
    dead on every node, this process's own `verifier` refuses too, and every other verifier refuses the access tokens
    within its `max_staleness` (30 s unless it was set otherwise; usually within 250 ms). That is what the caller may
    promise. `actor` is who does it, for the audit; `reason` says why, in a few words that hold no secret.
    """

    services: Services
    _clock: Callable[[], float]

    async def end_sessions(
        self, subject: str, *, everywhere: bool = False, reason: str = REASON, actor: str = APPLICATION
    ) -> Ended:
        """Sign a user out of every browser, and of all applications that the sessions let in; how much ended.

        What was granted for the time while the user is away (`offline_access`) goes on; with `everywhere=True` it ends
        too. The user may sign in again: `services.accounts.disable` prevents that.

        Raises:
            UserNotFoundError: no such user.
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        if await self.services.accounts.kept(subject) is None:
            raise UserNotFoundError
        sessions, info, now = self.services.sessions, RequestInfo(actor=actor), self._clock()
        end = sessions.end_everything if everywhere else sessions.end_all
        ended = await end(subject, reason=cut(reason) or REASON, info=info, now=now)
        await self.settle()
        return ended

    async def accounts_changed(self, *subjects: str) -> None:
        """Look at once at accounts that the application keeps (`Issuer(..., accounts=...)`): it disabled or removed
        them, or changed a password, role or group. All that is over by it is ended when the call returns. Without the
        call it is found out at the next refresh, and by `accounts.recheck` for sessions.

        Raises:
            AccountsUnavailableError: the application does not say what they are now; nobody is let in until it does.
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        await self.services.accounts.changed(*subjects)
        for subject in subjects:
            await self.services.accounts.get(subject)
        await self.settle()

    async def remove_user(self, subject: str, *, actor: str = APPLICATION) -> int:
        """Forget a person: end every session and grant, then delete the account, its factors, links, devices, consents
        and mails on their way; how many sessions and grants there were. The address is free again, the `sub` never is.
        Of the audit's records stays what happened, without the addresses that the person came from.

        Raises:
            UserNotFoundError: no such user.
            AccountElsewhereError: an application keeps the account, and has it still: remove it there first. A command
                asks no application, and always refuses.
            AccountsUnavailableError: that application does not say whether it has it.
            StorageUnavailableError: nothing is known to be removed; ask again.
        """
        info, now = RequestInfo(actor=actor), self._clock()
        ended = await self.services.accounts.remove(subject, also=kept_of(subject), info=info, now=now)
        await self.settle()
        return ended

    async def end_session(self, session_id: str, *, reason: str = REASON, actor: str = APPLICATION) -> bool:
        """End one session by its public id (`sid`), and the grants that hang from it. False: no such session, or over.

        Raises:
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        info = RequestInfo(actor=actor)
        ended = await self.services.sessions.end_whosever(
            session_id, reason=cut(reason) or REASON, info=info, now=self._clock()
        )
        await self.settle()
        return ended

    async def end_grant(self, id: str, *, reason: str = REASON, actor: str = APPLICATION) -> bool:
        """End one grant with its refresh and access tokens; its session goes on. False: no such grant, or over.

        Raises:
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        info = RequestInfo(actor=actor)
        ended = await self.services.families.end_whosever(
            id, reason=cut(reason) or REASON, info=info, now=self._clock()
        )
        await self.settle()
        return ended

    async def end_client(self, client_id: str, *, reason: str = REASON, actor: str = APPLICATION) -> int:
        """End all that was ever granted to a client, whoever granted it, codes on their way included; how many grants.

        The client may be used again at once, and people who are signed in may let it in again: a secret that was stolen
        is replaced, or the client taken out of the settings, before this is called.

        Raises:
            ClientNotFoundError: there is no such client, and there never was.
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        await self.services.clients.check_known(client_id)
        info = RequestInfo(actor=actor)
        ended = await self.services.consents.end_of_client(
            client_id, reason=cut(reason) or REASON, info=info, now=self._clock()
        )
        await self.settle()
        return ended

    async def remove_client(self, client_id: str, *, reason: str = REASON, actor: str = APPLICATION) -> int:
        """Forget a client that the database keeps, and end all that was ever granted to it; how many grants.

        Raises:
            ClientNotFoundError: the database keeps no such client. One of the settings is taken out of them.
            StorageUnavailableError: nothing is known to be ended; ask again.
        """
        info = RequestInfo(actor=actor)
        ended = await self.services.consents.remove_client(
            client_id, reason=cut(reason) or REASON, info=info, now=self._clock()
        )
        if ended is None:
            raise ClientNotFoundError
        await self.settle()
        return ended

    async def revoke_key(self, kid: str, *, actor: str = APPLICATION) -> bool:
        """Stop trusting a signing key and all that it signed; another takes over. False: no such key, or done already.

        Sessions and refresh tokens live on: applications get new tokens by them.

        Raises:
            StorageUnavailableError: nothing is known to be revoked; ask again.
        """
        revoked = await self.services.keys.revoke(kid, self._clock(), actor=actor)
        await self.settle()
        return revoked

    @abstractmethod
    async def settle(self) -> None:
        """Wait, for a moment at most, until this process's own verifier knows what the database says now."""
