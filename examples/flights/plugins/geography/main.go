// The plugin `geography` of the example pipeline `flights`: where a flight is headed, and how far it is on the real earth.
//
// The functions are plain Go and know nothing of tables; what makes them functions for SQL is below.
package main

import transom "github.com/transom-data/transom/plugins/sdk/go"

func init() {
	transom.Plugin("geography", "0.1.0")
	transom.Function("initial_bearing(lat1, lon1, lat2, lon2)",
		"Direction in which the shortest way from the first place to the second begins: degrees clockwise from north, from 0 up "+
			"to 360. Null where the two are one place or each other's antipode.",
		transom.Func4(initialBearing))
	transom.Function("compass(bearing)",
		"Point of the compass for a direction in degrees: N, NE, E, SE, S, SW, W or NW.",
		transom.Try1(compass))
	transom.Function("geodesic(lat1, lon1, lat2, lon2)",
		"Length in statute miles of the shortest way between two places on the flattened earth (WGS 84). Rejects a place that is "+
			"none, and two that are almost opposite each other.",
		transom.Try4(geodesic))
}

func main() {}
