"""The standard library as far as it works in the component: imported while the component is built.

There is no file system later, so a module that is not in memory then does not exist. What needs threads, processes,
sockets or native libraries is left out by failing to import; `missing` tells which that was.
"""

from __future__ import annotations
import __future__  # noqa: F401  # its name starts as those of private modules do

import importlib
import pkgutil
import sys

#: Not for programs that run without a person, or not without an operating system. Left out to save memory: what is
#: imported here is in the memory of every instance.
_USELESS = frozenset(
    """
    antigravity bdb cProfile cmd code codeop compileall curses dbm doctest ensurepip faulthandler filecmp fileinput
    ftplib getpass idlelib imaplib mailbox modulefinder msilib multiprocessing netrc nturl2path optparse pdb pip poplib
    profile pstats pty py_compile pyclbr pydoc pydoc_data readline rlcompleter runpy shelve site smtplib socketserver
    sqlite3 ssl subprocess symtable tabnanny test this tkinter trace tracemalloc tty turtle turtledemo unittest venv
    wave webbrowser wsgiref xmlrpc zipapp
    """.split()
)

#: Packages whose modules are imported by name at run time, or by some users directly.
_WITH_SUBMODULES = (
    "collections", "concurrent", "email", "email.mime", "encodings", "html", "http", "importlib", "importlib.metadata",
    "importlib.resources", "json", "logging", "pathlib", "string", "tomllib",
    "urllib", "xml", "xml.dom", "xml.etree", "xml.parsers", "xml.sax", "zoneinfo",
)  # fmt: skip

#: Modules that could not be imported, with the reason.
missing: dict[str, str] = {}


def is_known(name: str) -> bool:
    """Whether a module belongs to the standard library, though it is not here."""
    return name in missing or name.partition(".")[0] in missing


def preload() -> None:
    """Imports all that can be. A module that cannot is noted and passed over."""
    for name in sorted(sys.stdlib_module_names):
        if name not in _USELESS and not name.startswith("_"):
            _try(name)
    for package in _WITH_SUBMODULES:
        module = sys.modules.get(package)
        for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if found.name != "__main__":
                _try(f"{package}.{found.name}")


def _try(name: str) -> None:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the component is built without it
        missing[name] = f"{type(error).__name__}: {error}"
