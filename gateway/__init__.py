"""The edge and the wiring: HTTP, intake, inbox, outbox, channels; the only place that talks to platforms.

`app.py` and `__main__.py` put everything together; nothing else here may know handlers, scheduler or console.
What an event means is decided in `handlers`, what is written in `services`.
"""
