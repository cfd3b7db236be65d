"""The plan's JSON Schema (draft 2020-12), for editors: made from the same types that read plans.

It accepts at least every plan that reads; what no schema can say (references, units that overflow, lint) stays with lint.
"""

from __future__ import annotations

from typing import Any

from headgate.releases.model.plan import Plan
from headgate.releases.wire.reading import GATES, TRIPWIRES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> dict[str, Any]:
    """Return the schema of a plan file."""
    schema = Plan.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    stage: dict[str, Any] = definitions["Stage"]["properties"]
    for key, kinds in (("leave", GATES), ("stop", TRIPWIRES)):
        stage[key] = {
            "type": "array",
            "title": key.title(),
            "default": [],
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {kind: {"$ref": f"#/$defs/{part.__name__}"}},
                        "required": [kind],
                        "additionalProperties": False,
                    }
                    for kind, part in kinds.items()
                ]
            },
        }
    for part in (*GATES.values(), *TRIPWIRES.values()):
        definitions[part.__name__]["properties"].pop("kind")
    schema["required"] = ["kind", *schema["required"]]
    return {"$schema": _DIALECT, **schema, "title": "Headgate release plan"}
