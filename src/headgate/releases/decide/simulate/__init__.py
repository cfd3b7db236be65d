"""Playing a plan in a stated world: the ladder climbs by the rules that real releases climb by.

``ground`` turns stages and the world into numbers, ``stage`` plays one stage's traffic and says what its gates and tripwires
would have read at every hour, ``play`` lets ``next_step`` and ``states.decide`` act on those readings, and ``summary`` counts.
Only the readings are made up. A verdict, a signature, a promotion, a cut is what this build would have made of them.
"""

from __future__ import annotations

from headgate.releases.decide.simulate.ground import Script, script_of
from headgate.releases.decide.simulate.play import play
from headgate.releases.decide.simulate.summary import summary

__all__ = ["Script", "play", "script_of", "summary"]
