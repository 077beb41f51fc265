// Errors with the kinds of the contract: whose fault it is decides what becomes of the run.

package transom

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says who has to act.
type Kind uint8

const (
	// KindBadData: the data is wrong; trying again gives the same error.
	KindBadData Kind = iota
	// KindConfig: the pipeline asks for something that the plugin cannot do: an option, a column, a type.
	KindConfig
	// KindRetryable: trying again may help.
	KindRetryable
	// KindInternal: a mistake in the plugin.
	KindInternal
)

// String is the kind's name in the contract.
func (k Kind) String() string {
	switch k {
	case KindBadData:
		return "bad-data"
	case KindConfig:
		return "config"
	case KindRetryable:
		return "retryable"
	}
	return "internal"
}

// Error ends the run, but for [BadData] from a function, which rejects the row. A transform rejects rows with Output.Reject.
type Error struct {
	// Kind says who has to act.
	Kind Kind
	// Message says what failed on which object.
	Message string
	// Row of the current input batch, from 0.
	Row Null[int]
	// Column of the input that the error is about, by name; empty for none.
	Column string
	// cause is what `%w` wrapped.
	cause error
}

// BadData is an error of the data: from a function it rejects the row, from a transform it ends the run. Format and arguments are those of [fmt.Errorf].
func BadData(format string, arguments ...any) *Error {
	return newError(KindBadData, fmt.Errorf(format, arguments...))
}

// Config is an error of the pipeline: an option, a column, a type.
func Config(format string, arguments ...any) *Error {
	return newError(KindConfig, fmt.Errorf(format, arguments...))
}

// Retryable is an error that may pass.
func Retryable(format string, arguments ...any) *Error {
	return newError(KindRetryable, fmt.Errorf(format, arguments...))
}

// Internal is an error of the plugin.
func Internal(format string, arguments ...any) *Error {
	return newError(KindInternal, fmt.Errorf(format, arguments...))
}

func newError(kind Kind, cause error) *Error {
	return &Error{Kind: kind, Message: cause.Error(), cause: errors.Unwrap(cause)}
}

// AtRow names the row of the current input batch, from 0.
func (e *Error) AtRow(row int) *Error {
	e.Row = Some(row)
	return e
}

// AtColumn names the input column.
func (e *Error) AtColumn(name string) *Error {
	e.Column = name
	return e
}

// Error is the message alone.
func (e *Error) Error() string { return e.Message }

// Unwrap is what `%w` wrapped, if anything.
func (e *Error) Unwrap() error { return e.cause }

// asError gives any other error the kind internal.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		// The outer text may say more than the error within.
		wrapped := *e
		wrapped.Message = utf8Text(err.Error())
		return &wrapped
	}
	internal := newError(KindInternal, err)
	internal.Message = utf8Text(internal.Message)
	return internal
}

// utf8Text is a text for a user with a mark for what is not UTF-8: an error often shows the data that it is about, and the contract
// takes no other text.
func utf8Text(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// counted is a number of things: 1 row, 3 rows.
func counted(number int, thing string) string {
	if number == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", number, thing)
}
