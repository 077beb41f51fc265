"""Transforms that go wrong: rejected rows, and each kind of error."""

from typing import Literal

import transom


class RejectOdd(transom.Transform):
    """Rejects the rows in which a column is odd; null passes."""

    class Options:
        column: str

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(reads=[self.options.column], passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        for row, value in enumerate(batch[self.options.column]):
            if value is not None and value % 2:
                output.reject(row, f"odd: {value}")
        output.emit()


class Fail(transom.Transform):
    """Fails as its options say, where they say so; carries all columns over otherwise."""

    class Options:
        kind: Literal["bad-data", "config", "retryable", "internal", "panic"]
        at: Literal["open", "process", "finish"]
        row: int | None = None

    def fail(self, at: str) -> None:
        if self.options.at != at:
            return
        if self.options.kind == "panic":
            raise RuntimeError("as asked")
        errors = {
            "bad-data": transom.BadData,
            "config": transom.Config,
            "retryable": transom.Retryable,
            "internal": transom.Error,
        }
        raise errors[self.options.kind]("as asked", row=self.options.row if at == "process" else None)

    def open(self, input: transom.Schema) -> transom.Opened:
        self.fail("open")
        return transom.Opened(passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        self.fail("process")
        output.emit()

    def finish(self, end: transom.End, output: transom.Output) -> None:
        self.fail("finish")
