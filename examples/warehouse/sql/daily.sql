-- One row per day and airline. A slice has whole periods, so that a group must not reach from one into another: `period` is part of it.
SELECT
    period,
    day,
    carrier,
    max(airline) AS airline,
    count(*) AS flights,
    count(*) FILTER (WHERE cancelled) AS cancelled,
    avg(delay) AS mean_delay,
    max(time_hour) AS last_departure
FROM flown
GROUP BY period, day, carrier
