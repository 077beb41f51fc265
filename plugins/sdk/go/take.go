// Rows of a column, picked by number: for rejected rows that are left out, and for tests that carry columns over.

package transom

// Take is the column with these rows of c, in this order; a row may come any number of times.
func (c *Column) Take(rows []uint32) *Column {
	out := &Column{format: c.format, length: len(rows)}
	l, _ := layoutOf(c.format)
	if l.kind == layoutNull {
		out.nulls = len(rows)
		return out
	}
	if c.nulls > 0 {
		out.validity = newBitmap(len(rows))
		for i, row := range rows {
			if c.IsNull(int(row)) {
				out.nulls++
			} else {
				setBit(out.validity, i)
			}
		}
	}
	switch l.kind {
	case layoutBits:
		bits := newBitmap(len(rows))
		for i, row := range rows {
			if bit(c.buffers[0], int(row)) {
				setBit(bits, i)
			}
		}
		out.buffers = [][]byte{bits}
	case layoutFixed:
		out.buffers = [][]byte{takeFixed(c.buffers[0], l.width, rows)}
	case layoutBytes:
		if l.width == 8 {
			out.buffers = takeBytes[int64](c, rows)
		} else {
			out.buffers = takeBytes[int32](c, rows)
		}
	case layoutList:
		var items []uint32
		if l.width == 8 {
			out.buffers, items = takeLists[int64](c, rows)
		} else {
			out.buffers, items = takeLists[int32](c, rows)
		}
		out.children = []*Column{c.children[0].Take(items)}
	case layoutFixedList:
		items := make([]uint32, 0, len(rows)*l.width)
		for _, row := range rows {
			for i := range l.width {
				items = append(items, row*uint32(l.width)+uint32(i))
			}
		}
		out.children = []*Column{c.children[0].Take(items)}
	case layoutStruct:
		for _, child := range c.children {
			out.children = append(out.children, child.Take(rows))
		}
	}
	return out
}

func takeFixed(values []byte, width int, rows []uint32) []byte {
	switch width {
	case 4:
		return takeValues[uint32](values, rows)
	case 8:
		return takeValues[uint64](values, rows)
	}
	taken := make([]byte, 0, len(rows)*width)
	for _, row := range rows {
		taken = append(taken, values[int(row)*width:(int(row)+1)*width]...)
	}
	return taken
}

func takeValues[T uint32 | uint64](values []byte, rows []uint32) []byte {
	width := 4
	if _, wide := any(T(0)).(uint64); wide {
		width = 8
	}
	from, taken := view[T](values, len(values)/width), make([]T, len(rows))
	for i, row := range rows {
		taken[i] = from[row]
	}
	return raw(taken)
}

func takeBytes[O int32 | int64](c *Column, rows []uint32) [][]byte {
	from := view[O](c.buffers[0], c.length+1)
	offsets, size := make([]O, len(rows)+1), O(0)
	for i, row := range rows {
		size += from[row+1] - from[row]
		offsets[i+1] = size
	}
	data := make([]byte, 0, size)
	for _, row := range rows {
		data = append(data, c.buffers[1][from[row]:from[row+1]]...)
	}
	return [][]byte{raw(offsets), data}
}

func takeLists[O int32 | int64](c *Column, rows []uint32) (buffers [][]byte, items []uint32) {
	from, offsets := view[O](c.buffers[0], c.length+1), make([]O, len(rows)+1)
	for i, row := range rows {
		for item := from[row]; item < from[row+1]; item++ {
			items = append(items, uint32(item))
		}
		offsets[i+1] = O(len(items))
	}
	return [][]byte{raw(offsets)}, items
}
