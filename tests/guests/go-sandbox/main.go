// A guest that asks for what no plugin gets, and dies in each way that Go knows. One function, `attempt`, takes the name of
// what to try; it gives what it got, or what the error said.
package main

import (
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

func init() {
	transom.Plugin("sandbox", "0.1.0")
	transom.Function("attempt(what)", "Tries something that a plugin may not do, and says what came of it.",
		transom.Try1(attempt), transom.Volatile)
}

func main() {}

var attempts = map[string]func() (string, error){
	"the clock": func() (string, error) {
		before := time.Now()
		time.Sleep(time.Hour)
		return fmt.Sprint(before.UTC().Format(time.RFC3339), ", slept: ", time.Since(before) >= time.Hour), nil
	},
	"chance": func() (string, error) {
		return fmt.Sprint(rand.Uint64(), " ", maphash.String(maphash.MakeSeed(), "x")), nil
	},
	"the order of a map": func() (string, error) {
		text := ""
		for n := range map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true} {
			text += fmt.Sprint(n)
		}
		return text, nil
	},
	"a secret": func() (string, error) {
		secret := make([]byte, 8)
		_, err := cryptorand.Read(secret)
		return fmt.Sprintf("%x", secret), err
	},
	"a file": func() (string, error) {
		text, err := os.ReadFile("/etc/hostname")
		return string(text), err
	},
	"writing a file": func() (string, error) { return "written", os.WriteFile("x", nil, 0o600) },
	"the folder": func() (string, error) {
		entries, err := os.ReadDir(".")
		return fmt.Sprint(len(entries)), err
	},
	"the network": func() (string, error) {
		connection, err := net.Dial("tcp", "127.0.0.1:80")
		return fmt.Sprint(connection), err
	},
	"the environment": func() (string, error) { return fmt.Sprint(os.Environ(), os.Args), nil },
	"printing": func() (string, error) {
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
		return "printed", nil
	},
	"a goroutine": func() (string, error) {
		answers := make(chan string)
		go func() { answers <- "answered" }()
		return <-answers, nil
	},
	"a panic": func() (string, error) { panic(errors.New("a panic, as asked")) },
	"a panic in a goroutine": func() (string, error) {
		go func() { panic(errors.New("a panic in a goroutine, as asked")) }()
		time.Sleep(time.Second)
		return "survived", nil
	},
	"a nil pointer": func() (string, error) {
		var batch *transom.Batch
		return fmt.Sprint(batch.Rows), nil
	},
	"a deadlock": func() (string, error) {
		var group sync.WaitGroup
		group.Add(1)
		group.Wait()
		return "survived", nil
	},
	"recursion without end": func() (string, error) { return fmt.Sprint(deep(0)), nil },
	"an exit": func() (string, error) {
		os.Exit(3)
		return "survived", nil
	},
}

func attempt(what string) (string, error) {
	if try, ok := attempts[what]; ok {
		return try()
	}
	return "", fmt.Errorf("`%s` is not known", what)
}

func deep(n int) int {
	if n < 0 {
		return 0
	}
	return 1 + deep(n+1)
}
