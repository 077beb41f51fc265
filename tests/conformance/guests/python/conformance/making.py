"""Transforms that change the number of rows, in parts, or keep state."""

from typing import Annotated

import transom


class ColumnOption:
    """Names a column."""

    column: str


class Repeat(transom.Transform):
    """Gives each input row several times, at most 1000 rows a part and one part at a time."""

    part_rows = 1000

    class Options:
        times: Annotated[int, transom.minimum(0)]

    def open(self, input: transom.Schema) -> transom.Opened:
        self.next = self.end = 0
        return transom.Opened(passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        self.next, self.end = 0, len(batch) * self.options.times
        self.pull(output)

    def pull(self, output: transom.Output) -> None:
        start, stop = self.next, min(self.next + self.part_rows, self.end)
        times = self.options.times
        output.emit_rows([at // times for at in range(start, stop)])
        self.next = stop
        if stop < self.end:
            output.more()


class RunningSum(transom.Transform):
    """Adds the running total of a column; null counts as 0."""

    Options = ColumnOption

    def open(self, input: transom.Schema) -> transom.Opened:
        self.total = 0
        return transom.Opened(reads={self.options.column: int}, passes=transom.ALL, computes={"sum": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        sums = []
        for value in batch[self.options.column]:
            self.total += value or 0
            sums.append(self.total)
        output.emit(sum=sums)

    def save(self) -> dict:
        return {"total": self.total}

    def restore(self, state: dict) -> None:
        self.total = state["total"]


class NumberRows(transom.Transform):
    """Numbers the rows of each key of a text column; null is a key, too."""

    class Options:
        column: Annotated[str, "The text column to look at."]

    def open(self, input: transom.Schema) -> transom.Opened:
        self.rows: dict[str | None, int] = {}
        return transom.Opened(reads=[self.options.column], passes=transom.ALL, computes={"number": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        numbers = []
        for key in batch[self.options.column]:
            self.rows[key] = self.rows.get(key, 0) + 1
            numbers.append(self.rows[key])
        output.emit(number=numbers)

    def save(self) -> list:
        # JSON has no key that is null.
        return list(self.rows.items())

    def restore(self, state: list) -> None:
        self.rows = {key: rows for key, rows in state}


class Totals(transom.Transform):
    """One row at the end: the number of rows and the total of a column."""

    Options = ColumnOption

    def open(self, input: transom.Schema) -> transom.Opened:
        self.rows = self.total = 0
        return transom.Opened(reads=[self.options.column], computes={"rows": int, "total": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        self.rows += len(batch)
        self.total += sum(value or 0 for value in batch[self.options.column])

    def finish(self, end: transom.End, output: transom.Output) -> None:
        if end is transom.End.INPUT:
            output.emit_new(rows=[self.rows], total=[self.total])
