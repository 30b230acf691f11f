"""The engine for texts marketers write: `check` when a template is saved, `compile` once, `render` for each person.

Jinja2's sandbox stops templates from reaching into Python, but not from using up the machine, and it folds constants while
compiling. So the grammar is smaller than the sandbox: text, variables of the catalogue, constants, `{% if %}`, comparisons,
and/or/not and the filters of filters.py. Everything else is refused on the syntax tree before any code is made from it, sizes are
refused before anything is parsed, and each variable is replaced by a slot, so that no attribute access is left to be attacked.
"""

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates import plain
from templates.errors import (
    BadLink,
    EmptyText,
    Malformed,
    NotAllowed,
    TextTooLong,
    UnknownFilter,
    UnknownVariable,
    WrongKind,
)
from templates.filters import FILTERS, Argument, show
from templates.markup import Outline
from templates.source import Source, Where, refuse_length, refuse_tags
from templates.values import NUMBER_LIMIT, read
from templates.variables import Value, VariableKind

NOWHERE = Where()
"""No channel yet: no links, and the room of an ordinary text message."""

_STRAY = re.compile(r"\{\{|\}\}|\{%|%\}|[{｛]{1,2}\s*[A-Za-z_][\w.]*\s*[}｝]{1,2}")
"""What is left in the text when a placeholder was written wrongly: `{customer.name}`, `｛｛customer.name｝｝`, a lone `}}`."""

_FILTER_NAMES = ", ".join(FILTERS)
_SIGNS = MappingProxyType({"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="})
_AMOUNTS = frozenset({VariableKind.NUMBER, VariableKind.MONEY})


@dataclass(frozen=True, slots=True)
class Checked:
    """A template that may be saved. `variables` are the ones it uses; `fingerprint` (SHA-256 of the source) changes with any edit."""

    source: str
    where: Where
    variables: Mapping[str, VariableKind]
    fingerprint: str
    tree: nodes.Template = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to be filled in: immutable, so a campaign keeps the version it began with."""

    checked: Checked
    template: Template = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, and how much of the channel's room it takes."""

    text: str
    used_bytes: int
    max_bytes: int


def check(source: str, variables: Mapping[str, VariableKind], *, where: Where = NOWHERE) -> Checked:
    """Read a template against the `variables` it may use. Raises UnsavableTemplate, which names the line and the way out."""
    refuse_length(Source(source, where))
    cleaned = Source(plain.clean(source), where)
    tree = _parse(cleaned)
    used = _Grammar(cleaned, variables).accept(tree)
    fingerprint = hashlib.sha256(cleaned.text.encode()).hexdigest()
    return Checked(cleaned.text, where, MappingProxyType(used), fingerprint, tree)


def compile(checked: Checked) -> Compiled:
    """Make code from a checked template, once. Nothing of the template is computed here."""
    return Compiled(checked, _environment().from_string(checked.tree))


def render(compiled: Compiled, values: Mapping[str, Value]) -> str:
    """The text for one person; `values` by full name, `{"customer.name": "王女士"}`; more of them than needed do no harm.

    Values come out as they are: never read as a template, never as a link tag. Raises UnsendableText (MissingValue, BadValue,
    EmptyText, TextTooLong): skip this person and keep the reason.
    """
    checked = compiled.checked
    ready = {
        _slot(name): read(name, kind, values.get(name), checked.where.links_under)
        for name, kind in checked.variables.items()
    }
    text = compiled.template.render(ready)
    if plain.is_blank(text):
        raise EmptyText
    if (size := len(text.encode())) > checked.where.max_bytes:
        raise TextTooLong(size, checked.where.max_bytes)
    return text


def preview(compiled: Compiled, values: Mapping[str, Value]) -> Preview:
    """Exactly what `render` gives, with its length in bytes. Raises the same errors."""
    text = render(compiled, values)
    return Preview(text, len(text.encode()), compiled.checked.where.max_bytes)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # A finalizer that wants the context, and no optimizer: jinja2 then has no way to compute a constant while compiling.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=_print,
        optimized=False,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS)
    return environment


@pass_context
def _print(context: Context, value: object) -> str:
    return show(value)


def _slot(variable: str) -> str:
    """The name that stands for a variable in the compiled template: an identifier, different for each variable."""
    return "v" + variable.encode().hex()


def _parse(source: Source) -> nodes.Template:
    try:
        refuse_tags(source, _environment().lex(source.text))
        return _environment().parse(source.text)
    except TemplateSyntaxError as error:
        raise Malformed("template.malformed", **source.passage(error.lineno)) from error


Typed = tuple[nodes.Expr, VariableKind | None]
"""An expression and what it gives; None for a truth value, which cannot be printed."""


