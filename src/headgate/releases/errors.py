"""What may go wrong with plans and releases, by what the caller should do about it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound

# Plans.


class PlanInvalid(Invalid):
    """The plan has at least one finding that forbids carrying it out; the findings say which lines to mend."""

    code = "plan.invalid"


class PlanUnreadable(NotFound):
    """There is no plan to read under this name: no such file, or not one that may be read."""

    code = "plan.unreadable"
