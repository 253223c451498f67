"""The bodies of `/api/login`, one type a step, read strictly: members that are not known are refused."""

import re
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from admit.errors import MalformedTokenError
from admit.issuer.app.api.body import MAX_SIZE, is_json
from admit.issuer.app.call import PASSWORDS, Call
from admit.issuer.oauth.errors import InvalidRequestError, JsonWantedError
from admit.issuer.oauth.parameters import Parameters
from admit.jose import json

MAX_TEXT: Final = 2_048
MAX_AGE_LIMIT: Final = 10**9  # seconds
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every step says which client calls, and proves it as at the token endpoint, RFC 6749 §2.3. Text that is empty is
    not there, RFC 6749 §3.1.
    """

    client_id: _Text = ""
    client_secret: _Text = ""
    client_assertion: _Text = ""
    client_assertion_type: _Text = ""

    def __repr__(self) -> str:
        """No values: there are secrets among them."""
        return f"{type(self).__name__}(...)"

    @property
    def proof(self) -> Parameters:
        """What the client proves itself by, as the token endpoint would read it."""
        return Parameters({name: value for name in Sent.__struct_fields__ if (value := getattr(self, name))})


class Begin(Sent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first step: what is asked for. `session`: a session of this browser, and no code."""

    session: bool = False
    code_challenge: _Text = ""
    code_challenge_method: _Text = ""
    scope: _Text = ""
    resource: _Text = ""
    acr_values: _Text = ""
    nonce: _Text = ""
    max_age: Annotated[int, msgspec.Meta(ge=0, le=MAX_AGE_LIMIT)] = -1

    @property
    def asked(self) -> dict[str, str]:
        """The authorization request's own parameters, by their names.

        Raises:
            InvalidRequestError: those of a code, where none is asked for.
        """
        names = ("code_challenge", "code_challenge_method", "scope", "resource", "nonce")
        of_code = {name: value for name in names if (value := getattr(self, name))}
        if self.session and of_code:
            raise InvalidRequestError(
                "members of a code", public="With session no code is given, and nothing of one is taken."
            )
        found = of_code | ({"acr_values": self.acr_values} if self.acr_values else {})
        return found | ({"max_age": str(self.max_age)} if self.max_age >= 0 else {})


class Shown(Sent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every later step brings the handle of the one before, and the secret by which the device is known, if any."""

    flow: _Text
    device: _Text = ""


class Password(
    Shown, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="password", tag_field="step"
):
    """What the person typed, to the octet."""

    username: _Text
    password: str


class Totp(Shown, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="totp", tag_field="step"):
    """A code of the person's authenticator app, RFC 6238."""

    code: _Text


class RecoveryCode(
    Shown, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="recovery_code", tag_field="step"
):
    """One of the recovery codes that the person has kept."""

    code: _Text


Step: TypeAlias = Begin | Password | Totp | RecoveryCode


async def read(call: Call) -> Step:
    """The step that a call takes.

    Raises:
        JsonWantedError: not sent as JSON; a form of another site could be taken for it otherwise.
        PayloadTooLargeError: more than 4 KiB.
        InvalidRequestError: not one strict JSON object; a member missing, unknown, too long or of another type.
    """
    if not is_json(call.header(b"content-type")):
        raise JsonWantedError("content-type")
    try:
        members = json.loads_object(await call.body(MAX_SIZE))
    except MalformedTokenError as error:
        raise InvalidRequestError("body") from error
    step = _typed(members)
    if step is None or has_control(members):
        raise InvalidRequestError("members", public="The body's members are not the ones that are wanted.")
    return step


def _typed(members: dict[str, Any]) -> Step | None:
    """None where they make no step. What a converter says of it may hold a value, and goes nowhere."""
    try:
        if "flow" in members or "step" in members:
            return msgspec.convert(members, Password | Totp | RecoveryCode)
        return msgspec.convert(members, Begin)
    except msgspec.ValidationError:
        return None


def has_control(members: dict[str, Any]) -> bool:
    """Whether a text has control characters, which no member but a password has a use for."""
    return any(
        isinstance(value, str) and _CONTROL.search(value) is not None
        for name, value in members.items()
        if name not in PASSWORDS
    )
