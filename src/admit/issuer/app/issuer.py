"""`Issuer`: an authorization server as one ASGI application, standalone or inside another (contracts §9)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from admit.fetch import Fetcher
from admit.issuer.accounts.elsewhere import protocol
from admit.issuer.accounts.elsewhere.driver import AccountsElsewhere
from admit.issuer.accounts.links import EmailLinks
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.app import jobs
from admit.issuer.app.account_keeper import Looks, accounts_of
from admit.issuer.app.context import App
from admit.issuer.app.cookies import BrowserCookies
from admit.issuer.app.counting import COUNTS, Counts
from admit.issuer.app.dispatch import Dispatcher, Route
from admit.issuer.app.egress import check_ca_file
from admit.issuer.app.ends import Ends
from admit.issuer.app.feed import Feed
from admit.issuer.app.headers import HeaderTable
from admit.issuer.app.interactions import SignIns
from admit.issuer.app.keys import load_keyring, tell_key
from admit.issuer.app.known_ends import KnownEnds
from admit.issuer.app.mails.wiring import courier_of
from admit.issuer.app.observing import Observer
from admit.issuer.app.pages.render import Pages
from admit.issuer.app.probed import Probed
from admit.issuer.app.proxy import Behind
from admit.issuer.app.readiness import Readiness
from admit.issuer.app.settings import Settings
from admit.issuer.app.table import table_of
from admit.issuer.app.well_known import well_known_routes
from admit.issuer.audit.events import Events, EventSink
from admit.issuer.audit.refusals import Ring
from admit.issuer.clients.dialling import Dialling
from admit.issuer.clients.documents import MetadataDocuments
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.keys import ClientKeys
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import origin_of
from admit.issuer.consents.driver import Consents
from admit.issuer.factors.driver import Factors
from admit.issuer.grants.answers import Answers
from admit.issuer.grants.codes import Codes
from admit.issuer.grants.families import Families
from admit.issuer.grants.flows import SignInFlows
from admit.issuer.grants.interactions import Interactions
from admit.issuer.grants.machines import Machines
from admit.issuer.grants.pushed import PushedRequests
from admit.issuer.keys import SigningKeys
from admit.issuer.oauth.backchannel import Teller
from admit.issuer.oauth.hook import ClaimsHook
from admit.issuer.oauth.reference import References
from admit.issuer.oauth.services import Services
from admit.issuer.outbox import NO_MAIL, Outbox
from admit.issuer.revocation import Lists, StatusService, Sweeper, Wake, follow
from admit.issuer.sessions.copies import copies_of
from admit.issuer.sessions.driver import Sessions
from admit.issuer.sessions.finding import Finder
from admit.issuer.sessions.lookup import DirectLookup
from admit.issuer.storage import Database, Keyring, identity
from admit.verifier import AsyncVerifier

LAST_ROWS_WITHIN = 1.0  # seconds that the end waits for what only explains


class Issuer(Ends):
    """Accounts, sessions, OAuth 2.1 and OpenID Connect over one database.

    Construction reads the key file and does no other I/O. `lifespan` opens the database and starts the jobs; give it
    to the outermost application, since a mounted application's own lifespan never runs. `asgi` is to be mounted at
    the issuer's path, and `well_known_routes` put at the root of its host (RFC 8414 §3). `verifier` and `sessions`
    are for a guard in this very process: no HTTP to oneself.

    Raises:
        ConfigError: settings or a key file that cannot work; one line.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        accounts: protocol.Accounts[Any] | None = None,
        claims: ClaimsHook | None = None,
        on_event: EventSink | None = None,
        keyring: Keyring | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`accounts`: the application's own, in the place of Admit's. `claims`: adds claims of its own to tokens and
        userinfo. `on_event`: is told what happened, after COMMIT and at least once.
        """
        self.settings = settings
        self.registry: Registry = settings.registry
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._deaf: Callable[[], None] = lambda: None
        self._looks = Looks(self.accounts_changed)
        self.keyring = keyring if keyring is not None else load_keyring(settings)
        self.db = Database.from_url(settings.database_url, self.keyring, settings.storage)
        self._answers = Answers(self.db)
        self.events = Events(self.db, on_event, clock=clock) if on_event is not None else None
        self.lists = Lists(self.keyring)
        self.status = StatusService(self.db, self.lists, settings.issuer, settings.revocation)
        self.keys = SigningKeys(self.db, settings.keys, tell=tell_key)
        self._feed = Feed(self.status, self.keys, issuer=settings.issuer, clock=clock)
        self.counts = Counts()
        self.ring = Ring(self.db, settings.refusals, clock=clock)
        self.readiness = Readiness(self.db, self.keys, fresh=lambda: self.verifier.ready())
        hasher = PasswordHasher.of(settings.accounts, self.keyring)
        self.hasher = hasher
        self.outbox = Outbox(settings.mail, self.keyring)
        people = accounts_of(
            settings, self.db, self.lists, hasher, outbox=self.outbox, kept_by=accounts, clock=clock
        )
        factors = Factors(self.db, self.lists, settings.accounts.second_factor, settings.factors, self.outbox)
        links = EmailLinks(
            self.db,
            self.lists,
            people,
            hasher,
            NO_MAIL if people.is_elsewhere else self.outbox,
            issuer=settings.issuer,
            config=settings.accounts,
        )
        self.courier = courier_of(settings, self.db, self.outbox, links, clock=clock)
        ca_file = settings.egress.ca_file or None
        self.fetcher = Fetcher(settings.dialled, ca_file=ca_file)
        self.strangers_fetcher = Fetcher(frozenset(settings.egress.allow_strangers), ca_file=ca_file)
        self.documents = MetadataDocuments(
            self.db, self.registry, settings.metadata_documents, self.strangers_fetcher, clock
        )
        clients = Clients(self.db, self.registry, self.documents, unused_for=settings.registration.unused_for)
        dialling = Dialling(self.fetcher, self.strangers_fetcher, is_configured=clients.is_configured)
        self.services = Services(
            db=self.db,
            registry=self.registry,
            clients=clients,
            client_keys=ClientKeys(dialling),
            keys=self.keys,
            lists=self.lists,
            status=self.status,
            accounts=people,
            outbox=self.outbox,
            links=links,
            sessions=Sessions(
                self.db, self.lists, settings.sessions, self._finder(), self.outbox,
                admits=lambda session: factors.admits(session.user, session.acr),
                standing=people.standing if isinstance(people, AccountsElsewhere) else None,
            ),
            codes=Codes(self.db, self.lists, settings.grants),
            consents=Consents(self.db, self.lists),
            families=Families(self.db, self.lists, settings.grants),
            flows=SignInFlows(self.db, settings.grants),
            machines=Machines(self.db, settings.grants),
            factors=factors,
            interactions=Interactions(self.db, settings.grants),
            pushed=PushedRequests(self.db, settings.grants),
            references=References(self.keyring, settings.issuer),
            config=settings.oauth,
            hook=claims,
        )  # fmt: skip
        self.teller = Teller(
            self.db, self.services.clients, self.keys, dialling, issuer=settings.issuer, clock=clock
        )
        self.sessions = DirectLookup(self.services.sessions, self.registry, self.lists)

    def _finder(self) -> Finder:
        """Where sessions are looked up. A command that only opens the database knows of no ends and believes none."""
        self._copies = copies_of(self.settings.sessions, self.keyring)
        standing = KnownEnds(self._feed.source, self.lists)
        bound = self.settings.revocation.max_staleness.total_seconds()
        return Finder(self.db, copies=self._copies, stands=standing.age, bound=bound)

    @cached_property
    def app(self) -> App:
        """What the endpoints share."""
        templates = Path(self.settings.templates) if self.settings.templates else None
        return App(
            services=self.services,
            pages=Pages(
                templates,
                issuer=self.settings.issuer,
                site=self.settings.name,
                refused_within=self.settings.revocation.max_staleness.total_seconds(),
            ),
            cookies=BrowserCookies(
                issuer=self.settings.issuer,
                dev=self.settings.dev,
                session_life=self.settings.sessions.absolute,
                domain=self.settings.sessions.cookie_domain,
            ),
            refused_within=self.settings.revocation.max_staleness.total_seconds(),
        )

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The table of all endpoints below the issuer."""
        return table_of(
            self.app,
            self.settings,
            sessions=self.sessions,
            verifier=self.verifier,
            readiness=self.readiness,
            first_party_origins=self.first_party_origins,
            answers=self._answers,
        )

    @cached_property
    def interactions(self) -> SignIns:
        """For an application's own sign-in page, `Settings.login_url`."""
        return SignIns(self.services, self._answers, self._clock)

    @property
    def first_party_origins(self) -> frozenset[str]:
        """Origins of first-party clients' redirect URIs: their pages may use the session cookie."""
        uris = (
            uri for client in self.registry.clients() if client.first_party for uri in client.redirect_uris
        )
        return frozenset(origin for uri in uris if (origin := origin_of(uri)) is not None)

    @cached_property
    def asgi(self) -> ASGIApp:
        """The application, without lifespan: `Mount` it at the issuer's path, or use `standalone`."""
        dispatcher = Dispatcher(
            self.routes,
            issuer=self.settings.issuer,
            clock=self._clock,
            registered_origins=self.registry.origins(),
            has_origin=self.services.clients.has_origin,
            first_party_origins=self.first_party_origins,
            error_page=self.app.error_page,
            mend=self.app.cookies.mend,
            observer=Observer(self.counts, self.ring.tell, access=self.settings.log.access),
        )
        parts = urlsplit(self.settings.issuer)
        probed = Probed(dispatcher, self.keyring, issuer=self.settings.issuer, clock=self._clock)
        app = HeaderTable(probed, https=parts.scheme == "https", base=parts.path)
        return Behind(app, self.settings.proxy) if self.settings.proxy.trusted else app

    @property
    def well_known_routes(self) -> list[StarletteRoute]:
        """Both metadata documents at the root of the host, for an issuer with a path: RFC 8414 §3.1."""
        return well_known_routes(self.asgi, self.settings.issuer)

    @cached_property
    def verifier(self) -> AsyncVerifier:
        """Verifies this issuer's tokens for all its resources, fed by this process's own task."""
        audiences = [resource.id for resource in self.registry.resources()] + [self.settings.issuer]
        return self._feed.verifier(audiences)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Open the database, see to keys and lists, run the jobs until the block ends."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    @contextlib.asynccontextmanager
    async def opened(self, *, accept_older: bool = False, accept_other: bool = False) -> AsyncIterator[None]:
        """The database open and nothing else: no jobs, nothing served. For commands.

        `accept_older`: also where it went back in time. `accept_other`: also another issuer's, to rename that.
        """
        await self.db.open(accept_older=accept_older)
        try:
            if not accept_other:
                await identity.check_issuer(self.db, self.settings.issuer)
            await self.lists.ensure(self.db, self._clock())
            await self.services.clients.read_resources()
            yield
        finally:
            await self._settle_sessions()
            await self.db.close()
            self.hasher.close()

    async def start(self) -> None:
        """Ready to answer when this returns.

        Raises:
            ConfigError: another database's key file, another issuer's database, a schema that is not ours, no
                authorities; one line.
            StorageUnavailableError: the database was not reached.
        """
        if self.settings.egress.ca_file:
            await asyncio.to_thread(check_ca_file, self.settings.egress.ca_file)
        await self.db.open()
        try:
            await identity.check_issuer(self.db, self.settings.issuer)
            now = self._clock()
            await self.keys.ensure(now)
            await self.lists.ensure(self.db, now)
            await self.services.clients.sync(now)
            self.status.stream.start()
            await self.follow_once()
        except BaseException:
            await self.db.close()
            raise
        self.readiness.stopping = False
        self._looks.start()
        token = COUNTS.set(self.counts)
        try:
            self._start_jobs()
        finally:
            COUNTS.reset(token)

    def _start_jobs(self) -> None:
        wake = Wake(self.status.stream.apart)
        self._deaf = self.db.on_publish(wake.tell)
        self._tasks = [
            asyncio.create_task(
                follow(
                    self.status, self.lists, self.db, self._feed.publish,
                    wall=self._clock, since_boot=self._feed.source.now, config=self.settings.revocation,
                    pause=wake.pause,
                )
            ),
            asyncio.create_task(jobs.end_streams(self.status.stream)),
            asyncio.create_task(self.ring.run()),
            asyncio.create_task(jobs.keep_keys(self.keys, clock=self._clock)),
            asyncio.create_task(jobs.keep_resources(self.services.clients)),
            asyncio.create_task(jobs.sweep(
                    self.services, self.settings.grants, self.settings.accounts, clock=self._clock
                )),
            asyncio.create_task(jobs.sweep_audit(self.db, self.settings.audit, clock=self._clock)),
            asyncio.create_task(
                jobs.sweep_families(
                    Sweeper(
                        self.db,
                        longest_token=self.settings.keys.longest_token,
                        config=self.settings.revocation,
                    ),
                    clock=self._clock,
                )
            ),
        ]  # fmt: skip
        self._tasks.append(asyncio.create_task(jobs.tell_clients(self.teller)))
        if self.events is not None:
            self._tasks.append(asyncio.create_task(jobs.tell_application(self.events)))
        if self.courier is not None:
            self._tasks.append(asyncio.create_task(jobs.send_mails(self.courier)))

    def announce_stop(self) -> None:
        """`/health/ready` says so from now on, and streams end: their readers go elsewhere. All else goes on."""
        self.readiness.stopping = True
        self.status.stream.end()

    async def stop(self) -> None:
        """End the streams and the jobs, let begun transactions end, close the database."""
        self.announce_stop()
        self._deaf()
        await self._looks.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.teller.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ROWS_WITHIN):
                await self.ring.write()
        await self._settle_sessions()
        await self.documents.stop()
        await self.fetcher.aclose()
        await self.strangers_fetcher.aclose()
        await self.db.close()
        self.hasher.close()

    async def _settle_sessions(self) -> None:
        await self.services.sessions.settle()
        if self._copies is not None:
            await self._copies.aclose()

    def account_changed_soon(self, *subjects: str) -> None:
        """`accounts_changed`, from any thread and without waiting: for signals of an application's own code. Harmless
        where nothing is served, as in a command: what serves finds out by itself.
        """
        self._looks.soon(*subjects)

    async def follow_once(self) -> None:
        """Hand what the database says now to this process's own verifier; the job does it five times a second."""
        await self._feed.once()

    async def settle(self) -> None:
        """Wait, for a moment at most, until this process's own verifier knows what the database says now. The job that
        tells it is woken by each end, and is the only one that may.
        """
        if not self._tasks:
            return  # nothing is served: no verifier of this process is asked
        await self._feed.settle()
