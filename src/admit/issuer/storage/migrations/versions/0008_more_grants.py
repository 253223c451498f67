"""More ways to a grant."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One part after another."""
    sign_in_flows()
    sign_in_answers()
    events()
    challenges()


def sign_in_flows() -> None:
    """Sign-ins by JSON that are under way in a client of ours."""
    op.create_table(
        "sign_in_flow",
        sa.Column("id_hash", sa.LargeBinary, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("binding_hash", sa.LargeBinary),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("waiting", sa.LargeBinary),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_sign_in_flow"),
    )


def sign_in_answers() -> None:
    """What an application's own sign-in page says of who came to it."""
    op.create_table(
        "sign_in_answer",
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("interaction_hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("credential_version", sa.Integer),
        sa.Column("proofs", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name="pk_sign_in_answer"),
    )


def events() -> None:
    """How far an application was told what happened."""
    op.create_table(
        "event_cursor",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("settled_until", sa.Double, nullable=False),
        sa.Column("teller", sa.Text, nullable=False),
        sa.Column("leased_until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_cursor"),
    )
    op.create_table(
        "event_told",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_told"),
    )
    op.create_index("ix_event_told_at", "event_told", ["at"])


def challenges() -> None:
    """Codes by what their client sent, so that one which it sends again is noticed."""
    op.create_index(
        "ix_authorization_code_client_id_code_challenge",
        "authorization_code",
        ["client_id", "code_challenge"],
    )
