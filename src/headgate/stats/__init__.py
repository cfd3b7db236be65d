"""Numbers in, numbers out: the arithmetic behind every gate, alarm and plan check.

Nothing here knows what a release is; nothing here keeps state, reads a clock or tosses a coin. Each function states its
shapes and units, the theorem that it rests on, and the test that checks it against an independent computation. A gate
(``gate``) proves that a rate is low; an alarm (``alarm``) notices that it rose; ``spending`` shares out the chance of
being wrong; ``power`` says beforehand what a number of labels can decide.
"""
