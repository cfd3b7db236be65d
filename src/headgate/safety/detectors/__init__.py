"""Detectors: what can be said of an exchange by machine. One interface, one file for each family."""
