-- One row per kind of weather: what it does to departures. Null: flights in an hour without a report.
SELECT
    h.severity,
    count(*) AS flights,
    count(*) FILTER (WHERE d.cancelled) AS cancelled,
    count(*) FILTER (WHERE d.cancelled) / CAST(count(*) AS DOUBLE) AS cancelled_share,
    avg(d.delay) AS mean_delay
FROM departures d
LEFT JOIN hours h ON h.origin = d.origin AND h.time_hour = d.time_hour
GROUP BY h.severity
ORDER BY mean_delay
