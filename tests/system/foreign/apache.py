"""Apache with mod_auth_openidc on loopback: a private configuration, nothing of the machine's own.

`/private/` needs a signed-in person; `/private/callback` is the module's own address, which also tells what it knows,
refreshes and signs out. Its pages are plain files. Started by root it serves as Debian's `www-data`.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.fixtures.processes import Child
from tests.fixtures.required import missing
from tests.system.foreign.conftest import World
from tests.system.foreign.relying_parties import SCOPE, SECRET, Party

HINT = "apt install apache2 libapache2-mod-auth-openidc"
MODULES = Path("/usr/lib/apache2/modules")
_LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "headers", "dir", "auth_openidc")


def find_apache() -> str | None:
    """The program, where its module is there too."""
    program = shutil.which(
        "apache2", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    )
    return program if (MODULES / "mod_auth_openidc.so").is_file() else None


@contextmanager
def apache(world: World, party: Party) -> Iterator[Child]:
    """A running one, until the block ends."""
    program = find_apache()
    if program is None:
        missing("Apache with mod auth openidc", HINT)
    folder = Path(mkdtemp(prefix="admit-apache-"))
    try:
        folder.chmod(0o755)  # its workers are another account's
        pages = folder / "pages"
        (pages / "private").mkdir(parents=True)
        for name, text in {
            "health": "{}",
            "bye": "bye",
            "private/page": "a page for whoever is signed in",
        }.items():
            (pages / name).write_text(text, "utf-8")
        path = folder / "apache2.conf"
        path.write_text(_configuration(folder, world, party), "utf-8")
        command = [program, "-f", str(path), "-D", "FOREGROUND"]
        child = world.start("apache", command, party.port)
        try:
            yield child
        finally:
            child.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(folder: Path, world: World, party: Party) -> str:
    account = ["User www-data", "Group www-data"] if os.getuid() == 0 else []
    loaded = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _LOADED]
    return "\n".join(
        [
            *loaded,
            *account,
            f"ServerRoot {folder}",
            f"DefaultRuntimeDir {folder}",
            f"PidFile {folder}/apache2.pid",
            "ErrorLog /dev/stderr",
            "LogLevel warn",
            "ServerName 127.0.0.1",
            f"Listen 127.0.0.1:{party.port}",
            f"DocumentRoot {folder}/pages",
            f"OIDCProviderMetadataURL {world.issuer}/.well-known/openid-configuration",
            f"OIDCClientID {party.id}",
            f"OIDCClientSecret {SECRET}",
            f"OIDCRedirectURI {party.redirect_uri}",
            "OIDCCryptoPassphrase of-these-tests-alone",
            "OIDCPKCEMethod S256",
            f'OIDCScope "{SCOPE}"',
            "OIDCRemoteUserClaim email",
            "OIDCInfoHook iat access_token id_token userinfo refresh_token session",
            "<Location /private>",
            "AuthType openid-connect",
            "Require valid-user",
            'Header always set X-Who "%{OIDC_CLAIM_name}e"',
            "</Location>",
            "",
        ]
    )
