// Transforms over rows, run as the host runs them.

package transom_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

// click is what the transforms of these tests take; `seen` is no column.
type click struct {
	Customer transom.Null[string] `arrow:"customer"`
	Second   int64                `arrow:"second"`
	seen     bool
}

type numbered struct {
	Session int32                 `arrow:"session"`
	Since   transom.Null[float64] `arrow:"since"`
}

// sessions numbers the sessions of each customer.
type sessions struct {
	pause    int64
	customer string
	kept     struct {
		Session int32 `json:"session"`
		Last    int64 `json:"last"`
	}
}

type sessionOptions struct {
	Pause int64 `json:"pause" doc:"Seconds without a click that end a session." default:"1800"`
}

func newSessions(options sessionOptions) (*sessions, error) {
	if options.Pause <= 0 {
		return nil, transom.Config("`pause` must be more than 0")
	}
	return &sessions{pause: options.Pause}, nil
}

func (s *sessions) Row(in *click, out *transom.Emitter[numbered]) error {
	row := numbered{Session: 1}
	switch {
	case in.seen:
		return errors.New("the row was used before")
	case !in.Customer.Valid:
		return errors.New("nobody clicked")
	case in.Customer.V == "stop":
		return transom.BadData("stopped").AtColumn("customer")
	case in.Customer.V == s.customer:
		row.Session = s.kept.Session
		row.Since = transom.Some(float64(in.Second - s.kept.Last))
		if in.Second-s.kept.Last > s.pause {
			row.Session++
		}
	}
	s.customer, s.kept.Session, s.kept.Last = in.Customer.V, row.Session, in.Second
	out.Emit(row)
	return nil
}

func (s *sessions) State() any { return &s.kept }

// cutting says what is not UTF-8 in each way.
type cutting struct{}

func (cutting) Row(in *click, out *transom.Emitter[struct {
	Name string `arrow:"name"`
}]) error {
	switch in.Customer.V {
	case "reason":
		return errors.New("cut \xc3")
	case "message":
		return transom.BadData("cut \xc3")
	case "log":
		transom.Infof("cut \xc3")
	case "value":
		out.Emit(struct {
			Name string `arrow:"name"`
		}{"cut \xc3"})
	}
	return nil
}

func TestWhatIsSaidIsUtf8(t *testing.T) {
	ran := transomtest.Run(t, "cutting", "{}", []maybeClick{at("reason", 1), at("log", 2)})
	const shown = "cut \uFFFD"
	if len(ran.Rejected) != 1 || ran.Rejected[0].Reason != shown || len(ran.Log) != 1 || ran.Log[0] != "info: "+shown {
		t.Errorf("got %q, %q", ran.Rejected, ran.Log)
	}
	for row, want := range map[string]string{
		"message": shown,
		"value":   "the column `name`: the text \"cut \\xc3\" is not UTF-8",
	} {
		if failed := transomtest.Fails(t, "cutting", "{}", []maybeClick{at(row, 1)}); failed.Message != want {
			t.Errorf("%s: got %q", row, failed.Message)
		}
	}
}

// explode gives a row for each second, in the place of the column.
type explode struct{}

func (explode) Row(in *click, out *transom.Emitter[struct {
	Second int64 `arrow:"second"`
}]) error {
	for second := range in.Second {
		out.Emit(struct {
			Second int64 `arrow:"second"`
		}{second})
	}
	if in.Second == 13 {
		return errors.New("unlucky")
	}
	return nil
}

// filter computes nothing.
type filter struct{}

func (filter) Row(in *click, out *transom.Emitter[struct{}]) error {
	if in.Second%2 == 0 {
		out.Emit(struct{}{})
	}
	return nil
}

// letters counts letters, and tells at the end.
type letters struct{ counts map[rune]int64 }

type letterCount struct {
	Letter string `arrow:"letter"`
	Count  int64  `arrow:"count"`
}

func (l *letters) Row(in *click, _ *transom.Emitter[letterCount]) error {
	for _, letter := range in.Customer.V {
		l.counts[letter]++
	}
	return nil
}

