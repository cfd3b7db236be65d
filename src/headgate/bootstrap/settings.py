"""Settings: one frozen value, read once, from ``headgate.toml`` in the data directory and from the environment.

The environment wins: ``HEADGATE_MAX_STALE_S=30`` sets ``max_stale_s``. A key that nobody knows is an error that names the
nearest one that somebody does. What a release does is never a setting: that stands in its plan.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "headgate.toml"
_PREFIX = "HEADGATE_"
_NOT_SETTINGS = frozenset({"HEADGATE_DATA", "HEADGATE_TOKEN", "HEADGATE_LISTENER_FD", "HEADGATE_READY_FD"})


class BadSettings(Invalid):
    """A setting is unknown, or its value is not possible."""

    code = "settings.invalid"


class Settings(BaseModel):
    """How this installation runs. Each field states its unit, its default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on. Loopback: nothing is open before you say so.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port of the API, for models and for staff.")] = 8900
    public_url: Annotated[
        str,
        Field(
            pattern=r"^$|^https?://[a-z0-9.-]+(:[0-9]{1,5})?$",
            description="Where browsers reach this installation, without a path; empty: `http://localhost` and the port.",
        ),
    ] = ""
    oidc_issuer: Annotated[
        str,
        Field(
            pattern=r"^$|^https://[^\s?#@]+$|^http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?(/[^\s?#@]*)?$",
            description="The OpenID provider that staff sign in with, exactly as it spells itself; empty: none.",
        ),
    ] = ""
    oidc_client_id: Annotated[str, Field(description="What that provider calls this installation.")] = ""
    oidc_secret_file: Annotated[
        str, Field(description="File that holds what this installation proves itself to that provider with.")
    ] = ""
    oidc_secret_env: Annotated[
        str, Field(description="Environment variable that holds the same, where no file does; neither: a public client.")
    ] = ""
    workers: Annotated[int, Field(ge=1, le=64, description="Worker processes; two use a small machine well.")] = 2
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least severe event that is logged.")
    ] = "info"

    max_stale_s: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="Seconds a worker goes on without news from the system of record; then gated stages refuse.",
        ),
    ] = 60.0
    max_body_bytes: Annotated[
        int,
        Field(
            ge=1024, description="Largest request body, after decompression, in bytes; a 10 MB prompt is longer than any context."
        ),
    ] = 10_000_000
    max_undecided_bytes: Annotated[
        int,
        Field(
            ge=1024 * 1024,
            description="Bytes of large request bodies that a worker holds before they are decided on; beyond it says 503. "
            "One account may hold a quarter of it. Reading a body takes some times its size.",
        ),
    ] = 256_000_000
    body_timeout_s: Annotated[float, Field(gt=0, description="Seconds in which a client must have sent its request.")] = 30.0
    max_in_flight: Annotated[
        int, Field(ge=1, description="Requests a worker holds at once; beyond it says 503 instead of queueing.")
    ] = 2048
    max_connections: Annotated[
        int,
        Field(
            ge=64,
            description="Connections a worker holds open, idle ones included; beyond it the one that is idle for longest is "
            "closed, and where none is idle, new ones are answered 503.",
        ),
    ] = 16_384
    send_timeout_s: Annotated[
        float, Field(gt=0, description="Seconds that a client may leave its answer unread; then it counts as gone.")
    ] = 60.0
    drain_s: Annotated[
        float,
        Field(
            ge=0,
            le=1700,
            description="Seconds that open exchanges may run on in a worker that is replaced or stopped; then they are cut.",
        ),
    ] = 60.0
    linger_s: Annotated[
        float,
        Field(
            ge=0,
            le=60,
            description="Seconds that a worker still takes requests after `/readyz` began to say 503, so that balancers notice.",
        ),
    ] = 1.0
    metrics: Annotated[
        Literal["loopback", "open", "off"],
        Field(description="Who may read `/metrics`: this machine alone, whoever reaches the port, or nobody."),
    ] = "loopback"
    capture_bytes: Annotated[
        int, Field(ge=1024, description="Bytes of each response that are recorded for review; what is cut off is said.")
    ] = 1_000_000
    upstream_timeout_s: Annotated[
        float, Field(gt=0, description="Seconds without a byte from the model server before it counts as gone.")
    ] = 300.0

    spool_sync: Annotated[
        Literal["normal", "full"],
        Field(
            description="What an admission, and what limits have counted, survives: `normal` a killed process, "
            "`full` a power cut too (a flush per batch)."
        ),
    ] = "normal"
    retention_days: Annotated[
        int, Field(ge=1, description="Days until the key of a day's transcripts is destroyed; their numbers stay.")
    ] = 30
    kept_answers_days: Annotated[
        int,
        Field(
            ge=1,
            description="Days in which a stored response, or what was said aloud, can be named by its owner; "
            "set it to what the model server keeps.",
        ),
    ] = 30
    kept_files_days: Annotated[
        int, Field(ge=1, description="Days in which files, and batches and fine-tuning jobs that are over, can be named.")
    ] = 400
    seal_after_s: Annotated[
        float, Field(gt=0, description="Seconds until settled exchanges move from the spool to a sealed segment.")
    ] = 3600.0

    tick_s: Annotated[float, Field(gt=0, le=60, description="Seconds between the steward's rounds: collect, score, judge.")] = 1.0
    label_deadline_days: Annotated[
        int, Field(ge=1, description="Days until a sampled exchange that nobody could judge counts as harm.")
    ] = 14
    review_pause_after_min: Annotated[
        float, Field(gt=0, description="Minutes of flagged or harmful content in a row after which a reviewer is asked to pause.")
    ] = 30.0
    review_day_min: Annotated[
        float,
        Field(
            gt=0,
            description="Minutes of such content that a reviewer's day holds; then they are handed only what is not flagged.",
        ),
    ] = 120.0
    review_day_items: Annotated[
        int, Field(ge=1, description="Such items that a reviewer's day holds; eight hours without any begin a new day.")
    ] = 600
    review_run: Annotated[
        int, Field(ge=1, description="Items flagged for one hazard that may follow each other while others are near.")
    ] = 20
    staff_token_days: Annotated[int, Field(ge=1, le=366, description="Days a staff token lasts.")] = 90

    @property
    def origin(self) -> str:
        """Where browsers reach this installation; a passkey is bound to a name, so the default is one."""
        return self.public_url or f"http://localhost:{self.port}"


