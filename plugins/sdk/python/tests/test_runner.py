"""The runner's part that needs no component: imports from memory, their errors, streams."""

import importlib
import json
import logging
import marshal
import random
import sys
import unittest
import zoneinfo
from pathlib import Path

import transom
from transom import functions, log, transforms

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runner"))

from transom_runner import image, loading, streams  # noqa: E402

# Imported late by `importlib.resources`; the component has it in memory.
importlib.import_module("importlib.resources._adapters")

MANIFEST = {"format": 1, "language": "python", "contract": "0.1.0", "name": "p", "version": "1", "entry": "rules"}


class Loading(unittest.TestCase):
    def setUp(self):
        # `load` takes the interpreter over, as it may where it is alone.
        kept = (list(sys.meta_path), list(sys.path), set(sys.modules), sys.stdout, sys.stderr)
        handlers, level = list(logging.root.handlers), logging.root.level
        registries = (list(functions.registry), list(transforms.registry))
        emit = log.emit
        functions.registry.clear()
        transforms.registry.clear()
        self.logged = []
        log.emit = lambda level, message: self.logged.append((level, message))

        def restore():
            sys.meta_path[:], sys.path[:] = kept[0], kept[1]
            for name in set(sys.modules) - kept[2]:
                del sys.modules[name]
            sys.stdout, sys.stderr = kept[3], kept[4]
            logging.root.handlers[:], log.emit = handlers, emit
            logging.root.setLevel(level)
            functions.registry[:], transforms.registry[:] = registries

        self.addCleanup(restore)

    def load(self, manifest=None, compiled=None, **files):
        encoded = {f"{name.replace('__', '/')}.py": text.encode() for name, text in files.items()}
        described = json.dumps({**MANIFEST, **(manifest or {})}).encode()
        return loading.load_plugin({"transom.json": described, **encoded}, {} if compiled is None else compiled)

    def failure(self, manifest=None, **files):
        with self.assertRaises(transom.Error) as raised:
            self.load(manifest, **files)
        return str(raised.exception)

    RULE = "import transom\n@transom.function\ndef one() -> int:\n    return 1\n"

    def test_what_the_entry_module_imports_is_offered_too(self):
        wind = self.RULE.replace("one", "wind")
        plugin = self.load(rules="import wind\nfrom deep.low import one as _", wind=wind, deep__low=self.RULE)
        self.assertEqual(sorted(plugin.functions), ["one", "wind"])

    def test_roots_are_looked_through_in_their_order(self):
        manifest = {"roots": ["src", "vendor"]}
        files = {"src__rules": "import util\n" + self.RULE, "src__util": "X = 1", "vendor__util": "X = 2"}
        self.load(manifest, **files)
        self.assertEqual(sys.modules["util"].X, 1)

    def test_a_package_has_relative_imports_and_data(self):
        text = "import pkgutil\nfrom .wind import SCALE\n" + self.RULE
        files = {
            "transom.json": json.dumps(MANIFEST).encode(),
            "rules/__init__.py": text.encode() + b"NAMES = pkgutil.get_data(__name__, 'names.txt')\n",
            "rules/wind.py": b"SCALE = 12\n",
            "rules/names.txt": b"calm",
        }
        loading.load_plugin(files, {})
        self.assertEqual((sys.modules["rules"].SCALE, sys.modules["rules"].NAMES), (12, b"calm"))

    def test_a_package_of_time_zones_is_found_by_the_standard_library(self):
        # As tzdata on PyPI is laid out; this zone is UTC with another name.
        zone = b"TZif" + b"\0" * 16 + b"".join(n.to_bytes(4, "big") for n in [0, 0, 0, 0, 1, 4]) + bytes(6) + b"HRE\0"
        text = "from zoneinfo import ZoneInfo\nZONE = ZoneInfo('Atlantis/Here')\n" + self.RULE
        files = {
            "transom.json": json.dumps({**MANIFEST, "roots": ["", "vendor"]}).encode(),
            "rules.py": text.encode(),
            "vendor/tzdata/__init__.py": b"",
            "vendor/tzdata/zoneinfo/__init__.py": b"",
            "vendor/tzdata/zoneinfo/Atlantis/__init__.py": b"",
            "vendor/tzdata/zoneinfo/Atlantis/Here": zone,
        }
        loading.load_plugin(files, {})
        # Imported above, as the component has it in memory.
        self.assertIsInstance(sys.modules["rules"].ZONE, zoneinfo.ZoneInfo)

    def test_a_package_reads_its_own_files(self):
        text = "from importlib.resources import files\n"
        text += "HERE = files(__name__)\nNAMES = sorted(entry.name for entry in HERE.iterdir())\n"
        text += "TEXT = HERE.joinpath('data', 'calm.txt').read_text()\n"
        files = {
            "transom.json": json.dumps(MANIFEST).encode(),
            "rules/__init__.py": (text + self.RULE).encode(),
            "rules/data/calm.txt": "still, łódź".encode(),
        }
        loading.load_plugin(files, {})
        rules = sys.modules["rules"]
        self.assertEqual((rules.NAMES, rules.TEXT), (["__init__.py", "data"], "still, łódź"))

    def test_a_syntax_error_has_file_and_line(self):
        message = self.failure(rules="import wind", wind="x = 1\ndef broken(:\n")
        self.assertIn("could not load the plugin `p`: SyntaxError: invalid syntax (wind.py, line 2)", message)
        self.assertIn("def broken(:", message)
        self.assertIn('File "rules.py", line 1', message)

    def test_a_missing_module_says_why_it_is_missing(self):
        message = self.failure(rules="x = 1\nimport numpy as np\n")
        self.assertIn("ModuleNotFoundError: No module named 'numpy'", message)
        self.assertIn("requirements.txt", message)
        self.assertIn('File "rules.py", line 2, in <module>\n    import numpy as np', message)
        self.assertNotIn("importer.py", message)
        message = self.failure(rules="import sqlite3.dump2")
        self.assertIn("that part of the standard library does not work in a plugin", message)

    def test_a_module_that_may_be_missing_can_be_asked_for(self):
        text = "try:\n    import orjson\nexcept ImportError:\n    orjson = None\n" + self.RULE
        self.assertEqual(list(self.load(rules=text).functions), ["one"])

    def test_a_plugin_that_offers_nothing_is_told_so(self):
        self.assertIn("the plugin `p` offers nothing: its entry module `rules`", self.failure(rules="x = 1"))

    def test_a_wrong_annotation_is_told_with_its_file_when_the_plugin_is_described(self):
        plugin = self.load(rules="import transom\n@transom.function\ndef f(x: list) -> int: ...\n")
        with self.assertRaises(transom.Error) as raised:
            plugin.describe()
        message = "the function `f` (rules.py, line 2): the argument `x`: `list` is no type"
        self.assertIn(message, str(raised.exception))

    def test_an_error_while_a_module_runs_shows_its_line(self):
        message = self.failure(rules="limits = {}\nlimits['wind']\n")
        self.assertIn("KeyError: 'wind'", message)
        self.assertIn("limits['wind']", message)

    def test_what_is_compiled_already_is_not_compiled_again(self):
        compiled = {}
        self.load(compiled=compiled, rules="import wind\n" + self.RULE, wind="x = 1\n")
        self.assertEqual(sorted(compiled), ["rules.py", "wind.py"])
        for name in ("rules", "wind"):
            del sys.modules[name]
        functions.registry.clear()
        compiled = marshal.loads(marshal.dumps(compiled))
        # A file that cannot be compiled stands for one that is not looked at.
        self.load(compiled=compiled, rules="def", wind="def")
        self.assertEqual(sys.modules["wind"].x, 1)

    def test_an_error_of_what_is_compiled_already_shows_its_line(self):
        text = "limits = {}\nlimits['wind']\n"
        compiled = {"rules.py": compile(text, "rules.py", "exec")}
        with self.assertRaises(transom.Error) as raised:
            self.load(compiled=compiled, rules=text)
        self.assertIn('File "rules.py", line 2, in <module>\n    limits[\'wind\']', str(raised.exception))

    def test_an_archive_of_another_format_is_refused(self):
        self.assertIn("has format 2; this runner reads 1", self.failure({"format": 2}, rules=self.RULE))
        with self.assertRaisesRegex(transom.Error, "`transom.json` is missing"):
            loading.load_plugin({}, {})

    def test_random_numbers_differ_from_those_of_the_build(self):
        random.seed(1)
        before = random.getstate()
        self.load(rules=self.RULE)
        self.assertNotEqual(random.getstate(), before)

    def test_print_and_logging_go_to_the_log_by_lines(self):
        text = "import logging, sys\nprint('a\\nb')\nprint('c', end='')\nsys.stdout.flush()\n"
        text += "print('oh', file=sys.stderr)\nlogging.getLogger('wind').warning('high %d', 3)\n"
        self.load(rules=text + self.RULE)
        expected = [("info", "a"), ("info", "b"), ("info", "c"), ("warn", "oh"), ("warn", "wind: high 3")]
        self.assertEqual(self.logged, expected)


    def test_a_rehearsal_leaves_nothing_behind(self):
        state = (list(sys.meta_path), list(sys.path), sys.stdout, sys.stderr, list(logging.root.handlers), log.emit)
        modules = set(sys.modules)
        image.rehearse()
        after = (list(sys.meta_path), list(sys.path), sys.stdout, sys.stderr, list(logging.root.handlers), log.emit)
        self.assertEqual(after, state)
        self.assertNotIn("rehearsed", sys.modules)
        self.assertEqual(set(sys.modules), modules)
        self.assertEqual((functions.registry, transforms.registry, self.logged), ([], [], []))
        self.assertEqual(sorted(self.load(rules=self.RULE).functions), ["one"])


class Streams(unittest.TestCase):
    def test_a_stream_of_lines_is_a_text_stream(self):
        lines = streams.Lines("info")
        self.assertTrue(lines.writable())
        self.assertEqual(lines.write("abc"), 3)
        lines.rest = ""


if __name__ == "__main__":
    unittest.main()
