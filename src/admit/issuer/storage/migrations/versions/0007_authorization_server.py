"""What an authorization server for other people's applications keeps."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One part after another."""
