# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One who works with an Odoo of the lab: by its RPC API, its database manager and its websocket."""

from __future__ import annotations

import json
import time
import typing as t

import requests
import websocket

from tests.lab.odoo import Dialect, dialect

MASTER_PASSWORD = "admin"
# Of everybody but admin.
USER_PASSWORD = "lab"


class OdooError(Exception):
    """What Odoo answered instead of a result."""


class Client:
    """A user of one tenant on one instance; *url* is the instance's."""

    def __init__(self, url: str, tenant: str, login: str = "admin", password: str = "admin") -> None:
        self.url, self.tenant = url, tenant
        self.session = requests.Session()
        answer = self.call("/web/session/authenticate", {"db": tenant, "login": login, "password": password})
        self.uid: int = answer["uid"]
        self.dialect: Dialect = dialect(answer["server_version"])
        if not self.uid:
            raise OdooError(f"{login} cannot log in to {tenant}")

    def call(self, path: str, params: dict[str, t.Any], timeout: float = 120) -> t.Any:
        return self.call_at(self.url + path, params, timeout)

    def call_at(self, url: str, params: dict[str, t.Any], timeout: float) -> t.Any:
        return call(self.session, url, params, timeout)

    def model(self, model: str, method: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        params = {"model": model, "method": method, "args": list(args), "kwargs": kwargs}
        return self.call(f"/web/dataset/call_kw/{model}/{method}", params)

    def run(self, code: str) -> None:
        """Runs *code* in one request, as a server action does: in the request's own transaction."""
        model = self.model("ir.model", "search", [["model", "=", "res.partner"]], limit=1)[0]
        values = {"name": "lab", "model_id": model, "state": "code", "code": code}
        action = self.model("ir.actions.server", "create", values)
        self.model("ir.actions.server", "run", [action])

    def channel(self) -> int:
        return self.model(self.dialect.channel, "search", [["channel_type", "=", "channel"]], limit=1)[0]

    def post(self, channel: int, body: str) -> None:
        words = {"body": body, "message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
        self.model(self.dialect.channel, "message_post", [channel], **words)


def call(session: requests.Session, url: str, params: dict[str, t.Any], timeout: float) -> t.Any:
    body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
    response = session.post(url, json=body, timeout=timeout)
    response.raise_for_status()
    answer = response.json()
    if "error" in answer:
        raise OdooError(str(answer["error"].get("data", {}).get("message") or answer["error"]))
    return answer.get("result")


def manage(url: str, method: str, *arguments: t.Any, timeout: float = 300) -> t.Any:
    """Odoo's database manager: ``create_database``, ``duplicate_database``, ``rename``, ``drop``, ``dump``, ``restore``."""
    params = {"service": "db", "method": method, "args": [MASTER_PASSWORD, *arguments]}
    return call(requests.Session(), f"{url}/jsonrpc", params, timeout)


class Browser:
    """A browser's websocket: subscribed to all channels of *client*'s user, at *address* (that of the gevent server)."""

    def __init__(self, client: Client, address: str) -> None:
        cookie = f"session_id={client.session.cookies['session_id']}"
        self.socket = websocket.create_connection(
            f"ws://{address}/websocket", cookie=cookie, origin=client.url, timeout=60
        )
        self.socket.send(json.dumps({"event_name": "subscribe", "data": {"channels": [], "last": 0}}))

    def wait_for(self, text: str, seconds: float) -> float | None:
        """Seconds until a notification with *text* came, or None when it did not come in time."""
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if text in self.socket.recv():
                    return time.monotonic() - began
            except websocket.WebSocketTimeoutException:
                return None
        return None

    def close(self) -> None:
        self.socket.close()


class PollingBrowser:
    """A browser before Odoo 16: it asks again and again, and is answered when there is something to say, or 50 s later."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address
        # What was said before is not waited for.
        self.last = max((one["id"] for one in self.poll(1, 0)), default=0)

    def poll(self, seconds: float, last: int) -> list[dict[str, t.Any]]:
        try:
            answer: list[dict[str, t.Any]] = self.client.call_at(
                f"http://{self.address}/longpolling/poll", {"channels": [], "last": last}, seconds
            )
        except requests.Timeout:
            return []
        return answer

    def wait_for(self, text: str, seconds: float) -> float | None:
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            for one in self.poll(left, self.last):
                self.last = max(self.last, one["id"])
                if text in json.dumps(one):
                    return time.monotonic() - began
        return None

    def close(self) -> None:
        self.client.session.close()


def browser(client: Client, address: str) -> Browser | PollingBrowser:
    return (Browser if client.dialect.has_websocket else PollingBrowser)(client, address)
