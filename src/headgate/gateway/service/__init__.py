"""Use cases of the gateway: what is known, what may be spent, what is under way."""
