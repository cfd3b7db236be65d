"""Where the secret of an OpenID provider is read from, and where it never stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.bootstrap.provider import BACK, client_of
from headgate.bootstrap.settings import BadSettings, load

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = {"oidc_issuer": "https://accounts.example", "oidc_client_id": "headgate", "public_url": "https://gate.example"}
SECRET = "correct horse battery staple"


def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    assert client_of(load(tmp_path, {}), {}) is None


def test_a_secret_comes_from_a_file_or_a_variable_and_stands_in_no_setting(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    from_file = load(tmp_path, {}, **PROVIDER, oidc_secret_file=str(tmp_path / "secret"))
    from_variable = load(tmp_path, {}, **PROVIDER, oidc_secret_env="PROVIDER_SECRET")
    for settings, environment in ((from_file, {}), (from_variable, {"PROVIDER_SECRET": SECRET})):
        client = client_of(settings, environment)
        assert client is not None
        assert (client.secret, client.back) == (SECRET, f"https://gate.example{BACK}")
        assert SECRET not in repr(client)
        assert SECRET not in repr(settings)
        assert SECRET not in str(settings.model_dump())


def test_without_a_secret_the_client_is_a_public_one(tmp_path: Path) -> None:
    client = client_of(load(tmp_path, {}, **PROVIDER), {})
    assert client is not None
    assert client.secret == ""


@pytest.mark.parametrize(
    "given",
    [{"oidc_client_id": ""}, {"oidc_secret_file": "/nowhere/at/all"}, {"oidc_secret_env": "NOBODY_SET_THIS"}],
    ids=str,
)
def test_what_is_missing_is_named(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match=next(iter(given))):
        client_of(load(tmp_path, {}, **(PROVIDER | given)), {})


@pytest.mark.parametrize(
    "issuer", ["http://accounts.example", "accounts.example", "https://x.example/?a", "http://localhost.evil"]
)
def test_a_provider_is_reached_by_tls_or_on_this_very_machine(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(BadSettings, match="oidc_issuer"):
        load(tmp_path, {}, oidc_issuer=issuer)
