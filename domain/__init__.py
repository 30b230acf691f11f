"""Nouns and rules of the field: what an advisor, a binding, a message and a window are, and what follows from them.

Standard library only; frozen values; no I/O and no clock inside: time is a parameter (`int` milliseconds since the Unix epoch, UTC).
Anything that reads, writes, renders or calls belongs in another room.
"""
