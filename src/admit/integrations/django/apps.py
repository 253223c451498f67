"""The application that `INSTALLED_APPS` names: it checks the settings when a project starts."""

from django.apps import AppConfig
from django.core import checks as registry

from admit.integrations.django import checks


class AdmitConfig(AppConfig):
    """`admit.integrations.django`, with the label `admit`. It has no models."""

    name = "admit.integrations.django"
    label = "admit"
    verbose_name = "Admit"

    def ready(self) -> None:
        """Let `manage.py check`, and each start of `runserver` and `migrate`, look at the settings."""
        registry.register(checks.check_settings, registry.Tags.security)
        registry.register(checks.check_middleware, registry.Tags.security)
        registry.register(checks.check_rest_framework, registry.Tags.compatibility)
        registry.register(checks.check_deployment, registry.Tags.security, deploy=True)
