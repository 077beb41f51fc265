-- Departures with the names of airlines. `day` is the day that the ticket says: the instant may lie in another one.
SELECT
    f.period,
    make_date(f.year, f.month, f.day) AS day,
    f.time_hour,
    f.carrier,
    a.name AS airline,
    f.flight,
    f.tailnum,
    f.origin,
    f.dest,
    f.dep_delay AS delay,
    f.dep_time IS NULL AS cancelled
FROM flights f
LEFT JOIN airlines a ON a.carrier = f.carrier
