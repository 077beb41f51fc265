-- One row per day and carrier: how late, why, in which weather, and how many seats.
--
-- A departure is late from `$late_minutes` minutes on. Its lateness counts as inherited when the aircraft had left New York
-- late last time too, within the same rotation: as many minutes as it was late then, but never more than it is late now.
WITH flight AS (
    SELECT
        d.*,
        t.tailnum IS NOT NULL AS traced,
        coalesce(d.delay >= $late_minutes, false) AS late,
        coalesce(d.delay >= $late_minutes AND t.late_before >= $late_minutes, false) AS inherits,
        least(d.delay, t.late_before) AS inherited_minutes,
        w.wind_gust,
        w.visib,
        w.severity
    FROM departures d
    -- Left joins only: what the transform rejected is still a flight, and so is one in an hour without a weather report.
    LEFT JOIN turnarounds t
        ON t.carrier = d.carrier AND t.flight = d.flight AND t.scheduled = d.scheduled
    LEFT JOIN hours w ON w.origin = d.origin AND w.time_hour = d.time_hour
)
SELECT
    to_char(f.day, '%Y-%m') AS month,
    f.day,
    f.carrier,
    a.name AS airline,
    count(*) AS flights,
    count(*) FILTER (WHERE f.cancelled) AS cancelled,
    avg(f.delay) AS mean_delay,
    -- Cast, since the median of integers is an integer.
    median(CAST(f.delay AS DOUBLE)) AS median_delay,
    count(*) FILTER (WHERE f.late) AS late,
    count(*) FILTER (WHERE f.inherits) AS late_again,
    -- Of all minutes of late departures, those that the aircraft brought along; null on a day without a late departure.
    coalesce(sum(f.inherited_minutes) FILTER (WHERE f.inherits), 0)
        / CAST(sum(f.delay) FILTER (WHERE f.late) AS DOUBLE) AS inherited_share,
    -- Null: no gust was reported.
    max(f.wind_gust) AS worst_gust,
    min(f.visib) AS worst_visibility,
    count(*) FILTER (WHERE f.severity IN ('poor', 'severe')) AS rough,
    sum(f.seats) FILTER (WHERE NOT f.cancelled) AS seats,
    -- `seats` and `mean_age` speak of these departures alone: the aircraft of the others is not known.
    count(f.seats) FILTER (WHERE NOT f.cancelled) AS seats_known,
    avg(date_part('year', f.day) - f.built) FILTER (WHERE NOT f.cancelled) AS mean_age,
    count(*) FILTER (WHERE NOT f.cancelled AND NOT f.traced) AS untraced,
    max(abs(f.great_circle - f.distance)) AS max_deviation
FROM flight f
JOIN airlines a ON a.carrier = f.carrier
GROUP BY f.day, f.carrier, a.name
