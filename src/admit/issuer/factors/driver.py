"""`Factors`: what the rest of the issuer asks about second factors."""

from collections.abc import Callable, Collection
from dataclasses import replace

from admit.issuer.accounts.config import SecondFactor
from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_1FA, ACR_2FA
from admit.issuer.factors import assurance, codes, rules, store, transactions
from admit.issuer.factors.assurance import Next, Proof
from admit.issuer.factors.config import FactorsConfig
from admit.issuer.factors.records import (
    Enrolled,
    Enrolment,
    FactorsView,
    Pending,
    Proved,
    Refusal,
    Refused,
)
from admit.issuer.factors.transactions import Around, Held
from admit.issuer.outbox import NO_MAIL, Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database, Steps


class Factors:
    """Apps, recovery codes and waiting sign-ins. `policy` says who has to have a second factor."""

    def __init__(
        self,
        db: Database,
        lists: Lists,
        policy: SecondFactor = SecondFactor.OPTIONAL,
        config: FactorsConfig | None = None,
        outbox: Outbox = NO_MAIL,
    ) -> None:
        self._db = db
        self.policy = policy
        self.config = config or FactorsConfig()
        self._around = Around(db.keyring, lists, outbox, self.config)

    # The gate

    async def next_step(self, user: User, proofs: Collection[Proof], *, asked: str = ACR_1FA) -> Next:
        """What has to happen before these proofs make a session; `assurance.next_step` with what the user has."""
        has_app = await self.has_app(user.id)
        return assurance.next_step(self.policy, user, proofs, has_app=has_app, asked=asked)

    def must_have(self, user: User) -> bool:
        """Whether the settings leave this user no sign-in without a second factor."""
        return assurance.demanded(self.policy, user) == ACR_2FA

    def admits(self, user: User, acr: str) -> bool:
        """Whether a session or grant of this class is enough for this user, by the settings of now."""
        return assurance.admits(self.policy, user, acr)

    # A sign-in that waits

    async def begin_sign_in(
        self,
        user: User,
        *,
        binding: bytes,
        enrol: bool,
        now: float,
        next: str = "",
        along: Callable[[], Steps[None]] = transactions.alone,
    ) -> str:
        """Keep a sign-in whose password was right, for the browser with this secret. Its handle. `along` is written in
        the same transaction.
        """
        handle = codes.new_handle()
        await self._db.run(
            transactions.begin_sign_in,
            self._around,
            user,
            held(handle, binding),
            enrol=enrol,
            next=next,
            now=now,
            along=along,
        )
        return handle

    async def pending(self, handle: str, binding: bytes, now: float) -> Pending | None:
        """The open sign-in of this browser."""
        of = held(handle, binding)
        limit = self.config.tries_per_sign_in
        row = await self._db.one(
            store.FIND_PENDING(of_id=of.id_hash, of_browser=of.binding_hash, limit=limit, now=now)
        )
        return None if row is None else store.pending_of(row)

    async def prove(
        self, handle: str, binding: bytes, typed: str, *, info: RequestInfo, now: float
    ) -> Proved | Refused:
        """Take a code of an app, or a recovery code, for a waiting sign-in. Proved is said once."""
        return await self._db.run(
            transactions.prove, self._around, held(handle, binding), typed, info=info, now=now
        )

    async def begin_held(
        self, user: User, of: Held, *, now: float, along: Callable[[], Steps[None]] = transactions.alone
    ) -> None:
        """Keep a sign-in whose password was right and that wants a code, for who holds `of` and nobody else: there is
        no handle of it. `along` is written in the same transaction.
        """
        await self._db.run(
            transactions.begin_sign_in, self._around, user, of, enrol=False, next="", now=now, along=along
        )

    async def prove_held(self, of: Held, typed: str, *, info: RequestInfo, now: float) -> Proved | Refused:
        """`prove`, for a sign-in that `begin_held` began."""
        return await self._db.run(transactions.prove, self._around, of, typed, info=info, now=now)

    # Apps

    async def has_app(self, user_id: str) -> bool:
        """Whether the user has an authenticator app, so that its code is asked for."""
        return await self._db.one(store.ANY_OF_USER(of_user=user_id)) is not None

    async def view(self, user_id: str) -> FactorsView:
        """What the user has; no secret."""
        apps = tuple(store.factor_of(row) for row in await self._db.read(store.OF_USER(of_user=user_id)))
        row = await self._db.one(store.CODES_LEFT(of_user=user_id))
        if row is None or not apps:
            return FactorsView(apps=apps)
        return FactorsView(apps=apps, codes_left=row["left"], codes_made_at=row["made_at"])

    async def begin_enrolment(self, user_id: str, session_id: str, now: float) -> str:
        """A new app for this session to add; its id. Nothing is asked of it before it has shown a code."""
        return await self._db.run(
            transactions.begin_enrolment, self._around, user_id, begun_by=by_session(session_id), now=now
        )

    async def enrolment(self, user_id: str, factor_id: str, begun_by: str, now: float) -> Enrolment | None:
        """The app that is being added, with its secret, for the session or sign-in that began it."""
        if not rules.is_factor_id(factor_id):
            return None
        life = self.config.enrolment_lifetime.total_seconds()
        row = await self._db.one(
            store.BEGUN(of_id=factor_id, of_user=user_id, begun_by_=begun_by, after=now - life)
        )
        if row is None:
            return None
        secret = codes.unseal(self._db.keyring, row["secret_sealed"], user_id=user_id, factor_id=factor_id)
        return Enrolment(id=factor_id, secret=secret, expires_at=row["created_at"] + life)

    async def confirm(
        self,
        user: User,
        factor_id: str,
        typed: str,
        *,
        session_id: str,
        name: str,
        info: RequestInfo,
        now: float,
    ) -> Enrolled | Refused:
        """The app that this session is adding has shown a code. With the first one everything else that the user had
        open is over, this session too: the caller begins another, by `after_change`.

        Raises:
            PersonNameError: the name cannot be taken.
        """
        return await self._confirm(
            user, factor_id, typed, by_session(session_id), None, name=name, info=info, now=now
        )

    async def confirm_at_sign_in(
        self, user: User, handle: str, binding: bytes, typed: str, *, name: str, info: RequestInfo, now: float
    ) -> Enrolled | Refused:
        """The same for the app that a waiting sign-in brings, which is over by it. `user` is as of the password."""
        pending = await self.pending(handle, binding, now)
        if pending is None or pending.enrolment is None or pending.user_id != user.id:
            return Refused(Refusal.OVER)
        of = held(handle, binding)
        then = replace(user, credential_version=pending.credential_version)
        return await self._confirm(then, pending.enrolment, typed, of.name, of, name=name, info=info, now=now)

    async def _confirm(
        self,
        user: User,
        factor_id: str,
        typed: str,
        begun_by: str,
        sign_in: Held | None,
        *,
        name: str,
        info: RequestInfo,
        now: float,
    ) -> Enrolled | Refused:
        chosen, code = rules.app_name(name), rules.typed_code(typed)
        if not rules.is_factor_id(factor_id):
            return Refused(Refusal.OVER)
        if code is None:
            return Refused(Refusal.WRONG)
        return await self._db.run(
            transactions.confirm,
            self._around,
            user,
            factor_id=factor_id,
            begun_by=begun_by,
            code=code,
            name=chosen,
            sign_in=sign_in,
            info=info,
            now=now,
        )

    async def remove(
        self, user: User, factor_id: str, *, keep: str, info: RequestInfo, now: float
    ) -> int | Refused | None:
        """Take an app away and end every session but the one with the public id `keep`; how many families ended.

        None: no such app. Refused: the settings want one and it is the last, or the credentials changed meanwhile.
        """
        if not rules.is_factor_id(factor_id):
            return None
        return await self._db.run(
            transactions.remove,
            self._around,
            user,
            factor_id,
            keep=keep,
            must_have=self.must_have(user),
            info=info,
            now=now,
        )

    async def reset(self, user_id: str, *, info: RequestInfo, now: float) -> int | None:
        """For operators: take away all that a user has besides the password, and end all sessions and grants; how many
        families ended. None: there was nothing to take away.
        """
        return await self._db.run(transactions.reset, self._around, user_id, info=info, now=now)

    async def renew_codes(self, user: User, *, info: RequestInfo, now: float) -> tuple[str, ...] | None:
        """Ten new recovery codes; those of before are worth nothing. None: there is no app, or it changed meanwhile."""
        return await self._db.run(transactions.renew_codes, self._around, user, info=info, now=now)

    async def sweep(self, now: float) -> None:
        """Forget sign-ins and enrolments that are over."""
        await store.FORGET_PENDING.delete_all(self._db, before=now)
        begun = now - self.config.enrolment_lifetime.total_seconds()
        await store.FORGET_BEGUN.delete_all(self._db, before=begun)


def held(handle: str, binding: bytes) -> Held:
    """How a waiting sign-in is found: by what the address and the cookie of one browser say together."""
    return Held(codes.hash_handle(handle), codes.hash_binding(binding))


def new_held(binding: bytes) -> Held:
    """How a waiting sign-in is found that has no handle: by what is kept of a flow, and by what that is bound to."""
    return Held(codes.hash_handle(codes.new_handle()), codes.hash_binding(binding))


def by_session(session_id: str) -> str:
    """What an app is bound to that a session adds."""
    return "session/" + session_id


def after_change(user: User) -> User:
    """The user as of the change of factors just made: a session may begin on it, unless there was another since."""
    return replace(user, credential_version=user.credential_version + 1)
