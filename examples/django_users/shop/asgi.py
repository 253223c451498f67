"""Admit at /auth and Django for everything else, in one process.

Django's application has no lifespan, so the outermost one is Starlette's, and opens and closes the issuer.
"""

import os

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.routing import Mount

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
shop = get_asgi_application()

from shop.sign_in import issuer  # after Django's set-up, which it needs

application = Starlette(
    lifespan=issuer.lifespan,
    routes=[*issuer.well_known_routes, Mount("/auth", issuer.asgi), Mount("/", shop)],
)
