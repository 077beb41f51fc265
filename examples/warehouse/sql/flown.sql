SELECT
    f.month,
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
JOIN airlines a ON a.carrier = f.carrier
