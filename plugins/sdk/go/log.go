// The two things that a plugin may ask of its host.

package transom

import "fmt"

// Level of a message.
type Level uint8

// Levels, as the contract numbers them.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

var levelNames = [...]string{"trace", "debug", "info", "warn", "error"}

// String is the level's name in the contract.
func (l Level) String() string { return levelNames[min(l, LevelError)] }

// Tracef logs at level trace. Format and arguments are those of [fmt.Printf].
func Tracef(format string, arguments ...any) { say(LevelTrace, format, arguments) }

// Debugf logs at level debug.
func Debugf(format string, arguments ...any) { say(LevelDebug, format, arguments) }

// Infof logs at level info.
func Infof(format string, arguments ...any) { say(LevelInfo, format, arguments) }

// Warnf logs at level warn.
func Warnf(format string, arguments ...any) { say(LevelWarn, format, arguments) }

// Errorf logs at level error; it does not end anything.
func Errorf(format string, arguments ...any) { say(LevelError, format, arguments) }

func say(level Level, format string, arguments []any) {
	host.Log(level, utf8Text(fmt.Sprintf(format, arguments...)))
}

// Count adds to a counter of the run, which its report shows.
func Count(metric string, value uint64) { host.Count(metric, value) }
