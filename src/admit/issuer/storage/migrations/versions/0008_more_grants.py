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
