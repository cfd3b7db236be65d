"""Releases asks those who measure: a file for each kind of gate."""
