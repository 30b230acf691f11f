"""Use cases: plain functions over a transaction, shared by inbox, scheduler and console: bind, reply, campaign, why.

They take `tx` and never open one; they call no platform: what they want from one is a row in the outbox.
No HTTP, no Jinja environment, no scheduler belongs here.
"""
