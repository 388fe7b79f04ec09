"""A form of one tab: its controls by name, read into a request and filled from plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.components import Component

T = TypeVar("T")


@dataclass
class Form(Generic[T]):
    """`build` turns {name: value} into the request. Gradio passes a *set* of inputs as {component: value}."""

    tab: str
    build: Callable[[Mapping[str, Any]], T]
    controls: dict[str, Component] = field(default_factory=dict)

    def add(self, name: str, component: Any) -> Any:
        self.controls[name] = component
        return component

    @property
    def inputs(self) -> set[Component]:
        return set(self.controls.values())

    def named(self, values: Mapping[Component, Any]) -> dict[str, Any]:
        return {name: values.get(one) for name, one in self.controls.items()}

    def updates(self, named: Mapping[str, Any]) -> dict[Component, Any]:
        """Gradio updates for the controls named; a value that its control cannot take is left out."""
        found: dict[Component, Any] = {}
        for name, value in named.items():
            control = self.controls.get(name)
            if control is not None and fits(control, value):
                found[control] = gr.update(value=value)
        return found

    def changed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Those values that are not what the page is built with."""
        return {name: value for name, value in named.items() if self._built(name) != value}

    def _built(self, name: str) -> Any:
        control = self.controls.get(name)
        return None if control is None else getattr(control, "value", None)


def fits(control: Component, value: Any) -> bool:
    """Whether a control would accept the value: a choice that exists, a number in range, a string."""
    if isinstance(control, (gr.Dropdown, gr.Radio, gr.CheckboxGroup)):
        if getattr(control, "allow_custom_value", False):
            return True
        choices = {one[1] if isinstance(one, (tuple, list)) else one for one in control.choices or []}
        wanted = value if isinstance(value, list) else [value]
        return all(one in choices for one in wanted)
    if isinstance(control, (gr.Number, gr.Slider)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        low, high = control.minimum, control.maximum
        return (low is None or value >= low) and (high is None or value <= high)
    if isinstance(control, gr.Checkbox):
        return isinstance(value, bool)
    return isinstance(value, str)
