from __future__ import annotations

import json
from typing import Any

ENDS = "2999-01-01T00:00:00Z"


def let_in(staff: Any, *, terms: str | None = None) -> dict[str, Any]:
    staff.post("/api/cohorts", json={"name": "trusted", "seats": 2, "terms_version": terms}).raise_for_status()
    account = staff.post("/api/accounts", json={"name": "Ada", "email": "ada@example.org"}).raise_for_status().json()
    asked = {"account_id": account["id"], "cohort": "trusted", "ends_at": ENDS}
    grant = staff.post("/api/grants", json=asked).raise_for_status().json()
    key = staff.post("/api/keys", json={"grant_id": grant["id"], "scopes": ["api.chat"]})
    assert key.headers["cache-control"] == "no-store"
    return {"account": account, "grant": grant, "key": key.raise_for_status().json()}


def test_somebody_is_let_in_looked_at_and_stopped(staff: Any, access: Any) -> None:
    made = let_in(staff)
    text = made["key"]["key"]
    assert access.identify(text).account.name == "Ada"
    assert staff.get("/api/cohorts").json()["items"][0]["taken"] == 1
    listed = staff.get("/api/keys", params={"account_id": made["account"]["id"]}).json()
    assert [key["id"] for key in listed["items"]] == [made["key"]["id"]]
    assert text not in json.dumps(listed)
    assert "ada@" not in staff.get(f"/api/accounts/{made['account']['id']}").text
    why = {"reason": "left the project"}
    for path, state in [
        (f"/api/grants/{made['grant']['id']}/pause", "paused"),
        (f"/api/grants/{made['grant']['id']}/resume", "active"),
        (f"/api/keys/{made['key']['id']}/revoke", "revoked"),
        (f"/api/accounts/{made['account']['id']}/suspend", "suspended"),
        (f"/api/accounts/{made['account']['id']}/reinstate", "active"),
        (f"/api/grants/{made['grant']['id']}/end", "ended"),
        (f"/api/accounts/{made['account']['id']}/close", "closed"),
    ]:
        assert staff.post(path, json=why).raise_for_status().json()["state"] == state


def test_every_route_for_staff_refuses_strangers_and_holders_of_keys(staff: Any, stranger: Any) -> None:
    made = let_in(staff)
    paths = staff.get("/api/openapi.json").json()["paths"]
    asked = 0
    for path, verbs in paths.items():
        for verb in verbs:
            if path in {"/api/leaks", "/api/terms"}:
                continue
            for headers in ({}, {"authorization": f"Bearer {made['key']['key']}"}):
                answer = stranger.request(verb.upper(), path, json={}, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "staff.token_malformed"), path
                asked += 1
    assert asked > 60


