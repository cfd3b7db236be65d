"""Files of evaluation results as tools write them, made by hand: one builder for each format, and an archive writer.

Only the keys that a reader could trip over are there. Each builder takes what a test wants to be different.
"""

from __future__ import annotations

import json
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import zstandard

from headgate.evidence.importers.interface import Declared
from headgate.evidence.model.record import Direction, Effort, Elicitation, Evaluator, Kind, Relationship, Status, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET = "sk-live-0123456789abcdefABCDEF"  # noqa: S105 - made up, to be looked for
MEASURED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORED, DEFLATED, ZSTANDARD = 0, 8, 93


def a_declaration(**changes: Any) -> Declared:
    """Return what somebody declares of a file, with changes."""
    said: dict[str, Any] = {
        "subject": Subject("sha256:" + "a" * 64, "sha256:" + "b" * 64, None),
        "kind": Kind.CAPABILITY,
        "domain": "cyber",
        "suite": "dual_use",
        "direction": Direction.LOWER_IS_BETTER,
        "elicitation": Elicitation(Effort.SCAFFOLDED),
        "evaluator": Evaluator("Outside Lab", Relationship.THIRD_PARTY),
        "status": Status.FINAL,
        "valid_for": timedelta(days=90),
        "produced_at": MEASURED_AT,
        "now": datetime(2026, 4, 1, tzinfo=UTC),
    }
    return Declared(**{**said, **changes})


def an_inspect_log(
    values: Sequence[Sequence[object]] = (("C",), ("I",), ("C",), ("I",)), *, accuracy: float | None = None, **changes: Any
) -> dict[str, Any]:
    """Return an Inspect log as one document.

    Args:
        values: Scores of each sample's runs.
        accuracy: What the log states; the samples' own mean when absent.
        changes: Parts of the log by path, such as ``eval__config__limit=3``.
    """
    means = [sum(map(_worth, runs)) / len(runs) for runs in values]
    epochs, total = len(values[0]), sum(map(len, values))
    stated = sum(means) / len(means) if accuracy is None else accuracy
    log: dict[str, Any] = {
        "version": 2,
        "status": "success",
        "eval": {
            "created": MEASURED_AT.isoformat(),
            "task": "ctf",
            "dataset": {"name": "ctf", "samples": len(values)},
            "model": "local/atlas-2",
            "model_args": {"api_key": SECRET},
            "model_base_url": f"https://user:{SECRET}@models.example/v1",
            "task_args": {"env": {"TOKEN": SECRET}},
            "config": {"epochs": epochs},
            "packages": {"inspect_ai": "0.3.210"},
        },
        "plan": {"steps": [{"solver": "system_message", "params": {"template": SECRET}}, {"solver": "basic_agent"}]},
        "results": {
            "total_samples": total,
            "completed_samples": total,
            "scores": [
                {
                    "name": "includes",
                    "scorer": "includes",
                    "scored_samples": len(values),
                    "unscored_samples": 0,
                    "metrics": {
                        "accuracy": {"name": "accuracy", "value": stated},
                        "stderr": {"name": "stderr", "value": 0.0},
                    },
                }
            ],
        },
        "stats": {"started_at": MEASURED_AT.isoformat(), "completed_at": MEASURED_AT.isoformat()},
        "samples": [
            {
                "id": number,
                "epoch": epoch,
                "input": SECRET,
                "target": "flag",
                "scores": {"includes": {"value": value, "explanation": SECRET}},
                "completed": True,
            }
            for number, runs in enumerate(values, start=1)
            for epoch, value in enumerate(runs, start=1)
        ],
    }
    for path, value in changes.items():
        changed(log, path.split("__"), value)
    return log


def an_inspect_archive(log: Mapping[str, Any], *, method: int = ZSTANDARD, **entries: bytes) -> bytes:
    """Return an Inspect log as an ``.eval`` archive, with entries added or replaced (``__`` for ``/``, no ``.json``)."""
    header = {key: value for key, value in log.items() if key != "samples"}
    samples = log.get("samples", [])
    held = {
        "_journal/start.json": as_json({"version": log["version"], "eval": log["eval"]}),
        **{f"samples/{sample['id']}_epoch_{sample['epoch']}.json": as_json(sample) for sample in samples},
        "summaries.json": as_json(samples),
        "header.json": as_json(header),
    }
    held |= {f"{name.replace('__', '/')}.json": content for name, content in entries.items()}
    return an_archive({name: (method, content) for name, content in held.items()})


