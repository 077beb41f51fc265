"""What the runner needs beside the SDK: imports from memory, the standard library, streams that log.

The exports are in `transom_runner_app`, which alone knows the generated bindings; the rest runs natively in tests.
"""
