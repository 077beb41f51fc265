-- One row per point of the compass: how fast flights go there, and how well the stated distances fit the earth.
SELECT
    heading,
    count(*) AS flights,
    -- In the air, taxiing left out. Long flights are faster, and the longest go west.
    60.0 * sum(distance) FILTER (WHERE air_time IS NOT NULL) / sum(air_time) AS mph,
    avg(delay) AS mean_delay,
    -- Stated less computed, in miles: on a sphere, and on the flattened earth.
    avg(distance - great_circle) AS off_sphere,
    avg(distance - geodesic) AS off_earth,
    max(abs(distance - geodesic)) AS max_off_earth
FROM departures
WHERE heading IS NOT NULL
GROUP BY heading
ORDER BY mph DESC
