"""The OpenID provider that the settings name: who we are to it, and where its secret lies.

The secret is read where it lies, once; it is never a setting, so that nothing that prints settings, or hands them on, carries it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headgate.adapters.oidc import Client
from headgate.bootstrap.settings import BadSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.bootstrap.settings import Settings

BACK = "/console/sign-in/back"
"""Where the provider sends browsers back to; this address, with the origin before it, is what is registered there."""


def client_of(settings: Settings, environment: Mapping[str, str]) -> Client | None:
    """Return who we are to the provider; ``None`` where none is set.

    Raises:
        BadSettings: Something that belongs to it is missing or cannot be read.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise BadSettings("oidc_client_id: the provider in oidc_issuer calls this installation something; say what.")
    return Client(settings.oidc_issuer, settings.oidc_client_id, _secret(settings, environment), f"{settings.origin}{BACK}")


def _secret(settings: Settings, environment: Mapping[str, str]) -> str:
    if settings.oidc_secret_file:
        try:
            return Path(settings.oidc_secret_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise BadSettings(f"oidc_secret_file: it cannot be read ({type(problem).__name__}).") from None
    if settings.oidc_secret_env:
        try:
            return environment[settings.oidc_secret_env]
        except KeyError:
            raise BadSettings(f"oidc_secret_env: there is no variable {settings.oidc_secret_env}.") from None
    return ""
