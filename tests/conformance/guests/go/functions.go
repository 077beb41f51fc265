// Functions of every shape: each type, nulls seen and not seen, a row that is refused, a panic.

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

// amount is decimal128(18,2).
type amount struct{}

func (amount) Digits() (precision, scale int) { return 18, 2 }

func init() {
	transom.Function("add(a, b)", "Sum; wraps around.", transom.Slices2(add))
	transom.Function("shout(text)", "In capitals, with an exclamation mark.", transom.Func1(shout))
	transom.Function("half(x)", "Half of it.", transom.Func1(func(x float64) float64 { return x / 2 }))
	transom.Function("negate(flag)", "The opposite.", transom.Func1(func(flag bool) bool { return !flag }))
	transom.Function("next_day(day)", "The day after.", transom.Func1(func(day transom.Date) transom.Date { return day + 1 }))
	transom.Function("an_hour_later(at)", "An hour later.", transom.Func1(anHourLater))
	transom.Function("twice(amount)", "Twice the amount.", transom.Func1(twice))
	transom.Function("reverse(bytes)", "The bytes in reverse order.", transom.Func1(reverse))
	transom.Function("lengths(words)", "How long each word is.", transom.Func1(lengths))
	transom.Function("or_zero(v)", "The value, or 0 for null.", transom.Func1(orZero))
	transom.Function("checked(v)", "The value; rejects a negative one.", transom.Try1(checked))
	transom.Function("unlucky(v)", "The value; panics at 13.", transom.Func1(unlucky))
	transom.Function("blame(v)", "The value; from 1 to 4 an error of each kind.", transom.Try1(blame))
	transom.Function("answer()", "Of all questions.", transom.Func0(func() int64 { return 42 }))
	transom.Function("joined(a, b, c, d, e, f, g)", "All of them, in their order.", transom.Func7(joined))
	transom.Function("local_hour(at, zone)", "The hour that clocks of a zone show at a time in UTC.", transom.Try2(localHour))
}

// add sees whole columns, for the speed of it.
func add(a, b []int64) []int64 {
	sums := make([]int64, len(a))
	for i := range sums {
		sums[i] = a[i] + b[i]
	}
	return sums
}

func shout(text string) string { return strings.ToUpper(text) + "!" }

func anHourLater(at transom.Timestamp) transom.Timestamp { return at.Add(time.Hour) }

func twice(price transom.Decimal[amount]) transom.Decimal[amount] { return price.Add(price) }

func reverse(bytes []byte) []byte {
	reversed := slices.Clone(bytes)
	slices.Reverse(reversed)
	return reversed
}

func orZero(v transom.Null[int64]) int64 { return v.Or(0) }

func checked(v int64) (int64, error) {
	if v < 0 {
		return 0, fmt.Errorf("negative: %d", v)
	}
	return v, nil
}

func unlucky(v int64) int64 {
	if v == 13 {
		panic(errors.New("unlucky 13"))
	}
	return v
}

func blame(v int64) (int64, error) {
	switch v {
	case 1:
		return 0, transom.BadData("the data")
	case 2:
		return 0, transom.Config("the pipeline")
	case 3:
		return 0, transom.Retryable("bad luck")
	case 4:
		return 0, transom.Internal("the plugin")
	}
	return v, nil
}

func joined(a, b, c, d, e, f, g string) string { return a + b + c + d + e + f + g }

func localHour(at transom.Timestamp, zone string) (int64, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return 0, err
	}
	return int64(at.Time().In(location).Hour()), nil
}

func lengths(words []string) []int64 {
	lengths := make([]int64, len(words))
	for i, word := range words {
		lengths[i] = int64(len(word))
	}
	return lengths
}
