"""Errors as the API answers them: `{"error": {"code", "message", "field"?}}`, one status for each code, never a trace."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, ProblemError
from storage.errors import StorageError

log = logging.getLogger(__name__)


class MalformedError(ProblemError):
    """The request is no request of this API: broken JSON, or no JSON at all."""

    code = "malformed"


class UnauthorizedError(ProblemError):
    """Whoever asks was not let in: no token, a wrong, an expired or a revoked one. The answer is the same for all."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("a valid token is needed: Authorization: Bearer agw_...")


class MethodError(ProblemError):
    """The path exists, the method does not."""

    code = "method_not_allowed"


class TooLargeError(ProblemError):
    """The body is over the limit."""

    code = "too_large"


class UnsupportedError(ProblemError):
    """The body is in another form than plain JSON."""

    code = "unsupported_encoding"


class UnavailableError(ProblemError):
    """It cannot be done now, and it is not the caller's fault."""

    code = "unavailable"


STATUS: Mapping[str, int] = {
    MalformedError.code: 400,
    UnauthorizedError.code: 401,
    ForbiddenError.code: 403,
    NotFoundError.code: 404,
    MethodError.code: 405,
    ConflictError.code: 409,
    TooLargeError.code: 413,
    UnsupportedError.code: 415,
    InvalidError.code: 422,
    ProblemError.code: 422,
    UnavailableError.code: 503,
}

_BY_CODE: Mapping[str, type[ProblemError]] = {
    kind.code: kind for kind in (InvalidError, NotFoundError, ConflictError, ForbiddenError, UnavailableError)
}


def as_problem(error: Exception) -> ProblemError:
    """Whatever went wrong, as something to tell a caller; what nobody expected is logged and told as nothing."""
    match error:
        case ProblemError():
            return error
        case ValidationError():
            return invalid(error)
        case StorageError():
            log.warning("storage did not answer an API request: %s", error)
            return UnavailableError(str(error))
        case _:
            reference = secrets.token_hex(6)
            log.error("an API request failed, reference %s", reference, exc_info=error)
            return UnavailableError(f"this did not work, and it is our fault; the log has it as {reference}")


def invalid(error: ValidationError) -> InvalidError:
    """The first thing a model found wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return InvalidError(message, field=where or None)


def body_of(problem: ProblemError) -> dict[str, Any]:
    """The error's JSON body."""
    error = {"code": problem.code, "message": problem.message}
    if problem.field is not None:
        error["field"] = problem.field
    return {"error": error}


def from_body(body: Any) -> ProblemError:
    """The error that `body_of` wrote, on the asking side."""
    try:
        error = body["error"]
        kind = _BY_CODE.get(error["code"], ProblemError)
        return kind(str(error["message"]), field=error.get("field"))
    except (KeyError, TypeError, AttributeError):
        return UnavailableError("the node gave an answer that cannot be read: is it the same version as this command?")
