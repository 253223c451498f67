"""Try the threat ledger's cheap attacks on a running issuer, and print what was answered.

    python -m scripts.attack                     the demo, as `make demo` started it
    python -m scripts.attack https://id.staging.example --client spa --redirect-uri https://app.staging.example/ \\
        --api https://api.staging.example/orders

Only on an issuer of your own, and not on the one that people use: it makes an account, guesses passwords, and would
end sessions where a defence is missing. Exit code: 0 all refused, 1 something was accepted, 2 not tried.
"""

import argparse
import getpass
import os
import sys
import tomllib
from pathlib import Path

from scripts.attack.report import Report
from scripts.attack.run import run
from scripts.attack.wire import UnreachableError
from scripts.attack.world import Given

DEMO = Path(__file__).resolve().parents[2] / ".demo"


def demo(folder: Path) -> Given:
    """What a demo's own folder tells of it.

    Raises:
        OSError: no demo was ever started there.
    """
    config = folder / "admit.toml"
    settings = tomllib.loads(config.read_text("utf-8"))
    client = next(one for one in settings["client"] if one["id"] == "demo-spa")
    return Given(
        issuer=settings["issuer"],
        api=f"{client['default_resource']}/api/orders/mine",
        client_id=client["id"],
        redirect_uri=client["redirect_uris"][0],
        scope="openid profile orders:own",
        other_client="demo-native",
        config=str(config),
    )


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.attack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("issuer", nargs="?", help="its URL; none for the demo")
    parser.add_argument(
        "--demo", type=Path, default=DEMO, metavar="FOLDER", help="where the demo keeps its data"
    )
    parser.add_argument("--client", default="", metavar="ID", help="a public client of the issuer")
    parser.add_argument("--redirect-uri", default="", metavar="URI", help="one that it registered")
    parser.add_argument("--other-client", default="", metavar="ID", help="another public client")
    parser.add_argument("--scope", default="openid", help="what the client asks for (openid)")
    parser.add_argument(
        "--api", default="", metavar="URL", help="something that the account may GET with a token"
    )
    parser.add_argument(
        "--email", default="", help="an account; none makes one. ADMIT_ATTACK_PASSWORD, or a question"
    )
    parser.add_argument(
        "--config", default="", metavar="FILE", help="the issuer's settings: its keys then sign"
    )
    parser.add_argument("--ca-file", default="", metavar="FILE", help="PEM of the authorities to trust")
    parser.add_argument(
        "--row", action="append", default=[], metavar="ID", help="only this row of the ledger"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser.parse_args(given)


def main() -> int:
    """Try everything, print the table."""
    options = arguments()
    try:
        if options.issuer is None:
            given = demo(options.demo)
        else:
            password = os.environ.get("ADMIT_ATTACK_PASSWORD", "")
            if options.email and not password:
                password = getpass.getpass(f"Password of {options.email}: ")
            given = Given(
                issuer=options.issuer, api=options.api, email=options.email, password=password,
                client_id=options.client, redirect_uri=options.redirect_uri, scope=options.scope,
                other_client=options.other_client, config=options.config, ca_file=options.ca_file,
            )  # fmt: skip
    except OSError:
        print("admit: no demo was started here yet. Start one: make demo", file=sys.stderr)
        return 2
    report = Report(given.issuer, as_json=options.json)
    try:
        for done in run(given, set(options.row)):
            report.line(done)
    except UnreachableError as error:
        print(f"admit: nobody answers at {error}. Start it first: make demo", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
