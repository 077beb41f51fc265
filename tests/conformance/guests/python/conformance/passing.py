"""Transforms that hand rows on: computed, carried over by the host, or along source rows."""

import transom


class Echo(transom.Transform):
    """Reads all columns and computes each again, unchanged."""

    def open(self, input: transom.Schema) -> transom.Opened:
        self.names = input.names
        return transom.Opened(reads=transom.ALL, computes=input)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        # Each column becomes Python's values, and those a column again.
        output.emit({name: batch[name] for name in self.names})


class Keep(transom.Transform):
    """Keeps the rows in which a column is above a limit."""

    class Options:
        column: str
        above: int

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(reads=[self.options.column], passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        above = self.options.above
        values = batch[self.options.column]
        output.emit_rows([row for row, value in enumerate(values) if value is not None and value > above])


class Talk(transom.Transform):
    """Carries all columns over; tells of each batch, and counts its rows."""

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        transom.log.info(f"batch of {len(batch)} rows")
        transom.count("rows", len(batch))
        output.emit()
