-- A function of a plugin is called as any other: plugin.function(..).
SELECT
    id,
    privacy.mask_email(email) AS email,
    country
FROM customers
ORDER BY id
