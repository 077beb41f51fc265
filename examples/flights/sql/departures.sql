-- One row per scheduled departure, cancelled ones included, with instants instead of clock readings.
--
-- The source splits a departure into local clock readings (`dep_time` 517 is 5:17 a.m.) and gives the scheduled hour once
-- more as an instant, `time_hour`. Instants are built from that, so that they are right at midnight (a delay may carry a
-- flight into the next day) and in the two nights when the clock changes. `day` stays the day that the ticket says.
SELECT
    make_date(f.year, f.month, f.day) AS day,
    f.carrier,
    f.flight,
    f.tailnum,
    f.origin,
    f.dest,
    f.time_hour,
    f.time_hour + arrow_cast(60 * f.minute, 'Duration(s)') AS scheduled,
    -- A cancelled flight never departed: no delay, so no instant.
    f.time_hour + arrow_cast(60 * (f.minute + f.dep_delay), 'Duration(s)') AS departed,
    f.dep_time IS NULL AS cancelled,
    f.dep_delay AS delay,
    f.air_time,
    f.distance,
    -- `airports.csv` lacks four airports in the Caribbean (BQN, PSE, SJU, STT): null there.
    aviation.great_circle(o.lat, o.lon, d.lat, d.lon) AS great_circle,
    geography.geodesic(o.lat, o.lon, d.lat, d.lon) AS geodesic,
    geography.compass(geography.initial_bearing(o.lat, o.lon, d.lat, d.lon)) AS heading,
    p.manufacturer,
    p.model,
    p.year AS built,
    p.seats
FROM flights f
LEFT JOIN airports o ON o.faa = f.origin
LEFT JOIN airports d ON d.faa = f.dest
-- American and Envoy report fleet numbers. Where one of those is also a registration, it is another aircraft's: the registry
-- would make Envoy's N711MQ a business jet of 1976.
LEFT JOIN planes p ON p.tailnum = f.tailnum AND f.carrier NOT IN ('AA', 'MQ')
