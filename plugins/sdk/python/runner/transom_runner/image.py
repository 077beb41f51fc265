"""What is done last before the component's memory becomes the image that all instances start from.

Instances share the pages of the image until they write to them: a page that is written costs a fault and a copy, and
there is little else that starting one costs. So what every instance would write is written here, and what they
allocate lies together.
"""

from __future__ import annotations

import gc
import json
import linecache
import logging
import sys

from transom import functions, log, transforms
from transom.contract import Batch, Node, WireField
from transom.plugin import Handles

from .loading import FORMAT, MANIFEST, load_plugin

#: A plugin of the usual parts.
REHEARSED = b'''
from typing import Annotated

import transom


@transom.function
def rehearsed(number: int, text: str | None) -> float | None:
    """A function."""
    return number / 2 if text else None


class Rehearsed(transom.Transform):
    """A transform."""

    class Options:
        least: Annotated[int, transom.minimum(0), "An option."] = 0

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(reads=["number"], passes=transom.ALL, computes={"large": bool})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        output.emit({"large": [number > self.options.least for number in batch["number"]]})
'''

#: What fills the holes.
_blocks: list[object] = [None] * 50_000


def prepare() -> None:
    """Leaves the interpreter as instances are to find it. Nothing is allocated for good after this."""
    # The first time through, CPython looks up attributes for its caches, and puts faster instructions into code that
    # runs again and again; both are written to where the image has them.
    for _ in range(3):
        rehearse()
    # What was found on the disk, and nobody asks for again.
    sys.path_importer_cache.clear()
    gc.collect()
    fill_holes()
    # What is here now stays. Otherwise each instance's collector would walk through all of it, which takes longer than
    # to load a plugin, and would write to all of its memory.
    gc.freeze()


def rehearse() -> None:
    """Loads a plugin and calls what it offers as the host would, and lets go of it again."""
    kept = (list(sys.meta_path), list(sys.path), sys.stdout, sys.stderr, list(logging.root.handlers), log.emit)
    entry = "rehearsed"
    manifest = {"format": FORMAT, "name": "p", "version": "0", "entry": entry}
    log.emit = lambda level, message: None
    try:
        files = {MANIFEST: json.dumps(manifest).encode(), f"{entry}.py": REHEARSED}
        handles = Handles(load_plugin(files, {}))
        handles.plugin.describe()
        number, text = WireField("number", "l"), WireField("text", "u")
        numbers, texts = [b"", bytes(16)], [b"", bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]), b"ab"]
        nodes = [Node(2, 0), Node(2, 0)]
        opened = handles.open_function("rehearsed", [number, text], "{}")
        handles.call(opened.handle, Batch(2, nodes, numbers + texts))
        opened = handles.open_table("rehearsed", [number, text], '{"least": 1}')
        handles.process(opened.handle, Batch(2, nodes[:1], numbers))
    finally:
        sys.meta_path[:], sys.path[:], sys.stdout, sys.stderr, logging.root.handlers[:], log.emit = kept
        functions.registry.clear()
        transforms.registry.clear()
        sys.modules.pop(entry, None)
        linecache.cache.pop(f"{entry}.py", None)


def fill_holes() -> None:
    """Fills what is free between what is allocated, for good.

    What an instance allocates would be scattered over it: thousands of objects, and almost as many pages. Without holes
    it lies together, behind all that is here.
    """
    # What is larger than any hole goes to the end, and leaves room there for all that follows.
    end = max(map(id, [bytes(300_000) for _ in range(8)]))
    # The largest first: the allocator takes the smallest piece in which a block fits.
    sizes = [1 << power for power in range(16, 9, -1)] + list(range(768, 0, -8))
    number = 0
    for size in sizes:
        while number < len(_blocks):
            block = bytes(size)
            if id(block) > end:
                break
            _blocks[number] = block
            number += 1
