"""What an authorization server for other people's applications keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One part after another."""
    accounts()
    assertions()
    clients()
    pushed_requests()
    consents()
    client_logins()


def accounts() -> None:
    """Standard claims of people."""
    op.add_column("user_account", sa.Column("claims", sa.Text))


def assertions() -> None:
    """Assertions of clients that were used."""
    op.create_table(
        "spent_assertion",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_spent_assertion"),
    )


def client_logins() -> None:
    """Clients that want to be told when somebody's session is over."""
    op.create_table(
        "client_login",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("session_idx", sa.BigInteger, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("over", sa.SmallInteger, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_client_login"),
    )
    op.create_index("ix_client_login_session_idx", "client_login", ["session_idx"])
    op.create_index("ix_client_login_due_at", "client_login", ["due_at"])
    op.create_index("ix_client_login_user_id_client_id", "client_login", ["user_id", "client_id"])
    op.create_index("ix_client_login_client_id_due_at", "client_login", ["client_id", "due_at"])


def pushed_requests() -> None:
    """Authorization requests that clients send before the browser comes, and claims asked for one by one."""
    op.add_column("authorization_code", sa.Column("claims", sa.Text))
    op.add_column("grant_family", sa.Column("claims", sa.Text))
    op.create_table(
        "pushed_request",
        sa.Column("reference_hash", sa.LargeBinary, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("spent_at", sa.Double),
        sa.PrimaryKeyConstraint("reference_hash", name="pk_pushed_request"),
    )


def consents() -> None:
    """What people said yes to."""
    op.create_table(
        "consent",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("granted", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("given_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "client_id", "audience", name="pk_consent"),
    )
    op.create_index("ix_consent_client_id", "consent", ["client_id"])


def clients() -> None:
    """Clients and resources that no settings name."""
    op.add_column("client", sa.Column("document", sa.Text))
    op.add_column("client", sa.Column("secret_hashes", sa.LargeBinary))
    op.add_column("client", sa.Column("updated_at", sa.Double))
    op.add_column("client", sa.Column("fresh_until", sa.Double))
    op.add_column("client", sa.Column("registration_hash", sa.LargeBinary))
    op.add_column("client", sa.Column("invited_by", sa.Text))
    op.create_index("ix_client_invited_by", "client", ["invited_by"])
    op.create_table(
        "client_origin",
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("origin", "client_id", name="pk_client_origin"),
    )
    op.create_index("ix_client_origin_client_id", "client_origin", ["client_id"])
    op.create_table(
        "resource",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resource"),
    )
    op.create_table(
        "initial_access_token",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("uses_left", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("removed_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_initial_access_token"),
        sa.UniqueConstraint("hash", name="uq_initial_access_token_hash"),
    )
