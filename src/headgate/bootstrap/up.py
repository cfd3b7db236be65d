"""``headgate up``: from an empty directory to a key that works, in one command.

It makes nothing that the other commands could not make: an installation, a plan that is applied, an account with a seat and
a key. Running it again changes nothing that is there, and prints the same key: it lies in ``secrets/``, for you alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyreqwest.client import SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

import headgate
from headgate.access.errors import StaffExists
from headgate.access.wire.link_address import sign_in_address
from headgate.bootstrap import logs
from headgate.bootstrap.bridges.cohorts import keep_cohorts
from headgate.bootstrap.processes.plan import processes
from headgate.bootstrap.processes.ports import must_be_free
from headgate.bootstrap.processes.served import served
from headgate.bootstrap.processes.supervisor import Child, Supervisor
from headgate.bootstrap.wiring import open_house
from headgate.kernel.actor import Actor, Permission, Role
from headgate.kernel.digest import sha256_of
from headgate.kernel.errors import NotFound, Unavailable
from headgate.kernel.ids import StaffId
from headgate.releases.model.plan import Api, Surface, Upstream, Version
from headgate.releases.wire.checking import check_plan

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from headgate.access.model import Issued, Staff
    from headgate.bootstrap.home import Home
    from headgate.bootstrap.settings import Settings
    from headgate.bootstrap.terminal import Terminal
    from headgate.bootstrap.wiring import House
    from headgate.releases.model.plan import Plan, Stage
    from headgate.releases.model.release import Release

FIRST_ROLES = (Role.ADMIN, Role.RELEASE_MANAGER, Role.SAFETY_REVIEWER, Role.ACCESS_REVIEWER)
"""What the first member of staff may do: everything that one person may do alone. Approvals need a second."""

_READY_S = 120.0  # a busy machine of two cores has taken forty
_SEAT = timedelta(days=365)
_STAND_IN_PORTS_ON = 1


class UpstreamSilent(Unavailable):
    """The model server does not answer, or names no model."""

    code = "up.upstream_silent"


class ExampleMissing(NotFound):
    """The example plans were not installed with Headgate."""

    code = "up.example_missing"


@dataclass(frozen=True, slots=True)
class Initialised:
    """An installation that was just made.

    Attributes:
        first: Its first member of staff, with their token.
        link: What signs them in to the console, once; absent from ``repr``.
        ends_at: First instant at which the link no longer works.
    """

    first: Issued[Staff]
    link: str = field(repr=False)
    ends_at: datetime


def initialise(home: Home, settings: Settings, name: str) -> Initialised:
    """Make an installation and its first member of staff, and leave their token where the terminal finds it.

    Args:
        home: Where; absent, empty, or with nobody in it.
        settings: What it is set to.
        name: What the first member of staff is called.

    Raises:
        StaffExists: The installation has staff already.
        HomeUnwritable: The directory cannot be written.
    """
    house = open_house(home, settings)
    try:
        made = house.access.first_staff(name, roles=FIRST_ROLES, life=timedelta(days=house.settings.staff_token_days))
        first = Actor.staff(made.of.id, made.of.name, made.of.roles)
        invited = house.access.sessions.invite(made.of.id, by=first)
    finally:
        house.close()
    _write_secret(home.token, made.secret)
    return Initialised(made, sign_in_address(house.settings.origin, invited.secret), invited.of.expires_at)


def example(name: str) -> str:
    """Return the text of an example plan that comes with Headgate.

    Raises:
        ExampleMissing: It does not.
    """
    package = Path(headgate.__file__).parent
    for directory in (package / "examples", package.parents[1] / "examples"):
        if (path := directory / f"{name}.yaml").is_file():
            return path.read_text("utf-8")
    raise ExampleMissing(f"The example plan {name} is not installed.")


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A model server that is running.

    Attributes:
        address: Its base, version included.
        api: What it speaks.
        key_env: The environment variable that holds its key, if it wants one.
    """

    address: str
    api: Api
    key_env: str | None


