"""The example of a Django project: its own people sign in through Admit, and whom its admin lets go of is out."""

import contextlib
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx2
import pytest

from tests.fixtures.demo import ROOT
from tests.fixtures.issuer import answer_of, field_of, pkce
from tests.fixtures.processes import free_port
from tests.plugins.patience import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.soak]
RUN: Final = ROOT / "examples" / "django_users" / "run.py"


@dataclass(frozen=True, slots=True)
class Shop:
    """The project while it runs, and the passwords that it printed."""

    home: str
    passwords: dict[str, str]

    def browser(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.home, headers={"origin": self.home}, follow_redirects=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("django-users")
    home = f"http://localhost:{free_port()}"
    said = folder / "shop.log"
    with open(said, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(RUN)],
            env={**os.environ, "SHOP_HOME": home, "SHOP_DATA": str(folder / "data")},
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        assert process.poll() is None, said.read_text("utf-8")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{home}/auth/health/ready", timeout=5) as reply,
        ):
            return bool(reply.status == 200)
        return False

    wait_until(answers, "the shop", pause=0.1)
    yield Shop(home, dict(re.findall(r"^(\w+) signs in with (\S+)$", said.read_text("utf-8"), re.MULTILINE)))
    process.terminate()
    process.wait(10)


def sign_in(browser: httpx2.Client, name: str, password: str, at: str = "/auth/login") -> httpx2.Response:
    page = browser.get(at).text
    form = {field: field_of(page, field) for field in ("csrf", "i") if f'name="{field}"' in page}
    return browser.post("/auth/login", data={**form, "email": name, "password": password})


def test_djangos_people_sign_in_and_are_djangos_users_in_its_views(shop: Shop) -> None:
    with shop.browser() as bo, shop.browser() as ada:
        assert bo.get("/orders/").status_code == 401
        assert sign_in(bo, "bo", "wrong").status_code == 400
        assert sign_in(bo, "bo", shop.passwords["bo"]).headers["location"] == "/auth/account"
        assert "Hello, Bo." in bo.get("/").text
        assert {order["who"] for order in bo.get("/orders/").json()["orders"]} == {"bo"}
        assert sign_in(ada, "ada", shop.passwords["ada"]).status_code == 303
        assert {order["who"] for order in ada.get("/orders/").json()["orders"]} == {"ada", "bo", "boss"}
        assert ada.get("/auth/signup").status_code == 404


def tokens_of(shop: Shop, browser: httpx2.Client, name: str) -> dict[str, str]:
    verifier, challenge = pkce()
    asked = {
        "client_id": "phone", "redirect_uri": "http://127.0.0.1:5/cb", "response_type": "code",
        "scope": "openid profile email orders:own orders:all", "code_challenge": challenge,
        "code_challenge_method": "S256",
    }  # fmt: skip
    page = browser.get("/auth/authorize", params=asked).headers["location"]
    code = answer_of(sign_in(browser, name, shop.passwords[name], page))["code"]
    redeemed = {
        "grant_type": "authorization_code",
        "client_id": "phone",
        "code": code,
        "code_verifier": verifier,
    }
    answer = browser.post("/auth/token", data={**redeemed, "redirect_uri": asked["redirect_uri"]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_whom_the_admin_makes_inactive_is_out_with_all_that_they_had(shop: Shop) -> None:
    with shop.browser() as ada, shop.browser() as phone, shop.browser() as boss:
        tokens = tokens_of(shop, ada, "ada")
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert phone.get("/orders/", headers=bearer).status_code == 200
        info = phone.get("/auth/userinfo", headers=bearer).json()
        assert (info["name"], info["email"], info["email_verified"]) == ("Ada", "ada@example.com", True)
        form = {"username": "boss", "password": shop.passwords["boss"]}
        csrf = field_of(boss.get("/admin/login/").text, "csrfmiddlewaretoken")
        assert boss.post("/admin/login/", data={**form, "csrfmiddlewaretoken": csrf}).status_code == 302
        there = f"/admin/shop/user/{info['sub'].removeprefix('u_')}/change/"
        page = boss.get(there).text
        fields = dict(
            re.findall(r'<input type="(?:text|email|hidden)" name="(\w+)"(?: value="([^"]*)")?', page)
        )
        day, time = re.findall(r'name="date_joined_[01]" value="([^"]*)"', page)
        sent = {**fields, "username": "ada", "date_joined_0": day, "date_joined_1": time}
        saved = boss.post(there, data=sent)  # a box that is not ticked is not sent: is_active
        assert saved.status_code == 302, saved.text
        wait_until(lambda: phone.get("/orders/", headers=bearer).status_code == 401, "the end of Ada")
        assert ada.get("/orders/").status_code == 401
        refused = phone.post(
            "/auth/token",
            data={
                "grant_type": "refresh_token", "client_id": "phone", "refresh_token": tokens["refresh_token"],
            },
        )  # fmt: skip
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert sign_in(ada, "ada", shop.passwords["ada"]).status_code == 400
