"""Attempts to prove who one is: begun in one browser, finished in the same, once.

An attempt is gone as soon as something is made of it, whether that succeeds or not. One without a session belongs to whoever
holds its text, which lies in a cookie; one with a session belongs to that session. Strangers may begin as many as they like: what
has ended is forgotten, and beyond a number the oldest give way, so they can fill nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.model import Attempt, Issued
from headgate.access.wire.checksum import SECRET_BYTES
from headgate.access.wire.pepper import same
from headgate.access.wire.staff_credential import ATTEMPT
from headgate.kernel.ids import AttemptId

if TYPE_CHECKING:
    from headgate.access.model import Purpose, Session
    from headgate.access.service.desk import Desk

_CHALLENGE_BYTES = 32


def start(desk: Desk, purpose: Purpose, *, session: Session | None, to: str = "") -> Issued[Attempt]:
    """Begin an attempt.

    Args:
        desk: The tools of access.
        purpose: What it is to end in.
        session: The session that it belongs to; without one, it belongs to whoever holds its text.
        to: The page that was asked for.
    """
    now = desk.now()
    attempt_id = AttemptId(desk.new_id("att", at=now))
    text = ATTEMPT.mint(attempt_id, entropy=desk.entropy(SECRET_BYTES)).text
    attempt = Attempt(
        id=attempt_id,
        purpose=purpose,
        session_id=None if session is None else session.id,
        digest=desk.pepper.of_attempt(text),
        challenge=desk.entropy(_CHALLENGE_BYTES),
        to=to,
        created_at=now,
        expires_at=now + desk.policy.attempt_life,
    )
    with desk.store.writing() as tx:
        tx.drop_attempts(ended_by=now, strangers_at_most=desk.policy.attempts_open_at_most)
        tx.add(attempt)
    return Issued(attempt, text)


def named(text: str) -> AttemptId:
    """Return the attempt that a browser's text is of; nothing is checked yet.

    Raises:
        AttemptOver: It is of none.
    """
    try:
        return AttemptId(ATTEMPT.parse(text).id)
    except errors.AttemptOver:
        raise _over() from None


def take(desk: Desk, attempt_id: AttemptId, *purposes: Purpose, session: Session | None, text: str | None = None) -> Attempt:
    """Return an attempt and forget it: nobody takes it a second time. What is somebody else's stays untouched.

    Args:
        desk: The tools of access.
        attempt_id: Which.
        *purposes: What it may be to end in.
        session: The session of whoever takes it, if they have one.
        text: What their browser holds, if it holds anything.

    Raises:
        AttemptOver: There is none, it has ended, is to end in something else, or belongs to another browser.
    """
    with desk.store.writing() as tx:
        try:
            attempt = tx.attempt(attempt_id)
        except errors.AttemptOver:
            raise _over() from None
        if attempt.session_id is None:
            own = text is not None and same(attempt.digest, desk.pepper.of_attempt(text))
        else:
            own = session is not None and attempt.session_id == session.id
        if not own or attempt.purpose not in purposes:
            raise _over()
        tx.drop(attempt_id)
    if desk.now() >= attempt.expires_at:
        raise _over()
    return attempt


def _over() -> errors.AttemptOver:
    return errors.AttemptOver("This was finished already, took too long, or was begun in another browser.", help="Begin again.")
