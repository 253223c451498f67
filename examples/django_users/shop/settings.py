"""A Django project as any other, and `ADMIT` at its end."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.management.utils import get_random_secret_key

HOME = os.environ.get("SHOP_HOME", "http://localhost:8430")
DATA = Path(os.environ.get("SHOP_DATA", ".demo/django_users"))
PORT = urlsplit(HOME).port or 80
DATA.mkdir(parents=True, exist_ok=True)

SECRET_KEY = os.environ.get("SHOP_SECRET") or get_random_secret_key()
ALLOWED_HOSTS = [urlsplit(HOME).hostname]
ROOT_URLCONF = "shop.urls"
AUTH_USER_MODEL = "shop.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "shop.db",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "admit.integrations.django",
    "shop.apps.ShopConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "admit.integrations.django.AdmitMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
        "APP_DIRS": True,
    }
]

ADMIT = {
    "VERIFIER": "shop.sign_in.verifier",
    "SESSIONS": "shop.sign_in.sessions",
    "SESSION_AUDIENCE": f"{HOME}/orders",
    "ORIGINS": {HOME},
    "USER": "shop.sign_in.user_of",
}
