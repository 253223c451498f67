"""`admit client` and `admit resource`: what operators add, show and take away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from admit.jose import JWK

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]
CALLBACK = "https://orders.example.com/callback"


def told(done: Result) -> Any:
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_client_is_added_listed_shown_given_a_new_secret_and_removed(admit: Admit) -> None:
    added = told(admit("client", "add", "--name", "Orders", "--redirect-uri", CALLBACK, "--json"))
    assert added["client_id"].startswith("c_")
    assert len(added["client_secret"]) == 43
    (listed,) = [one for one in told(admit("client", "list", "--json")) if one["source"] == "cli"]
    assert (listed["client_id"], listed["redirect_uris"]) == (added["client_id"], [CALLBACK])
    shown = admit("client", "show", added["client_id"], "--json")
    assert told(shown)["secrets"] == 1
    assert added["client_secret"] not in shown.output
    assert "secret_hashes" not in shown.output
    second = told(admit("client", "secret", added["client_id"], "--json"))
    assert second["secrets"] == 2
    assert second["client_secret"] != added["client_secret"]
    alone = admit("client", "secret", added["client_id"], "--drop-old")
    assert "No other one is good." in alone.stdout
    removed = admit("client", "remove", added["client_id"])
    assert removed.stdout == f"Removed {added['client_id']}; ended 0 grants.\n"
    for gone in (("show",), ("remove",), ("secret",)):
        assert admit("client", *gone, added["client_id"]).exit_code == 3
    assert added["client_id"] not in admit("client", "list").stdout


def test_people_are_told_in_sentences_and_tables(admit: Admit) -> None:
    done = admit(
        "client", "add", "tool", "--native", "--name", "\x1b[31mTool", "--redirect-uri", "http://127.0.0.1/cb"
    )
    assert done.exit_code == 2, "a name is one line of plain text"
    done = admit(
        "client", "add", "tool", "--native", "--name", "Tool", "--redirect-uri", "http://127.0.0.1/cb"
    )
    assert done.stdout == "Added Tool as tool.\n"
    assert "secret" not in done.stdout
    assert done.stderr == "  next: admit client show tool\n"
    table = admit("client", "list").stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "KIND", "FROM", "TRUSTED"]
    assert next(line for line in table if line.startswith("tool")).split() == [
        "tool",
        "Tool",
        "none",
        "cli",
        "yes",
    ]
    assert "redirect_uris" in admit("client", "show", "tool").stdout


def test_a_client_with_a_key_has_no_secret(admit: Admit, tmp_path: Path) -> None:
    key = JWK.generate("ES256")
    (tmp_path / "public.json").write_text(json.dumps({"keys": [key.public().to_dict()]}))
    (tmp_path / "private.json").write_text(json.dumps({"keys": [key.to_dict(private=True)]}))
    common = ("--name", "Signer", "--redirect-uri", CALLBACK, "--json")
    added = told(admit("client", "add", "signer", "--jwks", str(tmp_path / "public.json"), *common))
    assert added == {"client_id": "signer", "client_name": "Signer"}
    assert (
        told(admit("client", "show", "signer", "--json"))["token_endpoint_auth_method"] == "private_key_jwt"
    )
    assert admit("client", "secret", "signer").exit_code == 3
    refused = admit("client", "add", "other", "--jwks", str(tmp_path / "private.json"), *common)
    assert refused.exit_code == 2
    assert "no usable key" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--redirect-uri", "http://orders.example.com/callback"),
        ("--redirect-uri", CALLBACK, "--scope", "admin"),
        ("--redirect-uri", CALLBACK, "--resource", "https://nobody.example"),
        ("--redirect-uri", CALLBACK, "--set", "require_pkce=maybe"),
        ("--redirect-uri", CALLBACK, "--set", "nonsense=1"),
        ("--redirect-uri", CALLBACK, "--set", "secret_hashes=[]"),
        ("--redirect-uri", CALLBACK, "--set", "nothing"),
        ("--redirect-uri", CALLBACK, "--public", "--jwks-uri", "https://orders.example.com/jwks"),
        (),
    ],
    ids=lambda arguments: " ".join(arguments)[-40:].replace("/", "_") or "no redirect URI",
)
def test_what_no_client_may_be_is_refused_in_one_line(admit: Admit, arguments: tuple[str, ...]) -> None:
    done = admit("client", "add", "orders", "--name", "Orders", *arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert admit("client", "show", "orders").exit_code == 3


def test_clients_of_the_settings_are_changed_there(admit: Admit) -> None:
    id = next(
        one["client_id"] for one in told(admit("client", "list", "--json")) if one["source"] == "settings"
    )
    assert told(admit("client", "show", id, "--json"))["source"] == "settings"
    for command in ("secret", "remove"):
        done = admit("client", command, id)
        assert done.exit_code == 3
        assert "in the settings" in done.stderr
    assert admit("client", "add", id, "--name", "Mine", "--redirect-uri", CALLBACK).exit_code == 2


def test_a_resource_is_added_listed_shown_and_removed(admit: Admit) -> None:
    api = "https://orders.example.com/api"
    done = admit(
        "resource", "add", api, "--name", "Orders", "--scope", "parcels:read=See your parcels",
        "--role", "*=parcels:read", "--role", "clerk=parcels:read", "--secret", "--json",
    )  # fmt: skip
    added = told(done)
    assert len(added["secret"]) == 43
    shown = told(admit("resource", "show", api, "--json"))
    assert shown["roles"] == {"*": ["parcels:read"], "clerk": ["parcels:read"]}
    assert shown["secret"] is True
    assert api in admit("resource", "list").stdout
    client = (
        "client",
        "add",
        "tool",
        "--public",
        "--name",
        "Tool",
        "--redirect-uri",
        CALLBACK,
        "--resource",
        api,
    )
    assert admit(*client, "--scope", "parcels:read").exit_code == 0
    assert admit("resource", "add", api, "--name", "Again").exit_code == 2
    assert "within 5 s" in admit("resource", "remove", api).stdout
    assert admit("resource", "remove", api).exit_code == 3
    assert told(admit("client", "show", "tool", "--json"))["resources"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("https://orders.example.com/api", "--scope", "openid=Sign in"),
        ("https://orders.example.com/api", "--role", "clerk=parcels:read"),
        ("https://orders.example.com/api", "--scope", "nothing"),
        ("http://orders.example.com/api",),
        ("http://localhost:8410",),
    ],
    ids=["reserved", "unknown-scope", "no-text", "http", "the-issuer"],
)
def test_what_no_resource_may_be_is_refused(admit: Admit, arguments: tuple[str, ...]) -> None:
    assert admit("resource", "add", *arguments, "--name", "Orders").exit_code == 2


def test_invitations_are_made_listed_and_taken_back(
    admit: Admit, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = admit("client", "invite", "add")
    assert off.exit_code == 3
    assert "registration.enabled" in off.stderr
    monkeypatch.setenv("ADMIT_REGISTRATION__ENABLED", "true")
    made = told(admit("client", "invite", "add", "--uses", "2", "--redirect-host", "*.example.com", "--json"))
    assert made["initial_access_token"].startswith("r_")
    listed = admit("client", "invite", "list", "--json")
    assert [one["id"] for one in told(listed)] == [made["id"]]
    assert made["initial_access_token"] not in listed.output
    assert told(listed)[0]["redirect_hosts"] == ["*.example.com"]
    assert admit("client", "invite", "remove", made["id"]).exit_code == 0
    assert admit("client", "invite", "remove", made["id"]).exit_code == 3
    assert told(admit("client", "invite", "list", "--json")) == []


PARCELS = "https://parcels.example.com/api"
MACHINE = (
    "client", "add", "nightly", "--name", "Nightly", "--grant-type", "client_credentials",
    "--scope", "parcels:read", "--resource", PARCELS,
)  # fmt: skip


def test_a_machine_that_no_api_lets_in_is_told_the_command_that_does(admit: Admit) -> None:
    scopes = ("--scope", "parcels:read=See parcels", "--scope", "parcels:send=Send parcels")
    secret = told(admit("resource", "add", PARCELS, "--name", "Parcels", *scopes, "--secret", "--json"))[
        "secret"
    ]
    done = admit(*MACHINE)
    assert done.exit_code == 0
    assert secret not in done.output
    why, then = done.stderr.splitlines()
    assert why == f"admit: nightly gets no token in its own name yet: {PARCELS} does not say that it may"
    assert then == f"  next: admit resource set {PARCELS} --client nightly=parcels:read"
    changed = admit(*then.removeprefix("  next: admit ").split())
    assert changed.exit_code == 0, changed.stderr
    shown = told(admit("resource", "show", PARCELS, "--json"))
    assert shown["clients"] == {"nightly": ["parcels:read"]}
    assert shown["secret"] is True, "the secret is what it was"
    assert set(shown["scopes"]) == {"parcels:read", "parcels:send"}
    told(admit("resource", "set", PARCELS, "--drop-scope", "parcels:read", "--json"))
    assert told(admit("resource", "show", PARCELS, "--json"))["clients"] == {}


def test_a_machine_that_its_api_lets_in_already_is_added_without_a_warning(admit: Admit) -> None:
    named = ("--client", "nightly=parcels:read")
    admit("resource", "add", PARCELS, "--name", "Parcels", "--scope", "parcels:read=See parcels", *named)
    assert admit(*MACHINE).stderr == "  next: admit client show nightly\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--client", "nightly"), 2),
        (("--client", "nightly=parcels:burn"), 2),
        (("--drop-client", "nobody"), 2),
        (("--set", "secret_hash=00"), 2),
        (("--set", "id=https://other.example"), 2),
        (("--set", "access_token_format=opaque"), 2),
    ],
    ids=["nothing", "no-scope", "unknown-scope", "nobody", "secret", "id", "opaque"],
)
def test_what_a_resource_may_not_become_changes_nothing(
    admit: Admit, arguments: tuple[str, ...], code: int
) -> None:
    admit("resource", "add", PARCELS, "--name", "Parcels", "--scope", "parcels:read=See parcels")
    before = told(admit("resource", "show", PARCELS, "--json"))
    done = admit("resource", "set", PARCELS, *arguments)
    assert (done.exit_code, "Traceback" in done.output) == (code, False), done.output
    assert told(admit("resource", "show", PARCELS, "--json")) == before
    assert admit("resource", "set", "https://nobody.example", "--name", "X").exit_code == 3


def test_what_a_client_lacks_is_named_with_the_next_step_and_without_a_made_up_id(admit: Admit) -> None:
    add = ("client", "add", "--name", "Orders", "--redirect-uri")
    done = admit(*add, CALLBACK, "--scope", "parcels:read")
    assert "parcels:read" in done.stderr
    assert "admit resource list" in done.stderr
    done = admit(*add, "http://orders.example.com/cb")
    assert "docs/clients.md" in done.stderr
    assert "c_" not in done.stderr
    assert "client orders:" in admit(*add, "http://x.example/cb", "orders").stderr


def test_tables_show_what_options_take_and_no_braces(admit: Admit) -> None:
    roles = ("--role", "*=parcels:read", "--client", "nightly=parcels:read")
    admit("resource", "add", PARCELS, "--name", "Parcels", "--scope", "parcels:read=See parcels", *roles)
    told = admit("resource", "show", PARCELS).stdout
    assert "parcels:read=See parcels" in told
    assert "*=parcels:read\n" in told
    assert "nightly=parcels:read\n" in told
    assert "{" not in told
    assert "'" not in told


@pytest.mark.parametrize(
    "group", ["client", "resource", "user", "user role", "key", "token", "client invite"]
)
def test_lists_of_commands_say_whole_sentences(admit: Admit, group: str) -> None:
    told = admit(*group.split(), "--help").stdout
    assert "Commands:" in told
    assert "..." not in told.partition("Commands:")[2]
