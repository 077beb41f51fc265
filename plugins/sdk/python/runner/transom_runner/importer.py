"""Imports from a dictionary of files, and says clearly what cannot be imported.

There is no file system where the component runs. What is not among the plugin's files and was not imported while the
component was built does not exist, and the message says which of the two would have been needed.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
from types import CodeType, ModuleType

from . import standard_library
from .resources import Resources


class Importer(importlib.abc.MetaPathFinder):
    """Finds modules among a plugin's files.

    `roots` are the folders that imports start from, in the order in which they are looked through: `""`, `"src"`.
    `compiled` has the code of files by their paths; what is compiled is put there.
    """

    def __init__(self, files: dict[str, bytes], roots: list[str], compiled: dict[str, CodeType]):
        self.files = files
        self.compiled = compiled
        self.roots = [f"{root}/" if root else "" for root in roots]
        self.folders = {path.rpartition("/")[0] for path in files}
        for folder in list(self.folders):
            while folder:
                self.folders.add(folder)
                folder = folder.rpartition("/")[0]

    def install(self) -> None:
        """Takes the place of the file system. What is frozen into the interpreter stays importable."""
        finders = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter]
        # The plugin's files come first, as a script's folder does, so that a module `types.py` means what it does
        # natively.
        sys.meta_path[:] = [self, *finders, Missing()]
        sys.path.clear()
        sys.path_importer_cache.clear()

    def find_spec(self, fullname, path=None, target=None):
        """The module's place, or None."""
        relative = fullname.replace(".", "/")
        for root in self.roots:
            for candidate, is_package in ((f"{root}{relative}/__init__.py", True), (f"{root}{relative}.py", False)):
                if candidate in self.files:
                    return self._spec(fullname, candidate, is_package)
        for root in self.roots:
            folder = f"{root}{relative}"
            if folder in self.folders and any(self._holds_python(folder)):
                spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
                spec.submodule_search_locations = [folder]
                return spec
        return None

    def _holds_python(self, folder: str):
        return (path.startswith(f"{folder}/") and path.endswith(".py") for path in self.files)

    def _spec(self, fullname: str, path: str, is_package: bool) -> importlib.machinery.ModuleSpec:
        loader = Loader(self.files, path, self.compiled)
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=path, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [path.rpartition("/")[0]]
        return spec


class Loader(importlib.abc.InspectLoader):
    """Loads one file, and lets tracebacks show its lines."""

    def __init__(self, files: dict[str, bytes], path: str, compiled: dict[str, CodeType]):
        self.files = files
        self.path = path
        self.compiled = compiled

    def get_source(self, fullname: str) -> str:
        """The text of the file, in the encoding that its first lines declare."""
        return importlib.util.decode_source(self.files[self.path])

    def get_filename(self, fullname: str) -> str:
        """The path in the plugin's folder."""
        return self.path

    def get_code(self, fullname: str) -> CodeType:
        """The compiled file."""
        # Its lines, when a traceback asks for them.
        linecache.cache[self.path] = (functools.partial(self.get_source, fullname),)
        code = self.compiled.get(self.path)
        if code is None:
            code = compile(self.get_source(fullname), self.path, "exec", dont_inherit=True)
            self.compiled[self.path] = code
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Runs it."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_data(self, path: str) -> bytes:
        """A file beside the modules, for `pkgutil.get_data`."""
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(f"no file `{path}` among the plugin's") from None

    def get_resource_reader(self, fullname: str) -> Resources:
        """The files beside the module, for `importlib.resources`."""
        return Resources(self.files, self.path.rpartition("/")[0])


class Missing(importlib.abc.MetaPathFinder):
    """Comes last: says why a module is not there."""

    def find_spec(self, fullname, path=None, target=None):
        """Never finds one."""
        if path is None:
            raise ModuleNotFoundError(reason(fullname), name=fullname)
        return None


def reason(fullname: str) -> str:
    """Why `import fullname` does not work in a plugin."""
    name = fullname.partition(".")[0]
    if name in sys.stdlib_module_names or standard_library.is_known(fullname):
        return f"No module named {fullname!r}: that part of the standard library does not work in a plugin"
    return (
        f"No module named {fullname!r}: it is neither a file of the plugin nor in its requirements.txt "
        "(packages with native code, such as numpy and pandas, do not work in a plugin)"
    )
