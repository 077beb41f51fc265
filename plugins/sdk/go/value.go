// Values that Go has no type for, each with the very layout that Arrow gives it, so that a column of them is a Go slice.

package transom

import (
	"fmt"
	"time"
)

// Null is a value that may be null, like [database/sql.Null]. The zero value is null.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some is a value that is not null.
func Some[T any](value T) Null[T] { return Null[T]{V: value, Valid: true} }

// Or is the value, or `other` for null.
func (n Null[T]) Or(other T) T {
	if n.Valid {
		return n.V
	}
	return other
}

// String shows the value, or "null".
func (n Null[T]) String() string {
	if n.Valid {
		return fmt.Sprint(n.V)
	}
	return "null"
}

func (Null[T]) isNull() {}

// Date is a day: days since 1970-01-01.
type Date int32

// DateOf is a day of the calendar; months and days out of range count on, as with [time.Date].
func DateOf(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

// Time is the day's midnight in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86_400, 0).UTC() }

// String is the day as 2006-01-02.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// Time is a time of day: microseconds since midnight.
type Time int64

// TimeOf is a time of day.
func TimeOf(hour, minute, second int) Time {
	return Time(((hour*60+minute)*60 + second) * 1_000_000)
}

// Duration is the time since midnight.
func (t Time) Duration() time.Duration { return time.Duration(t) * time.Microsecond }

// String is the time as 15:04:05.999999.
func (t Time) String() string { return time.UnixMicro(int64(t)).UTC().Format("15:04:05.999999") }

// Timestamp is a reading of a calendar and a clock without a zone: microseconds since 1970-01-01 00:00:00.
type Timestamp int64

// TimestampOf is what `t` shows on its clock, wherever that hangs.
func TimestampOf(t time.Time) Timestamp {
	_, offset := t.Zone()
	return Timestamp(t.UnixMicro() + int64(offset)*1_000_000)
}

// Time is the reading, taken for UTC.
func (t Timestamp) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Add is the reading so much later.
func (t Timestamp) Add(d time.Duration) Timestamp { return t + Timestamp(d.Microseconds()) }

// Sub is the time from `earlier` to t.
func (t Timestamp) Sub(earlier Timestamp) time.Duration {
	return time.Duration(t-earlier) * time.Microsecond
}

// String is the reading as 2006-01-02 15:04:05.999999.
func (t Timestamp) String() string { return t.Time().Format("2006-01-02 15:04:05.999999") }

// Instant is a moment: microseconds since 1970-01-01 00:00:00 UTC. Its Arrow type is a timestamp with the zone UTC.
type Instant int64

// InstantOf is the moment `t`.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time is the moment, shown in UTC.
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// Add is the moment so much later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Microseconds()) }

// Sub is the time from `earlier` to i.
func (i Instant) Sub(earlier Instant) time.Duration {
	return time.Duration(i-earlier) * time.Microsecond
}

// String is the moment as 2006-01-02T15:04:05.999999Z.
func (i Instant) String() string { return i.Time().Format("2006-01-02T15:04:05.999999Z07:00") }

// Duration is a length of time in microseconds: it reaches a thousand times further than [time.Duration].
type Duration int64

// DurationOf is a length of time, cut to microseconds.
func DurationOf(d time.Duration) Duration { return Duration(d.Microseconds()) }

// Std is the same length in Go's own type, which ends at 292 years.
func (d Duration) Std() time.Duration { return time.Duration(d) * time.Microsecond }

// String is the length as 1h2m3s.
func (d Duration) String() string { return d.Std().String() }
