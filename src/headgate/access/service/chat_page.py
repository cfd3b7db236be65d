"""The chat page's visitors: holders of a seat who talk to a model in a browser and are given no key.

Staff make a link for a seat; it opens the page once and is replaced by the browser's session. Both are keys of the grant and open
the chat page alone, so that whatever ends a key ends them: the seat's end, a sanction, a revocation, their own age. A
session's text lives in a cookie that no script can read; what is revoked is refused at the next message and ends the stream
that is open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.moves import rotated
from headgate.access.decide.use import USABLE_KEYS, key_state_of, must_speak
from headgate.access.model import Command, Issued, KeyState, KeyUse
from headgate.access.service.desk import entry
from headgate.access.service.keys import CHAT_PAGE, about, created, must_be_open, new_key
from headgate.access.wire import key as key_text
from headgate.access.wire.pepper import same
from headgate.kernel.actor import Actor

if TYPE_CHECKING:
    from headgate.access.model import Grant, Key, KeyHolder
    from headgate.access.ports import View
    from headgate.access.service.desk import Desk
    from headgate.kernel.ids import GrantId, KeyId

_SCOPE = frozenset({CHAT_PAGE})


def _holder(grant: Grant) -> Actor:
    return Actor(grant.account_id, grant.account_id, frozenset(), frozenset())


def _over() -> errors.SessionOver:
    return errors.SessionOver("Your visit to the chat page is over.", help="Ask for a new link to it.")


class ChatPage:
    """Who may be on the chat page.

    Args:
        desk: The tools of access.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def invite(self, grant_id: GrantId, *, by: Actor, life: timedelta | None = None) -> Issued[Key]:
        """Make a link that opens the chat page once for the holder of a seat.

        Raises:
            Forbidden: ``by`` may not.
            KeyInvalid: The life cannot be.
            GrantNotFound: There is no such grant.
            GrantEnded: It is over.
            AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
        """
        by.must(Command.CHAT_PAGE_INVITE.needs)
        now = self._desk.now()
        longest = self._desk.policy.link_life
        life = longest if life is None else min(life, longest)
        issued = new_key(self._desk, grant_id, _SCOPE, label="link to the chat page", life=life, now=now, use=KeyUse.LINK)
        with self._desk.store.writing() as tx:
            grant = must_be_open(tx, grant_id, now)
            tx.add(issued.of)
            tx.record(created(issued.of, grant, by, now))
        return issued

    def enter(self, text: str) -> Issued[Key]:
        """Open the page to whoever a link is for. A link works once.

        Raises:
            LinkUnusable: Nobody made it, it was used, or it is too old.
            GrantEnded: The seat is over.
            AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
        """
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            link = self._known(tx, text, KeyUse.LINK)
            if link is None or link.replaced_by is not None or key_state_of(link, now=now) is not KeyState.ACTIVE:
                raise errors.LinkUnusable(
                    "This link does not work: it was used, or is too old.", help="Ask whoever sent it for another one."
                )
            grant = must_be_open(tx, link.grant_id, now)
            life = self._desk.policy.session_life
            issued = new_key(self._desk, grant.id, _SCOPE, label="chat page", life=life, now=now, use=KeyUse.PAGE)
            used = rotated(link, issued.of.id, now=now, overlap=timedelta())
            tx.add(issued.of)
            tx.save(used)
            by = _holder(grant)
            tx.record(created(issued.of, grant, by, now))
            tx.record(entry("key.rotated", link.id, by, now, **about(used, grant), replaced_by=issued.of.id))
        return issued

    def visitor(self, text: str, *, peer: str) -> KeyHolder:
        """Return whose browser this is. The seat may be paused or wait for its terms: that is judged at each message.

        Raises:
            SessionOver: The text is no session of the page, or the session has ended.
            AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
        """
        now = self._desk.now()
        with self._desk.store.reading() as view:
            key = self._known(view, text, KeyUse.PAGE)
            holder = None if key is None else view.holders([key.id]).get(key.id)
        if holder is None or key_state_of(holder.key, now=now) not in USABLE_KEYS:
            raise _over()
        must_speak(holder, peer=peer, now=now)
        return holder

    def leave(self, text: str) -> None:
        """End a browser's session; ending it twice changes nothing."""
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            key = self._known(tx, text, KeyUse.PAGE)
            if key is None or key.state not in USABLE_KEYS:
                return
            grant = tx.grant(key.grant_id)
            ended = replace(key, state=KeyState.REVOKED)
            tx.save(ended)
            tx.record(entry("key.revoked", key.id, _holder(grant), now, **about(ended, grant), reason="left the chat page"))

    def page_proof(self, holder: KeyHolder) -> str:
        """Return what a page carries that is given to this session, for its forms and calls to show."""
        return self._proof_of(holder.key.id)

    def must_be_own_page(self, holder: KeyHolder, proof: str) -> None:
        """Go on only if a form or a call shows what its page was given.

        Raises:
            Forged: It does not.
        """
        self._must_prove(holder.key.id, proof)

    def must_be_page_of(self, text: str, proof: str) -> None:
        """Go on only if a call shows what the page of the session with this text was given.

        No store is asked: a page is given its proof once its session is known, and the text names the session. Whether the
        text is the session's, and whether the session still stands, is for whoever lets the call in to look up.

        Raises:
            SessionOver: The text is no session of the page.
            Forged: The call does not show it.
        """
        try:
            key_id = key_text.parse(text).key_id
        except errors.KeyMalformed:
            raise _over() from None
        self._must_prove(key_id, proof)

    def _must_prove(self, key_id: KeyId, proof: str) -> None:
        if not proof.isascii() or not same(self._proof_of(key_id).encode(), proof.encode()):
            raise errors.Forged("This did not come from the chat page.", help="Reload the page and do it again.")

    def _proof_of(self, key_id: KeyId) -> str:
        return self._desk.pepper.of_page(key_id).hex()

    def _known(self, view: View, text: str, use: KeyUse) -> Key | None:
        """Return the key of this text, if it is one for this use, whatever state it is in."""
        try:
            parsed = key_text.parse(text)
        except errors.KeyMalformed:
            return None
        if parsed.environment != self._desk.environment:
            return None
        found = {key.id: key for key in view.keys_among(frozenset({parsed.key_id}))}
        key = found.get(parsed.key_id)
        return key if key is not None and key.use is use and same(self._desk.pepper.of_key(text), key.digest) else None
