"""What stands between Headgate and the outside: database engines, mail, identity providers, object stores, telemetry."""
