from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from headgate.access.cli import Session, commands
from headgate.kernel.errors import HeadgateError


class Terminal:
    def __init__(self, access: Any, token: str) -> None:
        self._app = typer.Typer()
        self._app.add_typer(commands(lambda: Session(access, access.authenticate_staff(token), "https://gate.example")))

    def run(self, line: str, *, typed: str = "") -> Any:
        return CliRunner().invoke(self._app, line.split(), input=typed)

    def ok(self, line: str, *, typed: str = "") -> Any:
        done = self.run(line, typed=typed)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    def json(self, line: str) -> Any:
        return json.loads(self.ok(line + " --json").stdout)


@pytest.fixture
def terminal(access: Any, admin: Any) -> Terminal:
    return Terminal(access, admin.secret)


def seat(terminal: Terminal) -> dict[str, Any]:
    terminal.ok("cohort add trusted --seats 2")
    account = terminal.json("account add Ada --email ada@example.org --simulated")
    return terminal.json(f"grant add {account['id']} trusted --ends 90d")


def test_a_key_is_printed_once_alone_on_standard_output(terminal: Terminal, access: Any) -> None:
    grant = seat(terminal)
    done = terminal.ok(f"key add {grant['id']} --scope api.chat --network 192.0.2.0/24 --life 30d")
    text = done.stdout.strip()
    assert access.identify(text).grant.id == grant["id"]
    assert "only time" in done.stderr
    assert text not in done.stderr
    assert text not in terminal.ok("key list").output
    assert text not in terminal.ok("key list --json").output


def test_dangerous_verbs_say_what_they_do_and_ask(terminal: Terminal, access: Any) -> None:
    grant = seat(terminal)
    key = terminal.json(f"key add {grant['id']} --scope api.chat")
    refused = terminal.run(f"key revoke {key['id']} --reason left", typed="n\n")
    assert refused.exit_code == 1
    assert "at once and for good" in refused.stderr
    assert terminal.run(f"account suspend {grant['account_id']} --reason left").exit_code == 1
    assert access.identify(key["key"]).key.state.value == "active"
    done = terminal.ok(f"key revoke {key['id']} --reason left", typed="y\n")
    assert "headgate key add" in done.stderr
    assert access.identify(key["key"]).key.state.value == "revoked"


def test_each_verb_does_its_work(terminal: Terminal) -> None:
    grant = seat(terminal)
    given, account = grant["id"], grant["account_id"]
    assert terminal.json(f"grant limit {given} --to-percent 25 --reason load")["state"] == "limited"
    assert terminal.json(f"grant unlimit {given} --reason done")["state"] == "active"
    assert terminal.json(f"grant pause {given} --reason hold --yes")["state"] == "paused"
    assert terminal.json(f"grant resume {given} --reason done")["state"] == "active"
    assert terminal.json("cohort set trusted --seats unbounded --state frozen")["seats"] is None
    assert terminal.json("cohort set trusted --terms 2 --grace 0")["terms_version"] == "2"
    assert terminal.json(f"grant accepted {given} --version 2 --evidence contract-7")["state"] == "active"
    key = terminal.json(f"key add {given} --scope api.chat --scope api.embeddings")
    rotated = terminal.ok(f"key rotate {key['id']} --overlap 24h")
    assert rotated.stdout.startswith("hg_test_")
    assert "works until" in rotated.stderr
    shown = terminal.json(f"account show {account}")
    assert [key["state"] for key in shown["keys"]].count("rotating") == 1
    assert "Ada" in terminal.ok(f"account show {account}").stdout
    assert terminal.json(f"account suspend {account} --reason abuse --yes")["state"] == "suspended"
    assert terminal.json(f"account reinstate {account} --reason appeal")["state"] == "active"
    assert terminal.json(f"grant end {given} --reason over --yes")["state"] == "ended"
    assert terminal.json(f"account close {account} --reason over --yes")["state"] == "closed"
    assert terminal.json("account list")["simulated"] is True
    assert terminal.json("grant list --cohort trusted")["id"] == given
    assert "trusted" in terminal.ok("cohort list").stdout
    organisation = terminal.json("organisation add Lab")["id"]
    assert terminal.json(f"organisation suspend {organisation} --reason x --yes")["state"] == "suspended"
    assert terminal.json(f"organisation reinstate {organisation} --reason x")["state"] == "active"
    assert "Lab" in terminal.ok("organisation list").stdout