class _Grammar:
    """Accepts one syntax tree, or raises; puts a slot in the place of each variable on the way."""

    def __init__(self, source: Source, variables: Mapping[str, VariableKind]) -> None:
        self._source, self._variables = source, variables
        self._used: dict[str, VariableKind] = {}
        self._outline = Outline()

    def accept(self, tree: nodes.Template) -> dict[str, VariableKind]:
        """The variables the template uses."""
        self._statements(tree.body)
        self._outline.refuse_markup(self._source)
        return self._used

    def _statements(self, statements: Sequence[nodes.Node]) -> None:
        for statement in statements:
            match statement:
                case nodes.Output():
                    statement.nodes = [self._printed(part) for part in statement.nodes]
                case nodes.If():
                    self._condition(statement)
                case _:
                    raise self._not_allowed(statement)

    def _condition(self, statement: nodes.If) -> None:
        statement.test, _ = self._expression(statement.test)
        for branch in (statement.body, statement.elif_, statement.else_):
            self._outline.other(statement.lineno)
            self._statements(branch)
        self._outline.other(statement.lineno)

    def _printed(self, part: nodes.Expr) -> nodes.Expr:
        if isinstance(part, nodes.TemplateData):
            return self._literal(part)
        expression, kind = self._expression(part)
        if kind is None:
            raise self._wrong_kind(part, "{{ }}")
        mark = self._outline.link if kind is VariableKind.LINK else self._outline.other
        mark(part.lineno)
        return expression

    def _literal(self, part: nodes.TemplateData) -> nodes.Expr:
        if stray := _STRAY.search(part.data):
            line = part.lineno + part.data.count("\n", 0, stray.start())
            raise Malformed("template.malformed", **self._source.passage(line, stray.group()))
        self._outline.text(part.lineno, part.data)
        return part

    def _expression(self, node: nodes.Node) -> Typed:
        match node:
            case nodes.Name() | nodes.Getattr():
                return self._variable(node)
            case nodes.Const():
                return node, self._constant(node)
            case nodes.Filter():
                return self._filtered(node)
            case nodes.Compare():
                return self._compared(node)
            case nodes.And() | nodes.Or():
                return self._joined(node)
            case nodes.Not():
                node.node, _ = self._expression(node.node)
                return node, None
            case _:
                raise self._not_allowed(node)

    def _variable(self, node: nodes.Name | nodes.Getattr) -> Typed:
        name = _dotted(node)
        if name is None:
            raise self._not_allowed(node)
        kind = self._variables.get(name)
        place = self._source.place(node.lineno, name)
        if kind is None:
            raise UnknownVariable(name, _nearest(name, self._variables), **place)
        if kind is VariableKind.LINK and not self._source.where.links_under:
            raise BadLink("template.no_links_here", variable=name, **place)
        self._used[name] = kind
        return nodes.Name(_slot(name), "load", lineno=node.lineno, environment=node.environment), kind

    def _constant(self, node: nodes.Const) -> VariableKind:
        value = node.value
        if type(value) is str and "<" not in value:
            return VariableKind.TEXT
        if type(value) in (int, float) and abs(value) < NUMBER_LIMIT:
            return VariableKind.NUMBER
        raise self._not_allowed(node)

    def _filtered(self, node: nodes.Filter) -> Typed:
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self._not_allowed(node)
        if node.name not in FILTERS:
            place = self._source.place(node.lineno, node.name)
            raise UnknownFilter("template.unknown_filter", name=node.name, filters=_FILTER_NAMES, **place)
        argument = self._argument(node)
        node.node, kind = self._expression(node.node)
        if kind is None or not FILTERS[node.name].fits(kind, argument):
            raise self._wrong_kind(node, node.name)
        return node, FILTERS[node.name].gives(kind, argument)

    def _argument(self, node: nodes.Filter) -> Argument | None:
        if not node.args:
            return None
        argument = node.args[0]
        if len(node.args) > 1 or not isinstance(argument, nodes.Const):
            raise self._not_allowed(node)
        self._constant(argument)
        value: Argument = argument.value
        return value

    def _compared(self, node: nodes.Compare) -> Typed:
        node.expr, left = self._expression(node.expr)
        for operand in node.ops:
            operand.expr, right = self._expression(operand.expr)
            if not _comparable(operand.op, left, right):
                raise self._wrong_kind(node, _SIGNS.get(operand.op, operand.op))
            left = right
        return node, None

    def _joined(self, node: nodes.And | nodes.Or) -> Typed:
        node.left, left = self._expression(node.left)
        node.right, right = self._expression(node.right)
        return node, left if left is right else None

    def _not_allowed(self, node: nodes.Node) -> NotAllowed:
        return NotAllowed("template.not_allowed", filters=_FILTER_NAMES, **self._source.passage(_line(node)))

    def _wrong_kind(self, node: nodes.Node, name: str) -> WrongKind:
        return WrongKind("template.wrong_kind", name=name, **self._source.passage(node.lineno, name))


def _comparable(sign: str, left: VariableKind | None, right: VariableKind | None) -> bool:
    if sign not in _SIGNS:
        return False
    if left is right is VariableKind.TEXT:
        return sign in ("eq", "ne")
    return {left, right} <= _AMOUNTS or left is right is VariableKind.DATE


def _line(node: nodes.Node) -> int:
    # What jinja2 makes of {% autoescape %} has no line of its own, its parts have.
    return next((part.lineno for part in (node, *node.find_all(nodes.Node)) if part.lineno), 1)


def _dotted(node: nodes.Node) -> str | None:
    """`customer.name` as it was written; None for an attribute of anything but a name."""
    parts: list[str] = []
    while isinstance(node, nodes.Getattr):
        parts.append(node.attr)
        node = node.node
    if not isinstance(node, nodes.Name):
        return None
    return ".".join([node.name, *reversed(parts)])


def _nearest(name: str, variables: Mapping[str, VariableKind]) -> str:
    """The valid name that was probably meant: close as a whole, or close in its last part (`nane` for `customer.name`)."""
    wanted = name.casefold()
    if whole := difflib.get_close_matches(wanted, variables, n=1):
        return whole[0]
    by_last_part = {variable.rpartition(".")[2]: variable for variable in reversed(list(variables))}
    last = difflib.get_close_matches(wanted.rpartition(".")[2], by_last_part, n=1)
    return by_last_part[last[0]] if last else ""
