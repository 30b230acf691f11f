"""Everything that is wrong with what a marketer wrote, told at once: each problem with the field it is about."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import InvalidError
from templates.errors import TemplateError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `field`: where it was written (`audience.shop`); `line`: in a field of several lines, from 1, else 0."""

    field: str
    message: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidDraft(InvalidError):
    """Nothing was kept. `problems` are all that were found; the error's own field is that of the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), field=problems[0].field or None)
        self.problems = problems


class Problems:
    """Collects what is wrong, so that reading goes on to the next field."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, field: str, message: str, line: int = 0) -> None:
        """Note a problem."""
        self._found.append(Problem(field, message, line))

    def of(self, field: str = "") -> "_Noting":
        """Inside `with`: an InvalidError ends the block and is noted as a problem of `field`, or of the field it names itself."""
        return _Noting(self, field)

    def note(self, error: InvalidError, field: str = "") -> None:
        """Note what an error says."""
        if isinstance(error, InvalidDraft):
            self._found += error.problems
        elif isinstance(error, TemplateError):
            self.add(field, error.words("en"), error.line or 0)
        else:
            self.add(field or error.field or "", error.message)

    def refuse(self) -> None:
        """Raises InvalidDraft when there is any problem."""
        if self._found:
            raise InvalidDraft(tuple(self._found))


@dataclass(frozen=True, slots=True)
class _Noting:
    problems: Problems
    field: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, InvalidError):
            return False
        self.problems.note(error, self.field)
        return True


def did_you_mean(written: str, known: Iterable[tuple[str, str]]) -> str:
    """`; did you mean "jingan"?` for the known (code, name) nearest to what was written, by either; empty when none is near."""
    spellings = {spelling.casefold(): code for code, name in known for spelling in (name, code) if spelling}
    near = difflib.get_close_matches(written.casefold(), spellings, n=1)
    return f'; did you mean "{spellings[near[0]]}"?' if near else ""