func (l *letters) Finish(end transom.End, out *transom.Emitter[letterCount]) error {
	if end == transom.EndOfInput {
		for letter := 'a'; letter <= 'z'; letter++ {
			if n := l.counts[letter]; n > 0 {
				out.Emit(letterCount{string(letter), n})
			}
		}
	}
	return nil
}

func init() {
	transom.Rows("cutting", "Cuts letters in two.", func(transom.NoOptions) (cutting, error) { return cutting{}, nil }, transom.ComputedOnly)
	transom.Rows("sessions", "Numbers sessions.", newSessions)
	transom.Rows("explode", "A row for each second.", func(transom.NoOptions) (explode, error) { return explode{}, nil })
	transom.Rows("filter", "Even seconds.", func(transom.NoOptions) (filter, error) { return filter{}, nil })
	transom.Rows("letters", "Counts letters.", func(transom.NoOptions) (*letters, error) {
		return &letters{map[rune]int64{}}, nil
	}, transom.ComputedOnly)
}

// maybeClick is a click whose second may be missing.
type maybeClick struct {
	Customer transom.Null[string] `arrow:"customer"`
	Second   transom.Null[int64]  `arrow:"second"`
}

func at(customer string, second int64) maybeClick {
	return maybeClick{transom.Some(customer), transom.Some(second)}
}

func TestRowsCarryOverTheirColumnsAndRemember(t *testing.T) {
	ran := transomtest.Run(t, "sessions", `{"pause": 60}`,
		[]maybeClick{at("ada", 0), at("ada", 50)}, []maybeClick{at("ada", 200), at("bob", 201)})
	type session struct {
		Customer string                `arrow:"customer"`
		Second   int64                 `arrow:"second"`
		Session  int32                 `arrow:"session"`
		Since    transom.Null[float64] `arrow:"since"`
	}
	equal(t, transomtest.Rows[session](t, ran), []session{
		{"ada", 0, 1, transom.Null[float64]{}},
		{"ada", 50, 1, transom.Some(50.0)},
		{"ada", 200, 2, transom.Some(150.0)},
		{"bob", 201, 1, transom.Null[float64]{}},
	})
	if ran.Schema[2].Nullable || !ran.Schema[3].Nullable {
		t.Errorf("a plain type is not nullable, a Null is: %v", ran.Schema)
	}
}

func TestAnErrorRejectsARowAndANullWhereNoneMayBeDoesToo(t *testing.T) {
	missing := at("ada", 1)
	missing.Second = transom.Null[int64]{}
	ran := transomtest.Run(t, "sessions", "", []maybeClick{missing, {Second: transom.Some(int64(4))}, at("ada", 9)})
	equal(t, ran.Rejected, []transomtest.Rejected{{Row: 0, Reason: "`second` is null"}, {Row: 1, Reason: "nobody clicked"}})
	if rows := ran.Batches[0].Rows; rows != 1 {
		t.Errorf("got %d rows", rows)
	}
}

func TestAnErrorWithAKindEndsTheRunWithRowAndColumn(t *testing.T) {
	failed := transomtest.Fails(t, "sessions", "", []maybeClick{at("ada", 1), at("stop", 2)})
	if failed.Kind != transom.KindBadData || failed.Row != transom.Some(1) || failed.Column != "customer" {
		t.Errorf("got %#v", failed)
	}
}

func TestOutputOfAnySizeComesInSeveralAnswers(t *testing.T) {
	clicks := make([]maybeClick, 700)
	for i := range clicks {
		clicks[i] = at("ada", 100)
	}
	ran := transomtest.Run(t, "explode", "", clicks)
	rows := transomtest.Rows[struct {
		Second int64 `arrow:"second"`
	}](t, ran)
	if len(rows) != 70_000 || len(ran.Batches) < 4 {
		t.Fatalf("got %d rows in %d batches", len(rows), len(ran.Batches))
	}
	for i, row := range rows {
		if row.Second != int64(i%100) {
			t.Fatalf("row %d is %d", i, row.Second)
		}
	}
}

