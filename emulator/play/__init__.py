"""The control face (`/play`): lets a test, the demo or the page act as customers and members, and read what happened.

`customers` and `members` act, `views` and `stream` tell, `control` moves the clock and orders faults.
Nothing here is part of a platform's API.
"""
