// Where a panic was, for the message that a user sees.

package transom

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// panicMessage describes a recovered panic. It is called in the deferred function that has recovered: the frames of the
// panic are still on the stack then.
func panicMessage(reason any) string {
	text := utf8Text(fmt.Sprint(reason))
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("panicked at %s:%d: %s", shortPath(frame.File), frame.Line, text)
		}
		if !more {
			return "panicked: " + text
		}
	}
}

// shortPath is the file's name with the last part of the path of its package: `conformance/main.go`.
func shortPath(file string) string {
	folder, name := path.Split(file)
	return path.Join(path.Base(folder), name)
}
