"""What a session is called, and whether it began on a browser that was not known."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both with a default: nodes of the version before go on beginning sessions while this one is brought in."""
    op.add_column("session", sa.Column("name", sa.Text, nullable=True))
    op.add_column("session", sa.Column("unfamiliar", sa.Integer, nullable=False, server_default=sa.text("0")))
