"""A world in which everything is known, to play a plan in before people do.

Somebody states the true rates, who misbehaves and when, how good the detector and the reviewers are, and how late labels
come. ``labels`` draws what a stage would then see; ``paths`` says what the gates and alarms of this build make of it, with
the same arithmetic that decides about real releases; ``estimates`` says how sure a number of plays makes one.

Time is cut into ticks. A request belongs to a tick, a label stands from some instant on, and a gate looks at the end of every
tick. So the frontier moves by whole ticks: what is played decides on the same labels as what is real, at most a tick later.
Randomness is a generator that is handed in; the same generator gives the same world.
"""
