"""The command line of plans and releases: parse, ask the service once, print."""
