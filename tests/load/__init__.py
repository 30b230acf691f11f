"""Load: what the gateway does in a second, as ratios to a bare aiohttp server and client beside it (`make bench`).

Parts that run as their own processes take jobs as JSON lines (children.py). No test here, and nothing asserts a time.
"""
