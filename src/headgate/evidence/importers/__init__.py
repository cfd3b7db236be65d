"""Results of other people's tools, read into findings: one file for each format, all behind ``detect.read``."""
