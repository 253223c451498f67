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
