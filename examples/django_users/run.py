"""A Django project with users of its own, who sign in through Admit with the passwords that they have.

    python examples/django_users/run.py

Makes its database and three people, prints their passwords, and serves the shop, its admin and Admit at /auth in one
process. Sign in, look at /orders/, then open /admin/ as the boss in another browser and make somebody inactive: the
next click of theirs is refused, and so is every token that they had.
"""

import os
import secrets
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
sys.path.insert(0, str(Path(__file__).parent))

import django
import uvicorn
from django.conf import settings
from django.core.management import call_command


def people() -> None:
    """Ada is a clerk, Bo a customer, the boss may use the admin."""
    from shop.models import Order, User

    old = False
    for name, email, rights in (
        ("ada", "ada@example.com", {"is_clerk": True, "email_confirmed": True}),
        ("bo", "", {}),
        ("boss", "boss@example.com", {"is_staff": True, "is_superuser": True}),
    ):
        password = secrets.token_urlsafe(9)
        user, made = User.objects.get_or_create(
            username=name, defaults={"email": email, "first_name": name.title(), **rights}
        )
        if made:
            user.set_password(password)
            user.save()
            Order.objects.create(customer=user, what=f"A lamp for {user.first_name}")
            print(f"{name} signs in with {password}", flush=True)
        else:
            old = True
    if old:
        manage = os.path.relpath(Path(__file__).with_name("manage.py"))
        print(
            f"ada, bo and boss have their passwords; another one: python {manage} changepassword ada",
            flush=True,
        )


if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    people()
    print(f"open {settings.HOME}", flush=True)
    uvicorn.run("shop.asgi:application", port=settings.PORT, log_level="warning")
