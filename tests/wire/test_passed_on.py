"""Speech and files on their way: passed on as they come, of any size, cut where access ends, never a part for the whole."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import httpx
import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.model import ObjectKind, OutputScreen, StoredObject
from headgate.gateway.store import SqlObjects
from headgate.traffic.model import OutcomeStatus, Screened
from wire.kit import KEY, MODEL, Running, ScriptedUpstream, a_policy, a_principal, eventually, running, taken
from wire.plain_kit import SURFACES, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

BLOCK = bytes(range(256)) * 256
MIB = 2**20
AUTH = {"authorization": f"Bearer {KEY}"}


@dataclass
class Speaker:
    """A model server that speaks in blocks, each when it is let, as fast as it is heard.

    Attributes:
        blocks: How many there are.
        let: How many may go.
        said: How many bytes were taken from it.
        framed: Whether it says beforehand how long its answer is.
        breaks_off: Whether it breaks off where its answer should end.
        left: Whether its caller has left it.
    """

    blocks: int = 4
    let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    said: int = 0
    framed: bool = False
    breaks_off: bool = False
    left: bool = False
    _listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"

    def start(self) -> None:
        threading.Thread(target=self._serve, daemon=True).start()

    def says_much(self) -> None:
        """Say 200 MiB, all of it at once."""
        self.blocks = 200 * MIB // len(BLOCK)
        for _ in range(self.blocks):
            self.let.release()

    def stop(self) -> None:
        self._listening.close()
        for _ in range(self.blocks):
            self.let.release()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                with caller, suppress(OSError):
                    self._speak(caller)

    def _speak(self, caller: socket.socket) -> None:
        caller.recv(65536)
        framing = b"content-length: %d" % (self.blocks * len(BLOCK)) if self.framed else b"transfer-encoding: chunked"
        caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\nconnection: close\r\n" + framing + b"\r\n\r\n")
        try:
            for _ in range(self.blocks):
                self.let.acquire()
                caller.sendall(BLOCK if self.framed else b"%x\r\n" % len(BLOCK) + BLOCK + b"\r\n")
                self.said += len(BLOCK)
            if self.breaks_off:
                return
            if not self.framed:
                caller.sendall(b"0\r\n\r\n")
            caller.recv(1)
        except OSError:
            self.left = True
            raise


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    speaker = Speaker()
    speaker.start()
    yield speaker
    speaker.stop()


@pytest.fixture
def served(upstream: ScriptedUpstream, speaker: Speaker, tmp_path: Path) -> Iterator[Running]:
    policy = a_policy(speaker.url, rule(output_screen=OutputScreen.AFTER))
    with running(upstream, tmp_path / "limits.db", policy=policy) as served:
        served.world.principals = {KEY: a_principal(scopes=SURFACES | {"api.files"})}
        yield served


@contextmanager
def spoken(served: Running) -> Generator[httpx.Response]:
    asked = {"model": MODEL, "voice": "alloy", "input": "The canal begins."}
    with httpx.stream("POST", f"{served.url}/audio/speech", json=asked, headers=AUTH, timeout=20, trust_env=False) as response:
        assert response.status_code == 200
        yield response


Asked: TypeAlias = "Callable[[Running], AbstractContextManager[httpx.Response]]"


def heard_until_cut(served: Running, after_a_block: Callable[[], None], asked: Asked = spoken) -> bytes:
    """Return what came of an answer until its connection was broken off."""
    heard = b""

    def hear() -> None:
        nonlocal heard
        with asked(served) as response:
            for part in response.iter_raw():
                heard += part
                if len(heard) == len(BLOCK):
                    after_a_block()

    with pytest.raises(httpx.RemoteProtocolError):
        hear()
    return heard


def settled(count: Callable[[], int]) -> int:
    """Return a number once it has stayed the same for a while."""
    last, same = count(), 0
    while same < 20:
        time.sleep(0.02)
        same = same + 1 if count() == last else 0
        last = count()
    return last


@pytest.mark.parametrize("framed", [False, True], ids=["in chunks", "of a length"])
def test_sound_is_passed_on_as_it_comes(served: Running, speaker: Speaker, framed: bool) -> None:
    speaker.framed = framed
    speaker.let.release()

    with spoken(served) as response:
        sound = response.iter_raw()
        heard = b""
        while len(heard) < len(BLOCK):
            heard += next(sound)
        assert heard == BLOCK  # while the rest has not been said
        for _ in range(3):
            speaker.let.release()
        heard += b"".join(sound)

    assert heard == BLOCK * 4
    assert response.headers.get("content-length") == (str(len(heard)) if framed else None)
    outcome = served.recorder.outcome()
    assert (outcome.status, outcome.http_status, outcome.response_body) == (OutcomeStatus.COMPLETED, 200, heard)
    assert outcome.charged_tokens == served.recorder.admissions[0].reserved_tokens


@pytest.mark.parametrize("framed", [False, True], ids=["in chunks", "of a length"])
def test_who_loses_access_hears_no_more_and_does_not_take_the_part_for_the_whole(
    served: Running, speaker: Speaker, framed: bool
) -> None:
    speaker.framed = framed
    speaker.let.release()

    assert heard_until_cut(served, lambda: served.world.change_principal(KEY, refusal=taken)) == BLOCK
    outcome = served.recorder.outcome()
    assert (outcome.status, outcome.detail, outcome.response_body) == (OutcomeStatus.CUT, "key.revoked", BLOCK)
    assert outcome.charged_tokens == served.recorder.admissions[0].reserved_tokens
    assert served.gateway.stats().open == 0
    for _ in range(3):
        speaker.let.release()
    eventually(lambda: speaker.left)


def test_sound_that_breaks_off_breaks_off_for_the_client(served: Running, speaker: Speaker) -> None:
    speaker.breaks_off = True
    for _ in range(4):
        speaker.let.release()

    with pytest.raises(httpx.RemoteProtocolError), spoken(served) as response:
        response.read()

    outcome = served.recorder.outcome()
    assert (outcome.status, outcome.detail) == (OutcomeStatus.UPSTREAM_FAILED, "upstream.failed")


def test_the_model_server_is_left_when_the_client_leaves(served: Running, speaker: Speaker) -> None:
    speaker.let.release()

    with spoken(served) as response:
        next(response.iter_raw())

    assert served.recorder.outcome().status is OutcomeStatus.CLIENT_GONE
    for _ in range(3):
        speaker.let.release()
    eventually(lambda: speaker.left)


def test_an_answer_of_any_size_waits_at_the_model_server_for_a_client_that_takes_its_time(
    served: Running, speaker: Speaker
) -> None:
    speaker.says_much()

    with spoken(served) as response:
        taken_slowly(response, speaker)

    outcome = served.recorder.outcome()
    assert outcome.status is OutcomeStatus.COMPLETED
    assert len(outcome.response_body) == MIB
    assert outcome.detail == "the record of the answer is cut short"


def keeps_a_file(served: Running, speaker: Speaker) -> None:
    served.world.change_policy(a_policy(speaker.url, rule(surfaces=frozenset({"api.files"}))))
    eventually(lambda: served.gateway.stats().policy_seq == 1)
    owner = served.world.principals[KEY]
    release = next(iter(served.world.models.values())).release_id
    engine = open_sqlite(served.database)
    SqlObjects(engine).keep(
        StoredObject(
            ObjectKind.FILE, "file_1", release, MODEL, owner.account_id, owner.grant_id, owner.organisation_id, datetime.now(UTC)
        )
    )
    engine.dispose()


@contextmanager
def handed_out(served: Running) -> Generator[httpx.Response]:
    with httpx.stream("GET", f"{served.url}/files/file_1/content", headers=AUTH, timeout=20, trust_env=False) as response:
        assert response.status_code == 200
        yield response


def test_so_does_a_file(served: Running, speaker: Speaker) -> None:
    speaker.says_much()
    keeps_a_file(served, speaker)

    with handed_out(served) as response:
        taken_slowly(response, speaker)

    outcome = served.recorder.outcome()
    assert (outcome.status, outcome.charged_tokens, len(outcome.response_body)) == (OutcomeStatus.COMPLETED, 0, MIB)


def test_who_loses_access_gets_no_more_of_a_file_and_what_they_got_is_on_record(served: Running, speaker: Speaker) -> None:
    keeps_a_file(served, speaker)
    speaker.let.release()

    assert heard_until_cut(served, lambda: served.world.change_principal(KEY, refusal=taken), handed_out) == BLOCK

    (admission,) = served.recorder.admissions
    assert (admission.surface, admission.model, admission.request_body) == (
        "api.files",
        MODEL,
        b'{"id": "file_1", "purpose": null}',
    )
    outcome = served.recorder.outcome()
    assert (outcome.status, outcome.http_status, outcome.detail) == (OutcomeStatus.CUT, 200, "key.revoked")
    assert (outcome.response_body, outcome.screened) == (BLOCK, Screened.NOT_ASKED)


def test_who_leaves_while_a_file_is_handed_out_has_left(served: Running, speaker: Speaker) -> None:
    keeps_a_file(served, speaker)
    speaker.let.release()

    with handed_out(served) as response:
        next(response.iter_raw())

    assert served.recorder.outcome().status is OutcomeStatus.CLIENT_GONE


def taken_slowly(response: httpx.Response, speaker: Speaker) -> None:
    """Read much, after a while, and see that it had waited at the model server."""
    assert settled(lambda: speaker.said) < 32 * MIB  # what sockets hold between three parties, and not much more
    digest, heard = hashlib.sha256(), 0
    for part in response.iter_raw():
        digest.update(part)
        heard += len(part)
    assert heard == 200 * MIB
    assert digest.digest() == hashlib.sha256(BLOCK * speaker.blocks).digest()


def test_an_open_model_is_heard_unread_and_a_gated_one_with_an_output_screen_is_not(served: Running, speaker: Speaker) -> None:
    for _ in range(4):
        speaker.let.release()
    served.world.change_policy(a_policy(speaker.url, rule(output_screen=OutputScreen.HOLD_BACK), gated=False))
    eventually(lambda: served.gateway.stats().policy_seq == 1)
    with spoken(served) as response:
        response.read()
    assert served.recorder.outcome().output_screened is Screened.UNSCANNED

    speaker.let.release()
    now_gated = a_policy(speaker.url, rule(output_screen=OutputScreen.HOLD_BACK))
    assert heard_until_cut(served, lambda: served.world.change_policy(now_gated)) == BLOCK
    eventually(lambda: len(served.recorder.outcomes) == 2)
    assert served.recorder.outcomes[-1].detail == "output.unscannable"
