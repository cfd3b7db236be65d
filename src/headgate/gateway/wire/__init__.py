"""Pure codecs: a request body that is read but not rewritten, a stream that is observed but not rewritten, a refusal."""
