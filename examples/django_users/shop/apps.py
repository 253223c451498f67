"""The shop as an application of Django."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Whom the admin makes inactive is out at once: Admit is told of each change of a user."""

    name = "shop"

    def ready(self) -> None:
        from shop.sign_in import issuer, users

        users.watch(issuer.account_changed_soon)
