"""What can be told, and who asked."""

from dataclasses import dataclass, replace
from enum import StrEnum


class AuditEvent(StrEnum):
    """What happened. The values are stored and part of the contract with readers of the trail."""

    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    SIGNUP = "signup"
    LOGOUT = "logout"
    LOGOUT_UNTOLD = (
        "logout.untold"  # a client could not be told that a session is over, and nobody tries again
    )
    SESSION_ENDED = "session.ended"
    SESSION_NAMED = "session.named"
    SESSION_VOUCHED = "session.vouched"  # its user said that it was them who signed in there
    CONSENT_GIVEN = "consent.given"
    CONSENT_REFUSED = "consent.refused"
    CONSENT_WITHDRAWN = "consent.withdrawn"  # taken back, with all that was granted on it
    AUTHORIZATION_REFUSED = "authorization.refused"
    CODE_ISSUED = "code.issued"
    CODE_REUSED = "code.reused"
    PKCE_REUSED = "pkce_reused"  # a client sent a code_challenge that it had sent before, RFC 9700 §2.1.1
    NONCE_REUSED = "nonce_reused"  # the same of a nonce, with another code_challenge or none
    TOKEN_ISSUED = "token.issued"  # noqa: S105  # the name of an event
    TOKEN_REFRESHED = "token.refreshed"  # noqa: S105  # as above
    TOKEN_REFUSED = "token.refused"  # noqa: S105  # as above
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # as above
    REFRESH_REUSED = "refresh.reused"
    REFRESH_AHEAD = "refresh.ahead"  # a generation above the stored one: the database went back in time
    GRANT_ENDED = "grant.ended"
    CLIENT_GRANTS_ENDED = "client.grants_ended"  # all of them, whoever gave them
    CLIENT_REFUSED = "client.refused"
    CLIENT_ADDED = "client.added"
    CLIENT_REMOVED = "client.removed"
    CLIENT_REGISTERED = "client.registered"  # by itself, and nobody here let it in
    CLIENT_CHANGED = "client.changed"  # by itself, RFC 7592
    CLIENT_SECRET_CHANGED = "client.secret_changed"  # noqa: S105  # the name of an event
    CLIENT_INVITED = "client.invited"  # an initial access token was made, RFC 7591 §3
    INVITE_REMOVED = "invite.removed"
    REGISTRATION_REFUSED = "registration.refused"
    RESOURCE_ADDED = "resource.added"
    RESOURCE_CHANGED = "resource.changed"
    RESOURCE_REMOVED = "resource.removed"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_REMOVED = "user.removed"  # nothing is kept of them but records of the audit that name the id
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTORS_RESET = "factors.reset"  # all of them, by an operator
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_code.used"
    KEY_MADE = "key.made"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    EPOCH_RAISED = "epoch.raised"
    ISSUER_RENAMED = "issuer.renamed"
    THROTTLED = "throttled"
    MAIL_FAILED = "mail.failed"  # given up: refused, or not sent in time
    RESET_ASKED = "reset.asked"
    LINK_REFUSED = "link.refused"  # used, too old, or of a password or address from before


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """From where a request came, as far as is known. Any of it may be the caller's invention but `request_id`.

    `actor` is who acts where that is not the user that a record is about: an administrator, the command line.
    `client_id` is the application that the person typed in, where that was no page of ours.
    """

    ip: str | None = None
    request_id: str | None = None
    user_agent: str | None = None
    actor: str | None = None
    client_id: str | None = None

    def without_place(self) -> "RequestInfo":
        """The same without what tells where a person is: for records about somebody who was removed."""
        return replace(self, ip=None, user_agent=None)


NOBODY = RequestInfo()
