"""What operators watch: numbers for Prometheus, spans for OpenTelemetry."""

from headgate.adapters.telemetry.counting import Counting
from headgate.adapters.telemetry.exposition import exposed
from headgate.adapters.telemetry.sheets import Seen, Sheets, seen
from headgate.adapters.telemetry.tracing import Tracing
from headgate.adapters.telemetry.watching import Watching

__all__ = ["Counting", "Seen", "Sheets", "Tracing", "Watching", "exposed", "seen"]
