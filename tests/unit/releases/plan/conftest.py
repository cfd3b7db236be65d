from __future__ import annotations

import pytest

CLEAN = """\
kind: ReleasePlan
name: clean
model:
  name: small-model
  upstream: {url: "http://127.0.0.1:8901/v1", model: small-model}
  version: {weights: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
end_state: api_general
staging_is_for: [misuse, accident]
hazards:
  harm: {severity: high, limit: {traffic: 1.0e-2}, expected: 1.0e-3}
stages:
  - name: staff
    who: {cohort: staff, seats: 20}
    what: {surfaces: [api.chat], capabilities: [streaming]}
    how_much: {requests: 30/min, tokens: 200k/day, expected_use: 20}
    watch: {sample: 350/week, reviewers: 2, output_screen: trail}
    asks: ["does it hurt anybody?"]
    leave:
      - exposure: {accounts: 5, exchanges: 500}
      - soak: {active_days: 7, at_most: 28d}
      - rate: {hazard: harm, below: 2.0e-2, alpha: 0.02}
      - incidents: {open_at_most: {critical: 0}}
      - approval: {roles: [safety_lead]}
    stop:
      - rise: {hazard: harm, from: 1.0e-2, to: 1.0e-1, false_alarm_every: 365d, then: hold}
      - incident: {severity: critical, then: cut}
      - monitor_down: {for: 15m, then: hold, narrow_after: 6h}
  - name: general
    who: {cohort: general, seats: 150, admission: open}
    what: {surfaces: [api.chat], capabilities: [streaming]}
    how_much: {requests: 30/min, tokens: 200k/day, expected_use: 20}
    watch: {sample: 700/week, reviewers: 2, output_screen: trail}
    asks: ["does what held for staff hold for everyone?"]
    leave:
      - soak: {active_days: 14, at_most: 42d}
      - rate: {hazard: harm, below: 1.0e-2, alpha: 0.02}
      - incidents: {open_at_most: {critical: 0}}
    stop:
      - rise: {hazard: harm, from: 5.0e-3, to: 5.0e-2, false_alarm_every: 365d, then: narrow}
"""

WEIGHTS = """\
  - name: weights
    irreversible: true
    who: {cohort: licensees}
    what: {surfaces: [weights]}
    leave: []
    needs_before: [api_stage_completed, open_weights_thresholds, fine_tuned_worst_case, control_loss_acknowledged]
    approval: {quorum: 3, roles: [safety_lead, security, board], cool_off: 72h, waivable: never}
"""


@pytest.fixture
def clean() -> str:
    """A plan that lint has nothing to say of."""
    return CLEAN


@pytest.fixture
def with_weights() -> str:
    """The same, with a last stage that hands out weights."""
    text = CLEAN.replace("api_general", "weights_gated")
    asks = "      - audit: {scope: control_loss}\n      - approval: {roles: [safety_lead, release_manager]}\n"
    widen = "      - incidents: {open_at_most: {critical: 0}}\n    stop:\n      - rise: {hazard: harm, from: 5.0e-3"
    return text.replace(widen, widen.replace("    stop", f"{asks}    stop")) + WEIGHTS
