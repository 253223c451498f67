"""Refusals of strangers, kept for a while so that they can be explained."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The ring, empty."""
    op.create_table(
        "refusal",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text),
        sa.Column("ip", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.PrimaryKeyConstraint("n", name="pk_refusal"),
    )
    op.create_index("ix_refusal_request_id", "refusal", ["request_id"])
    op.create_index("ix_refusal_at", "refusal", ["at"])
