"""Plans, stages, gates, tripwires and decisions: how far a model is open, and what would open or shut it.

A plan declares a ladder; a release carries it out for one version. Only a PASS of every gate, with the named approvals,
climbs; one responsible person or one tripwire is enough to hold, narrow or cut.
"""
