"""Loads a plugin from its files: reads the manifest, makes the files importable, imports the entry module."""

from __future__ import annotations

import importlib
import json
import os
import random
from types import CodeType

from transom.errors import HIDDEN_FOLDERS, Error, describe
from transom.plugin import Plugin

from .importer import Importer
from .streams import connect

HIDDEN_FOLDERS.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep)
# Modules that a plugin imports run below these, which the standard library has as files.
HIDDEN_FOLDERS.append(os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep)

#: The file that `transom build` writes; see host/build/src/python.
MANIFEST = "transom.json"
FORMAT = 1


def load_plugin(files: dict[str, bytes], compiled: dict[str, CodeType]) -> Plugin:
    """The plugin that the files make. `compiled` has the code of some or none of them, and gets that of the others.

    Every mistake in them that shows when they are imported (a syntax error, a missing module) is an `Error` with the
    author's file and line. Annotations are read later, when the plugin is described: many instances are loaded for
    one description.
    """
    manifest = _manifest(files)
    # The generator was seeded while this component was built: without this every run would draw the same numbers,
    # whatever the host's randomness says.
    random.seed()
    connect()
    Importer(files, manifest["roots"], compiled).install()
    try:
        importlib.import_module(manifest["entry"])
    except BaseException as error:
        raise Error(f"could not load the plugin `{manifest['name']}`: {describe(error)}") from None
    plugin = Plugin.of_registered(manifest["name"], manifest["version"])
    if not plugin.functions and not plugin.transforms:
        entry = manifest["entry"]
        raise Error(
            f"the plugin `{plugin.name}` offers nothing: its entry module `{entry}` has and imports no "
            "`@transom.function` and no `transom.Transform`"
        )
    return plugin


def _manifest(files: dict[str, bytes]) -> dict:
    try:
        manifest = json.loads(files.pop(MANIFEST))
        if manifest["format"] != FORMAT:
            raise Error(f"the plugin's archive has format {manifest['format']}; this runner reads {FORMAT}")
        return {
            "name": manifest["name"],
            "version": manifest["version"],
            "entry": manifest["entry"],
            "roots": manifest.get("roots", [""]),
        }
    except KeyError as error:
        raise Error(f"the plugin's archive is not whole: `{error.args[0]}` is missing") from None
    except ValueError as error:
        raise Error(f"the plugin's `{MANIFEST}` cannot be read: {error}") from None
