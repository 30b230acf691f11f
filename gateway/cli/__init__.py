"""The command line: commands, what they print, and how they reach the data: in process, or through the node that holds it.

With gateway/app.py and gateway/__main__.py this is the wiring: it may see every room. What a command does is an operation of
console/api or a use case of services; no statement and no rule of the field belongs here.
"""
