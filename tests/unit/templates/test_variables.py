"""The vocabulary of marketers."""

import pytest

from templates import engine
from templates.source import Where
from templates.variables import VARIABLES, Variable, kinds, samples

PLACE = Where("", 2048, "https://example.com/l/")


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_each_variable_is_explained_and_its_sample_can_be_printed(variable: Variable) -> None:
    assert variable.zh
    assert variable.en
    result = engine.compile(engine.check(f"{{{{ {variable.name} }}}}", kinds(), where=PLACE))
    assert engine.render(result, samples())


def test_no_name_is_used_twice_or_stands_inside_another() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(set(names)) == len(names)
    assert not [name for name in names for other in names if other.startswith(f"{name}.")]
