"""What can be asked of evidence: what labels show, and what was handed in from outside."""

from headgate.evidence.service.filing import Added, Case, Filing, Understood
from headgate.evidence.service.measuring import AGREES_TO, WATCHMAN, Evidence, Replay
from headgate.evidence.service.receiving import Declaration, HandedIn

__all__ = ["AGREES_TO", "WATCHMAN", "Added", "Case", "Declaration", "Evidence", "Filing", "HandedIn", "Replay", "Understood"]
