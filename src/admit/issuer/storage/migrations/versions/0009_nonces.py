"""Codes by the nonce that came with them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One part after another."""
    nonces()


def nonces() -> None:
    """So that one which a client sends again is noticed. Without the client: both may be long, an entry may not."""
    op.create_index("ix_authorization_code_nonce", "authorization_code", ["nonce"])
