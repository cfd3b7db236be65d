"""The rules of the tree: what its root is, what proves a claim about it, and what contradicts it. Pure."""
