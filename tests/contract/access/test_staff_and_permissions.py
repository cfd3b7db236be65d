from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.access import errors
from headgate.access.decide import permissions_markdown
from headgate.access.model import CohortState, Command, Tier
from headgate.kernel.actor import PERMISSIONS, Actor, Role
from headgate.kernel.errors import Forbidden, HeadgateError

DAY = timedelta(days=1)
DESKS = ("organisations", "accounts", "cohorts", "grants", "keys", "staff", "sessions", "chat_page", "identities", "passkeys")


def desk_of(access: Any, name: str) -> Any:
    """Return the commands on one thing; those on passkeys want to know who reads them, which a refusal never asks."""
    found = getattr(access, name)
    return found(None) if inspect.ismethod(found) else found


def call(access: Any, command: Command, by: Actor) -> None:
    """Call a command with arguments that lead nowhere: only who asks matters."""
    desk, verb = command.value.split(".")
    method = getattr(desk_of(access, desk), verb)
    made_up: dict[str, Any] = {"seats": 1, "scopes": ["api.chat"], "roles": [Role.AUDITOR], "to_percent": 5, "tier": Tier.KNOWN}
    arguments = {
        name: made_up.get(name, "none")
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty and name not in {"by", "ends_at", "state"}
    }
    if "ends_at" in inspect.signature(method).parameters:
        arguments["ends_at"] = access.staff._desk.now() + DAY
    if "state" in inspect.signature(method).parameters:
        arguments["state"] = CohortState.OPEN
    method(**arguments, by=by)


def test_every_public_method_that_takes_an_actor_is_a_listed_command(house: Any) -> None:
    found = {
        f"{desk}.{name}"
        for desk in DESKS
        for name, method in inspect.getmembers(desk_of(house.access, desk), inspect.ismethod)
        if not name.startswith("_") and "by" in inspect.signature(method).parameters
    }
    assert found == {command.value for command in Command}
    unguarded = [
        name
        for name, method in inspect.getmembers(house.access, inspect.ismethod)
        if not name.startswith("_") and "by" in inspect.signature(method).parameters
    ]
    assert unguarded == []


@given(roles=st.frozensets(st.sampled_from(Role)), command=st.sampled_from(Command))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_whatever_the_table_does_not_list_is_refused_and_leaves_no_trace(
    house: Any, roles: frozenset[Role], command: Command
) -> None:
    by = Actor.staff("stf_x", "Somebody", roles)
    allowed = any(command.needs in PERMISSIONS[role] for role in roles)
    before = len(house.ledger())
    try:
        call(house.access, command, by)
    except Forbidden:
        assert not allowed
        assert len(house.ledger()) == before
    except HeadgateError:
        assert allowed
    else:
        assert allowed


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_the_printed_table_marks_and_nothing_else(house: Any, role: Role) -> None:
    for command in Command:
        row = re.search(rf"^\| `{re.escape(command.value)}` \|(.*)\|$", permissions_markdown(), re.MULTILINE)
        assert row is not None
        marked = row[1].split("|")[list(Role).index(role)].strip() == "✓"
        try:
            call(house.access, command, Actor.staff("stf_x", "Somebody", frozenset({role})))
        except Forbidden:
            allowed = False
        except HeadgateError:
            allowed = True
        else:
            allowed = True
        assert allowed is marked, command


def test_an_account_may_command_nothing(house: Any) -> None:
    for command in Command:
        with pytest.raises(Forbidden):
            call(house.access, command, Actor("acc_1", "Ada", frozenset(), frozenset()))


def test_the_first_member_of_staff_is_made_once(house: Any) -> None:
    with pytest.raises(errors.StaffInvalid, match="manage staff"):
        house.access.first_staff("Ada", roles=[Role.AUDITOR])
    issued = house.access.first_staff("Ada", roles=[Role.ADMIN])
    actor = house.access.authenticate_staff(issued.secret)
    assert (actor.id, actor.name, actor.roles) == (issued.of.id, "Ada", frozenset({Role.ADMIN}))
    with pytest.raises(errors.StaffExists):
        house.access.first_staff("Eve", roles=[Role.ADMIN])


def test_whoever_manages_staff_enters_renews_and_revokes(house: Any) -> None:
    admin = house.access.authenticate_staff(house.access.first_staff("Ada", roles=[Role.ADMIN]).secret)
    grace = house.access.staff.add("Grace", roles=[Role.SAFETY_REVIEWER, Role.AUDITOR], by=admin)
    renewed = house.access.staff.renew(grace.of.id, by=admin)
    with pytest.raises(errors.StaffTokenUnknown):
        house.access.authenticate_staff(grace.secret)
    assert house.access.authenticate_staff(renewed.secret).roles == {Role.SAFETY_REVIEWER, Role.AUDITOR}
    house.access.staff.revoke(grace.of.id, reason="left", by=admin)
    with pytest.raises(errors.StaffRevoked):
        house.access.authenticate_staff(renewed.secret)
    with pytest.raises(errors.StaffRevoked):
        house.access.staff.renew(grace.of.id, by=admin)
    with pytest.raises(errors.StaffRevoked):
        house.access.staff.revoke(grace.of.id, reason="again", by=admin)
    assert house.kinds() == ["staff.created", "staff.created", "staff.renewed", "staff.revoked"]
    assert sorted(member.name for member in house.access.staff.page(by=admin)) == ["Ada", "Grace"]


def test_somebody_who_manages_staff_is_always_left(house: Any) -> None:
    first = house.access.first_staff("Ada", roles=[Role.ADMIN])
    with pytest.raises(errors.StaffLastAdmin):
        house.access.staff.revoke(first.of.id, reason="left", by=house.by)
    house.access.staff.add("Grace", roles=[Role.ADMIN], by=house.by)
    house.access.staff.revoke(first.of.id, reason="left", by=house.by)
    with pytest.raises(errors.StaffExists):
        house.access.first_staff("Eve", roles=[Role.ADMIN])


def test_a_staff_token_ends(house: Any) -> None:
    issued = house.access.first_staff("Ada", roles=[Role.ADMIN], life=DAY)
    house.clock.at += DAY
    with pytest.raises(errors.StaffTokenExpired):
        house.access.authenticate_staff(issued.secret)
    for life in (timedelta(0), 366 * DAY):
        with pytest.raises(errors.StaffInvalid):
            house.access.staff.add("Grace", roles=[Role.AUDITOR], life=life, by=house.by)
    with pytest.raises(errors.StaffInvalid, match="role"):
        house.access.staff.add("Grace", roles=[], by=house.by)


def test_a_key_opens_nothing_to_staff_and_a_staff_token_opens_no_model(house: Any) -> None:
    house.cohort()
    key, staff = house.key(), house.access.first_staff("Ada", roles=[Role.ADMIN])
    with pytest.raises(errors.StaffTokenMalformed):
        house.access.authenticate_staff(key.secret)
    with pytest.raises(errors.KeyMalformed):
        house.works(staff.secret)
    with pytest.raises(errors.StaffTokenUnknown):
        house.opened(pepper=b"q" * 32).authenticate_staff(staff.secret)