func TestAComputedColumnTakesThePlaceOfOneOfTheSameName(t *testing.T) {
	ran := transomtest.Run(t, "explode", "", []maybeClick{at("ada", 2)})
	if len(ran.Schema) != 2 || ran.Schema[0].Name != "customer" || ran.Schema[1].Name != "second" || ran.Schema[1].Nullable {
		t.Errorf("got %v", ran.Schema)
	}
}

func TestWhatARejectedRowEmittedIsTakenBack(t *testing.T) {
	ran := transomtest.Run(t, "explode", "", []maybeClick{at("a", 1), at("b", 13), at("c", 2)})
	if got := fmt.Sprint(transomtest.Rows[struct {
		Customer string `arrow:"customer"`
	}](t, ran)); got != "[{a} {c} {c}]" {
		t.Errorf("got %s", got)
	}
	equal(t, ran.Rejected, []transomtest.Rejected{{Row: 1, Reason: "unlucky"}})
}

func TestATransformThatComputesNothingFilters(t *testing.T) {
	clicks := make([]maybeClick, 1000)
	for i := range clicks {
		clicks[i] = at(strings.Repeat("x", i%4), int64(i))
	}
	rows := transomtest.Rows[maybeClick](t, transomtest.Run(t, "filter", "", clicks))
	if len(rows) != 500 || rows[499] != clicks[998] {
		t.Errorf("got %d rows, the last %v", len(rows), rows[len(rows)-1])
	}
}

func TestTotalsComeAtTheEndOfTheInputAndNotOfASlice(t *testing.T) {
	batch := []maybeClick{at("aab", 1), {}}
	batch[1].Second = transom.Some(int64(1))
	rows := transomtest.Rows[letterCount](t, transomtest.Run(t, "letters", "", batch))
	equal(t, rows, []letterCount{{"a", 2}, {"b", 1}})
	if ran := transomtest.RunSlice(t, "letters", "", "", batch); len(ran.Batches) != 0 {
		t.Errorf("got %v", ran.Batches)
	}
}

func TestStateGoesOnInTheNextSlice(t *testing.T) {
	first := transomtest.RunSlice(t, "sessions", "", "", []maybeClick{at("ada", 7)})
	if first.State != `{"session":1,"last":7}` {
		t.Fatalf("got %s", first.State)
	}
	next := transomtest.RunSlice(t, "sessions", "", `{"session":5,"last":7}`, []maybeClick{at("", 8)})
	if got := transomtest.Rows[numbered](t, next)[0]; got.Session != 5 || got.Since != transom.Some(1.0) {
		t.Errorf("got %v", got)
	}
	opened, err := transom.OpenTransformByName("sessions", transom.Schema{
		transom.FieldOf[string]("customer"), transom.FieldOf[int64]("second")}, "")
	if err != nil {
		t.Fatal(err)
	}
	err = opened.Restore([]byte(`{"session":"many"}`))
	if err == nil || !strings.HasPrefix(err.Error(), "the saved state does not fit this version of the transform `sessions`") {
		t.Errorf("got %v", err)
	}
}

func TestColumnsThatAreMissingOrOfAnotherTypeAreRefused(t *testing.T) {
	failed := transomtest.Fails(t, "filter", "", []struct {
		Other int64 `arrow:"other"`
	}{})
	if failed.Kind != transom.KindConfig || failed.Message != "there is no column `customer`; the input has `other`" {
		t.Errorf("got %v", failed)
	}
	failed = transomtest.Fails(t, "filter", "", []struct {
		Customer string `arrow:"customer"`
		Second   int32  `arrow:"second"`
	}{})
	if failed.Message != "the column `second` is Int32, not Int64" || failed.Column != "second" {
		t.Errorf("got %v", failed)
	}
}

type wrongFinish struct{ filter }

func (wrongFinish) Finish() error { return nil }

func TestAMethodThatWouldNeverBeCalledIsRefused(t *testing.T) {
	defer func() {
		want := "should be `Finish(transom.End, *transom.Emitter[struct {}]) error`"
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("got %s", got)
		}
	}()
	transom.Rows("wrong_finish", "", func(transom.NoOptions) (wrongFinish, error) { return wrongFinish{}, nil })
}
