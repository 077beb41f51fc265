// The guest natively. The list of cases of all languages goes through the component; this tells a mistake in the guest from
// one at the border.

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

type row struct {
	A transom.Null[int64]  `arrow:"a"`
	B transom.Null[string] `arrow:"b"`
}

func rows(values ...int64) []row {
	made := make([]row, len(values))
	for i, value := range values {
		made[i] = row{transom.Some(value), transom.Some(fmt.Sprint("row ", i))}
	}
	return made
}

func values(t *testing.T, ran *transomtest.Ran) []int64 {
	t.Helper()
	var values []int64
	for _, r := range transomtest.Rows[row](t, ran) {
		values = append(values, r.A.Or(-1))
	}
	return values
}

// expect compares what two values show.
func expect(t *testing.T, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEveryColumnIsTheSameAfterEcho(t *testing.T) {
	table := append(rows(1, 2), row{})
	expect(t, transomtest.Rows[row](t, transomtest.Run(t, "echo", "", table)), table)
}

func TestKeepLeavesOutNullsAndWhatIsNotAbove(t *testing.T) {
	ran := transomtest.Run(t, "keep", `{"column": "a", "above": 5}`, append(rows(5, 6, 9), row{}))
	expect(t, values(t, ran), []int64{6, 9})
	failed := transomtest.Fails(t, "keep", `{"column": "x", "above": 5}`, rows())
	expect(t, failed.Message, "there is no column `x`; the input has `a`, `b`")
}

func TestRepeatHandsOverAThousandRowsAtOnce(t *testing.T) {
	ran := transomtest.Run(t, "repeat", `{"times": 700}`, rows(1, 2, 3))
	var parts []int
	for _, batch := range ran.Batches {
		parts = append(parts, batch.Rows)
	}
	expect(t, parts, []int{1000, 1000, 100})
	if got := values(t, ran); !slices.IsSorted(got) || got[699] != 1 || got[700] != 2 {
		t.Error("the rows are not in the order of the input")
	}
	expect(t, len(values(t, transomtest.Run(t, "repeat", `{"times": 0}`, rows(1, 2, 3)))), 0)
}

func TestTheRunningSumGoesOnInTheNextSlice(t *testing.T) {
	first := transomtest.RunSlice(t, "running_sum", `{"column": "a"}`, "", append(rows(1, 2), row{}))
	next := transomtest.RunSlice(t, "running_sum", `{"column": "a"}`, first.State, rows(10))
	type sum struct {
		Sum int64 `arrow:"sum"`
	}
	expect(t, transomtest.Rows[sum](t, first), []sum{{1}, {3}, {3}})
	expect(t, transomtest.Rows[sum](t, next), []sum{{13}})
}

func TestTheNumbersOfAllKeysGoOnInTheNextSlice(t *testing.T) {
	table := append(rows(1, 2), rows(1, 2)...)
	first := transomtest.RunSlice(t, "number_rows", `{"column": "b"}`, "", append(table, row{}))
	next := transomtest.RunSlice(t, "number_rows", `{"column": "b"}`, first.State, append(rows(1), row{}))
	type number struct {
		Number int64 `arrow:"number"`
	}
	expect(t, transomtest.Rows[number](t, first), []number{{1}, {1}, {2}, {2}, {1}})
	expect(t, transomtest.Rows[number](t, next), []number{{3}, {2}})
}

func TestOddRowsAreRejectedAndNullsPass(t *testing.T) {
	ran := transomtest.Run(t, "reject_odd", `{"column": "a"}`, append(rows(2, 7, -3), row{}))
	expect(t, values(t, ran), []int64{2, -1})
	expect(t, ran.Rejected, []transomtest.Rejected{{Row: 1, Reason: "odd: 7"}, {Row: 2, Reason: "odd: -3"}})
}

func TestTotalsComeWithTheEndOfTheInput(t *testing.T) {
	type total struct {
		Rows  int64 `arrow:"rows"`
		Total int64 `arrow:"total"`
	}
	ran := transomtest.Run(t, "totals", `{"column": "a"}`, rows(1, 2), append(rows(4), row{}))
	expect(t, transomtest.Rows[total](t, ran), []total{{4, 7}})
	expect(t, len(transomtest.RunSlice(t, "totals", `{"column": "a"}`, "", rows(1)).Batches), 0)
}

func TestFailFailsAsItIsTold(t *testing.T) {
	for kind, want := range map[string]transom.Kind{
		"bad-data": transom.KindBadData, "config": transom.KindConfig, "retryable": transom.KindRetryable,
		"internal": transom.KindInternal,
	} {
		for _, at := range []string{"open", "process", "finish"} {
			failed := transomtest.Fails(t, "fail", fmt.Sprintf(`{"kind": %q, "at": %q, "row": 1}`, kind, at), rows(1, 2))
			if failed.Kind != want || failed.Message != "as asked" || failed.Row.Valid != (at == "process") {
				t.Errorf("%s at %s: got %#v", kind, at, failed)
			}
		}
	}
}

func TestTheLatestRowOfEachKeyIsKept(t *testing.T) {
	type row struct {
		Key  string `arrow:"key"`
		Time int64  `arrow:"time"`
		ID   int64  `arrow:"id"`
	}
	ran := transomtest.Run(t, "latest", "", []row{{"a", 9, 1}, {"a", 3, 2}, {"b", 5, 3}})
	expect(t, transomtest.Rows[row](t, ran), []row{{"a", 9, 1}, {"b", 5, 3}})
}

func TestTalkLogsAndCounts(t *testing.T) {
	ran := transomtest.Run(t, "talk", "", rows(1, 2), rows(3))
	expect(t, ran.Log, []string{"info: batch of 2 rows", "info: batch of 1 rows"})
	expect(t, ran.Counts["rows"], 3)
}

func TestFunctionsAgreeWithTheirDescription(t *testing.T) {
	ints := func(values ...transom.Null[int64]) *transom.Column { return transom.NewColumn(values) }
	one, none := transom.Some(int64(1)), transom.Null[int64]{}
	sums, _ := transomtest.Call[int64](t, "add", ints(transom.Some(int64(1<<63-1)), none), ints(one, one))
	expect(t, sums, []string{"-9223372036854775808", "null"})
	shouted, _ := transomtest.Call[string](t, "shout", transom.NewColumn([]string{"łódź"}))
	expect(t, shouted, []string{"ŁÓDŹ!"})
	zeros, _ := transomtest.Call[int64](t, "or_zero", ints(none, one))
	expect(t, zeros, []int64{0, 1})
	checked, rejected := transomtest.Call[int64](t, "checked", ints(one, transom.Some(int64(-5))))
	expect(t, checked, []string{"1", "null"})
	expect(t, rejected, []transomtest.Rejected{{Row: 1, Reason: "negative: -5"}})
	blamed, rejected := transomtest.Call[int64](t, "blame", ints(one, transom.Some(int64(5))))
	expect(t, blamed, []string{"null", "5"})
	expect(t, rejected, []transomtest.Rejected{{Row: 0, Reason: "the data"}})
	reversed, _ := transomtest.Call[[]byte](t, "reverse", transom.NewColumn([][]byte{[]byte("abc")}))
	expect(t, string(reversed[0].V), "cba")
	days, _ := transomtest.Call[transom.Date](t, "next_day", transom.NewColumn([]transom.Date{transom.DateOf(2024, 2, 28)}))
	expect(t, days, []string{"2024-02-29"})
	answers, _ := transomtest.Call[int64](t, "answer")
	expect(t, answers, []int64{42})
	letters := make([]*transom.Column, 7)
	for i := range letters {
		letters[i] = transom.NewColumn([]string{string(rune('a' + i))})
	}
	joined, _ := transomtest.Call[string](t, "joined", letters...)
	expect(t, joined, []string{"abcdefg"})
	at := transom.NewColumn([]transom.Timestamp{transom.TimestampOf(time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC))})
	hours, _ := transomtest.Call[int64](t, "local_hour", at, transom.NewColumn([]string{"Europe/Berlin"}))
	expect(t, hours, []int64{14})
}

func TestBenchmarkedFiltersKeepTheSameRows(t *testing.T) {
	table := []measuredRow{{1, 2, 3, 4, "one", "two"}, {9, 8, 7, 6, "nine", "eight"}, {5, 5, 5, 5, "five", "five"}}
	for _, name := range []string{"keep_rows", "pick_rows", "pick_columns"} {
		got := transomtest.Rows[measuredRow](t, transomtest.Run(t, name, `{"above": 4}`, table))
		expect(t, got, table[1:])
	}
}
