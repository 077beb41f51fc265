// Decimal arithmetic against math/big.

package transom

import (
	"math/big"
	"math/rand"
	"testing"
)

type fine struct{}

func (fine) Digits() (precision, scale int) { return 38, 4 }

type coarse struct{}

func (coarse) Digits() (precision, scale int) { return 3, -2 }

func TestArithmeticAgreesWithBigNumbers(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	number := func() *big.Int {
		n := new(big.Int).Rand(random, limit)
		n.Rsh(n, uint(random.Intn(127)))
		if random.Intn(2) == 0 {
			n.Neg(n)
		}
		return n
	}
	for range 2000 {
		a, b, n := number(), number(), int64(random.Intn(7)-3)
		x, okX := DecimalOfBig[fine](a)
		y, okY := DecimalOfBig[fine](b)
		if !okX || !okY || x.Unscaled().Cmp(a) != 0 {
			t.Fatalf("%v became %v", a, x.Unscaled())
		}
		if x.Cmp(y) != a.Cmp(b) {
			t.Fatalf("%v and %v compare as %d", a, b, x.Cmp(y))
		}
		product := new(big.Int).Mul(a, big.NewInt(n))
		if product.BitLen() < 127 && x.Times(n).Unscaled().Cmp(product) != 0 {
			t.Fatalf("%v x %d became %v", a, n, x.Times(n).Unscaled())
		}
		if difference := new(big.Int).Sub(a, b); difference.BitLen() < 127 && x.Sub(y).Unscaled().Cmp(difference) != 0 {
			t.Fatalf("%v - %v became %v", a, b, x.Sub(y).Unscaled())
		}
		if product.BitLen() < 127 && x.Times(n).Fits() != (product.CmpAbs(limit) < 0) {
			t.Fatalf("%v is said to fit: %v", product, x.Times(n).Fits())
		}
	}
}

func TestANumberThatDoesNotFitIsRefused(t *testing.T) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	if _, ok := DecimalOfBig[fine](limit); ok {
		t.Error("10^38 has 39 digits")
	}
	smallest := Decimal[fine]{0, -1 << 63}
	if smallest.Fits() {
		t.Error("-2^127 has 39 digits")
	}
	if n, ok := DecimalOf[fine](-5).Int64(); n != -5 || !ok {
		t.Errorf("got %d, %v", n, ok)
	}
	if _, ok := (Decimal[fine]{0, 1}).Int64(); ok {
		t.Error("2^64 does not fit 64 bits")
	}
}

func TestSmallAndNegativeScalesAreShownInFull(t *testing.T) {
	for unscaled, want := range map[int64]string{-5: "-0.0005", 0: "0.0000", 123_456: "12.3456"} {
		if got := DecimalOf[fine](unscaled).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := DecimalOf[coarse](-7).String(); got != "-700" {
		t.Errorf("got %s", got)
	}
}
