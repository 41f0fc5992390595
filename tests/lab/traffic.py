# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bounded traffic on a lab, for locust: users who log in, open pages, search, call the RPC API and post chat messages.

    locust -f tests/lab/traffic.py --headless --users 16 --run-time 10m

Reads ``LAB_TARGETS`` (JSON: targets, tenants, number of users), writes every request as a line of JSON to ``LAB_REQUESTS``:
``{"t": begin, epoch seconds, "ms": duration, "name", "instance", "source", "tenant", "error": null or text}``.
Only addresses of this machine are accepted as targets.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
import typing as t
from urllib.parse import urlsplit

import requests
import websocket
from locust import FastHttpUser, User, between, constant, events, task
from locust.contrib.fasthttp import ResponseContextManager

from tests.lab.client import USER_PASSWORD, Client, OdooError, browser
from tests.lab.odoo import Dialect

with open(os.environ["LAB_TARGETS"]) as _handle:
    LAB = json.load(_handle)
for _target in LAB["targets"]:
    assert urlsplit(_target["url"]).hostname == "127.0.0.1", "traffic goes to this machine only"

ODOO = Dialect(LAB["major"])
_TURNS = itertools.count()
_TABS = itertools.count()
_RECORD = open(os.environ["LAB_REQUESTS"], "a", buffering=1)  # noqa: SIM115 - open as long as locust runs


@events.request.add_listener
def record(
    name: str,
    response_time: float,
    exception: BaseException | None,
    context: dict[str, t.Any],
    start_time: float | None = None,
    **_rest: t.Any,
) -> None:
    began = start_time if start_time is not None else time.time() - response_time / 1000
    line = {"t": began, "ms": round(response_time, 1), "name": name, **context, "error": exception and str(exception)}
    _RECORD.write(json.dumps(line) + "\n")


# The code of Odoo's JSON-RPC error for a session that is no more.
SESSION_EXPIRED = 100


class OpenTab(User):
    """A browser tab that nobody looks at: one for each instance, so that its bus listens, as it does wherever people work. Its
    websocket comes back by itself when it is cut, as a browser's does, so it is no request that could fail."""

    fixed_count = len(LAB["targets"])
    wait_time = constant(2)

    def on_start(self) -> None:
        turn = next(_TABS)
        self.target = LAB["targets"][turn]
        self.login = f"user{LAB['accounts'] + turn:02d}"

    @task
    def stay_open(self) -> None:
        try:
            client = Client(self.target["url"], LAB["tenants"][0], self.login, USER_PASSWORD)
            tab = browser(client, self.target["websocket"])
            while True:
                tab.wait_for("nothing that anybody says", 60)
        except (OSError, OdooError, requests.RequestException, websocket.WebSocketException):
            return


class Session(t.NamedTuple):
    """A log-in on one tenant; ``channel`` is a chat channel there."""

    cookie: str
    uid: int
    channel: int | None