class Up:
    """One run of ``headgate up``.

    Args:
        terminal: Where and who.
        settings: How it runs.
        out: Where to print.
    """

    def __init__(self, terminal: Terminal, settings: Settings, out: Console) -> None:
        self._terminal = terminal
        self._settings = settings
        self._out = out

    def run(self, yours: ModelServer | None, *, model: str | None) -> None:
        """Start everything and stay until told to stop.

        Args:
            yours: Your own model server; a small stand-in when absent.
            model: The model's name there; asked of the server when absent.

        Raises:
            PortTaken: Something else listens where Headgate or its stand-in model should.
            UpstreamSilent: Your server does not answer.
        """
        settings = self._settings
        stand_in = yours is None
        must_be_free(settings.host, settings.port)
        if stand_in:
            must_be_free("127.0.0.1", settings.port + _STAND_IN_PORTS_ON)
        with contextlib.suppress(StaffExists):  # it has been up before
            initialise(self._terminal.home, self._terminal.settings(), "owner")
        server = yours or ModelServer(f"http://127.0.0.1:{settings.port + _STAND_IN_PORTS_ON}/v1", Api.BOTH, None)
        name = model or ("small-model" if stand_in else _only_model(server))
        house, by = self._terminal.house(), self._terminal.actor()
        plan = _plan(server, name, weights=_stand_in_weights() if stand_in else None)
        release, _ = house.releases.apply(plan, by=by)
        key, link = self._key(house, by, release), self._link(house, by)
        self._terminal.close()
        children = processes(self._terminal.directory, settings)
        if stand_in:
            port = str(settings.port + _STAND_IN_PORTS_ON)
            command = [sys.executable, "-m", "headgate.testing.small_model", "--port", port]
            children = [Child("small-model", command, dict(os.environ)), *children]
        logs.configure("warning")
        supervisor = Supervisor(children)
        threading.Thread(target=self._greet, args=(supervisor, release, key, link, stand_in), daemon=True).start()
        with served(self._terminal.directory):
            supervisor.run()

    def _key(self, house: House, by: Actor, release: Release) -> str:
        path = self._terminal.home.secrets / "key"
        if path.exists():
            return path.read_text("ascii").strip()
        keep_cohorts([release], house.access, house.ledger)
        stage = release.plan.stages[0]
        account = house.access.accounts.add("you", by=by)
        grant = house.access.grants.add(account.id, stage.who.cohort, ends_at=house.clock.now() + _SEAT, by=by)
        issued = house.access.keys.add(grant.id, scopes=[surface.value for surface in stage.what.surfaces], label="up", by=by)
        _write_secret(path, issued.secret)
        return issued.secret

    def _link(self, house: House, by: Actor) -> str | None:
        """Return a link that signs whoever sits here in to the console; only who manages staff may make one."""
        if not by.may(Permission.STAFF):
            return None
        return sign_in_address(self._settings.origin, house.access.sessions.invite(StaffId(by.id), by=by).secret)

    def _greet(self, supervisor: Supervisor, release: Release, key: str, link: str | None, stand_in: bool) -> None:  # noqa: FBT001 - one caller, by thread
        base = f"http://{self._settings.host}:{self._settings.port}"
        servers = [f"{release.plan.model.upstream.url}/models"] if stand_in else []
        if not all(_answers(url) for url in [*servers, f"{base}/readyz"]):
            self._out.print(f"[red]Headgate did not come up at {base} within {_READY_S:.0f} s; what it logged stands above.[/]")
            supervisor.stop()
            return
        stage = release.opened[0].name if release.opened else "nothing yet"
        behind = "a small stand-in model (deterministic babble, no intelligence)" if stand_in else release.plan.model.upstream.url
        self._out.print(
            f"[bold]Headgate[/] is up at {base}, in front of {behind}.\n\n"
            f"  address  {base}/v1\n"
            f"  model    {release.model}\n"
            f"  key      {key}\n"
            f"  open to  {stage}, 1 of {len(release.plan.stages)} stages\n\n"
            "Paste this (pip install openai):\n",
            markup=True,
            soft_wrap=True,
        )
        self._out.print(_SNIPPET.format(base=base, key=key, model=release.model), markup=False, soft_wrap=True)
        if any(Surface.API_MESSAGES in stage.what.surfaces for stage in release.plan.stages):
            self._out.print(
                f'\nThe Anthropic SDK works too: Anthropic(base_url="{base}", auth_token=the same key)',
                markup=False,
                soft_wrap=True,
            )
        if stand_in:
            self._out.print(
                "\nIn front of your own model server instead: [bold]headgate up --upstream http://127.0.0.1:8000/v1[/]",
                soft_wrap=True,
            )
        if link is not None:
            self._out.print(f"\nThe console, in a browser (this link works once): {link}", markup=False, soft_wrap=True)
        self._out.print("What stands between it and the next stage: [bold]headgate status[/]    Stop: Ctrl-C", soft_wrap=True)


_SNIPPET = """\
from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="{key}")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "What does a headgate do?"}}],
)
print(answer.choices[0].message.content)
"""


def _plan(server: ModelServer, name: str, *, weights: str | None) -> Plan:
    """Return the example plan for a server, open on the surfaces that it speaks."""
    read = check_plan(example("starter"), "starter.yaml")
    assert read.plan is not None, "the example is linted by a test"
    upstream = Upstream(url=server.address, model=name, api=server.api, api_key_env=server.key_env)
    model = read.plan.model.model_copy(update={"name": name, "upstream": upstream, "version": Version(weights=weights)})
    return read.plan.model_copy(
        update={"model": model, "stages": tuple(_spoken(stage, server.api) for stage in read.plan.stages)}
    )


def _spoken(stage: Stage, api: Api) -> Stage:
    surfaces = tuple(
        surface
        for surface in stage.what.surfaces
        if api is Api.BOTH or (surface is Surface.API_MESSAGES) == (api is Api.ANTHROPIC)
    )
    return stage.model_copy(update={"what": stage.what.model_copy(update={"surfaces": surfaces})})


def _stand_in_weights() -> str:
    """Return the digest of all that the stand-in model knows, so that it may move to another port and stay what it is."""
    return sha256_of((Path(headgate.__file__).parent / "testing" / "small_model" / "prose.py").read_bytes())


def _only_model(server: ModelServer) -> str:
    """Return the first model that a server lists."""
    try:
        with SyncClientBuilder().timeout(timedelta(seconds=10)).build() as client:
            request = client.get(f"{server.address}/models")
            if server.key_env and (secret := os.environ.get(server.key_env)):
                anthropic = server.api is Api.ANTHROPIC
                request = request.header("x-api-key", secret) if anthropic else request.bearer_auth(secret)
            if server.api is Api.ANTHROPIC:
                request = request.header("anthropic-version", "2023-06-01")
            listed = request.build().send().json()
            return str(listed["data"][0]["id"])
    except (PyreqwestError, ValueError, LookupError, TypeError):
        raise UpstreamSilent(
            f"{server.address} does not list any model.",
            help="Start your model server, check the address (it ends in /v1), or name the model with --model.",
        ) from None


def _answers(url: str) -> bool:
    deadline = time.monotonic() + _READY_S
    with SyncClientBuilder().timeout(timedelta(seconds=2)).no_proxy().build() as client:
        while time.monotonic() < deadline:
            try:
                if client.get(url).build().send().status == 200:  # noqa: PLR2004 - OK
                    return True
            except PyreqwestError:
                pass  # not there yet
            time.sleep(0.1)
    return False


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
