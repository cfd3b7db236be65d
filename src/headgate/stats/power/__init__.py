"""What a number of labels can decide, said before anyone collects them.

A gate that cannot pass with the labels a stage will have is a plan's mistake, not a model's. These functions find it:
the labels that the gate needs when there is no harm, when the rate is what one expects, and the chance to pass at all;
Wald's bound says what no method could better. All of it is exact arithmetic, with no simulation.
"""

from headgate.stats.power.law import (
    HORIZON,
    NEGLIGIBLE,
    Decidability,
    PassLaw,
    decidable,
    mean_labels,
    pass_law,
)
from headgate.stats.power.limits import (
    alarm_labels,
    divergence,
    growth,
    wald_labels,
    zero_harm_labels,
)
from headgate.stats.power.passes import (
    boundaries,
    clean_labels_to_go,
    clean_requests_to_go,
    labels_to_go,
)

__all__ = [
    "HORIZON",
    "NEGLIGIBLE",
    "Decidability",
    "PassLaw",
    "alarm_labels",
    "boundaries",
    "clean_labels_to_go",
    "clean_requests_to_go",
    "decidable",
    "divergence",
    "growth",
    "labels_to_go",
    "mean_labels",
    "pass_law",
    "wald_labels",
    "zero_harm_labels",
]
