-- The hourly reports, each with how bad the weather was for flying: good, marginal, poor or severe.
SELECT
    w.*,
    conditions.severity(w.wind_speed, w.wind_gust, w.visib, w.precip, w.temp) AS severity
FROM weather w
