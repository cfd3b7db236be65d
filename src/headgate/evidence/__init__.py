"""What was measured, and what it does and does not show.

Labels on sampled exchanges come in; a verdict with its numbers, its reasons and its list of what was *not* shown goes
out. A reading that a decision rests on is kept with all its inputs, so that anyone can work it out again. Evidence is
keyed by epoch (release, stage, attempt) and never crosses from one to another.
"""
