"""Admit in this project: an issuer at /auth, over the project's own users."""

from collections.abc import Collection

from django.conf import settings

from admit import Principal
from admit.integrations.django.accounts import DjangoAccounts
from admit.issuer import ApplicationType, Client, Issuer, Resource, Settings
from shop.models import User


class ShopAccounts(DjangoAccounts):
    """What this project knows of its users beside what Django does."""

    def roles(self, user: User) -> Collection[str]:
        return ("clerk",) if user.is_clerk else ()

    def email_verified(self, user: User) -> bool:
        return user.email_confirmed


API = f"{settings.HOME}/orders"
users = ShopAccounts()
issuer = Issuer(
    Settings(
        issuer=f"{settings.HOME}/auth",
        dev=settings.HOME.startswith("http://"),
        name="The lamp shop",
        data=str(settings.DATA),
        resource=(
            Resource(
                id=API,
                name="Orders",
                scopes={"orders:own": "See your own orders", "orders:all": "See everybody's orders"},
                roles={"*": frozenset({"orders:own"}), "clerk": frozenset({"orders:all"})},
            ),
        ),
        client=(
            Client(
                id="phone",
                name="The lamp shop for the phone",
                first_party=True,
                application_type=ApplicationType.NATIVE,
                redirect_uris=("http://127.0.0.1/cb",),
                scopes=frozenset({"openid", "profile", "email", "orders:own", "orders:all"}),
                resources=frozenset({API}),
                default_resource=API,
                userinfo_audience=True,
            ),
        ),
    ),
    accounts=users,
)
verifier, sessions = issuer.verifier, issuer.sessions


async def user_of(who: Principal) -> User | None:
    """The project's user of a session or a token."""
    return await User.objects.filter(pk=users.key_of(who.subject)).afirst()
