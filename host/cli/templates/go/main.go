// Functions that take personal data out of tables.
package main

import (
	"errors"
	"strings"
	"unicode/utf8"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

func init() {
	transom.Plugin("{name}", "0.1.0")
	transom.Function("mask_email(email)",
		"Hides who an e-mail address belongs to and keeps the domain: `ada@example.com` becomes `a***@example.com`.",
		transom.Try1(maskEmail))
}

func main() {} // the compiler wants one; it is never called

func maskEmail(email string) (string, error) {
	at := strings.LastIndex(email, "@")
	if at < 0 {
		return "", errors.New("an e-mail address has an `@`")
	}
	_, first := utf8.DecodeRuneInString(email[:at])
	return email[:first] + "***" + email[at:], nil
}