def an_archive(entries: Mapping[str, tuple[int, bytes]], *, flags: int = 0x800, lie_about_size: int = 0) -> bytes:
    """Return a ZIP archive, written out by hand so that it can be wrong, and packed in ways that Python's module is not.

    Args:
        entries: Method and content by name.
        flags: General purpose flags of every entry.
        lie_about_size: Added to the unpacked size that is stated.
    """
    body, directory = b"", b""
    for name, (method, content) in entries.items():
        packed, at, raw = _packed(method, content), len(body), name.encode()
        rest = struct.pack("<IIIHH", zlib.crc32(content), len(packed), len(content) + lie_about_size, len(raw), 0)
        body += b"PK\x03\x04" + struct.pack("<HHHI", 20, flags, method, 0) + rest + raw + packed
        directory += (
            b"PK\x01\x02" + struct.pack("<HHHHI", 20, 20, flags, method, 0) + rest + struct.pack("<HHHII", 0, 0, 0, 0, at) + raw
        )
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def an_lm_eval_document(**changes: Any) -> dict[str, Any]:
    """Return results of lm-evaluation-harness 0.4.13 for one task of 200 samples, 50 of them right, with changes by path."""
    document: dict[str, Any] = {
        "results": {
            "wmdp_cyber": {
                "name": "wmdp_cyber",
                "alias": "wmdp_cyber",
                "sample_len": 200,
                "acc,none": 0.25,
                "acc_stderr,none": (0.25 * 0.75 / 199) ** 0.5,
            }
        },
        "group_subtasks": {"wmdp_cyber": []},
        "configs": {"wmdp_cyber": {"task": "wmdp_cyber", "doc_to_text": SECRET}},
        "versions": {"wmdp_cyber": 1.0},
        "n-shot": {"wmdp_cyber": 5},
        "higher_is_better": {"wmdp_cyber": {"acc": True}},
        "n-samples": {"wmdp_cyber": {"original": 200, "effective": 200}},
        "config": {"model": "local-completions", "model_args": f"base_url=http://x,api_key={SECRET}", "limit": None},
        "date": MEASURED_AT.timestamp(),
        "lm_eval_version": "0.4.13",
        "model_name": "atlas-2",
    }
    for path, value in changes.items():
        changed(document, path.split("__"), value)
    return document


def a_garak_report(
    prompts: Sequence[Sequence[float | None]] = ((1.0, 0.0), (0.0, 0.0), (1.0, 1.0)), *, detectors: Sequence[str] = ("dan.DAN",)
) -> list[dict[str, Any]]:
    """Return the rows of a garak report: one probe, each prompt's outputs scored alike by each detector."""
    attempts = [
        {
            "entry_type": "attempt",
            "uuid": f"attempt-{number}",
            "seq": number,
            "status": status,
            "probe_classname": "dan.Dan_11_0",
            "prompt": {"turns": [{"content": {"text": f"{SECRET} {number}"}}]},
            "outputs": [{"text": SECRET} for _ in scores],
            "detector_results": {detector: list(scores) for detector in detectors} if status == 2 else {},  # noqa: PLR2004
        }
        for status in (1, 2)
        for number, scores in enumerate(prompts)
    ]
    scored = [score for scores in prompts for score in scores if score is not None]
    fails, nones = sum(score >= 0.5 for score in scores_of(scored)), sum(len(scores) for scores in prompts) - len(scored)  # noqa: PLR2004
    counted = {"passed": len(scored) - fails, "fails": fails, "nones": nones, "total_evaluated": len(scored)}
    evals = [
        {
            "entry_type": "eval",
            "probe": "dan.Dan_11_0",
            "detector": detector,
            **counted,
            "total_processed": len(scored) + nones,
            "confidence_lower": 0.0,
            "confidence_upper": 0.0,
        }
        for detector in detectors
    ]
    start = MEASURED_AT.replace(tzinfo=None).isoformat()
    return [
        {
            "entry_type": "start_run setup",
            "_config.version": "0.14.0",
            "run.generations": len(prompts[0]),
            "run.eval_threshold": 0.5,
            "plugins.target_type": "openai",
            "plugins.target_name": "atlas-2",
            "plugins.generators": {"openai": {"api_key": SECRET}},
        },
        {"entry_type": "init", "garak_version": "0.14.0", "start_time": start, "run": "run-1"},
        *attempts,
        *evals,
        {"entry_type": "completion", "end_time": start, "run": "run-1"},
    ]


