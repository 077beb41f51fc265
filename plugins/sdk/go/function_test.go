// Functions as SQL sees them: nulls, rejected rows, types, and registrations that are wrong.

package transom_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

type cents struct{}

func (cents) Digits() (precision, scale int) { return 5, 2 }

// carrier is defined from a basic type, as authors do.
type carrier string

func init() {
	transom.Plugin("test", "0.1.0")
	transom.Function("shout(text)", "In capitals.", transom.Func1(strings.ToUpper))
	transom.Function("join_carrier(carrier, flight)", "Both.", transom.Func2(func(c carrier, flight int64) string {
		return fmt.Sprintf("%s%d", c, flight)
	}))
	transom.Function("answer()", "Of all questions.", transom.Func0(func() int64 { return 42 }))
	transom.Function("joined(a, b, c, d, e, f, g)", "All of them.", transom.Func7(
		func(a, b, c, d, e, f, g string) string { return a + b + c + d + e + f + g }))
	transom.Function("known(v)", "Whether it is known.", transom.Func1(func(v transom.Null[float64]) bool { return v.Valid }))
	transom.Function("positive(v)", "Null unless positive.", transom.Func1(func(v int64) transom.Null[int64] {
		return transom.Null[int64]{V: v, Valid: v > 0}
	}))
	transom.Function("parse(text)", "A number.", transom.Try1(func(text string) (uint8, error) {
		if text == "stop" {
			return 0, transom.Retryable("told to stop")
		}
		if text == "" {
			return 0, transom.BadData("no digit")
		}
		if len(text) != 1 || text < "0" || text > "9" {
			return 0, fmt.Errorf("`%s` is no digit", text)
		}
		return text[0] - '0', nil
	}))
	transom.Function("plus(a, b)", "Sum.", transom.Slices2(func(a, b []int32) []int32 {
		sums := make([]int32, len(a))
		for i := range a {
			sums[i] = a[i] + b[i]
		}
		return sums
	}))
	transom.Function("first_byte(text)", "Half a letter, maybe.", transom.Func1(func(text string) string { return text[:1] }))
	transom.Function("first_bytes(text)", "In a list.", transom.Func1(func(text string) []string { return []string{text[:1]} }))
	transom.Function("first_or_null(text)", "Null for a letter cut in two.", transom.Func1(func(text string) transom.Null[string] {
		return transom.Null[string]{V: text[:1], Valid: text != "ö"}
	}))
	transom.Function("no_key(text)", "Refused.", transom.Try1(func(text string) (int64, error) {
		return 0, errors.New("no key: " + text[:1])
	}))
	transom.Function("short(a)", "Too few rows.", transom.Slices1(func(a []int64) []int64 { return a[:len(a)/2] }))
	type price = transom.Decimal[cents]
	transom.Function("times_ten(price)", "Ten times.", transom.Func1(func(p price) price { return p.Times(10) }))
	transom.Function("same_day(day, at, moment, clock, length)", "Each moved on by one.", transom.Func5(
		func(day transom.Date, at transom.Timestamp, moment transom.Instant, clock transom.Time, length transom.Duration) string {
			later := at.Add(time.Second)
			return fmt.Sprint(day+1, "|", later, "|", moment.Add(time.Second), "|", clock+1_000_000, "|", length+1_000_000)
		}))
	transom.Function("flip(flag)", "Not.", transom.Func1(func(flag bool) bool { return !flag }))
	transom.Function("roll_call(v)", "How often it was called.", transom.Func1(rollCall()), transom.Volatile)
}

func rollCall() func(int64) int64 {
	calls := int64(0)
	return func(int64) int64 { calls++; return calls }
}

func texts(values ...string) *transom.Column { return transom.NewColumn(values) }

// maybe makes a column in which the given rows are null.
func maybe[T any](values []T, nulls ...int) *transom.Column {
	column := make([]transom.Null[T], len(values))
	for i, value := range values {
		column[i] = transom.Null[T]{V: value, Valid: !slices.Contains(nulls, i)}
	}
	return transom.NewColumn(column)
}

