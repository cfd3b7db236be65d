"""Fine-tuning, as OpenAI publishes it (https://platform.openai.com/docs/api-reference/fine-tuning)."""
