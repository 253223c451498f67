"""Run plans of the OpenID Foundation's conformance suite, which runs somewhere here, against an `admit serve`.

    python -m scripts.conformance settings                       what the issuer's admit.toml says more
    python -m scripts.conformance run --issuer https://… …       each plan, module by module, and what came of it

docs/conformance.md says how to set both up. The suite's own browser signs a person in, and keeps the pages
that it sees for whoever reviews them. Status: 0 where no module failed or stopped, but for those of `KNOWN`.
"""

import argparse
import hashlib
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

ALIAS: Final = "admit"
SECRETS: Final = {
    name: f"{name}-of-the-conformance-suite-and-of-nobody-else" for name in ("one", "two", "logout")
}
SCOPES: Final = ("openid", "profile", "email", "address", "phone", "offline_access")

BASIC: Final = "oidcc-basic-certification-test-plan"
FORM: Final = "oidcc-formpost-basic-certification-test-plan"
CONFIG: Final = "oidcc-config-certification-test-plan"
LOGOUT: Final = "oidcc-rp-initiated-logout-certification-test-plan"
BACKCHANNEL: Final = "oidcc-backchannel-rp-initiated-logout-certification-test-plan"
VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    CONFIG: {},
    BASIC: {"server_metadata": "discovery"},
    FORM: {"server_metadata": "discovery"},
    LOGOUT: {"response_type": "code"},
    BACKCHANNEL: {"response_type": "code"},
}
KNOWN: Final = {
    (
        FORM,
        "dynamic_client",
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    ): "response_mode stands behind an address, and nothing is fetched: the error comes in the query",
}
PATIENCE: Final = 180.0  # seconds for one module; two of them wait for 30
OVER: Final = frozenset({"FINISHED", "INTERRUPTED"})
TOLD: Final = frozenset({"FAILURE", "WARNING"})


def settings(suite: str) -> str:
    """What `admit.toml` says more: the clients of the `static_client` plans, and registration for the others."""
    base = f"{suite}/test/a/{ALIAS}"
    parts = ['[registration]\nenabled = true\nprofile = "oidc"\nper_network = 1000\n']
    for name, secret in SECRETS.items():
        lines = [
            "[[client]]",
            f'id = "conformance-{name}"',
            f'name = "Conformance suite, {name}"',
            'profile = "oidc"',
            "public = false",
            "require_pkce = false",
            f'secret_hashes = ["{hashlib.sha256(secret.encode()).hexdigest()}"]',
            f'redirect_uris = ["{base}/callback"]',
            f'post_logout_redirect_uris = ["{base}/post_logout_redirect"]',
            f"scopes = {json.dumps(SCOPES)}",
        ]
        if name == "logout":
            lines += [f'backchannel_logout_uri = "{base}/backchannel_logout"']
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def configuration(
    plan: str, issuer: str, email: str, password: str, invitation: str | None
) -> dict[str, Any]:
    """A plan's configuration, as the suite's form would make it."""
    first = "logout" if plan == BACKCHANNEL else "one"
    clients = {"client": first, "client2": "two", "client_secret_post": "one"}
    told: dict[str, Any] = {
        "alias": ALIAS,
        "description": "Admit",
        "server": {
            "discoveryUrl": f"{issuer}/.well-known/openid-configuration",
            "allow_unexpected_metadata_fields": [
                "admit_status_head_endpoint",
                "admit_status_events_endpoint",
            ],
        },
        "options": {"browsercontrol_css_enable": False},
        **pages(issuer, email, password),
    }
    for place, name in clients.items():
        told[place] = {
            "client_id": f"conformance-{name}",
            "client_secret": SECRETS[name],
            "client_name": name,
        }
        if invitation is not None:
            told[place]["initial_access_token"] = invitation
    return told


def pages(issuer: str, email: str, password: str) -> dict[str, Any]:
    """What the suite's browser does on which page, and where it takes one for a screenshot."""

    def seen(words: str, *, optional: bool = False) -> list[Any]:
        return ["wait", "xpath", "//*", 10, words, "update-image-placeholder" + "-optional" * optional]

    def login(*before: list[Any]) -> dict[str, Any]:
        fill = [["text", "name", "email", email], ["text", "name", "password", password]]
        commands = [*before, *fill, ["click", "css", "form.rest button.primary"]]
        return {"task": "sign in", "optional": True, "match": f"{issuer}/login*", "commands": commands}

    def at(path: str, *tasks: dict[str, Any]) -> dict[str, Any]:
        return {"match": f"{issuer}{path}*", "tasks": list(tasks)}

    def shown(path: str, words: str) -> dict[str, Any]:
        return {"task": "page", "match": f"{issuer}{path}*", "commands": [seen(words)]}

    allow = [["click", "css", "button[value=allow]"]]
    consent = {"task": "consent", "optional": True, "match": f"{issuer}/consent*", "commands": allow}
    arrived = [["wait", "id", "submission_complete", 10]]
    done = {"task": "back", "match": "*/test/*/callback*", "commands": arrived}
    submit = [["click", "css", "form.rest button.primary", "optional"]]
    confirm = {"task": "yes", "optional": True, "match": f"{issuer}/logout*", "commands": submit}
    flow = at("/authorize", login(), consent, done)
    again = at("/authorize", login(seen("(Sign in|Confirm|again)", optional=True)), consent, done)
    wrong = at("/authorize", shown("/authorize", "For developers"))
    left = at("/logout", confirm, shown("/logout", "(S|s)igned out"))
    refused = at("/logout", shown("/logout", "For developers"))
    over: dict[str, list[dict[str, Any]]] = {
        "oidcc-prompt-login": [again],
        "oidcc-max-age-1": [again],
        "oidcc-ensure-registered-redirect-uri": [wrong],
        "oidcc-ensure-request-object-with-redirect-uri": [wrong],
    }
    before = "oidcc-rp-initiated-logout"
    for name in ("no-params", "no-post-logout-redirect-uri", "only-state"):
        over[f"{before}-{name}"] = [flow, left]
    for name in (
        "bad-post-logout-redirect-uri", "query-added-to-post-logout-redirect-uri", "modified-id-token-hint",
        "bad-id-token-hint", "no-id-token-hint",
    ):  # fmt: skip
        over[f"{before}-{name}"] = [flow, refused]
    back = {"task": "back", "match": "*/test/*/post*"}
    return {
        "browser": [flow, at("/logout", confirm, back)],
        "override": {name: {"browser": tasks} for name, tasks in over.items()},
    }


