"""Where the house is put together: settings, wiring, the bridges between subjects, the processes and the command line.

Nothing here decides anything. A subject that needs something from another says so in its ``ports``; a module of
``bridges`` answers by asking the other subject's service.
"""
