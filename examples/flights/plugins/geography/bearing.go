// Directions.

package main

import (
	"fmt"
	"math"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

// initialBearing is the direction of the great circle at the first place. Degrees; north and east are positive.
func initialBearing(lat1, lon1, lat2, lon2 float64) transom.Null[float64] {
	lat1, lat2, east := radians(lat1), radians(lat2), radians(lon2-lon1)
	x := math.Cos(lat1)*math.Sin(lat2) - math.Sin(lat1)*math.Cos(lat2)*math.Cos(east)
	y := math.Sin(east) * math.Cos(lat2)
	// Where every direction is as good as any other, rounding would pick one.
	if math.Hypot(x, y) < 1e-12 {
		return transom.Null[float64]{}
	}
	degrees := math.Atan2(y, x) * 180 / math.Pi
	if degrees < 0 {
		degrees += 360
	}
	// A tiny angle to the west rounds up to the full circle.
	return transom.Some(math.Mod(degrees, 360))
}

// points of the compass, clockwise from north.
var points = [...]string{"N", "NE", "E", "SE", "S", "SW", "W", "NW"}

// compass is the nearest of eight points. North is the directions from 337.5 on and up to, not including, 22.5.
func compass(bearing float64) (string, error) {
	if !(bearing >= 0 && bearing <= 360) {
		return "", fmt.Errorf("a direction is 0 to 360 degrees, not %v", bearing)
	}
	const width = 360 / float64(len(points))
	return points[int(math.Floor(bearing/width+0.5))%len(points)], nil
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
