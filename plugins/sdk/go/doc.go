// Package transom is what a Transom plugin in Go is written against.
//
// A plugin is a main package that registers functions for SQL and transforms of tables when it is initialised:
//
//	func init() {
//		transom.Plugin("privacy", "0.1.0")
//		transom.Function("mask_email(email)", "Hides who an e-mail address belongs to.", transom.Try1(maskEmail))
//	}
//
//	func main() {} // the compiler wants one; it is never called
//
// `transom build` compiles it to a Wasm component. Under `go test` the same code is an ordinary Go package; the package
// transomtest runs registered transforms as the host would.
//
// # Functions
//
// [Function] takes a signature, a description and one of three kinds of body: [Func1] and its like see one row at a time,
// [Try1] and its like may refuse a row, [Slices1] and its like see whole columns.
//
// # Transforms
//
// [Rows] registers a transform over rows, which are structs whose fields name their columns: `arrow:"carrier"`.
// [Transform] registers one over whole columns. Both may keep state, reject rows and give more or fewer rows than they got.
//
// # Values
//
//	bool                        Boolean
//	int8 ... int64, int         Int8 ... Int64, Int64
//	uint8 ... uint64, uint      UInt8 ... UInt64, UInt64
//	float32, float64            Float32, Float64
//	string, []byte              Utf8, Binary
//	Date, Time                  Date32, Time64 in microseconds
//	Timestamp, Instant          Timestamp in microseconds without a zone, in UTC
//	Duration                    Duration in microseconds
//	Decimal[P]                  Decimal128 with the digits that P says
//	Null[T]                     the same as T, or null
//
// Types that are defined from one of the basic types, such as `type Carrier string`, cross as that type.
//
// # Memory
//
// Strings and slices that a plugin is given point into the batch that they came with. They are ordinary Go memory: what
// is kept stays valid. Keeping one string keeps its whole column; use [strings.Clone] for a short string that is kept for
// long. Slices that a plugin is given are not to be written to.
package transom
