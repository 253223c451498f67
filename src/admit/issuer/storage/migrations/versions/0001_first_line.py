"""The tables of the first line: keys, audit, throttle, revocation, accounts, clients, sessions, grants."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


def _time(name: str, *, null: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=null)


def _bytes(name: str, *, null: bool = False, key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=null, primary_key=key)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def upgrade() -> None:
    _storage_keys_audit_throttle()
    _revocation()
    _accounts_and_clients()
    _sessions_and_grants()


def _storage_keys_audit_throttle() -> None:
    op.create_table("meta", _text("key"), _text("value"), sa.PrimaryKeyConstraint("key", name="pk_meta"))
    op.create_table(
        "signing_key",
        _text("kid"),
        _text("purpose"),
        _text("alg"),
        _text("public_jwk"),
        _bytes("private_sealed", null=True),
        _text("state"),
        _time("created_at"),
        _time("activates_at"),
        _time("retired_at", null=True),
        _time("expires_at", null=True),
        _time("revoked_at", null=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_key"),
    )
    for state in ("active", "next"):
        # One winner among nodes: a second key of the same purpose and algorithm in this state is refused.
        op.create_index(
            f"uq_signing_key_{state}",
            "signing_key",
            ["purpose", "alg"],
            unique=True,
            sqlite_where=sa.text(f"state = '{state}'"),
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_table(
        "audit",
        _text("id"),
        _time("at"),
        _text("event"),
        _text("outcome"),
        _text("user_id", null=True),
        _text("client_id", null=True),
        _text("session_id", null=True),
        _text("actor", null=True),
        _text("ip", null=True),
        _text("request_id", null=True),
        _text("detail"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_user_id", "audit", ["user_id"])
    op.create_table(
        "throttle",
        _text("bucket"),
        _time("window_start"),
        _integer("count"),
        sa.PrimaryKeyConstraint("bucket", name="pk_throttle"),
    )


def _revocation() -> None:
    op.create_table(
        "holder",
        _text("kind"),
        _text("id"),
        _time("created_at"),
        _time("ended_at", null=True),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_holder"),
    )
    op.create_table(
        "node",
        sa.Column("idx", _IDENTITY, sa.Identity(), nullable=False),
        _text("id"),
        _text("kind"),
        _text("parent_id", null=True),
        _text("user_id", null=True),
        _text("client_id", null=True),
        _time("created_at"),
        _time("expires_at"),
        _time("ended_at", null=True),
        _text("end_reason", null=True),
        sa.PrimaryKeyConstraint("idx", name="pk_node"),
        sa.UniqueConstraint("id", name="uq_node_id"),
        sqlite_autoincrement=True,
    )
    for column in ("parent_id", "user_id", "client_id"):
        op.create_index(f"ix_node_{column}", "node", [column])
    op.create_table(
        "status_list",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        _bytes("seed_sealed"),
        _time("created_at"),
        _time("dropped_at", null=True),
        sa.PrimaryKeyConstraint("n", name="pk_status_list"),
    )
    head = op.create_table(
        "status_head",
        sa.Column("id", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_status_head"),
        sa.CheckConstraint("id = 1", name="ck_status_head_one_row"),
    )
    # The epoch begins with the clock, so that a database made anew stands above the one it replaces.
    op.bulk_insert(head, [{"id": 1, "epoch": int(time.time()), "seq": 0}])
    op.create_table(
        "status_batch",
        sa.Column("epoch", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("tx", sa.BigInteger, nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("epoch", "seq", name="pk_status_batch"),
    )
    op.create_table(
        "status_change",
        sa.Column("tx", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("list", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("tx", "list", "position", name="pk_status_change"),
    )
    op.create_index("ix_status_change_list", "status_change", ["list"])


def _accounts_and_clients() -> None:
    op.create_table(
        "user_account",
        _text("id"),
        _text("email"),
        _text("email_shown"),
        _text("name"),
        _text("password_hash"),
        _text("locale", null=True),
        _time("created_at"),
        _time("updated_at"),
        _integer("credential_version"),
        _time("email_verified_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.UniqueConstraint("email", name="uq_user_account_email"),
    )
    op.create_table(
        "user_role",
        _text("user_id"),
        _text("role"),
        sa.PrimaryKeyConstraint("user_id", "role", name="pk_user_role"),
    )
    op.create_table(
        "user_group",
        _text("user_id"),
        _text("name"),
        sa.PrimaryKeyConstraint("user_id", "name", name="pk_user_group"),
    )
    op.create_table(
        "client",
        _text("id"),
        _text("source"),
        _time("created_at"),
        _time("removed_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
    )


def _sessions_and_grants() -> None:
    op.create_table(
        "session",
        _text("node_id"),
        _bytes("id_hash"),
        _text("user_id"),
        _time("auth_time"),
        _text("acr"),
        _text("amr"),
        _time("created_at"),
        _time("last_seen_at"),
        _time("absolute_expires_at"),
        _text("user_agent"),
        _text("ip"),
        sa.PrimaryKeyConstraint("node_id", name="pk_session"),
        sa.UniqueConstraint("id_hash", name="uq_session_id_hash"),
    )
    op.create_index("ix_session_user_id", "session", ["user_id"])
    op.create_table(
        "interaction",
        _bytes("id_hash"),
        _bytes("binding_hash"),
        _text("request"),
        _text("client_id"),
        _time("created_at"),
        _time("expires_at"),
        _text("session_id", null=True),
        _time("finished_at", null=True),
        sa.PrimaryKeyConstraint("id_hash", name="pk_interaction"),
    )
    op.create_table(
        "authorization_code",
        _bytes("code_hash"),
        _text("client_id"),
        _text("user_id"),
        _text("session_id"),
        _text("redirect_uri"),
        _text("code_challenge", null=True),
        _text("nonce", null=True),
        _text("scope"),
        _text("audience"),
        _time("auth_time"),
        _text("acr"),
        _text("amr"),
        sa.Column("offline", sa.SmallInteger, nullable=False),
        _time("created_at"),
        _time("expires_at"),
        _time("spent_at", null=True),
        _text("grant_id", null=True),
        sa.PrimaryKeyConstraint("code_hash", name="pk_authorization_code"),
    )
    op.create_table(
        "grant_family",
        _text("node_id"),
        _text("client_id"),
        _text("user_id", null=True),
        _text("session_id", null=True),
        _text("scope"),
        _text("audience"),
        _time("auth_time"),
        _text("acr"),
        _text("amr"),
        _time("created_at"),
        _time("expires_at"),
        _integer("generation"),
        _time("rotated_at"),
        _time("used_at"),
        _bytes("salt"),
        _text("jkt", null=True),
        sa.PrimaryKeyConstraint("node_id", name="pk_grant_family"),
    )
    op.create_index("ix_grant_family_user_id", "grant_family", ["user_id"])
    op.create_index("ix_grant_family_session_id_client_id", "grant_family", ["session_id", "client_id"])
