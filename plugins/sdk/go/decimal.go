// Decimal numbers: 128-bit integers whose digits behind the point are part of the type.

package transom

import (
	"math/big"
	"math/bits"
	"strings"
)

// Digits says how many digits a decimal type has.
type Digits interface {
	// Digits is the number of digits in all, 1 to 38, and of those behind the point.
	Digits() (precision, scale int)
}

// Decimal is an exact decimal number (Arrow's Decimal128) with the digits that P says:
//
//	type Cents struct{}
//
//	func (Cents) Digits() (precision, scale int) { return 18, 2 }
//
//	func twice(amount transom.Decimal[Cents]) transom.Decimal[Cents] { return amount.Add(amount) }
//
// Arithmetic wraps around at 128 bits. A result with more digits than P has is found out when it leaves the plugin: a
// function's row is rejected, a transform ends in an error.
type Decimal[P Digits] struct {
	// The unscaled number in two's complement, as Arrow has it.
	lo uint64
	hi int64
}

// DecimalOf is `unscaled` x 10^-scale: DecimalOf[Cents](1995) is 19.95.
func DecimalOf[P Digits](unscaled int64) Decimal[P] {
	return Decimal[P]{uint64(unscaled), unscaled >> 63}
}

// DecimalOfBig is `unscaled` x 10^-scale; false when it does not fit into the digits of P.
func DecimalOfBig[P Digits](unscaled *big.Int) (Decimal[P], bool) {
	if unscaled.BitLen() > 127 {
		return Decimal[P]{}, false
	}
	var words [16]byte
	magnitude := new(big.Int).Abs(unscaled)
	magnitude.FillBytes(words[:])
	var d Decimal[P]
	for i := range 8 {
		d.hi = d.hi<<8 | int64(words[i])
		d.lo = d.lo<<8 | uint64(words[8+i])
	}
	if unscaled.Sign() < 0 {
		d = d.Neg()
	}
	return d, d.Fits()
}

// Unscaled is the number x 10^scale.
func (d Decimal[P]) Unscaled() *big.Int {
	n := new(big.Int).Lsh(big.NewInt(d.hi), 64)
	return n.Add(n, new(big.Int).SetUint64(d.lo))
}

// Int64 is the number x 10^scale; false when 64 bits are too few.
func (d Decimal[P]) Int64() (int64, bool) { return int64(d.lo), d.hi == int64(d.lo)>>63 }

// Add is d + other.
func (d Decimal[P]) Add(other Decimal[P]) Decimal[P] {
	lo, carry := bits.Add64(d.lo, other.lo, 0)
	hi, _ := bits.Add64(uint64(d.hi), uint64(other.hi), carry)
	return Decimal[P]{lo, int64(hi)}
}

// Sub is d - other.
func (d Decimal[P]) Sub(other Decimal[P]) Decimal[P] { return d.Add(other.Neg()) }

// Neg is -d.
func (d Decimal[P]) Neg() Decimal[P] {
	lo, borrow := bits.Sub64(0, d.lo, 0)
	hi, _ := bits.Sub64(0, uint64(d.hi), borrow)
	return Decimal[P]{lo, int64(hi)}
}

// Times is d x n.
func (d Decimal[P]) Times(n int64) Decimal[P] {
	hi, lo := bits.Mul64(d.lo, uint64(n))
	hi += uint64(d.hi)*uint64(n) + d.lo*uint64(n>>63)
	return Decimal[P]{lo, int64(hi)}
}

// Cmp is -1, 0 or +1 as d is less than, equal to or more than other.
func (d Decimal[P]) Cmp(other Decimal[P]) int {
	switch {
	case d == other:
		return 0
	case d.hi < other.hi || d.hi == other.hi && d.lo < other.lo:
		return -1
	}
	return 1
}

// Fits says whether the number has no more digits than P says.
func (d Decimal[P]) Fits() bool {
	precision, _ := d.digits()
	return fits(d.lo, d.hi, precision)
}

// String is the number with all digits of its scale: -0.05.
func (d Decimal[P]) String() string {
	_, scale := d.digits()
	n := d.Unscaled()
	if scale <= 0 {
		if n.Sign() != 0 {
			return n.String() + strings.Repeat("0", -scale)
		}
		return n.String()
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	text := n.Abs(n).String()
	if missing := scale + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	return sign + text[:len(text)-scale] + "." + text[len(text)-scale:]
}

func (Decimal[P]) digits() (precision, scale int) {
	var digits P
	return digits.Digits()
}

// fits says whether |hi:lo| < 10^precision.
func fits(lo uint64, hi int64, precision int) bool {
	if hi < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		high, _ := bits.Sub64(0, uint64(hi), borrow)
		hi = int64(high)
		if hi < 0 {
			return false // the one number whose negation does not fit 128 bits
		}
	}
	limitLo, limitHi := uint64(1), uint64(0)
	for range precision {
		high, low := bits.Mul64(limitLo, 10)
		limitLo, limitHi = low, limitHi*10+high
	}
	return uint64(hi) < limitHi || uint64(hi) == limitHi && lo < limitLo
}
