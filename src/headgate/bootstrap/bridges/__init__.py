"""The only places where two subjects meet: each module implements one subject's port with another subject's service."""
