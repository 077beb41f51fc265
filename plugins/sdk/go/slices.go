// The bodies of functions that see whole columns, for each number of arguments.

package transom

// Slices1 sees whole columns and gives one of as many rows. A row with a null gives null, whatever was computed from the
// arbitrary value that stands in its place, unless the argument's type is [Null].
func Slices1[A, R any](f func([]A) []R) Body {
	return newBody(of[R](), []valueType{of[A]()}, func() callFunc {
		var sA []A
		return func(c *call) {
			sA = argument(c, 0, sA)
			give(c, f(sA))
		}
	})
}

// Slices2 sees whole columns.
func Slices2[A, B, R any](f func([]A, []B) []R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B]()}, func() callFunc {
		var sA []A
		var sB []B
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			give(c, f(sA, sB))
		}
	})
}

// Slices3 sees whole columns.
func Slices3[A, B, C, R any](f func([]A, []B, []C) []R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C]()}, func() callFunc {
		var sA []A
		var sB []B
		var sC []C
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			give(c, f(sA, sB, sC))
		}
	})
}

// Slices4 sees whole columns.
func Slices4[A, B, C, D, R any](f func([]A, []B, []C, []D) []R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D]()}, func() callFunc {
		var sA []A
		var sB []B
		var sC []C
		var sD []D
		return func(c *call) {
			sA = argument(c, 0, sA)
			sB = argument(c, 1, sB)
			sC = argument(c, 2, sC)
			sD = argument(c, 3, sD)
			give(c, f(sA, sB, sC, sD))
		}
	})
}

// Slices5 sees whole columns.
func Slices5[A, B, C, D, E, R any](f func([]A, []B, []C, []D, []E) []R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E]()}, func() callFunc {
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
			give(c, f(sA, sB, sC, sD, sE))
		}
	})
}

// Slices6 sees whole columns.
func Slices6[A, B, C, D, E, F, R any](f func([]A, []B, []C, []D, []E, []F) []R) Body {
	return newBody(of[R](), []valueType{of[A](), of[B](), of[C](), of[D](), of[E](), of[F]()}, func() callFunc {
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
			give(c, f(sA, sB, sC, sD, sE, sF))
		}
	})
}
