"""A browser for tests: cookies, forms with their mark, and codes of an authenticator."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from campaigns.ledger import logins, people
from dispatcher.console import codes
from dispatcher.console.call import COOKIE
from dispatcher.console.signing import PURPOSE
from tests.serving import Said, Served
from workers.house import House

PASSWORD = "bốn con ngựa trên đỉnh Putaleng"
HASH: list[str] = []
MARK = re.compile(r'name="mark" value="([0-9a-f]{64})"')


@dataclass(slots=True)
class Browser:
    """One person's browser; `secret` is what the authenticator on the phone holds."""

    served: Served
    cookies: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    secret: bytes = b""
    ahead: int = 0  # steps: a code is good once, and no test waits for the next

    def get(self, path: str) -> Said:
        """A page; keeps its mark."""
        said = self._keep(self.served.get(path, Cookie=self._cookie()))
        if found := MARK.search(said.body.decode("utf-8", "replace")):
            self.mark = found[1]
        return said

    def post(self, path: str, *, origin: str | None = None, **form: str) -> Said:
        """Send a form as the browser would: with its origin, its cookies and the mark of the page seen last."""
        host = f"127.0.0.1:{self.served.port}"
        heads = {"Cookie": self._cookie(), "Content_Type": "application/x-www-form-urlencoded",
                 "Origin": f"http://{host}" if origin is None else origin}  # fmt: skip
        body = urlencode({"mark": self.mark} | form).encode()
        return self._keep(self.served.call("POST", path, body=body, **heads))

    def upload(
        self, path: str, name: str, content: bytes, *, origin: str | None = None, mark: str | None = None, **form: str
    ) -> Said:
        """Send a form with one file in its field `file`."""
        edge = secrets.token_hex(12)
        fields = {"mark": self.mark if mark is None else mark} | form
        parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
        body = "".join(parts).encode() + content + f"\r\n--{edge}--\r\n".encode()
        heads = {"Cookie": self._cookie(), "Content_Type": f"multipart/form-data; boundary={edge}",
                 "Origin": f"http://127.0.0.1:{self.served.port}" if origin is None else origin}  # fmt: skip
        return self._keep(self.served.call("POST", path, body=body, **heads))

    def code(self) -> str:
        """The next code of the phone."""
        self.ahead += 1
        return codes.code(self.secret, int(time.time()) // codes.STEP + self.ahead - 1)

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _keep(self, said: Said) -> Said:
        if given := said.headers.get("set-cookie"):
            name, _, value = given.split(";")[0].partition("=")
            self.cookies[name] = value
        return said


def person(house: House, login: str, *roles: str) -> str:
    """A person with PASSWORD; the login again."""
    if not HASH:
        HASH.append(codes.hasher().hash(PASSWORD))
    with house.begin() as conn:
        people.add_person(conn, login, f"Người {login}", list(roles))
        logins.set_password(conn, login, HASH[0])
    return login


def signed_in(served: Served, house: House, login: str, *roles: str, authenticator: bool = False) -> Browser:
    """A browser in which this person is signed in, by the ledger's own word: signing in has its own tests."""
    person(house, login, *roles)
    browser = Browser(served)
    with house.begin() as conn:
        browser.cookies[COOKIE] = logins.begin_session(conn, login, "127.0.0.1")
        if authenticator:
            browser.secret = codes.new_secret()
            logins.add_authenticator(conn, login, house.keyring.seal(browser.secret, login.encode(), PURPOSE))
            found = logins.authenticator(conn, login, confirmed=False)
            assert found
            logins.use_step(conn, found, 0)
    browser.get("/console/me")
    return browser
