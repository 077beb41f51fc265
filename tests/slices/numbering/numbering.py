"""A transform whose result shows whether its state was lost, doubled or mixed up."""

import transom


class Number(transom.Transform, partition_by=["customer"]):
    """Numbers the rows of each customer, from slice to slice."""

    def open(self, input: transom.Schema) -> transom.Opened:
        self.counts = {}
        return transom.Opened(reads=["customer"], passes=transom.ALL, computes={"number": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        numbers = []
        for customer in batch["customer"]:
            self.counts[customer] = self.counts.get(customer, 0) + 1
            numbers.append(self.counts[customer])
        output.emit(number=numbers)

    def save(self) -> dict:
        return {"counts": list(self.counts.items())}

    def restore(self, state: dict) -> None:
        self.counts = {customer: count for customer, count in state["counts"]}


class Count(transom.Transform):
    """Numbers all rows, from slice to slice."""

    def open(self, input: transom.Schema) -> transom.Opened:
        self.rows = 0
        return transom.Opened(passes=transom.ALL, computes={"number": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        output.emit(number=[self.rows + number for number in range(1, len(batch) + 1)])
        self.rows += len(batch)

    def save(self) -> dict:
        return {"rows": self.rows}

    def restore(self, state: dict) -> None:
        self.rows = state["rows"]


class Forget(transom.Transform):
    """Numbers rows, and keeps nothing for the next slice."""

    def open(self, input: transom.Schema) -> transom.Opened:
        self.rows = 0
        return transom.Opened(passes=transom.ALL, computes={"number": int})

    def process(self, batch: transom.RecordBatch, output: transom.Output) -> None:
        output.emit(number=[self.rows + number for number in range(1, len(batch) + 1)])
        self.rows += len(batch)
