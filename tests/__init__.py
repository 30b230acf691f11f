"""Tests by what they need: unit (nothing), contract (both engines), flow, console, e2e, faults, load, architecture.

They state behaviour through public faces, never sleep, and get their time from `clock`.
"""
