"""Rules over values, and nothing else: nothing here reads a store or a clock.

``use`` says who may use a key, ``moves`` what may follow what, ``inputs`` what may be written down, ``permissions`` which
role may ask for what.
"""

from headgate.access.decide.permissions import permissions_markdown
from headgate.access.decide.use import must_be_usable, must_reach, terms_current

__all__ = ["must_be_usable", "must_reach", "permissions_markdown", "terms_current"]
