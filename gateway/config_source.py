"""Where the configuration comes from: the file with its line numbers, `ADVISOR__...` variables over it, secrets looked up.

The result is plain values for gateway/config.py to check, and a way to say where each of them was written.
"""

import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from services.yaml_file import Value, read_yaml

PREFIX = "ADVISOR__"
"""`ADVISOR__SERVER__PORT=8080` is `server.port`; an item of a list is named by its id or its place: `ADVISOR__ACCOUNTS__OA__SECRET`."""

_REFERENCE = re.compile(r"(env|file):(.+)", re.DOTALL)
_LARGEST_SECRET = 64 * 1024

Path_ = tuple[str | int, ...]


def dotted(path: Iterable[str | int]) -> str:
    """A place in the configuration as people write it: `accounts[0].token`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and the key it is about."""

    path: Path_
    message: str


@dataclass(slots=True)
class Source:
    """Values as they were written, before anything is checked; `literals` are places where a secret stands in the file itself."""

    name: str
    values: dict[str, Any]
    lines: dict[Path_, int] = field(default_factory=dict)
    variables: dict[Path_, str] = field(default_factory=dict)
    literals: list[Path_] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def located(self, problem: Problem) -> str:
        """One line for a person: where, which key, what is wrong and how to mend it."""
        path = problem.path
        if path in self.variables:
            where = self.variables[path]
        else:
            while path and path not in self.lines:
                path = path[:-1]
            where = f"{self.name}:{self.lines[path]}" if path in self.lines else self.name
        key = dotted(problem.path)
        return f"{where}: {key}: {problem.message}" if key else f"{where}: {problem.message}"


def read_source(path: Path, environment: Mapping[str, str]) -> Source:
    """The file at `path` with the variables of `environment` over it. Raises InvalidFile when it cannot be read."""
    value, _ = read_yaml(path)
    source = Source(path.name, {})
    plain = _plain(value, (), source.lines)
    if isinstance(plain, dict):
        source.values = plain
    else:
        source.problems.append(Problem((), "must be `key: value` lines, such as `data_dir: data`"))
    for name in sorted(environment):
        if name.startswith(PREFIX):
            _override(source, name, environment[name])
    return source


def _plain(value: Value, path: Path_, lines: dict[Path_, int]) -> Any:
    lines[path] = value.line
    if value.fields is not None:
        return {name: _plain(inner, (*path, name), lines) for name, inner in value.fields.items()}
    if value.items is not None:
        return [_plain(inner, (*path, place), lines) for place, inner in enumerate(value.items)]
    return value.text


def _override(source: Source, name: str, text: str) -> None:
    steps = name.removeprefix(PREFIX).lower().split("__")
    node: Any = source.values
    path: Path_ = ()
    for step in steps[:-1]:
        key = _key(node, step)
        if key is None:
            source.problems.append(
                Problem(path, f"{name} names no item of this list; use its id or its place (0, 1 ...)")
            )
            return
        path = (*path, key)
        node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        if not isinstance(node, dict | list):
            source.problems.append(Problem(path, f"{name} goes deeper than the configuration"))
            return
    last = _key(node, steps[-1])
    if last is None:
        source.problems.append(Problem(path, f"{name} names no item of this list; use its id or its place (0, 1 ...)"))
        return
    node[last] = _variable(text)
    source.variables[(*path, last)] = name


def _key(node: Any, step: str) -> str | int | None:
    if isinstance(node, dict):
        return step
    if step.isdecimal():
        return int(step) if int(step) < len(node) else None
    ids = [str(item.get("id", "")).lower().replace("-", "_") if isinstance(item, dict) else "" for item in node]
    return ids.index(step) if step in ids else None


def _variable(text: str) -> Any:
    """A variable's value: text, or a list or mapping where it is written as one (`[web, inbox]`)."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds nothing but texts, lists and mappings
    except yaml.YAMLError:
        return text


def look_up_secrets(source: Source, places: Iterable[Path_], environment: Mapping[str, str]) -> None:
    """Replace `env:NAME` and `file:PATH` at `places` by what they refer to, and note which secrets stand there literally."""
    for path in places:
        node: Any = source.values
        for step in path[:-1]:
            node = node[step]
        found = _REFERENCE.fullmatch(node[path[-1]])
        if found is None:
            if path not in source.variables:
                source.literals.append(path)
            continue
        look: Callable[[str], str] = environment.__getitem__ if found[1] == "env" else _secret_file
        try:
            node[path[-1]] = look(found[2])
        except KeyError:
            source.problems.append(
                Problem(path, f"the environment has no variable {found[2]}; set it before the start")
            )
        except (OSError, ValueError) as error:
            source.problems.append(Problem(path, f"the file {found[2]} cannot be used: {error}"))


def _secret_file(name: str) -> str:
    path = Path(name)
    if is_readable_by_others(path):
        raise ValueError(f"everybody on this machine may read it; `chmod o-rwx {name}`")
    content = path.read_bytes()
    if len(content) > _LARGEST_SECRET:
        raise ValueError(f"it has {len(content)} bytes, which is no secret")
    return content.decode().strip()


def is_readable_by_others(path: Path) -> bool:
    """Whether users who are neither the owner nor in the file's group may read it. Raises OSError."""
    return bool(path.stat().st_mode & stat.S_IROTH)
