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


class Latest(transom.Transform, partition_by=["key"], order_by=[transom.desc("time"), "id"]):
    """Keeps the latest row of each key; of several, the one with the smallest id."""

    def open(self, input: transom.Schema) -> transom.Opened:
        self.last: str | None = None
        return transom.Opened(reads=["key"], passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        kept = []
        for row, key in enumerate(batch["key"]):
            if key != self.last:
                kept.append(row)
            self.last = key
        output.emit_rows(kept)


class Talk(transom.Transform):
    """Carries all columns over; tells of each batch, and counts its rows."""

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(passes=transom.ALL)

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        transom.log.info(f"batch of {len(batch)} rows")
        transom.count("rows", len(batch))
        output.emit()


class Rate(transom.Transform):
    """Whether a flight was late; rejects one without a delay."""

    def open(self, input: transom.Schema) -> transom.Opened:
        return transom.Opened(reads=["carrier", "delay"], passes=transom.ALL, computes={"late": bool})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        late = []
        for row, (carrier, delay) in enumerate(zip(batch["carrier"], batch["delay"], strict=True)):
            if carrier is None:
                output.reject(row, "`carrier` is null")
            elif delay is None:
                output.reject(row, f"the delay of {carrier} is missing")
            # A rejected row is left out of the output, whatever its value here.
            late.append((delay or 0) > 15)
        output.emit({"late": late})
