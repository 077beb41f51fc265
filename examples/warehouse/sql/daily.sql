SELECT
    month,
    CAST(time_hour AS DATE) AS day,
    carrier,
    max(airline) AS airline,
    count(*) AS flights,
    count(*) FILTER (WHERE cancelled) AS cancelled,
    avg(delay) AS mean_delay,
    max(time_hour) AS last_departure
FROM flown
GROUP BY month, CAST(time_hour AS DATE), carrier
