"""What drf-spectacular's document says of views that Admit guards. `rest_framework` imports it where that is installed.

    SPECTACULAR_SETTINGS = {"POSTPROCESSING_HOOKS": ["admit.integrations.django.spectacular.describe"]}

tells of 401 and 403 at each of them as well.
"""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from admit.integrations import openapi
from admit.integrations.django.conf import current

SCHEME: Final = "bearer"


class AdmitScheme(OpenApiAuthenticationExtension):
    """The bearer token, with the scopes that a view's permissions ask; the session cookie as another way in."""

    target_class = "admit.integrations.django.rest_framework.AdmitAuthentication"
    match_subclasses = True

    @property
    def name(self) -> list[str]:  # type: ignore[override]  # asked once a document, when the settings are there
        """The names of the schemes."""
        return [SCHEME] if current().gate.cookie is None else [SCHEME, openapi.SESSION_SCHEME]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """The schemes, in the order of `name`."""
        bearer = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of a trusted issuer.",
        }
        cookie = current().gate.cookie
        return [bearer] if cookie is None else [bearer, {"type": "apiKey", "in": "cookie", "name": cookie}]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Either of them will do."""
        from admit.integrations.django.rest_framework import asked_scopes  # which imports this module

        scopes = sorted(asked_scopes(auto_schema.view.get_permissions()))
        return [{name: scopes if name == SCHEME else []} for name in self.name]


def describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook for drf-spectacular: the refusals of each guarded operation."""
    return openapi.describe(result, SCHEME, None)
