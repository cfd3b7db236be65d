"""Stand-ins: a clock that stands still, and a small model server that is no model.

Nothing here is used in production except the small model server, which ``headgate up`` starts when no real one is named,
and which says of itself that it is a stand-in.
"""
