"""Batches, as OpenAI publishes them (https://platform.openai.com/docs/api-reference/batch)."""
