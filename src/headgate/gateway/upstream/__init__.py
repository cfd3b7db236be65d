"""Calls out to model servers: which of several replicas is asked, and the bytes there and back."""

from headgate.gateway.upstream.client import Answer, Upstreams
from headgate.gateway.upstream.errors import NotReached, UpstreamBusy
from headgate.gateway.upstream.replicas import Health, Replicas, ServerStanding

__all__ = ["Answer", "Health", "NotReached", "Replicas", "ServerStanding", "UpstreamBusy", "Upstreams"]
