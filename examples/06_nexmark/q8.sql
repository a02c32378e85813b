-- Who came and began to sell within the same ten seconds?
CREATE TABLE q8 AS
SELECT p.id, p.name, p.window_start
FROM (SELECT id, name, window_start, window_end
      FROM TUMBLE(TABLE person, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND)
      GROUP BY id, name, window_start, window_end) p
JOIN (SELECT seller, window_start, window_end
      FROM TUMBLE(TABLE auction, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND)
      GROUP BY seller, window_start, window_end) a
  ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end;
