"""The orders API in Django, a project in one file.

python examples/demo/api/django_orders.py .demo/api.json
"""

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

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views import View
from serving import serve_wsgi

from admit.integrations.django import AdmitRequest, RequiresMixin, requires


class Mine(RequiresMixin, View):
    """Your own orders; the mixin asks before each method."""

    required_scopes = ("orders:own",)

    def get(self, request: AdmitRequest) -> HttpResponse:
        """What you ordered."""
        assert request.principal is not None
        return JsonResponse(orders.of(request.principal), safe=False)

    def post(self, request: AdmitRequest) -> HttpResponse:
        """Order a ticket stub."""
        assert request.principal is not None
        orders.place(request.principal)
        return HttpResponse(status=201)


class One(RequiresMixin, View):
    """One order of yours. Money goes back: a password alone will not do, and who signed in with less is told what is
    wanted, RFC 9470 §3."""

    required_scopes = ("orders:own",)
    required_acr = TWO_FACTORS

    def delete(self, request: AdmitRequest, number: int) -> HttpResponse:
        """Cancel it."""
        assert request.principal is not None
        return HttpResponse(status=204 if orders.cancel(request.principal, number) else 404)


@requires("orders:read", role="admin")
def everybodys(request: AdmitRequest) -> HttpResponse:
    """What everybody ordered."""
    return JsonResponse(orders.all(), safe=False)


def health(request: AdmitRequest) -> HttpResponse:
    """Whether it has the issuer's keys."""
    return JsonResponse({"ready": verifier.ready()})


urlpatterns = [
    path("api/orders/mine", Mine.as_view()),
    path("api/orders/mine/<int:number>", One.as_view()),
    path("api/orders", everybodys),
    path("health", health),
]

if __name__ == "__main__":
    serve_wsgi(get_wsgi_application(), settings)
