"""Logs each line of the author's code before it runs, so that the host knows where a call is that does not end.

What ends such a call is the host, from outside: no exception is raised, and no traceback could be made of one.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Container
from types import CodeType


def trace(files: Container[str], log: Callable[[str], None]) -> None:
    """Calls `log` with each line of these files, as a traceback shows it."""
    monitoring = sys.monitoring
    tool = monitoring.DEBUGGER_ID

    def on_line(code: CodeType, number: int) -> object:
        if code.co_filename not in files:
            return monitoring.DISABLE
        text = linecache.getline(code.co_filename, number).strip()
        log(f'  File "{code.co_filename}", line {number}, in {code.co_name}\n    {text}')
        return None

    monitoring.use_tool_id(tool, "transom")
    monitoring.register_callback(tool, monitoring.events.LINE, on_line)
    monitoring.set_events(tool, monitoring.events.LINE)
