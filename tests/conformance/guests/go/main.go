// The conformance guest in Go: the same functions and transforms as those of the other languages, so that one list of cases
// runs through all of them.
package main

import transom "github.com/transom-data/transom/plugins/sdk/go"

func init() { transom.Plugin("conformance", "0.1.0") }

func main() {}
