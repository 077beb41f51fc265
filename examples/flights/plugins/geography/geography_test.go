// Places whose directions and distances are known.

package main

import (
	"math"
	"strings"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

type place struct{ lat, lon float64 }

var (
	jfk    = place{40.639751, -73.778925}
	lax    = place{33.942536, -118.408075}
	mia    = place{25.79325, -80.290556}
	london = place{51.4775, -0.461389}
)

func bearing(from, to place) transom.Null[float64] {
	return initialBearing(from.lat, from.lon, to.lat, to.lon)
}

func miles(t *testing.T, from, to place) float64 {
	t.Helper()
	length, err := geodesic(from.lat, from.lon, to.lat, to.lon)
	if err != nil {
		t.Fatal(err)
	}
	return length
}

func near(t *testing.T, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFlightsBeginInTheDirectionOfTheGreatCircle(t *testing.T) {
	// To London it begins north of east, although London is hardly further north.
	near(t, bearing(jfk, london).V, 51.4, 0.1)
	near(t, bearing(jfk, lax).V, 273.9, 0.1)
	near(t, bearing(jfk, mia).V, 203, 1)
	near(t, bearing(place{0, 0}, place{10, 0}).V, 0, 0)
	near(t, bearing(place{0, 0}, place{-10, 0}).V, 180, 0)
}

func TestADirectionIsLessThanAFullCircle(t *testing.T) {
	if got := bearing(place{0, 0}, place{80, -1e-15}).V; got < 0 || got >= 360 {
		t.Errorf("got %v", got)
	}
}

func TestFromAPlaceToItselfThereIsNoDirection(t *testing.T) {
	for _, to := range []place{jfk, {-jfk.lat, jfk.lon + 180}} {
		if got := bearing(jfk, to); got.Valid {
			t.Errorf("got %v", got)
		}
	}
}

func TestEachPointOfTheCompassIsTheMiddleOfItsDirections(t *testing.T) {
	for degrees, want := range map[float64]string{
		0: "N", 22.4: "N", 22.5: "NE", 45: "NE", 90: "E", 135: "SE", 180: "S", 225: "SW", 273.9: "W", 315: "NW", 337.4: "NW",
		337.5: "N", 360: "N",
	} {
		if got, err := compass(degrees); err != nil || got != want {
			t.Errorf("%v is %s (%v), not %s", degrees, got, err, want)
		}
	}
}

func TestWhatIsNoDirectionIsRefused(t *testing.T) {
	for _, degrees := range []float64{-1, 361, math.NaN(), math.Inf(1)} {
		if got, err := compass(degrees); err == nil {
			t.Errorf("%v is %s", degrees, got)
		}
	}
}

func TestDistancesAreThoseOfTheAirlines(t *testing.T) {
	near(t, miles(t, jfk, lax), 2475, 0.6)
	near(t, miles(t, jfk, mia), 1089, 0.7)
}

func TestTheMeridianAndTheEquatorAreAsLongAsSurveyed(t *testing.T) {
	// A quarter of the meridian is 10,001.966 km, a degree of the equator 111.319 km.
	near(t, miles(t, place{0, 0}, place{90, 0})*metersPerMile, 10_001_965.729, 0.001)
	near(t, miles(t, place{0, 179.5}, place{0, -179.5})*metersPerMile, 111_319.491, 0.001)
}

func TestTheWayBackIsAsLongAndNoWayIsNone(t *testing.T) {
	near(t, miles(t, jfk, lax), miles(t, lax, jfk), 1e-9)
	near(t, miles(t, jfk, jfk), 0, 0)
}

func TestPlacesOppositeEachOtherAndPlacesThatAreNoneAreRefused(t *testing.T) {
	for want, to := range map[string]place{
		"almost opposite": {0.5, 179.7},
		"there is no place at latitude 91, longitude 0":  {91, 0},
		"there is no place at latitude NaN, longitude 0": {math.NaN(), 0},
	} {
		if _, err := geodesic(0, 0, to.lat, to.lon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAnAirportThatIsNotKnownHasNoDirectionInSQL(t *testing.T) {
	known, unknown := transom.Some(jfk.lat), transom.Null[float64]{}
	column := func(values ...transom.Null[float64]) *transom.Column { return transom.NewColumn(values) }
	got, rejected := transomtest.Call[float64](t, "initial_bearing",
		column(known, known), column(transom.Some(jfk.lon), transom.Some(jfk.lon)),
		column(transom.Some(lax.lat), unknown), column(transom.Some(lax.lon), unknown))
	if !got[0].Valid || got[1].Valid || rejected != nil {
		t.Errorf("got %v, %v", got, rejected)
	}
}
