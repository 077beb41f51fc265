// Options: what is read, what is refused and how that is said, the JSON Schema.

package transom_test

import (
	"encoding/json"
	"strings"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

type place struct {
	Lat  float64  `json:"lat"`
	Lon  *float64 `json:"lon"`
	Name string   `json:"name,omitempty"`
}

type manyOptions struct {
	Column string         `json:"column" doc:"Which column."`
	Times  uint8          `json:"times" default:"3"`
	Order  string         `json:"order" enum:"newest,oldest" default:"newest"`
	Prefix *string        `json:"prefix"`
	Names  []string       `json:"names,omitempty"`
	Places map[string]int `json:"places,omitempty"`
	Home   place          `json:"home,omitempty"`
	Corner [2]int         `json:"corner,omitempty"`
	Homes  []place        `json:"homes,omitempty"`
	hidden int
}

var lastOptions manyOptions

type passing struct{}

func (passing) Process(_ *transom.Batch, output *transom.Output) error {
	output.Emit()
	return nil
}

func init() {
	transom.Transform("many_options", "Has many options.", func(plan *transom.Plan, options manyOptions) (passing, error) {
		lastOptions = options
		plan.PassAll()
		return passing{}, nil
	})
}

func rowsOfOne() []maybeClick { return []maybeClick{at("ada", 1)} }

func TestOptionsAreReadWithTheirDefaults(t *testing.T) {
	transomtest.Run(t, "many_options", `{"column": "a", "prefix": "x", "home": {"lat": 1.5, "lon": null}, "corner": [1, 2]}`, rowsOfOne())
	o := lastOptions
	if o.Corner != [2]int{1, 2} || o.Home.Lon != nil {
		t.Errorf("got %+v", o)
	}
	if o.Column != "a" || o.Times != 3 || o.Order != "newest" || *o.Prefix != "x" || o.Names != nil || o.Home.Lat != 1.5 ||
		o.hidden != 0 {
		t.Errorf("got %+v", o)
	}
}

func TestAWrongOptionIsNamed(t *testing.T) {
	for options, want := range map[string]string{
		`{}`:                                     "the option `column` of the transform `many_options` is missing",
		`{"column": 1}`:                          "the option `column` must be a text, not 1",
		`{"column": null}`:                       "the option `column` must be a text, not null",
		`{"column": "a", "times": 300}`:          "the option `times` must be an integer from 0 on, not 300",
		`{"column": "a", "times": 1.5}`:          "the option `times` must be an integer from 0 on, not 1.5",
		`{"column": "a", "order": "new"}`:        "the option `order` must be one of `newest`, `oldest`, not `new`",
		`{"column": "a", "names": [1]}`:          "the option `names` must be a text, not [1]",
		`{"column": "a", "home": {"x": 1}}`:      "there is no option `home.x`; `home` has `lat`, `lon`, `name`",
		`{"column": "a", "home": {"lat": "x"}}`:  "the option `home.lat` must be a number, not string",
		`{"column": "a", "home": {}}`:            "the option `home.lat` is missing",
		`{"column": "a", "home": {"LAT": 1}}`:    "there is no option `home.LAT`; `home` has `lat`, `lon`, `name`",
		`{"column": "a", "home": {"lat": null}}`: "the option `home.lat` must be a number, not null",
		`{"column": "a", "homes": [{"lat": 1, "lon": 2, "name": null}]}`: "the option `homes[0].name` must be a text, not null",
		`{"column": "a", "homes": [{"lat": 1}, {"lon": 2}]}`:             "the option `homes[1].lat` is missing",
		`{"column": "a", "names": ["a", null]}`:                          "the option `names[1]` must be a text, not null",
		`{"column": "a", "places": {"x": null}}`:                         "the option `places.x` must be an integer, not null",
		`{"column": "a", "corner": [1]}`:                                 "the option `corner` must be a list of 2, not of 1",
		`{"colum": "a"}`: "there is no option `colum`; the transform `many_options` has `column`, `times`, `order`, " +
			"`prefix`, `names`, `places`, `home`, `corner`, `homes`",
		`[1]`: "the options of the transform `many_options` are no JSON object: " +
			"json: cannot unmarshal array into Go value of type map[string]json.RawMessage",
	} {
		failed := transomtest.Fails(t, "many_options", options, rowsOfOne())
		if failed.Kind != transom.KindConfig || failed.Message != want {
			t.Errorf("%s: got %q, want %q", options, failed.Message, want)
		}
	}
	failed := transomtest.Fails(t, "filter", `{"x": 1}`, rowsOfOne())
	if failed.Message != "there is no option `x`; the transform `filter` has none" {
		t.Errorf("got %q", failed.Message)
	}
}

func TestTheSchemaOfOptionsSaysWhatTheStructSays(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(transom.OptionsSchema("many_options")), &schema); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(schema["properties"])
	for _, want := range []string{
		`"column":{"description":"Which column.","type":"string"}`,
		`"times":{"default":3,"maximum":255,"minimum":0,"type":"integer"}`,
		`"order":{"default":"newest","enum":["newest","oldest"],"type":"string"}`,
		`"prefix":{"type":["string","null"]}`,
		`"names":{"items":{"type":"string"},"type":"array"}`,
		`"places":{"additionalProperties":{"type":"integer"},"type":"object"}`,
		`"home":{"additionalProperties":false,"properties":{"lat":{"type":"number"},"lon":{"type":["number","null"]},` +
			`"name":{"type":"string"}},"required":["lat"],"type":"object"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	required, _ := json.Marshal(schema["required"])
	if string(required) != `["column"]` || schema["additionalProperties"] != false {
		t.Errorf("got %s, %v", required, schema["additionalProperties"])
	}
}
