"""The exchange log: what was asked, what came back, and how it ended, of every exchange that Headgate admits.

Each gateway worker writes a spool of its own; the steward settles what a dead worker left open, seals old rows into
segments and destroys the keys of days whose retention is over. Reading a transcript is itself a ledger entry. Prompts and
answers leave this package only through ``log.ExchangeLog``.
"""
