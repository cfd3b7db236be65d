"""The processes that make a running Headgate: workers (data plane and web), the steward, and who keeps them alive."""
