// Distances on the ellipsoid.

package main

import (
	"errors"
	"fmt"
	"math"
)

// The earth as GPS has it (WGS 84): radius at the equator in meters, and how much less it is to the poles.
const (
	equatorialRadius = 6_378_137.0
	flattening       = 1 / 298.257223563
	polarRadius      = equatorialRadius * (1 - flattening)
	metersPerMile    = 1609.344
)

// geodesic is the length of the shortest way on the ellipsoid in statute miles, by Vincenty's inverse formula, to less than a
// millimeter. On a sphere ways to the east and west come out up to half a percent wrong.
//
// The formula goes round in circles for places almost opposite each other, which are refused.
func geodesic(lat1, lon1, lat2, lon2 float64) (float64, error) {
	for _, place := range [][2]float64{{lat1, lon1}, {lat2, lon2}} {
		if !(math.Abs(place[0]) <= 90 && math.Abs(place[1]) <= 360) {
			return 0, fmt.Errorf("there is no place at latitude %v, longitude %v", place[0], place[1])
		}
	}
	// Latitudes on the sphere around the ellipsoid.
	sinU1, cosU1 := math.Sincos(reduced(lat1))
	sinU2, cosU2 := math.Sincos(reduced(lat2))
	east := math.Remainder(radians(lon2-lon1), 2*math.Pi)

	// Difference in longitude on that sphere, found by coming closer step by step.
	lambda := east
	for range 100 {
		sinLambda, cosLambda := math.Sincos(lambda)
		sinSigma := math.Hypot(cosU2*sinLambda, cosU1*sinU2-sinU1*cosU2*cosLambda)
		if sinSigma == 0 {
			return 0, nil
		}
		cosSigma := sinU1*sinU2 + cosU1*cosU2*cosLambda
		sigma := math.Atan2(sinSigma, cosSigma)
		sinAlpha := cosU1 * cosU2 * sinLambda / sinSigma
		cos2Alpha := 1 - sinAlpha*sinAlpha
		// Along the equator there is no middle of the way to speak of.
		cos2Middle := 0.0
		if cos2Alpha > 0 {
			cos2Middle = cosSigma - 2*sinU1*sinU2/cos2Alpha
		}
		c := flattening / 16 * cos2Alpha * (4 + flattening*(4-3*cos2Alpha))
		next := east + (1-c)*flattening*sinAlpha*
			(sigma+c*sinSigma*(cos2Middle+c*cosSigma*(2*cos2Middle*cos2Middle-1)))
		if math.Abs(next-lambda) < 1e-12 {
			return polarRadius * series(cos2Alpha, sigma, sinSigma, cosSigma, cos2Middle) / metersPerMile, nil
		}
		if math.Abs(next) > math.Pi {
			break
		}
		lambda = next
	}
	return 0, errors.New("the two places are almost opposite each other on the globe")
}

// series is the length of the way as an angle at the poles' radius.
func series(cos2Alpha, sigma, sinSigma, cosSigma, cos2Middle float64) float64 {
	const squares = (equatorialRadius*equatorialRadius - polarRadius*polarRadius) / (polarRadius * polarRadius)
	u2 := cos2Alpha * squares
	a := 1 + u2/16384*(4096+u2*(-768+u2*(320-175*u2)))
	b := u2 / 1024 * (256 + u2*(-128+u2*(74-47*u2)))
	delta := b * sinSigma * (cos2Middle + b/4*(cosSigma*(2*cos2Middle*cos2Middle-1)-
		b/6*cos2Middle*(4*sinSigma*sinSigma-3)*(4*cos2Middle*cos2Middle-3)))
	return a * (sigma - delta)
}

func reduced(latitude float64) float64 {
	return math.Atan((1 - flattening) * math.Tan(radians(latitude)))
}
