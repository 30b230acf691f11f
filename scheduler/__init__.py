"""What happens by the clock: campaigns fired and worked off; every job of a node stands in jobs.py.

A job finds out from tables what is due and opens the transactions; what it means is said in services. Nothing is remembered here.
No HTTP, no platform, no handler belongs here; APScheduler stays in clock.py.
"""