def client_of(base: str, ca_file: Path | None) -> httpx2.Client:
    """What asks the suite; some of its answers wait for what happens in a module."""
    return httpx2.Client(base_url=base, verify=ssl.create_default_context(cafile=ca_file), timeout=130.0)


class Suite:
    """The suite's API, in its developer mode: nobody signs in there."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def ask(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """An answer's JSON; arguments that are no text are sent as JSON."""
        params = {name: one if isinstance(one, str) else json.dumps(one) for name, one in query.items()}
        response = self._http.request(method, f"/api/{path}", params=params, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    def modules(
        self, plan: str, variant: Mapping[str, str], told: object
    ) -> Iterator[tuple[str, str, list[Any]]]:
        """Each module's name, how it ended, and its log."""
        made = self.ask("POST", "plan", told, planName=plan, variant=variant)
        for module in made["modules"]:
            name = module["testModule"]
            id = self.ask("POST", "runner", test=name, plan=made["id"], variant=module.get("variant") or {})[
                "id"
            ]
            yield name, self._wait(id), self.ask("GET", f"log/{id}")

    def _wait(self, id: str) -> str:
        begun, started = time.monotonic(), False
        while time.monotonic() - begun < PATIENCE:
            info = self.ask("GET", f"info/{id}")
            if info["status"] == "CONFIGURED" and not started:
                self.ask("POST", f"runner/{id}")
                started = True
            if info["status"] in OVER:
                return "INTERRUPTED" if info["status"] == "INTERRUPTED" else str(info["result"])
            time.sleep(0.3)
        return "STUCK"


def is_bad(plan: str, registration: str, module: str, ended: str) -> bool:
    """Whether a module's end is one that a certification would not be given with."""
    return (
        ended not in {"PASSED", "REVIEW", "SKIPPED", "WARNING"} and (plan, registration, module) not in KNOWN
    )


def run(asked: argparse.Namespace) -> int:
    """Run the plans that were asked for, and print what came of each module; how many were bad."""
    suite = Suite(client_of(asked.suite, asked.ca_file))
    bad = 0
    for plan in asked.plan or VARIANTS:
        kinds = ["static_client"] if plan == CONFIG else asked.registration
        for registration in kinds:
            told = configuration(plan, asked.issuer, asked.email, asked.password, asked.invitation)
            variant = {**VARIANTS[plan], **({} if plan == CONFIG else {"client_registration": registration})}
            print(f"\n{plan}, {registration}")
            ends: Counter[str] = Counter()
            for name, ended, log in suite.modules(plan, variant, told):
                ends[ended] += 1
                bad += is_bad(plan, registration, name, ended)
                print(f"  {ended:11} {name}", flush=True)
                for line in (one for one in log if one.get("result") in TOLD):
                    print(f"    {line['result']}: {line.get('src')}: {line.get('msg')}")
            print("  " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    return bad


def main(words: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m scripts.conformance")
    parser.add_argument("do", choices=("settings", "run"))
    parser.add_argument("--suite", default="https://localhost:8443", help="where the suite is")
    parser.add_argument("--issuer", help="the issuer identifier")
    parser.add_argument("--ca-file", type=Path, help="who vouches for the suite's certificate")
    parser.add_argument("--email", default="ada@example.com", help="a person of the issuer's")
    parser.add_argument("--password", help="hers")
    parser.add_argument("--invitation", help="an initial access token, for dynamic_client")
    parser.add_argument("--plan", action="append", choices=tuple(VARIANTS), help="again for more; else all")
    parser.add_argument("--registration", action="append", choices=("static_client", "dynamic_client"))
    asked = parser.parse_args(words)
    if asked.do == "settings":
        print(settings(asked.suite), end="")
        return 0
    if not (asked.issuer and asked.password):
        parser.error("run wants --issuer and --password")
    asked.registration = asked.registration or ["static_client"]
    if "dynamic_client" in asked.registration and not asked.invitation:
        parser.error("dynamic_client wants --invitation")
    return min(run(asked), 1)


if __name__ == "__main__":
    sys.exit(main())
