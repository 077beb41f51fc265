"""Files beside a plugin's modules, for `importlib.resources`: `tzdata` and its like come with data."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.resources.abc import Traversable, TraversableResources


class Entry(Traversable):
    """A file or folder among the files of a plugin."""

    def __init__(self, files: dict[str, bytes], path: str):
        self._files = files
        self._path = path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self._path in self._files

    def is_dir(self) -> bool:
        """Whether anything lies below it."""
        return any(path.startswith(f"{self._path}/") for path in self._files)

    def iterdir(self) -> Iterator[Entry]:
        """What lies in it."""
        start = f"{self._path}/"
        names = {path[len(start) :].partition("/")[0] for path in self._files if path.startswith(start)}
        return (Entry(self._files, start + name) for name in sorted(names))

    def joinpath(self, *descendants: str) -> Entry:
        """What lies below it, whether it is there or not."""
        return Entry(self._files, "/".join([self._path, *map(str, descendants)]))

    def __truediv__(self, child: str) -> Entry:
        return self.joinpath(child)

    def open(self, mode: str = "r", *arguments, **options):
        """The file, to be read."""
        if not self.is_file():
            raise FileNotFoundError(f"no file `{self._path}` among the plugin's")
        stream = io.BytesIO(self._files[self._path])
        return stream if "b" in mode else io.TextIOWrapper(stream, *arguments, **options)

    def read_bytes(self) -> bytes:
        """All of the file."""
        with self.open("rb") as stream:
            return stream.read()

    def read_text(self, encoding: str | None = None) -> str:
        """All of the file, as text."""
        with self.open(encoding=encoding or "utf-8") as stream:
            return stream.read()


class Resources(TraversableResources):
    """The files of one package."""

    def __init__(self, files: dict[str, bytes], folder: str):
        self._folder = Entry(files, folder)

    def files(self) -> Entry:
        """Its folder."""
        return self._folder
