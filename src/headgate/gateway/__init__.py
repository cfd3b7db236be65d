"""The data plane: one request in, one answer or one refusal out.

Every surface compiles into the same call, one decision admits it, and the same decision is taken again for every open
exchange whenever the change feed reports something that touches it. Holds no authority of its own: what it knows is a
copy, and a copy too old to trust refuses.
"""
