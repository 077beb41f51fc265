// The bodies of functions, for each number of arguments: Go has no generics over that. The loops are written out so that
// a call costs no reflection and no boxing.

package transom

// Func1 sees one row at a time. A row with a null gives null without a call, unless the argument's type is [Null].
func Func1[A, R any](f func(A) R) Body {
	return newBody(of[R](), []valueType{of[A]()}, func() callFunc {
		var out []R
		var sA []A
		return func(c *call) {
			sA = argument(c, 0, sA)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i])
			}
			give(c, out)
		}
	})
}

// Func2 sees one row at a time.
func Func2[A, B, R any](f func(A, B) R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i], sB[i])
			}
			give(c, out)
		}
	})
}

// Func3 sees one row at a time.
func Func3[A, B, C, R any](f func(A, B, C) R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i], sB[i], sC[i])
			}
			give(c, out)
		}
	})
}

// Func4 sees one row at a time.
func Func4[A, B, C, D, R any](f func(A, B, C, D) R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i], sB[i], sC[i], sD[i])
			}
			give(c, out)
		}
	})
}

// Func5 sees one row at a time.
func Func5[A, B, C, D, E, R any](f func(A, B, C, D, E) R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		var sE []E
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			sE = argument(c, 4, sE)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i], sB[i], sC[i], sD[i], sE[i])
			}
			give(c, out)
		}
	})
}

// Func6 sees one row at a time.
func Func6[A, B, C, D, E, F, R any](f func(A, B, C, D, E, F) R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E](), of[F]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		var sE []E
		var sF []F
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			sE = argument(c, 4, sE)
			sF = argument(c, 5, sF)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				out[i] = f(sA[i], sB[i], sC[i], sD[i], sE[i], sF[i])
			}
			give(c, out)
		}
	})
}

// Try1 is like [Func1], but may refuse a row: an error rejects it, with the error's text as the reason. An [*Error] of another
// kind than bad data ends the run.
func Try1[A, R any](f func(A) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A]()}, func() callFunc {
		var out []R
		var sA []A
		return func(c *call) {
			sA = argument(c, 0, sA)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}

// Try2 is like [Func2], but may refuse a row.
func Try2[A, B, R any](f func(A, B) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A](), of[B]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i], sB[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}

// Try3 is like [Func3], but may refuse a row.
func Try3[A, B, C, R any](f func(A, B, C) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i], sB[i], sC[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}

// Try4 is like [Func4], but may refuse a row.
func Try4[A, B, C, D, R any](f func(A, B, C, D) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i], sB[i], sC[i], sD[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}

// Try5 is like [Func5], but may refuse a row.
func Try5[A, B, C, D, E, R any](f func(A, B, C, D, E) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		var sE []E
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			sE = argument(c, 4, sE)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i], sB[i], sC[i], sD[i], sE[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}

// Try6 is like [Func6], but may refuse a row.
func Try6[A, B, C, D, E, F, R any](f func(A, B, C, D, E, F) (R, error)) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E](), of[F]()}, func() callFunc {
		var out []R
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		var sE []E
		var sF []F
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			sE = argument(c, 4, sE)
			sF = argument(c, 5, sF)
			out = sized(out, c.rows)
			for i := range out {
				if c.skips(i) {
					continue
				}
				var err error
				if out[i], err = f(sA[i], sB[i], sC[i], sD[i], sE[i], sF[i]); err != nil && !c.refuse(i, err) {
					return
				}
			}
			give(c, out)
		}
	})
}