func equal[T any](t *testing.T, got, want []T) {
	t.Helper()
	// None is none, whichever slice it is.
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestARowWithANullGivesNullWithoutACall(t *testing.T) {
	got, rejected := transomtest.Call[int64](t, "roll_call", maybe([]int64{7, 7, 7, 7}, 1, 2))
	equal(t, got, []transom.Null[int64]{transom.Some(int64(1)), {}, {}, transom.Some(int64(2))})
	if rejected != nil {
		t.Errorf("rejected %v", rejected)
	}
}

func TestANullInAnyOfSeveralArgumentsGivesNull(t *testing.T) {
	got, _ := transomtest.Call[string](t, "join_carrier", maybe([]string{"AA", "UA", "DL"}, 0), maybe([]int64{1, 2, 3}, 2))
	equal(t, got, []transom.Null[string]{{}, transom.Some("UA2"), {}})
}

func TestAFunctionMayHaveNoArgumentOrMany(t *testing.T) {
	got, _ := transomtest.Call[int64](t, "answer")
	equal(t, got, []transom.Null[int64]{transom.Some(int64(42))})
	letter := func(text string) *transom.Column { return texts(text) }
	joined, _ := transomtest.Call[string](t, "joined", letter("a"), letter("b"), letter("c"), letter("d"), letter("e"),
		letter("f"), letter("g"))
	equal(t, joined, []transom.Null[string]{transom.Some("abcdefg")})
}

func TestANullableArgumentSeesNull(t *testing.T) {
	got, _ := transomtest.Call[bool](t, "known", maybe([]float64{1, math.NaN(), 3}, 0))
	equal(t, got, []transom.Null[bool]{transom.Some(false), transom.Some(true), transom.Some(true)})
}

func TestANullableResultGivesNull(t *testing.T) {
	got, _ := transomtest.Call[int64](t, "positive", maybe([]int64{-1, 2, 5}, 2))
	equal(t, got, []transom.Null[int64]{{}, transom.Some(int64(2)), {}})
}

func TestAnErrorRejectsItsRowWithItsText(t *testing.T) {
	got, rejected := transomtest.Call[uint8](t, "parse", texts("1", "x", "3"))
	equal(t, got, []transom.Null[uint8]{transom.Some(uint8(1)), {}, transom.Some(uint8(3))})
	equal(t, rejected, []transomtest.Rejected{{Row: 1, Reason: "`x` is no digit"}})
}

func TestAnErrorOfTheDataRejectsItsRowAlone(t *testing.T) {
	got, rejected := transomtest.Call[uint8](t, "parse", texts("", "7"))
	equal(t, got, []transom.Null[uint8]{{}, transom.Some(uint8(7))})
	equal(t, rejected, []transomtest.Rejected{{Row: 0, Reason: "no digit"}})
}

func TestAnErrorOfAnotherKindEndsTheRunAndNamesTheRow(t *testing.T) {
	f, err := transom.OpenFunctionByName("parse", transom.Schema{{Name: "a", Format: "u"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Call(&transom.Batch{Rows: 2, Columns: []*transom.Column{texts("1", "stop")}})
	var failed *transom.Error
	if !errors.As(err, &failed) || failed.Kind != transom.KindRetryable || failed.Row != transom.Some(1) {
		t.Fatalf("got %#v", err)
	}
}

func TestAFunctionOfWholeColumnsGivesNullWhereAnArgumentIsNull(t *testing.T) {
	got, _ := transomtest.Call[int32](t, "plus", maybe([]int32{1, 2, 3}, 1), transom.NewColumn([]int32{10, 20, 30}))
	equal(t, got, []transom.Null[int32]{transom.Some(int32(11)), {}, transom.Some(int32(33))})
}

func TestAFunctionOfWholeColumnsThatGivesTooFewRowsIsAtFault(t *testing.T) {
	f, err := transom.OpenFunctionByName("short", transom.Schema{{Name: "a", Format: "l"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Call(&transom.Batch{Rows: 4, Columns: []*transom.Column{transom.NewColumn([]int64{1, 2, 3, 4})}})
	if err == nil || err.Error() != "the function `short` gave 2 rows for 4" {
		t.Fatal(err)
	}
}

func TestADecimalWithTooManyDigitsRejectsItsRow(t *testing.T) {
	price := transom.DecimalOf[cents]
	prices := []transom.Decimal[cents]{price(999), price(-10_000), price(5)}
	got, rejected := transomtest.Call[transom.Decimal[cents]](t, "times_ten", transom.NewColumn(prices))
	if got[0].V.String() != "99.90" || got[1].Valid || got[2].V.String() != "0.50" {
		t.Errorf("got %v", got)
	}
	equal(t, rejected, []transomtest.Rejected{{Row: 1, Reason: "a number has more than the 5 digits of Decimal128(5, 2)"}})
}

func TestTypesOfTimeCross(t *testing.T) {
	departed := time.Date(2013, 1, 1, 5, 17, 0, 0, time.FixedZone("EST", -18_000))
	got, _ := transomtest.Call[string](t, "same_day",
		transom.NewColumn([]transom.Date{transom.DateOf(2013, time.December, 31)}),
		transom.NewColumn([]transom.Timestamp{transom.TimestampOf(departed)}),
		transom.NewColumn([]transom.Instant{transom.InstantOf(departed)}),
		transom.NewColumn([]transom.Time{transom.TimeOf(23, 59, 0)}),
		transom.NewColumn([]transom.Duration{transom.DurationOf(time.Minute)}))
	want := "2014-01-01|2013-01-01 05:17:01|2013-01-01T10:17:01Z|23:59:01|1m1s"
	if got[0].V != want {
		t.Errorf("got %q, want %q", got[0].V, want)
	}
}

func TestBatchesOfAnySizeKeepTheirBits(t *testing.T) {
	for _, rows := range []int{0, 1, 7, 8, 9, 1000} {
		flags, want := make([]bool, rows), make([]transom.Null[bool], rows)
		for i := range flags {
			flags[i] = i%3 == 0
			want[i] = transom.Some(i%3 != 0)
		}
		got, _ := transomtest.Call[bool](t, "flip", transom.NewColumn(flags))
		equal(t, got, want)
	}
}

func TestAQueryWithOtherTypesIsRefused(t *testing.T) {
	cases := []struct {
		name   string
		given  transom.Schema
		wanted string
	}{
		{"shout", transom.Schema{{Format: "l"}}, "the argument `text` of the function `shout` is Utf8, not Int64"},
		{"shout", nil, "the function `shout` takes 1 argument, not 0"},
		{"whisper", nil, "there is no function `whisper`"},
		{"times_ten", transom.Schema{{Format: "d:9,2"}}, "the argument `price` of the function `times_ten` is " +
			"Decimal128(5, 2), not Decimal128(9, 2)"},
	}
	for _, c := range cases {
		_, err := transom.OpenFunctionByName(c.name, c.given)
		var failed *transom.Error
		if !errors.As(err, &failed) || failed.Kind != transom.KindConfig || failed.Message != c.wanted {
			t.Errorf("got %v, want %s", err, c.wanted)
		}
	}
}

func TestARegistrationThatIsWrongPanicsAndSaysWhy(t *testing.T) {
	one := transom.Func1(strings.ToUpper)
	cases := map[string]func(){
		"it looks like `name(first, second)`":        func() { transom.Function("shouted", "", one) },
		"`Shout` is no name":                         func() { transom.Function("Shout(text)", "", one) },
		"names 2 arguments; the function takes 1":    func() { transom.Function("shouted(a, b)", "", one) },
		"two functions are called `shout`":           func() { transom.Function("shout(text)", "", one) },
		"a time.Time has no Arrow type; use Instant": func() { transom.Func1(time.Time.Year) },
		"a chan int has no Arrow type":               func() { transom.Func1(func(chan int) int { return 0 }) },
		"a decimal has 1 to 38 digits":               func() { transom.FieldOf[transom.Decimal[tooManyDigits]]("a") },
		"cannot be null twice":                       func() { transom.FieldOf[transom.Null[transom.Null[int]]]("a") },
	}
	for want, register := range cases {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("got %q", got)
				}
			}()
			register()
		})
	}
}

type tooManyDigits struct{}

func (tooManyDigits) Digits() (precision, scale int) { return 39, 0 }

func TestATextThatIsNotUtf8RejectsItsRow(t *testing.T) {
	column := texts("a", "é", "ö", "b", "ü")
	refused := func(rows ...int) (rejected []transomtest.Rejected) {
		for _, row := range rows {
			rejected = append(rejected, transomtest.Rejected{Row: row, Reason: `the text "\xc3" is not UTF-8`})
		}
		return rejected
	}
	a, b := transom.Some("a"), transom.Some("b")
	got, rejected := transomtest.Call[string](t, "first_byte", column)
	equal(t, got, []transom.Null[string]{a, {}, {}, b, {}})
	equal(t, rejected, refused(1, 2, 4))
	got, rejected = transomtest.Call[string](t, "first_or_null", column)
	equal(t, got, []transom.Null[string]{a, {}, {}, b, {}})
	equal(t, rejected, refused(1, 4))
	lists, rejected := transomtest.Call[[]string](t, "first_bytes", texts("a", "é"))
	equal(t, lists, []transom.Null[[]string]{transom.Some([]string{"a"}), {}})
	equal(t, rejected, refused(1))
}

func TestAReasonThatIsNotUtf8IsShownWithAMark(t *testing.T) {
	_, rejected := transomtest.Call[int64](t, "no_key", texts("é"))
	equal(t, rejected, []transomtest.Rejected{{Row: 0, Reason: "no key: \uFFFD"}})
}
