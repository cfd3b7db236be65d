"""The control API does as it describes itself, whatever it is sent: no fault, no answer that it did not announce."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from functional.kit import running

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


def test_every_operation_keeps_to_its_description(model: str, tmp_path: Path) -> None:
    with running(tmp_path / "data", model) as headgate:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"{headgate.where.url}/api/openapi.json",
                f"--header=Authorization: Bearer {headgate.where.token}",
                f"--checks={','.join(CHECKS)}",
                "--phases=examples,coverage,fuzzing",
                "--max-examples=6",
                "--seed=20261121",
                "--suppress-health-check=all",
                "--continue-on-failure",
                "--workers=1",
            ],
            capture_output=True,
            text=True,
            timeout=350,
            check=False,
            cwd=tmp_path,
        )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