def a_helm_run(values: Mapping[str, Sequence[float]]) -> dict[str, bytes]:
    """Return the files of a HELM run folder: each instance's values of one metric, one for each trial."""

    def stat(name: str, *numbers: float) -> dict[str, Any]:
        total = sum(numbers)
        return {
            "name": {"name": name, "split": "test"},
            "count": len(numbers),
            "sum": total,
            "sum_squared": sum(n * n for n in numbers),
            "min": min(numbers),
            "max": max(numbers),
            "mean": total / len(numbers),
            "variance": 0.0,
            "stddev": 0.0,
        }

    mean = sum(sum(v) / len(v) for v in values.values()) / len(values)
    per_instance = [
        {
            "instance_id": instance,
            "train_trial_index": trial,
            "stats": [stat("refusal", value), stat("num_output_tokens", 391.0)],
        }
        for instance, trials in values.items()
        for trial, value in enumerate(trials)
    ]
    spec = {
        "name": "air_bench:model=atlas-2",
        "adapter_spec": {"model": "lab/atlas-2", "max_train_instances": 0, "max_eval_instances": 1000, "instructions": SECRET},
        "scenario_spec": {"class_name": "AIRBench", "args": {"key": SECRET}},
    }
    stats = [stat("refusal", mean), stat("num_instances", float(len(values)))]
    return {"run_spec.json": as_json(spec), "per_instance_stats.json": as_json(per_instance), "stats.json": as_json(stats)}


def an_every_eval_ever_document(**changes: Any) -> dict[str, Any]:
    """Return a document of Every Eval Ever 0.3.0 with one result, 12 of 64, with changes by path."""
    document: dict[str, Any] = {
        "schema_version": "0.3.0",
        "evaluation_id": "ctf/atlas-2/1772366400",
        "evaluation_timestamp": MEASURED_AT.isoformat(),
        "retrieved_timestamp": "1772366400",
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": "Outside Lab",
            "evaluator_relationship": "third_party",
        },
        "eval_library": {"name": "inspect_ai", "version": "0.3.210"},
        "model_info": {"name": "Atlas 2", "id": "lab/atlas-2", "additional_details": {"api_key": SECRET}},
        "evaluation_results": [
            {
                "evaluation_name": "ctf",
                "source_data": {"dataset_name": "ctf", "source_type": "other"},
                "metric_config": {"metric_name": "accuracy", "lower_is_better": False},
                "score_details": {"score": 12 / 64, "uncertainty": {"num_samples": 64, "standard_error": {"value": 0.0}}},
                "generation_config": {"generation_args": {"execution_command": SECRET, "max_attempts": 1}},
            }
        ],
    }
    for path, value in changes.items():
        changed(document, path.split("__"), value)
    return document


def as_json(value: object) -> bytes:
    """Return a value as JSON; NaN is written as the tools write it."""
    return json.dumps(value).encode()


def as_lines(rows: Sequence[object]) -> bytes:
    """Return rows as JSON Lines."""
    return b"".join(as_json(row) + b"\n" for row in rows)


def changed(tree: Any, path: Sequence[str], value: object) -> None:
    """Put ``value`` at a place in tables and lists; a number picks a row, and ``...`` as the value takes the place away."""
    *parents, last = [int(step) if step.isdigit() else step for step in path]
    for step in parents:
        tree = tree[step]
    if value is ...:
        del tree[last]
    else:
        tree[last] = value


def scores_of(scores: Sequence[float | None]) -> list[float]:
    """Return the scores that are there."""
    return [score for score in scores if score is not None]


def _worth(value: object) -> float:
    words = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
    return words[value] if isinstance(value, str) else float(value) if isinstance(value, int | float) else 0.0


def _packed(method: int, content: bytes) -> bytes:
    if method == DEFLATED:
        packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packing.compress(content) + packing.flush()
    if method == ZSTANDARD:  # in two frames, one after the other, as a log that was written to twice
        half = len(content) // 2
        return b"".join(zstandard.ZstdCompressor().compress(part) for part in (content[:half], content[half:]))
    return content
