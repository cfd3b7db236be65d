"""Batches: the small model answers each row of a file as if it had been asked it, one after another, in the background.

``metadata`` may hold ``pause_s``: how long it rests before each row, so that a batch can be seen while it runs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec

from headgate.testing.small_model.files import Asked, Files, Told, nothing_there, page
from headgate.testing.small_model.request import Rejected

Ask = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Asks a path with a body; returns the status and the answer."""

_OVER = frozenset({"completed", "failed", "expired", "cancelled"})


class Row(msgspec.Struct):
    """One row of a batch's input."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Used(msgspec.Struct):
    usage: dict[str, Any] = {}


_ROW = msgspec.json.Decoder(Row)
_USAGE = msgspec.json.Decoder(_Used)


class Batches:
    """Runs batches.

    Args:
        files: Where their input is and their output goes.
        ask: Asks the model.
    """

    def __init__(self, files: Files, ask: Ask) -> None:
        self._files = files
        self._ask = ask
        self._kept: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, asked: Asked) -> Told:
        """Answer a request below ``/batches``."""
        match asked.method, asked.parts[1:]:
            case "POST", ():
                return Told.of(self._create(asked.value()))
            case "GET", ():
                return page(list(self._kept.values()), asked.query)
            case "GET", (batch_id,):
                return Told.of(self._found(batch_id))
            case "POST", (batch_id, "cancel"):
                batch = self._found(batch_id)
                if batch["status"] not in _OVER:
                    batch["status"] = "cancelling"
                    batch["cancelling_at"] = int(time.time())
                return Told.of(batch)
            case _:
                raise nothing_there(asked)

    def _create(self, wanted: dict[str, Any]) -> dict[str, Any]:
        input_file_id = str(wanted.get("input_file_id"))
        rows = [_ROW.decode(line) for line in self._files.content(input_file_id).split(b"\n") if line]
        batch: dict[str, Any] = {
            "id": "batch_" + secrets.token_hex(12),
            "object": "batch",
            "endpoint": wanted.get("endpoint"),
            "errors": None,
            "input_file_id": input_file_id,
            "completion_window": wanted.get("completion_window"),
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(time.time()),
            "metadata": wanted.get("metadata"),
            "request_counts": {"total": len(rows), "completed": 0, "failed": 0},
        }
        self._kept[batch["id"]] = batch
        task = asyncio.get_running_loop().create_task(self._run(batch, rows))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    async def _run(self, batch: dict[str, Any], rows: list[Row]) -> None:
        metadata: dict[str, str] = batch["metadata"] or {}
        pause_s = float(metadata.get("pause_s", 0))
        batch.update(status="in_progress")
        output: list[bytes] = []
        failed: list[bytes] = []
        used = [0, 0]
        for row in rows:
            await asyncio.sleep(pause_s)
            if batch["status"] == "cancelling":
                break
            status, body = await self._ask(row.url, bytes(row.body))
            well = status == HTTPStatus.OK
            (output if well else failed).append(_answered(row.custom_id, status, body))
            batch["request_counts"]["completed" if well else "failed"] += 1
            if well:
                usage = _USAGE.decode(body).usage
                used[0] += usage.get("prompt_tokens", usage.get("input_tokens", 0))
                used[1] += usage.get("completion_tokens", usage.get("output_tokens", 0))
        if output:
            batch["output_file_id"] = self._write(batch, "output", output)
        if failed:
            batch["error_file_id"] = self._write(batch, "error", failed)
        batch["usage"] = {
            "input_tokens": used[0],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": used[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(used),
        }
        end = "cancelled" if batch["status"] == "cancelling" else "completed"
        batch.update({"status": end, f"{end}_at": int(time.time())})

    def _write(self, batch: dict[str, Any], what: str, rows: list[bytes]) -> str:
        return self._files.add(b"".join(rows), filename=f"{batch['id']}_{what}.jsonl", purpose="batch_output")

    def _found(self, batch_id: str) -> dict[str, Any]:
        if batch_id not in self._kept:
            raise Rejected(f"No batch found with id '{batch_id}'.", status=HTTPStatus.NOT_FOUND)
        return self._kept[batch_id]


def _answered(custom_id: str, status: int, body: bytes) -> bytes:
    value = {
        "id": "batch_req_" + secrets.token_hex(12),
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": secrets.token_hex(16), "body": msgspec.Raw(body)},
        "error": None,
    }
    return msgspec.json.encode(value) + b"\n"
