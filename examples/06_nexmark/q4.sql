-- Average of the winning prices per category.
CREATE TABLE q4 AS
SELECT category, AVG(final) AS average
FROM (SELECT a.id, a.category, MAX(b.price) AS final
      FROM auction a, bid b
      WHERE a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
      GROUP BY a.id, a.category) q
GROUP BY category;
