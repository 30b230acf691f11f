"""The table of jobs: everything that happens by the clock, on one screen."""

from scheduler import bindings, campaigns, firing
from scheduler.clock import Job

JOBS = (
    Job("campaigns.fire", every_ms=1_000, run=firing.run),
    Job("campaigns.work", every_ms=1_000, run=campaigns.run),
    Job("bindings.expire", every_ms=60_000, run=bindings.run),
)
"""Each runs on every node with the role `scheduler`; the tables decide who does what."""
