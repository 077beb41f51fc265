//go:build wasip1

// Memory layouts of the canonical ABI, by hand: no generated code, no external module. All of the contract's records are
// made of 32-bit words; a bool, an enum or a variant's case stands in the low byte of one.
//
// Go's collector never moves an object, so a Go reference to a buffer is all that keeps its address valid. `inbound` holds
// what the host has written arguments to until the call ends, `kept` what a result points to until the host has copied it.

package transom

import (
	"unsafe"
)

// Words of the records that stand in lists.
const (
	fieldWords     = 8
	functionWords  = 10
	argumentWords  = 5
	transformWords = 11
	textWords      = 2
	sortKeyWords   = 3
	outputWords    = 3
	partWords      = 8
	rejectedWords  = 3
)

var (
	inbound [][]byte
	kept    []any
)

// block is what is allocated for the host: Go aligns objects that are a multiple of 16 bytes long to 16.
type block [2]uint64

const blockBytes = 16

// alloc is n bytes, n > 0, aligned to 16 so that every Arrow value can be read in place.
func alloc(n uint32) []byte {
	blocks := make([]block, (uint64(n)+blockBytes-1)/blockBytes)
	start := unsafe.Pointer(&blocks[0])
	if uintptr(start)%blockBytes != 0 {
		// The language promises 8 only.
		blocks = make([]block, len(blocks)+1)
		start = unsafe.Pointer(&blocks[0])
		start = unsafe.Add(start, -uintptr(start)%blockBytes)
	}
	return unsafe.Slice((*byte)(start), n)
}

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(uintptr(align))
	}
	bytes := alloc(size)
	if oldSize > 0 {
		copy(bytes, unsafe.Slice((*byte)(old), min(oldSize, size)))
	}
	inbound = append(inbound, bytes)
	return unsafe.Pointer(unsafe.SliceData(bytes))
}

// endInput drops the SDK's own references to arguments: what the author's code still points to lives on.
func endInput() {
	clear(inbound)
	inbound = inbound[:0]
}

// release drops what the last result points to.
func release() {
	clear(kept)
	kept = kept[:0]
}

func pointer(address uint32) unsafe.Pointer { return unsafe.Pointer(uintptr(address)) }

func bytesAt(address, length uint32) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(address)), length)
}

// textAt copies: names and formats outlive the call.
func textAt(address, length uint32) string { return string(bytesAt(address, length)) }

// wordsAt is a list of records as words.
func wordsAt(address, length, words uint32) []uint32 {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*uint32)(pointer(address)), length*words)
}

func fieldsAt(address, length uint32) Schema {
	words := wordsAt(address, length, fieldWords)
	flat := make([]flatField, length)
	for i := range flat {
		w := words[i*fieldWords:][:fieldWords]
		flat[i] = flatField{textAt(w[0], w[1]), textAt(w[2], w[3]), w[4]&0xff != 0, metadataAt(w[5], w[6]), int(w[7])}
	}
	return unflatten(flat)
}

func metadataAt(address, length uint32) map[string]string {
	if length == 0 {
		return nil
	}
	metadata := make(map[string]string, length)
	words := wordsAt(address, length, 4)
	for ; len(words) > 0; words = words[4:] {
		metadata[textAt(words[0], words[1])] = textAt(words[2], words[3])
	}
	return metadata
}

func batchAt(fields []Field, rows, nodes, nodesLen, buffers, buffersLen uint32) *Batch {
	lists := wordsAt(buffers, buffersLen, 2)
	bytes := make([][]byte, buffersLen)
	for i := range bytes {
		bytes[i] = bytesAt(lists[2*i], lists[2*i+1])
	}
	var list []node
	if nodesLen > 0 {
		list = unsafe.Slice((*node)(pointer(nodes)), nodesLen)
	}
	return &Batch{Rows: int(rows), Columns: split(fields, list, bytes)}
}

// writer puts words together.
type writer struct{ words []uint32 }

func (w *writer) word(word uint32) { w.words = append(w.words, word) }

func (w *writer) flag(flag bool) {
	if flag {
		w.word(1)
	} else {
		w.word(0)
	}
}

func (w *writer) optional(value uint32, given bool) {
	w.flag(given)
	w.word(value)
}

func (w *writer) text(text string) {
	kept = append(kept, unsafe.StringData(text))
	w.word(uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))))
	w.word(uint32(len(text)))
}

func (w *writer) bytes(bytes []byte) {
	kept = append(kept, unsafe.SliceData(bytes))
	w.word(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(bytes)))))
	w.word(uint32(len(bytes)))
}

// list refers to records of so many words each.
func (w *writer) list(records *writer, words int) {
	w.word(uint32(uintptr(records.give())))
	w.word(uint32(len(records.words) / words))
}

// give keeps the words for the host and tells where they are.
func (w *writer) give() unsafe.Pointer {
	start := unsafe.Pointer(unsafe.SliceData(w.words))
	kept = append(kept, start)
	return start
}

// fields lists fields depth first.
func (w *writer) fields(fields ...Field) {
	var list writer
	for _, f := range flatten(nil, fields...) {
		list.text(f.name)
		list.text(f.format)
		list.flag(f.nullable)
		var metadata writer
		for _, key := range sortedKeys(f.metadata) {
			metadata.text(key)
			metadata.text(f.metadata[key])
		}
		list.list(&metadata, 4)
		list.word(uint32(f.children))
	}
	w.list(&list, fieldWords)
}

func (w *writer) batch(rows int, columns ...*Column) {
	nodes, buffers := join(nil, nil, columns...)
	var lengths, lists writer
	for _, n := range nodes {
		lengths.word(n.length)
		lengths.word(n.nulls)
	}
	for _, buffer := range buffers {
		lists.bytes(buffer)
	}
	w.word(uint32(rows))
	w.list(&lengths, 2)
	w.list(&lists, 2)
}

func (w *writer) rejected(rows []rejected) {
	var list writer
	for _, r := range rows {
		list.word(r.row)
		list.text(r.reason)
	}
	w.list(&list, rejectedWords)
}
