"""The plugin `weather` of the example pipeline `flights`: how bad the weather of an hour was, in one word.

The rule is written to be read and changed by whoever looks at the delays. Nothing in it knows of Arrow or
WebAssembly; SQL calls it for every hour of the year, the tests beside it call it as the function that it is.
"""

import transom

#: From what nobody notices to what closes runways.
LEVELS = ["good", "marginal", "poor", "severe"]

# Miles per hour: a strong breeze and a gale of the Beaufort scale, and what the Weather Service calls severe in a
# thunderstorm.
WIND = [(58.0, 3), (39.0, 2), (25.0, 1)]

# Inches in an hour: heavy, moderate and light rain of the American Meteorological Society.
RAIN = [(0.30, 2), (0.10, 1)]

#: No storm has blown faster at a station of the eastern United States than the 231 mph of Mount Washington in 1934.
FASTEST_WIND = 231.0

#: Water that falls at this temperature (degrees Fahrenheit) freezes to the wings: aircraft have to be de-iced.
FREEZING = 32.0


@transom.function
def severity(
    wind_speed: float | None,
    wind_gust: float | None,
    visib: float | None,
    precip: float | None,
    temp: float | None,
) -> str:
    """How bad the weather of an hour was for flying: `good`, `marginal`, `poor` or `severe`.

    Wind in miles per hour, visibility in miles, precipitation in inches, temperature in degrees Fahrenheit. The worst
    of them counts. What was not reported is taken for harmless; so is a wind that cannot be true, and the counter
    `impossible_wind` tells of it.
    """
    level = max(of_wind(wind_speed), of_wind(wind_gust), of_visibility(visib), of_rain(precip))
    if precip and temp is not None and temp <= FREEZING:
        level += 1
    return LEVELS[min(level, len(LEVELS) - 1)]


def of_wind(speed: float | None) -> int:
    """The level of a wind, or of a gust."""
    if speed is None:
        return 0
    if speed > FASTEST_WIND:
        transom.count("impossible_wind")
        return 0
    return next((level for least, level in WIND if speed >= least), 0)


def of_visibility(miles: float | None) -> int:
    """The level of a visibility."""
    # The FAA's flight categories, as far as visibility goes (the data has no ceilings): low IFR, IFR, marginal VFR,
    # VFR.
    if miles is None or miles > 5.0:
        return 0
    return 3 if miles < 1.0 else 2 if miles < 3.0 else 1


def of_rain(inches: float | None) -> int:
    """The level of an hour's precipitation."""
    if inches is None:
        return 0
    return next((level for least, level in RAIN if inches >= least), 0)
