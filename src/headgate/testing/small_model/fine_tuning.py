"""Fine-tuning jobs: the small model learns nothing, and is served under a new name all the same.

A job takes a step each time that it is asked about: validating, queued, running, succeeded. With ``pause`` among its ``metadata``
it stays running until it is cancelled.
"""

from __future__ import annotations

import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from headgate.testing.small_model.files import Asked, Files, Told, nothing_there, page
from headgate.testing.small_model.request import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = ("validating_files", "queued", "running", "succeeded")


class Jobs:
    """Carries jobs out.

    Args:
        files: Where they learn from.
        serve: Told of each model that comes of one, to serve it from then on.
    """

    def __init__(self, files: Files, serve: Callable[[str], None]) -> None:
        self._files = files
        self._serve = serve
        self._kept: dict[str, dict[str, Any]] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}

    def answer(self, asked: Asked) -> Told:
        """Answer a request below ``/fine_tuning/jobs``."""
        match asked.method, asked.parts[2:]:
            case "POST", ():
                return Told.of(self._create(asked.value()))
            case "GET", ():
                return page(list(self._kept.values()), asked.query)
            case "GET", (job_id,):
                return Told.of(self._step(self._found(job_id)))
            case "GET", (job_id, "events"):
                self._found(job_id)
                return page(self._events[job_id], asked.query)
            case "GET", (job_id, "checkpoints"):
                return page(_checkpoints(self._found(job_id)), asked.query)
            case "POST", (job_id, "cancel" | "pause" | "resume" as verb):
                return Told.of(self._told(self._found(job_id), verb))
            case _:
                raise nothing_there(asked)

    def _create(self, wanted: dict[str, Any]) -> dict[str, Any]:
        for field in ("training_file", "validation_file"):
            if wanted.get(field) is not None:
                self._files.content(str(wanted[field]))
        job: dict[str, Any] = {
            "id": "ftjob-" + secrets.token_hex(12),
            "object": "fine_tuning.job",
            "model": wanted.get("model"),
            "created_at": int(time.time()),
            "finished_at": None,
            "fine_tuned_model": None,
            "organization_id": "org-stand-in",
            "result_files": [],
            "status": _STEPS[0],
            "validation_file": wanted.get("validation_file"),
            "training_file": wanted.get("training_file"),
            "hyperparameters": wanted.get("hyperparameters") or {"n_epochs": "auto"},
            "trained_tokens": None,
            "error": None,
            "seed": wanted.get("seed") or 0,
            "metadata": wanted.get("metadata"),
            "suffix": wanted.get("suffix"),
        }
        self._kept[job["id"]] = job
        self._events[job["id"]] = []
        self._note(job, "Created fine-tuning job")
        return job

    def _step(self, job: dict[str, Any]) -> dict[str, Any]:
        status = job["status"]
        held = status == "running" and "pause" in (job["metadata"] or {})
        if status in _STEPS[:-1] and not held:
            job["status"] = _STEPS[_STEPS.index(status) + 1]
            self._note(job, f"Fine-tuning job {job['status']}")
            if job["status"] == "succeeded":
                self._succeed(job)
        return job

    def _succeed(self, job: dict[str, Any]) -> None:
        name = f"ft:{job['model']}:stand-in:{job['suffix'] or ''}:{job['id'].removeprefix('ftjob-')[:8]}"
        results = b"step,train_loss\n1,0.5\n"
        job["fine_tuned_model"] = name
        job["finished_at"] = int(time.time())
        job["trained_tokens"] = 1
        job["result_files"] = [self._files.add(results, filename="step_metrics.csv", purpose="fine-tune-results")]
        self._serve(name)

    def _told(self, job: dict[str, Any], verb: str) -> dict[str, Any]:
        if job["status"] not in ("succeeded", "failed", "cancelled"):
            job["status"] = {"cancel": "cancelled", "pause": "paused", "resume": "running"}[verb]
            self._note(job, f"Fine-tuning job {job['status']}")
        return job

    def _note(self, job: dict[str, Any], message: str) -> None:
        self._events[job["id"]].append(
            {
                "object": "fine_tuning.job.event",
                "id": "ftevent-" + secrets.token_hex(12),
                "created_at": int(time.time()),
                "level": "info",
                "message": message,
                "type": "message",
            }
        )

    def _found(self, job_id: str) -> dict[str, Any]:
        if job_id not in self._kept:
            raise Rejected(f"Could not find fine tune: {job_id}", status=HTTPStatus.NOT_FOUND)
        return self._kept[job_id]


def _checkpoints(job: dict[str, Any]) -> list[dict[str, Any]]:
    if job["fine_tuned_model"] is None:
        return []
    return [
        {
            "object": "fine_tuning.job.checkpoint",
            "id": "ftckpt_" + job["id"].removeprefix("ftjob-"),
            "created_at": job["finished_at"],
            "fine_tuned_model_checkpoint": job["fine_tuned_model"],
            "fine_tuning_job_id": job["id"],
            "metrics": {"step": 1, "train_loss": 0.5},
            "step_number": 1,
        }
    ]
