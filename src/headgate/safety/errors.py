"""What can go wrong while sampling, reviewing and answering, by what the caller should do about it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Refused, Stale, Unavailable


class SafetyStoreUnavailable(Unavailable):
    """The system of record did not answer; nothing was changed."""

    code = "safety.store_unavailable"


class ContentUnavailable(Unavailable):
    """The exchange log did not answer; nothing was read and nothing was changed."""

    code = "safety.content_unavailable"


class DetectorFailed(Unavailable):
    """A detector could not score an exchange: its answer is missing, which is not the answer "harmless"."""

    code = "detector.failed"


class RuleSetInvalid(Invalid):
    """A rule set breaks its own promises: a field, a pattern or an example."""

    code = "detector.rule_set_invalid"


class WatchPlanInvalid(Invalid):
    """A review duty contradicts itself."""

    code = "sampling.watch_plan_invalid"


class CollectorOverlap(Stale):
    """Another collector took this batch first; it is in good hands."""

    code = "sampling.collector_overlap"


class EpochUnknown(NotFound):
    """No exchange of this epoch was ever sampled, and its seed was never committed."""

    code = "sampling.epoch_unknown"


class HazardUnknown(NotFound):
    """The labels of this epoch do not answer for such a hazard, so they say nothing of it."""

    code = "sampling.hazard_unknown"


class EpochOpen(Refused):
    """The seed of an epoch that still draws stays secret: a coin that can be foreseen is no coin."""

    code = "sampling.epoch_open"


class ItemUnknown(NotFound):
    """There is no such item in the review queue."""

    code = "review.item_unknown"


class ClaimLost(Stale):
    """The item is not, or no longer, in this reviewer's hands."""

    code = "review.claim_lost"


class LabelInvalid(Invalid):
    """A label answers for every hazard of the release and for no other."""

    code = "review.label_invalid"


class NothingToUndo(Refused):
    """There is no label of yours from this session that nobody has built on."""

    code = "review.nothing_to_undo"


class EnoughForToday(Refused):
    """This reviewer has read as much flagged content as a day may hold; what is left is for somebody else, or for tomorrow."""

    code = "review.enough_for_today"


class NotSettled(Refused):
    """A label can be corrected once it stands; until then, review it."""

    code = "review.not_settled"


class IncidentUnknown(NotFound):
    """There is no such incident."""

    code = "incident.unknown"


class IncidentMoved(Stale):
    """Somebody changed the incident since you looked."""

    code = "incident.moved"


class IncidentStepRefused(Refused):
    """An incident only goes forward, and never out of its last state."""

    code = "incident.step_refused"


class IncidentInvalid(Invalid):
    """What was said of the incident cannot be."""

    code = "incident.invalid"


class GoldInvalid(Invalid):
    """An exchange cannot be a gold item: what is known of it, or what was said in it, is missing."""

    code = "review.gold_invalid"


class GoldUnknown(NotFound):
    """There is no such gold item."""

    code = "review.gold_unknown"


class GoldItem(Refused):
    """This was a gold item, put there to measure its readers: nobody said it to the model, and its label counts nowhere."""

    code = "review.gold_item"


class NobodyFlags(NotFound):
    """No detector in force looks for this hazard, so that nobody is flagged for it says nothing."""

    code = "detector.nobody_flags"


class ReportUnfounded(NotFound):
    """Somebody reports an answer that they were not given."""

    code = "report.unfounded"


class ReportsExhausted(Refused):
    """An account has reported as many answers as it can in a day."""

    code = "report.exhausted"
