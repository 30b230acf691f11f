"""Everything that is wrong with what a marketer wrote, told at once: each problem with the field it is about."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, field: str, message: str, line: int = 0) -> None:
        """Note a problem."""
        self._found.append(Problem(field, message, line))

    @contextmanager
    def of(self, field: str = "") -> Iterator[None]:
        """Note an InvalidError raised inside, as a problem of `field`, or of the field it names itself."""
        try:
            yield
        except InvalidDraft as error:
            self._found += error.problems
        except TemplateError as error:
            self.add(field, error.words("en"), error.line or 0)
        except InvalidError as error:
            self.add(field or error.field or "", error.message)

    def refuse(self) -> None:
        """Raises InvalidDraft when there is any problem."""
        if self._found:
            raise InvalidDraft(tuple(self._found))


def did_you_mean(written: str, known: Iterable[tuple[str, str]]) -> str:
    """`; did you mean "jingan"?` for the known (code, name) nearest to what was written, by either; empty when none is near."""
    spellings = {spelling.casefold(): code for code, name in known for spelling in (name, code) if spelling}
    near = difflib.get_close_matches(written.casefold(), spellings, n=1)
    return f'; did you mean "{spellings[near[0]]}"?' if near else ""
