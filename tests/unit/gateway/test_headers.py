"""Which headers cross, and which are another account's business."""

from __future__ import annotations

from headgate.gateway.wire.headers import to_upstream


def sent(account: str, key: bytes) -> str:
    headers = to_upstream([(b"idempotency-key", key)], request_id="ex_1", account=account, api_key="own")
    return dict(headers)["idempotency-key"]


def test_an_idempotency_key_is_the_accounts_own() -> None:
    assert sent("acc_1", b"retry-1") == sent("acc_1", b"retry-1")
    assert len({sent("acc_1", b"retry-1"), sent("acc_2", b"retry-1"), sent("acc_1", b"retry-2")}) == 3
    assert "retry-1" not in sent("acc_1", b"retry-1")
