-- One row per aircraft: how often New York saw it, how tightly it was scheduled, and how often it stayed late.
SELECT
    tailnum,
    max(manufacturer) AS manufacturer,
    max(model) AS model,
    max(built) AS built,
    count(*) AS departures,
    max(rotation) AS rotations,
    max(visit) AS longest_rotation,
    -- From one departure to the next of the same rotation.
    median(CAST(away_minutes AS DOUBLE)) / 60 AS median_hours_away,
    count(*) FILTER (WHERE delay >= $late_minutes) AS late,
    count(*) FILTER (WHERE delay >= $late_minutes AND late_before >= $late_minutes) AS late_again
FROM turnarounds
GROUP BY tailnum
