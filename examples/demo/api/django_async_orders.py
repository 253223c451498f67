"""The orders API in Django's async views, a project in one file.

python examples/demo/api/django_async_orders.py .demo/api.json
"""

from asyncio import to_thread

from django import conf
from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()

conf.settings.configure(
    ADMIT={"VERIFIER": verifier, "SESSIONS": settings.sessions(), "ORIGINS": settings.pages},
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    CORS_ALLOWED_ORIGINS=settings.pages,
    CORS_ALLOW_CREDENTIALS=True,
    CORS_ALLOW_HEADERS=SENT,
    CORS_ALLOW_METHODS=METHODS,
    CORS_EXPOSE_HEADERS=TOLD,
    INSTALLED_APPS=["corsheaders", "admit.integrations.django"],
    # CORS first: a preflight carries no credential, and a page may read a refusal too.
    MIDDLEWARE=[
        "corsheaders.middleware.CorsMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "admit.integrations.django.AdmitMiddleware",
    ],
    ROOT_URLCONF=__name__,
)

from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views import View
from serving import serve_asgi

from admit.integrations.django import AdmitRequest, RequiresMixin, requires


class Mine(RequiresMixin, View):
    """Your own orders; the mixin asks before each method."""

    required_scopes = ("orders:own",)

    async def get(self, request: AdmitRequest) -> HttpResponse:
        """What you ordered."""
        who = await request.aprincipal()
        assert who is not None
        return JsonResponse(await to_thread(orders.of, who), safe=False)

    async def post(self, request: AdmitRequest) -> HttpResponse:
        """Order a ticket stub."""
        who = await request.aprincipal()
        assert who is not None
        await to_thread(orders.place, who)
        return HttpResponse(status=201)


@requires("orders:own", acr=TWO_FACTORS)
class One(View):
    """One order of yours. Money goes back: a password alone will not do, and who signed in with less is told what is
    wanted, RFC 9470 §3."""

    async def delete(self, request: AdmitRequest, number: int) -> HttpResponse:
        """Cancel it."""
        who = await request.aprincipal()
        assert who is not None
        return HttpResponse(status=204 if await to_thread(orders.cancel, who, number) else 404)


@requires("orders:read", role="admin")
async def everybodys(request: AdmitRequest) -> HttpResponse:
    """What everybody ordered."""
    return JsonResponse(await to_thread(orders.all), safe=False)


async def health(request: AdmitRequest) -> HttpResponse:
    """Whether it has the issuer's keys."""
    return JsonResponse({"ready": verifier.ready()})


urlpatterns = [
    path("api/orders/mine", Mine.as_view()),
    path("api/orders/mine/<int:number>", One.as_view()),
    path("api/orders", everybodys),
    path("health", health),
]

if __name__ == "__main__":
    serve_asgi(get_asgi_application(), settings)
