"""What people see: the JSON API, and later the pages for advisors, marketers, managers and customers.

Handlers read and write through services and repositories, always within the caller's brand.
No platform call and no rule of the field belongs here. gateway/app.py mounts it; the command line calls the same operations.
"""
