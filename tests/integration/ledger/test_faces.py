from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from typer.testing import CliRunner

from headgate.adapters.database import open_sqlite
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.errors import Forbidden, HeadgateError, Invalid, NotFound
from headgate.ledger.cli import commands
from headgate.ledger.decide import merkle
from headgate.ledger.http import routes
from headgate.ledger.model import Entry
from headgate.ledger.service import Ledger
from headgate.ledger.store import SqlLedger, metadata
from headgate.ledger.wire import checkpoint
from headgate.ledger.wire.note import Signer, VerifierKey
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import sqlalchemy as sa

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUDITOR = Actor.system("auditor", Permission.VIEW)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine: sa.Engine) -> Ledger:
    store = SqlLedger(engine)
    with store.writing() as view:
        for number in range(1, 6):
            view.append(Entry("grant.revoked", f"gr_{number}", "stf_1", NOON, {"why": "[red]key ł[/red]"}))
    return Ledger(store, FixedClock(NOON), Signer.from_seed("headgate.example/ledger", bytes(32)))


def client_of(ledger: Ledger, actor: Actor) -> httpx.AsyncClient:
    app = FastAPI()

    async def refusal(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HeadgateError)
        status = next(code for kind, code in ((Forbidden, 403), (Invalid, 422), (NotFound, 404)) if isinstance(error, kind))
        return JSONResponse({"code": error.code}, status)

    app.add_exception_handler(HeadgateError, refusal)
    app.include_router(routes(ledger, lambda: actor))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger")


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ledger, AUDITOR) as client:
        yield client


def verb(ledger: Ledger, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands(lambda: ledger), list(words), catch_exceptions=False)
    return result.exit_code, result.stdout


async def test_entries_are_looked_up_in_pages(client: httpx.AsyncClient) -> None:
    page = (await client.get("/api/ledger", params={"kind": "grant", "after": 1, "limit": 2})).json()
    assert [entry["seq"] for entry in page["entries"]] == [2, 3]
    assert (page["next_after"], page["head"]["size"]) == (3, 5)
    assert (await client.get("/api/ledger", params={"actor": "nobody"})).json()["entries"] == []
    assert (await client.get("/api/ledger", params={"subject": "gr_4"})).json()["entries"][0]["at"] == "2026-03-01T12:00:00+00:00"


async def test_one_entry_is_shown_or_said_not_to_be(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/ledger/3")).json()["subject"] == "gr_3"
    missing = await client.get("/api/ledger/6")
    assert (missing.status_code, missing.json()) == (404, {"code": "ledger.entry_not_found"})


async def test_proofs_over_http_convince(client: httpx.AsyncClient) -> None:
    proof = (await client.get("/api/ledger/2/proof", params={"size": 4})).json()
    path, root = [base64.b64decode(value) for value in proof["path"]], base64.b64decode(proof["tree"]["root"])
    assert merkle.verify_inclusion(merkle.leaf_hash(proof["leaf"].encode()), proof["index"], 4, path, root)

    proof = (await client.get("/api/ledger/consistency", params={"from": 3})).json()
    path = [base64.b64decode(value) for value in proof["path"]]
    first, second = (base64.b64decode(proof[end]["root"]) for end in ("from", "to"))
    assert merkle.verify_consistency(3, 5, path, first, second)


async def test_a_proof_of_what_never_was_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.get("/api/ledger/consistency", params={"from": 6})
    assert (refused.status_code, refused.json()) == (422, {"code": "ledger.no_such_tree"})


async def test_a_checkpoint_is_signed_on_request_only(client: httpx.AsyncClient, ledger: Ledger) -> None:
    assert (await client.get("/api/ledger/checkpoint")).json() == {"code": "ledger.no_checkpoint"}
    signed = await client.post("/api/ledger/checkpoint")
    assert signed.headers["content-type"].startswith("text/plain")
    assert (await client.get("/api/ledger/checkpoint")).text == signed.text
    assert checkpoint.opened(signed.text, [ledger.key])[0] == ledger.head()


async def test_who_may_not_view_sees_nothing(ledger: Ledger) -> None:
    async with client_of(ledger, Actor.system("nobody")) as client:
        for path in ("", "/1", "/1/proof", "/checkpoint", "/consistency?from=1"):
            assert (await client.get(f"/api/ledger{path}")).status_code == 403
        assert (await client.post("/api/ledger/checkpoint")).status_code == 403


def test_a_sound_ledger_exits_with_nought(ledger: Ledger) -> None:
    assert verb(ledger, "verify") == (0, "ok All 5 entries and 0 checkpoints agree.\n")


def test_a_broken_ledger_exits_with_one_and_names_the_entry(ledger: Ledger, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_keeps_update")
        connection.exec_driver_sql("UPDATE ledger_entry SET subject = 'gr_9' WHERE seq = 4")
    code, said = verb(ledger, "verify")
    assert (code, said) == (1, "BROKEN Entry 4: the column subject contradicts the hashed leaf.\n")
    code, said = verb(ledger, "verify", "--json")
    assert code == 1
    assert (json.loads(said)["fault"], json.loads(said)["first_bad"]) == ("column", 4)


def test_the_exit_codes_stand_in_the_help(ledger: Ledger) -> None:
    said = " ".join(verb(ledger, "verify", "--help")[1].split())
    assert "Exit code 0" in said
    assert "Exit code 1" in said


def test_a_checkpoint_kept_elsewhere_is_compared(ledger: Ledger, tmp_path: Path) -> None:
    code, note = verb(ledger, "checkpoint")
    assert code == 0
    (tmp_path / "kept").write_text(note)
    assert verb(ledger, "verify", "--checkpoint", str(tmp_path / "kept"))[0] == 0
    (tmp_path / "kept").write_text(note.replace("5", "6", 1))
    assert verb(ledger, "verify", "--checkpoint", str(tmp_path / "kept"))[0] == 1


def test_entries_are_shown(ledger: Ledger) -> None:
    assert "gr_2" in verb(ledger, "show", "2")[1]
    assert [json.loads(line)["seq"] for line in verb(ledger, "show", "--after", "3", "--json")[1].splitlines()] == [4, 5]
    assert "gr_1" not in verb(ledger, "show", "--subject", "gr_5", "--limit", "1")[1]


def test_a_proof_is_printed(ledger: Ledger) -> None:
    code, said = verb(ledger, "prove", "2")
    assert code == 0
    assert base64.b64encode(ledger.head().root).decode() in said
    assert json.loads(verb(ledger, "prove", "2", "--json")[1])["tree"]["size"] == 5


def test_a_checkpoint_as_json_brings_its_key(ledger: Ledger) -> None:
    said = json.loads(verb(ledger, "checkpoint", "--json")[1])
    assert checkpoint.opened(said["checkpoint"], [VerifierKey.parse(said["key"])])[0].size == 5


def test_a_copy_goes_to_a_file_or_to_the_output(ledger: Ledger, tmp_path: Path) -> None:
    assert len(verb(ledger, "export")[1].splitlines()) == 6
    assert verb(ledger, "export", "--after", "3", "--output", str(tmp_path / "copy.jsonl")) == (0, "")
    assert [json.loads(line).get("seq") for line in (tmp_path / "copy.jsonl").read_text().splitlines()] == [None, 4, 5]
