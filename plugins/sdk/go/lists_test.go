package transom_test

import (
	"strings"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

type tagged struct {
	Tags []string `arrow:"tags"`
}

type counted struct {
	Lengths []int64             `arrow:"lengths"`
	Longest transom.Null[[]int] `arrow:"longest"`
}

type kept struct {
	Text  []byte                 `arrow:"text"`
	Tags  transom.Null[[]string] `arrow:"tags"`
	Lines [][]byte               `arrow:"lines"`
}

// reuser writes each row into the same memory.
type reuser struct {
	text  []byte
	tags  [1]string
	lines [1][]byte
}

func (r *reuser) Row(in *click, out *transom.Emitter[kept]) error {
	r.text = append(r.text[:0], in.Customer.V...)
	r.tags[0], r.lines[0] = in.Customer.V, r.text
	out.Emit(kept{r.text, transom.Some(r.tags[:]), r.lines[:]})
	return nil
}

type countTags struct{}

func (countTags) Row(in *tagged, out *transom.Emitter[counted]) error {
	lengths := lengthsOf(in.Tags)
	out.Emit(counted{Lengths: lengths, Longest: transom.Null[[]int]{V: []int{len(in.Tags)}, Valid: len(in.Tags) > 0}})
	return nil
}

func lengthsOf(words []string) []int64 {
	lengths := make([]int64, len(words))
	for i, word := range words {
		lengths[i] = int64(len(word))
	}
	return lengths
}

func init() {
	transom.Function("lengths(words)", "How long each is.", transom.Func1(lengthsOf))
	transom.Function("known_words(words)", "Those that are not null.", transom.Func1(func(words []transom.Null[string]) []string {
		var known []string
		for _, word := range words {
			if word.Valid {
				known = append(known, word.V)
			}
		}
		return known
	}))
	transom.Function("split(text)", "Words of lines.", transom.Try1(func(text string) (transom.Null[[][]string], error) {
		var lines [][]string
		for line := range strings.SplitSeq(text, "/") {
			lines = append(lines, strings.Fields(line))
		}
		return transom.Null[[][]string]{V: lines, Valid: text != ""}, nil
	}))
	var text []byte
	var pair [2]int64
	var lines [1][]byte
	transom.Function("reused_bytes(text)", "The same.", transom.Func1(func(given string) []byte {
		text = append(text[:0], given...)
		return text
	}))
	transom.Function("reused_list(v)", "It and its negative.", transom.Func1(func(v int64) transom.Null[[]int64] {
		pair[0], pair[1] = v, -v
		return transom.Some(pair[:])
	}))
	transom.Function("reused_lines(text)", "A line.", transom.Try1(func(given string) ([][]byte, error) {
		text = append(text[:0], given...)
		lines[0] = text
		return lines[:], nil
	}))
	transom.Rows("reuse", "Emits the same memory.", func(transom.NoOptions) (*reuser, error) { return &reuser{}, nil },
		transom.ComputedOnly)
	transom.Rows[transom.NoOptions, tagged, counted]("count_tags", "Counts.",
		func(transom.NoOptions) (countTags, error) { return countTags{}, nil }, transom.ComputedOnly)
}

func TestListsAreSlicesOfTheirItems(t *testing.T) {
	words := transom.NewColumn([]transom.Null[[]string]{
		transom.Some([]string{"one", "three"}), {}, transom.Some([]string{}), transom.Some([]string{"five"}),
	})
	got, rejected := transomtest.Call[[]int64](t, "lengths", words)
	equal(t, got, []transom.Null[[]int64]{
		transom.Some([]int64{3, 5}), {}, transom.Some([]int64{}), transom.Some([]int64{4}),
	})
	equal(t, rejected, nil)
}

func TestANullItemRejectsItsRowUnlessTheTypeHoldsIt(t *testing.T) {
	words := transom.NewColumn([][]transom.Null[string]{{transom.Some("a"), {}}, {transom.Some("b")}})
	got, rejected := transomtest.Call[[]int64](t, "lengths", words)
	equal(t, got, []transom.Null[[]int64]{{}, transom.Some([]int64{1})})
	equal(t, rejected, []transomtest.Rejected{
		{Row: 0, Reason: "`words` holds a null, which its Go type cannot: a list of transom.Null does"},
	})
	known, rejected := transomtest.Call[[]string](t, "known_words", words)
	equal(t, known, []transom.Null[[]string]{transom.Some([]string{"a"}), transom.Some([]string{"b"})})
	equal(t, rejected, nil)
}

func TestListsOfListsAreMade(t *testing.T) {
	got, _ := transomtest.Call[[][]string](t, "split", transom.NewColumn([]string{"a b/c", "", "/d"}))
	equal(t, got, []transom.Null[[][]string]{
		transom.Some([][]string{{"a", "b"}, {"c"}}), {}, transom.Some([][]string{{}, {"d"}}),
	})
}

func TestListsOfOtherItemsAreRefused(t *testing.T) {
	given := transom.Schema{transom.FieldOf[[]float64]("words")}
	_, err := transom.OpenFunctionByName("lengths", given)
	want := "the argument `words` of the function `lengths` is List(Utf8), not List(Float64)"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestRowsHaveLists(t *testing.T) {
	type given struct {
		Tags []transom.Null[string] `arrow:"tags"`
	}
	ran := transomtest.Run(t, "count_tags", "{}", []given{{[]transom.Null[string]{transom.Some("ab")}}, {}},
		[]given{{[]transom.Null[string]{{}}}})
	equal(t, transomtest.Rows[counted](t, ran), []counted{
		{[]int64{2}, transom.Some([]int{1})}, {[]int64{}, transom.Null[[]int]{}},
	})
	equal(t, ran.Rejected, []transomtest.Rejected{
		{Batch: 1, Row: 0, Reason: "`tags` holds a null, which its Go type cannot: a list of transom.Null does"},
	})
}

func TestAResultMayBeWrittenToForTheNextRow(t *testing.T) {
	texts := transom.NewColumn([]string{"one", "", "six"})
	bytes, _ := transomtest.Call[[]byte](t, "reused_bytes", texts)
	equal(t, bytes, []transom.Null[[]byte]{
		transom.Some([]byte("one")), transom.Some([]byte{}), transom.Some([]byte("six")),
	})
	lists, _ := transomtest.Call[[]int64](t, "reused_list", transom.NewColumn([]int64{1, 2}))
	equal(t, lists, []transom.Null[[]int64]{transom.Some([]int64{1, -1}), transom.Some([]int64{2, -2})})
	lines, _ := transomtest.Call[[][]byte](t, "reused_lines", texts)
	equal(t, lines, []transom.Null[[][]byte]{
		transom.Some([][]byte{[]byte("one")}), transom.Some([][]byte{{}}), transom.Some([][]byte{[]byte("six")}),
	})
}

func TestAnEmittedRowMayBeWrittenToForTheNextRow(t *testing.T) {
	ran := transomtest.Run(t, "reuse", "{}", []maybeClick{at("ada", 1), at("bob", 2)})
	equal(t, transomtest.Rows[kept](t, ran), []kept{
		{[]byte("ada"), transom.Some([]string{"ada"}), [][]byte{[]byte("ada")}},
		{[]byte("bob"), transom.Some([]string{"bob"}), [][]byte{[]byte("bob")}},
	})
}
