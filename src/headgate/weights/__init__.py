"""Gated artefacts: weights served to the Hugging Face client, to the people whose grant says so.

Weights are a surface like any other and pass the same door, with one difference that shapes everything here: a copy that
has left cannot be called back. So a revision is named by its content, a refusal says what is lacking in the words that the
client shows, and what each recipient was handed is written down for that recipient.
"""
