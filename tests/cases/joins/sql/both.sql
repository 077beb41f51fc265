-- A full join keeps the order of a customer nobody knows and the customer without an order.
SELECT o.id, coalesce(o.customer, c.customer) AS customer, c.city
FROM orders AS o
FULL JOIN customers AS c ON c.customer = o.customer
ORDER BY customer, o.id
