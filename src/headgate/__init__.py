"""Headgate opens access to an AI model a notch at a time, only as far as the evidence reaches, and can shut it in a second."""

__version__ = "0.1.0"