def test_an_auditor_sees_and_changes_nothing(staff: Any, stranger: Any) -> None:
    let_in(staff)
    token = staff.post("/api/staff", json={"name": "Grace", "roles": ["auditor"]}).raise_for_status().json()["token"]
    stranger.headers["authorization"] = f"Bearer {token}"
    assert stranger.get("/api/accounts").status_code == 200
    refused = stranger.post("/api/accounts", json={"name": "Eve"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "access_reviewer" in refused.json()["help"]
    assert stranger.get("/api/staff").status_code == 403


def test_a_leak_report_is_answered_alike_whatever_it_names(staff: Any, stranger: Any, access: Any) -> None:
    key = let_in(staff)["key"]
    answers = {
        (answer.status_code, answer.content, tuple(sorted(set(answer.headers) - {"date"})))
        for answer in (
            stranger.post("/api/leaks", json={"keys": []}),
            stranger.post("/api/leaks", json={"keys": ["nonsense", key["id"]]}),
            stranger.post("/api/leaks", json={"keys": [key["key"]]}),
            stranger.post("/api/leaks", json={"keys": [key["key"]]}),
            stranger.post("/api/leaks", json=[{"token": key["key"], "type": "headgate_key", "url": "https://x.example"}]),
        )
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert access.identify(key["key"]).key.state.value == "quarantined"


UNREADABLE = [
    b"",
    b"{",
    b"null",
    b'"hg_"',
    b'{"keys": "hg_"}',
    b'{"keys": [1]}',
    b'{"keys": ["\xff"]}',
    b"[" * 60_000,
    json.dumps({"keys": ["x"] * 101}).encode(),
    json.dumps({"keys": ["x" * 70_000]}).encode(),
    b" " * 5_000_000,
]


def test_a_leak_report_that_cannot_be_read_is_refused_for_its_form(stranger: Any) -> None:
    for body in UNREADABLE:
        answer = stranger.post("/api/leaks", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "leak.invalid"), body[:40]
        assert answer.json()["help"]


def test_a_holder_accepts_terms_with_a_key(staff: Any, stranger: Any) -> None:
    made = let_in(staff, terms="1")
    assert made["grant"]["state"] == "pending_terms"
    assert stranger.post("/api/terms", json={"version": "1"}).status_code == 401
    stranger.headers["authorization"] = f"Bearer {made['key']['key']}"
    superseded = stranger.post("/api/terms", json={"version": "0"})
    assert (superseded.status_code, superseded.json()["code"]) == (409, "terms.superseded")
    assert stranger.post("/api/terms", json={"version": "1"}).json()["state"] == "active"
    newer = staff.post("/api/cohorts/trusted/terms", json={"version": "2", "grace": "P14D"}).raise_for_status().json()
    assert newer["terms_version"] == "2"


def test_a_cohort_changes_only_where_it_is_told_to(staff: Any) -> None:
    let_in(staff)
    assert staff.patch("/api/cohorts/trusted", json={"state": "frozen"}).json()["seats"] == 2
    open_again = staff.patch("/api/cohorts/trusted", json={"seats": None, "state": "open"}).json()
    assert (open_again["seats"], open_again["state"]) == (None, "open")


MISTAKES: list[tuple[str, dict[str, Any], int, str]] = [
    ("/api/accounts", {"name": "Ada", "teir": "vetted"}, 400, "request.invalid"),
    ("/api/accounts", {"name": "Ada", "tier": "royal"}, 400, "request.invalid"),
    ("/api/accounts", {"name": "\u001b[2J"}, 400, "account.invalid"),
    ("/api/accounts", {"name": "Ada", "email": "nobody"}, 400, "account.invalid"),
    ("/api/accounts", {"name": "Ada", "organisation_id": "org_none"}, 404, "organisation.not_found"),
    ("/api/cohorts", {"name": "trusted"}, 400, "request.invalid"),
    ("/api/cohorts", {"name": "Trusted", "seats": 1}, 400, "cohort.invalid"),
    ("/api/cohorts", {"name": "trusted", "seats": -1}, 400, "cohort.invalid"),
    ("/api/cohorts", {"name": "trusted", "seats": 1}, 403, "cohort.exists"),
    ("/api/grants", {"account_id": "acc_none", "cohort": "trusted", "ends_at": ENDS}, 404, "account.not_found"),
    ("/api/grants", {"account_id": "acc_none", "cohort": "trusted", "ends_at": "2999-01-01T00:00:00"}, 400, "grant.invalid"),
    ("/api/grants", {"account_id": "acc_none", "cohort": "trusted", "ends_at": "tomorrow"}, 400, "request.invalid"),
    ("/api/keys", {"grant_id": "gr_none", "scopes": ["api.chat"]}, 404, "grant.not_found"),
    ("/api/keys", {"grant_id": "gr_none", "scopes": []}, 400, "key.invalid"),
    ("/api/keys", {"grant_id": "gr_none", "scopes": ["api.chat"], "life": "P400D"}, 400, "key.invalid"),
    ("/api/keys", {"grant_id": "gr_none", "scopes": ["api.chat"], "networks": ["10.0.0.1/8"]}, 400, "key.invalid"),
    ("/api/staff", {"name": "Eve", "roles": []}, 400, "staff.invalid"),
    ("/api/staff", {"name": "Eve", "roles": ["root"]}, 400, "request.invalid"),
    ("/api/keys/key_none/revoke", {"reason": "told by ada@example.org"}, 400, "access.reason_invalid"),
]


def test_a_mistake_is_named_and_changes_nothing(staff: Any) -> None:
    let_in(staff)
    before = {
        path: staff.get(path).json() for path in ("/api/accounts", "/api/cohorts", "/api/grants", "/api/keys", "/api/staff")
    }
    for path, body, status, code in MISTAKES:
        answer = staff.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (path, body)
    assert {path: staff.get(path).json() for path in before} == before


def test_a_list_says_where_the_next_page_starts(staff: Any) -> None:
    names = [staff.post("/api/organisations", json={"name": f"Lab {n}"}).json()["id"] for n in range(3)]
    first = staff.get("/api/organisations", params={"limit": 2}).json()
    last = staff.get("/api/organisations", params={"limit": 2, "after": first["next_after"]}).json()
    assert sorted(names) == [each["id"] for each in first["items"] + last["items"]]
    assert last["next_after"] is None
    assert staff.get("/api/organisations", params={"limit": 0}).status_code == 400


def test_members_of_staff_are_entered_renewed_and_revoked(staff: Any, stranger: Any) -> None:
    made = staff.post("/api/staff", json={"name": "Grace", "roles": ["admin"]}).json()
    renewed = staff.post(f"/api/staff/{made['id']}/renew", json={}).json()
    stranger.headers["authorization"] = f"Bearer {made['token']}"
    assert stranger.get("/api/staff").json()["code"] == "staff.token_unknown"
    stranger.headers["authorization"] = f"Bearer {renewed['token']}"
    assert stranger.get(f"/api/staff/{made['id']}").json()["roles"] == ["admin"]
    assert staff.post(f"/api/staff/{made['id']}/revoke", json={"reason": "left"}).json()["state"] == "revoked"
    assert stranger.get("/api/staff").json()["code"] == "staff.revoked"


def test_what_an_account_declares_is_written_down(staff: Any) -> None:
    account = staff.post("/api/accounts", json={"name": "Ada"}).raise_for_status().json()["id"]
    said = staff.post(f"/api/accounts/{account}/declare", json={"language": "fr"}).raise_for_status().json()
    assert said == {"country": None, "language": "fr", "region": None, "use_case": None}
    assert staff.post(f"/api/accounts/{account}/declare", json={"shoe_size": "44"}).status_code == 400
    assert staff.post(f"/api/accounts/{account}/declare", json={}).is_client_error