class Employee(FastHttpUser):
    """Stays on one instance, as behind a load balancer with sticky sessions, and works for one tenant after the other,
    in the session that was opened there once."""

    # Fast enough to keep a small machine busy, slow enough not to measure only its two processors.
    wait_time = between(0.3, 1.0)
    host = LAB["targets"][0]["url"]
    # Longer than anything that Odoo would let a request take before it kills the worker is a failure to us.
    connection_timeout = 60.0
    network_timeout = 60.0
    max_retries = 0
    max_redirects = 5

    def on_start(self) -> None:
        turn = next(_TURNS)
        self.login = f"user{turn:02d}"
        self.target = LAB["targets"][turn % len(LAB["targets"])]
        self.tenants = itertools.cycle(random.sample(LAB["tenants"], len(LAB["tenants"])))
        self.sessions: dict[str, Session] = {}
        self.change_tenant()

    def context(self) -> dict[str, t.Any]:
        return {"instance": self.target["instance"], "source": self.target["source"], "tenant": self.tenant}

    def change_tenant(self) -> None:
        self.tenant = next(self.tenants)
        self.left = random.randint(2, 5)
        if self.tenant not in self.sessions:
            self.log_in()

    def log_in(self) -> None:
        self.client.cookiejar.clear()
        answer = self.call(
            "/web/session/authenticate", "log in", {"db": self.tenant, "login": self.login, "password": USER_PASSWORD}
        )
        cookies = {cookie.name: cookie.value for cookie in self.client.cookiejar}
        self.client.cookiejar.clear()
        if answer and answer.get("uid") and "session_id" in cookies:
            self.sessions[self.tenant] = Session(cookies["session_id"], answer["uid"], None)
            found = self.call_kw(ODOO.channel, "search", [[["channel_type", "=", "channel"]]], {"limit": 1})
            self.sessions[self.tenant] = self.sessions[self.tenant]._replace(channel=found[0] if found else None)

    @property
    def headers(self) -> dict[str, str]:
        session = self.sessions.get(self.tenant)
        return {"Cookie": f"session_id={session.cookie}"} if session else {}

    def call(self, path: str, name: str, params: dict[str, t.Any]) -> t.Any:
        """A JSON-RPC call. Odoo answers errors with status 200, so the body decides."""
        with self.client.post(
            self.target["url"] + path,
            json={"jsonrpc": "2.0", "method": "call", "id": 1, "params": params},
            name=name,
            headers=self.headers,
            catch_response=True,
            context=self.context(),
        ) as response:
            try:
                body = response.json() if response.status_code == 200 else {}
            except ValueError:
                body = {}
            if self.logged_out(response, body):
                response.failure("logged out")
            elif response.status_code != 200:
                response.failure(f"HTTP {response.status_code} {response.error or ''}".strip())
            elif "error" in body:
                response.failure(str(body["error"].get("data", {}).get("message") or body["error"])[:500])
            elif "result" not in body and "id" not in body:
                response.failure("no JSON-RPC answer")
            return body.get("result")

    def logged_out(self, response: ResponseContextManager, body: dict[str, t.Any]) -> bool:
        """Whether Odoo has ended this session, as it does when a request finds no database. Its user logs in again."""
        gone = self.tenant in self.sessions and (
            # Pages lead to the log-in, other addresses are not found without a database.
            response.status_code in (303, 404) or body.get("error", {}).get("code") == SESSION_EXPIRED
        )
        if gone:
            del self.sessions[self.tenant]
        return gone

    def call_kw(self, model: str, method: str, args: list[t.Any], kwargs: dict[str, t.Any]) -> t.Any:
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        return self.call(f"/web/dataset/call_kw/{model}/{method}", f"{model}.{method}", params)

    def session(self) -> Session | None:
        """The session of this turn; every now and then the employee goes on to the next tenant."""
        self.left -= 1
        if self.left < 0 or self.tenant not in self.sessions:
            self.change_tenant()
        return self.sessions.get(self.tenant)

    @task(3)
    def open_page(self) -> None:
        if self.session():
            url = self.target["url"] + ODOO.page
            with self.client.get(
                url,
                name="page",
                headers=self.headers,
                allow_redirects=False,
                catch_response=True,
                context=self.context(),
            ) as response:
                if self.logged_out(response, {}):
                    response.failure("logged out")

    @task(5)
    def search_partners(self) -> None:
        if self.session():
            self.call_kw("res.partner", "web_search_read", [], ODOO.search(["display_name", "email", "write_date"], 40))

    @task(2)
    def post_chat_message(self) -> None:
        session = self.session()
        if session and session.channel:
            words = {
                "body": f"message {random.random()}",
                "message_type": "comment",
                "subtype_xmlid": "mail.mt_comment",
            }
            self.call_kw(ODOO.channel, "message_post", [[session.channel]], words)

    @task(1)
    def call_rpc_api(self) -> None:
        session = self.session()
        if session:
            arguments = [self.tenant, session.uid, USER_PASSWORD, "res.partner", "search_count", [[]]]
            self.call("/jsonrpc", "rpc", {"service": "object", "method": "execute_kw", "args": arguments})
