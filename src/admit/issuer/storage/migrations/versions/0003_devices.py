"""Devices that a user signed in on before, and what is counted against guessing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two new tables; nothing that is there changes, so that nodes of before go on beside."""
    op.create_table(
        "budget",
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("full_at", sa.Double, nullable=False),
        sa.Column("span", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_budget"),
    )
    op.create_table(
        "known_device",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("credential_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_known_device"),
        sa.UniqueConstraint("token_hash", "user_id", name="uq_known_device_token_hash_user_id"),
    )
    op.create_index("ix_known_device_user_id", "known_device", ["user_id"])