def test_leaked_keys_are_read_from_standard_input(terminal: Terminal, access: Any) -> None:
    key = terminal.json(f"key add {seat(terminal)['id']} --scope api.chat")["key"]
    noise = "\n".join(f"noise {n}" for n in range(150))
    done = terminal.ok("key report-leak", typed=f"{noise}\n\n{key}\n")
    assert key not in done.output
    assert access.identify(key).key.state.value == "quarantined"


def test_staff_come_and_go(terminal: Terminal, access: Any, admin: Any) -> None:
    made = terminal.ok("staff add Grace --role auditor --role security --life 30d")
    actor = access.authenticate_staff(made.stdout.strip())
    renewed = terminal.json(f"staff renew {actor.id}")
    assert access.authenticate_staff(renewed["token"]).id == actor.id
    assert terminal.json(f"staff revoke {actor.id} --reason left --yes")["state"] == "revoked"
    assert "Grace" in terminal.ok("staff list").stdout
    last = terminal.run(f"staff revoke {admin.of.id} --reason left --yes")
    assert isinstance(last.exception, HeadgateError)
    assert last.exception.code == "staff.last_admin"


@pytest.mark.parametrize(
    "line",
    [
        "cohort add trusted --seats many",
        "cohort set trusted",
        "grant add acc_1 trusted --ends soon",
        "key add gr_1 --scope api.chat --life long",
        "account list --limit 0",
        "staff add Eve --role root",
        "grant limit gr_1 --to-percent 100 --reason x",
        "key revoke key_1",
    ],
)
def test_a_line_that_cannot_be_meant_ends_with_exit_code_two(terminal: Terminal, line: str) -> None:
    assert terminal.run(line).exit_code == 2


def test_what_an_account_declares_is_written_down_and_shown(terminal: Terminal) -> None:
    account = terminal.json("account add Ada")["id"]
    terminal.ok(f"account declare {account} --language fr --use-case tutoring")
    whole = terminal.json(f"account declare {account} --region emea")
    said = {"country": None, "language": "fr", "region": "emea", "use_case": "tutoring"}
    assert whole == {"id": account, **said}
    shown = terminal.json(f"account show {account}")["declared"]
    assert shown == {name: word for name, word in said.items() if word is not None}
    assert isinstance(terminal.run(f"account declare {account} --language French").exception, HeadgateError)


def test_an_account_at_a_provider_is_linked_with_a_yes_and_undone(terminal: Terminal, access: Any) -> None:
    member = access.authenticate_staff(terminal.ok("staff add Grace --role auditor").stdout.strip()).id
    line = f"staff link {member} --issuer https://accounts.example --subject 1234"
    refused = terminal.run(line, typed="n\n")
    assert refused.exit_code == 1
    assert "will be signed in as Grace" in refused.stderr
    assert terminal.ok(f"staff linked {member} --json").stdout == ""
    linked = terminal.json(f"{line} --yes")
    assert (linked["staff_id"], linked["subject"]) == (member, "1234")
    assert terminal.json(f"staff linked {member}")["id"] == linked["id"]
    terminal.ok(f"staff unlink {linked['id']}")
    assert terminal.ok(f"staff linked {member} --json").stdout == ""


def test_an_invitation_is_a_link_alone_on_standard_output(terminal: Terminal, access: Any) -> None:
    member = access.authenticate_staff(terminal.ok("staff add Grace --role auditor").stdout.strip()).id
    link = terminal.ok(f"staff invite {member}").stdout.strip()
    place, _, text = link.partition("#")
    assert place == "https://gate.example/console/sign-in"
    assert access.sessions.begin_by_link(text).of.staff_id == member
