package main

import "testing"

func TestTheNameIsHiddenAndTheDomainKept(t *testing.T) {
	if got, err := maskEmail("ada@example.com"); err != nil || got != "a***@example.com" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestATextWithoutAnAtSignIsRefused(t *testing.T) {
	if _, err := maskEmail("ada"); err == nil {
		t.Error("it was taken")
	}
}