def load(directory: Path, environment: Mapping[str, str], **given: object) -> Settings:
    """Read the settings of the installation in ``directory``.

    Args:
        directory: The data directory; a missing ``headgate.toml`` means all defaults.
        environment: The process's environment.
        **given: What the command line says; it wins over both; ``None`` says nothing.

    Raises:
        BadSettings: A key is unknown or a value impossible; the message names each.
    """
    values = _from_file(directory / FILE)
    for name, text in environment.items():
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            values[name.removeprefix(_PREFIX).lower()] = text
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as problem:
        raise BadSettings("; ".join(_say(error["loc"], error["type"], error["msg"]) for error in problem.errors())) from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadSettings(f"{FILE} cannot be read: {problem}") from None


def _say(where: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(map(str, where))
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def settings_markdown() -> str:
    """Return the table of all settings for the documentation."""
    lines = [
        "# Settings",
        "",
        f"Read once from `{FILE}` in the data directory and from the environment (`{_PREFIX}PORT=8900`), which wins.",
        "An unknown key is an error.",
        "",
        "| setting | type | default | why |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        kind = getattr(field.annotation, "__name__", None) or str(field.annotation).removeprefix("typing.")
        if kind == "Literal":
            kind = " or ".join(f"`{choice}`" for choice in getattr(field.annotation, "__args__", ()))
        lines.append(f"| `{name}` | {kind} | `{field.default}` | {field.description} |")
    return "\n".join(lines) + "\n"
