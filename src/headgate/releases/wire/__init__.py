"""The plan as a document: YAML with places, its JSON Schema, and the canonical form that its digest is taken over."""
