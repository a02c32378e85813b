-- Visits: an address's requests without half an hour of silence. (session windows)
CREATE TABLE visits AS
  SELECT address, COUNT(*) AS hits, SUM(bytes) AS bytes FROM hits
  WINDOW SESSION (30 MINUTES, RETENTION 30 DAYS, GRACE PERIOD 1 MINUTE) GROUP BY address;
