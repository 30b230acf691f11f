"""The errors people may see.

    ProblemError
    ├── InvalidError      the input is wrong; names the field and the way out
    ├── NotFoundError     there is no such thing, or it is not yours
    ├── ConflictError     it changed meanwhile, or exists already
    └── ForbiddenError    you may not

Edges translate them once: the HTTP face by one map to a status, the command line to one line and exit code 2.
"""


class ProblemError(Exception):
    """Something a person can act on. `code` is stable for programs, `message` is for people, `field` names the culprit."""

    code = "problem"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidError(ProblemError):
    """The input is wrong."""

    code = "invalid"


class NotFoundError(ProblemError):
    """There is no such thing, or it is not yours: the two are never told apart."""

    code = "not_found"


class ConflictError(ProblemError):
    """It changed meanwhile, or it exists already."""

    code = "conflict"


class ForbiddenError(ProblemError):
    """The caller may not do this."""

    code = "forbidden"
