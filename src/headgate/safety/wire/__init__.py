"""Published formats that safety reads, and plain text that a terminal may show."""
