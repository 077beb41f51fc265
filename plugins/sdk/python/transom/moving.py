"""How a transform goes on in another instance of its plugin: its attributes are pickled there and unpickled here.

The object itself is not: the other instance has opened one already. So whatever refers to the transform is led to that
one, and an object that is told by its identity, as `NOTHING = object()` of a module is, to the one of the same name.
"""

from __future__ import annotations

import copyreg
import importlib
import io
import pickle
import sys
from typing import Any

from .transforms import Transform


def snapshot(transform: Transform) -> bytes:
    """What `resume` takes. Raises whatever pickle does, and the author's `__getstate__`."""
    out = io.BytesIO()
    # The options in the same pickle: what they share with the state is one object there, too, and as it is now.
    moved = (held(transform), getattr(transform, "options", None), transform.__getstate__())
    Pickler(out, transform).dump(moved)
    return out.getvalue()


def resume(transform: Transform, snapshot: bytes) -> None:
    """Goes on from a snapshot in a transform that is opened and has seen nothing."""
    names, options, state = Unpickler(io.BytesIO(snapshot), transform).load()
    # What was deleted there is no more. What a `__getstate__` leaves out stays as `open` made it here.
    for name in held(transform) - names:
        delattr(transform, name)
    transform.options = options
    if state is None:
        return
    restore = getattr(transform, "__setstate__", None)
    if restore is not None:
        restore(state)
        return
    # As pickle itself does it.
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    vars(transform).update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(transform, name, value)


def held(transform: Transform) -> set[str]:
    """The names of all attributes that the object has itself."""
    slots: list[str] = copyreg._slotnames(type(transform))  # type: ignore[attr-defined]
    return {*vars(transform), *(name for name in slots if hasattr(transform, name))}


class Pickler(pickle.Pickler):
    """Pickles what a transform holds."""

    def __init__(self, file: io.BytesIO, transform: Transform):
        super().__init__(file)
        self.transform = transform
        self._named: dict[int, tuple] | None = None

    # Not `persistent_id`, which is asked for each number and text as well.
    def reducer_override(self, value: Any) -> Any:
        if value is self.transform:
            return this, ()
        if not is_bare(value):
            return NotImplemented
        if self._named is None:
            self._named = self._find_named()
        return self._named.get(id(value), NotImplemented)

    def _find_named(self) -> dict[int, tuple]:
        """Bare objects that have a name in a module or in the transform's class, and how to get at each."""
        named: dict[int, tuple] = {}
        for cls in type(self.transform).__mro__:
            # Lists: classes may get attributes while objects of theirs are asked for their state.
            for name, value in list(vars(cls).items()):
                if is_bare(value):
                    named[id(value)] = (getattr, (cls, name))
        for module_name, module in list(sys.modules.items()):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if is_bare(value):
                    named[id(value)] = (of_module, (module_name, name))
        return named


class Unpickler(pickle.Unpickler):
    """Unpickles what another instance's transform held, for this one."""

    def __init__(self, file: io.BytesIO, transform: Transform):
        super().__init__(file)
        self.transform = transform

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (this.__module__, this.__name__):
            return lambda: self.transform
        return super().find_class(module, name)


def this() -> Transform:
    """Stands in a pickle for the transform that it is read for."""
    raise NotImplementedError


def of_module(module: str, name: str) -> Any:
    """A module's global."""
    return getattr(importlib.import_module(module), name)


def is_bare(value: object) -> bool:
    """Whether an object has nothing but its identity: an `object()`, or one of a class that adds no attribute to it and
    does not say itself how it is pickled."""
    cls = type(value)
    if cls is object:
        return True
    if cls.__new__ is not object.__new__ or cls.__reduce_ex__ is not object.__reduce_ex__:
        return False
    if cls.__reduce__ is not object.__reduce__ or cls.__getstate__ is not object.__getstate__:
        return False
    try:
        return object.__getstate__(value) is None
    except Exception:
        # It has what cannot be pickled, so it has something.
        return False
