"""What every page looks like: the tokens of its design, its frame, and how times, spans and numbers are written on it.

The console, the portal and the reports are made of it. It knows no subject and asks nobody anything.
"""
