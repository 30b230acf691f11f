"""The demo: a sample brand, and what turns a fresh folder into a working product with it. Started by `advisor-gateway demo` alone.

The gateway in it is the real one; the platforms are the emulator, a process of its own. The data files here are imported through
the same doors as anybody's.
"""
