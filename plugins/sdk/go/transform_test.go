// Transforms over columns, and what becomes of output that is not as planned.

package transom_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

// mistake does with its output what the test tells it.
type mistake struct {
	seconds transom.Reader[int64]
	emit    func(*transom.Output)
}

func (m *mistake) Process(_ *transom.Batch, output *transom.Output) error {
	m.emit(output)
	return nil
}

// emits is what the transforms below do with a batch of three rows.
var emits func(*transom.Output)

func init() {
	transom.Transform("doubled", "Twice the second, odd ones rejected.", openDoubled)
	transom.Transform("carrying", "Carries a column over.", func(plan *transom.Plan, _ transom.NoOptions) (*mistake, error) {
		plan.Pass("customer")
		transom.Compute[int64](plan, "n")
		return &mistake{transom.Read[int64](plan, "second"), emits}, nil
	})
	transom.Transform("computing", "Carries nothing over.", func(plan *transom.Plan, _ transom.NoOptions) (*mistake, error) {
		transom.Compute[int64](plan, "n")
		return &mistake{transom.Read[int64](plan, "second"), emits}, nil
	})
}

// doubled gives what it has in two answers.
type doubled struct {
	seconds transom.Reader[int64]
	last    []int64
}

func openDoubled(plan *transom.Plan, _ transom.NoOptions) (*doubled, error) {
	plan.PassAll()
	transom.Compute[int64](plan, "twice")
	return &doubled{seconds: transom.Read[int64](plan, "second")}, nil
}

func (d *doubled) Process(batch *transom.Batch, output *transom.Output) error {
	twice := make([]int64, batch.Rows)
	for row, second := range d.seconds.Values(batch) {
		if d.seconds.Column(batch).IsNull(row) {
			output.Reject(row, "null")
		} else if second%2 != 0 {
			output.Reject(row, "odd")
			output.Reject(row, "and said again")
		}
		twice[row] = 2 * second
	}
	output.Emit(transom.NewColumn(twice))
	transom.Infof("%d rows", batch.Rows)
	transom.Count("rows", uint64(batch.Rows))
	d.last = twice
	output.More()
	return nil
}

func (d *doubled) Pull(output *transom.Output) error {
	output.EmitRows([]uint32{2, 2}, transom.NewColumn([]int64{d.last[2], -1}))
	return nil
}

func TestRejectedRowsAreLeftOutOfWhatIsEmittedOneToOne(t *testing.T) {
	clicks := []maybeClick{at("a", 1), at("b", 2), at("c", 4), {Customer: transom.Some("d")}}
	ran := transomtest.Run(t, "doubled", "", clicks)
	type row struct {
		Customer string `arrow:"customer"`
		Twice    int64  `arrow:"twice"`
	}
	equal(t, transomtest.Rows[row](t, ran), []row{{"b", 4}, {"c", 8}, {"c", 8}, {"c", -1}})
	equal(t, ran.Rejected, []transomtest.Rejected{{Row: 0, Reason: "odd"}, {Row: 3, Reason: "null"}})
	if !slices.Equal(ran.Log, []string{"info: 4 rows"}) || ran.Counts["rows"] != 4 {
		t.Errorf("got %v, %v", ran.Log, ran.Counts)
	}
}

func TestOutputThatIsNotAsPlannedIsAtFault(t *testing.T) {
	n := func(values ...int64) *transom.Column { return transom.NewColumn(values) }
	for _, c := range []struct {
		transform, want string
		emit            func(*transom.Output)
	}{
		{"carrying", "emitted 2 rows for a batch of 3: a rejected row needs a value too; other rows are for EmitRows and EmitNew", func(o *transom.Output) { o.Emit(n(1, 2)) }},
		{"carrying", "emitted 0 columns; the plan computes 1", func(o *transom.Output) { o.Emit() }},
		{"carrying", "source row 3 is not in a batch of 3 rows", func(o *transom.Output) { o.EmitRows([]uint32{3}, n(1)) }},
		{"carrying", "the column `n` has 2 rows, not 1", func(o *transom.Output) { o.EmitRows([]uint32{0}, n(1, 2)) }},
		{"carrying", "columns are carried over from the current batch", func(o *transom.Output) { o.EmitNew(n(1)) }},
		{"carrying", "rejected row 3, which is not in a batch of 3 rows", func(o *transom.Output) { o.Reject(3, "") }},
		{"computing", "the column `n` is Utf8; the plan says Int64", func(o *transom.Output) { o.EmitNew(texts("a")) }},
		{"computing", "the column `n` contains nulls; its field in the plan is not nullable", func(o *transom.Output) { o.EmitNew(maybe([]int64{1}, 0)) }},
		{"computing", "has no method `Pull`", func(o *transom.Output) { o.More() }},
	} {
		emits = c.emit
		failed := transomtest.Fails(t, c.transform, "", []maybeClick{at("a", 1), at("b", 2), at("c", 3)})
		if failed.Kind != transom.KindInternal || !strings.Contains(failed.Message, c.want) {
			t.Errorf("got %s %q, want %q", failed.Kind, failed.Message, c.want)
		}
	}
}

func TestNewRowsNeedNoRowsOfTheInput(t *testing.T) {
	emits = func(o *transom.Output) { o.EmitNew(transom.NewColumn([]int64{7, 8, 9, 10})) }
	ran := transomtest.Run(t, "computing", "", []maybeClick{at("a", 1)})
	if got := ran.Batches[0].Rows; got != 4 {
		t.Errorf("got %d rows", got)
	}
}

func TestKeysThatNameAColumnTwiceAreRefused(t *testing.T) {
	for _, settings := range [][]transom.Setting{
		{transom.PartitionBy("k", "k")},
		{transom.PartitionBy("k"), transom.OrderBy("v"), transom.OrderByDesc("k")},
	} {
		func() {
			defer func() {
				want := "the transform `twice` requires the column `k` twice"
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			transom.Transform("twice", "", openDoubled, settings...)
		}()
	}
}
