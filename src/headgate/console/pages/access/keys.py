"""Issuing and replacing keys. A key's text stands in the answer to the press that made it, and nowhere else.

It is in no address, no cookie and no history: who loses it is issued another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.errors import KeyInvalid
from headgate.access.model import SURFACES, Command
from headgate.console.forms import Field, Form
from headgate.console.pages.access.widening import life_of
from headgate.console.visit import Deed, Screen, Shown, Visit
from headgate.kernel.errors import Forbidden, Refused, Stale, Unauthenticated
from headgate.kernel.ids import GrantId, KeyId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.model import Issued, Key
    from headgate.console.desks import Desks
    from headgate.console.pages.access.showing import Showing
    from headgate.console.visit import Table
    from headgate.kernel.errors import HeadgateError

_LIFE = Field("life", "How long it works", value="90d", help="Such as 30d. It never outlives its grant.")


def table(desks: Desks, one: Showing, at: str) -> Table:
    """Return the addresses of issuing and replacing keys."""
    del one, at
    keys = desks.access.keys

    def offer(visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        grant = desks.access.grants.get(GrantId(visit.path["id"]), by=visit.actor)
        form = Form(
            f"/access/grants/{grant.id}/issue",
            "A key of this grant",
            "Whoever has its text can use the model under this grant. The text is shown once.",
            "Issue this key",
            Command.KEYS_ADD.needs,
            (
                Field("label", "What it is called", value="key"),
                Field("scopes", "What it opens, of what its grant opens", "checks", options=SURFACES),
                Field("networks", "Only from these networks", required=False, help="Such as 192.0.2.0/24, set apart by commas."),
                _LIFE,
            ),
        )
        return _page("Issue a key", form, f"grants/{grant.id}", trouble)

    def issue(visit: Visit) -> Shown:
        def do() -> Issued[Key]:
            networks = [network for network in visit.said("networks").split(",") if network.strip()]
            scopes = [scope for scope in visit.form.getlist("scopes") if isinstance(scope, str)]
            life = life_of(visit.said("life"), invalid=KeyInvalid)
            grant, label = GrantId(visit.path["id"]), visit.said("label")
            return keys.add(grant, scopes=scopes, label=label, networks=networks, life=life, by=visit.actor)

        return _issued(do, offer, visit)

    def offer_another(visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        key = keys.get(KeyId(visit.path["id"]), by=visit.actor)
        form = Form(
            f"/access/keys/{key.id}/rotate",
            "A successor",
            "With the same scopes and networks. This key goes on for the overlap, so that its users can change over.",
            "Issue the successor",
            Command.KEYS_ROTATE.needs,
            (Field("overlap", "How long both work", value="1d", help="Such as 1d; 0s to stop this key at once."), _LIFE),
        )
        return _page("Replace this key", form, f"keys/{key.id}", trouble)

    def rotate(visit: Visit) -> Shown:
        def do() -> Issued[Key]:
            overlap, life = (life_of(visit.said(name), invalid=KeyInvalid) for name in ("overlap", "life"))
            return keys.rotate(KeyId(visit.path["id"]), overlap=overlap, life=life, by=visit.actor)

        return _issued(do, offer_another, visit)

    return (
        Screen("/access/grants/{id}/issue", offer, Command.KEYS_ADD.needs, confirmed=True),
        Deed("/access/grants/{id}/issue", issue, Command.KEYS_ADD.needs, confirmed=True),
        Screen("/access/keys/{id}/rotate", offer_another, Command.KEYS_ROTATE.needs, confirmed=True),
        Deed("/access/keys/{id}/rotate", rotate, Command.KEYS_ROTATE.needs, confirmed=True),
    )


def _page(title: str, form: Form, back: str, trouble: HeadgateError | None) -> Shown:
    kind, _, of = back.partition("/")
    given = {"title": title, "forms": [form], "kind": kind, "id": of, "trouble": trouble}
    return Shown("console/access/more.html", given, 200 if trouble is None else 400)


def _issued(do: Callable[[], Issued[Key]], again: Callable[..., Shown], visit: Visit) -> Shown:
    try:
        issued = do()
    except (Forbidden, Unauthenticated):
        raise
    except (Refused, Stale) as problem:
        return again(visit, problem)
    return Shown("console/access/issued.html", {"key": issued.of, "secret": issued.secret})
