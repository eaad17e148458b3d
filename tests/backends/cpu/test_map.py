"""The text at the door of the room says what each module is for."""

from pathlib import Path

from symgraph.backends import cpu


def test_the_map_names_every_module_and_no_other():
    modules = {path.stem for path in Path(cpu.__file__).parent.glob("*.py")} - {"__init__"}
    named = set((cpu.__doc__ or "").split("``")[1::2]) - {"lower/"}
    assert named == modules
