-- Failed requests per minute. (a tumbling window; a minute's grace, because the log is out of order by up to 59 seconds)
CREATE TABLE errors AS
  SELECT status, COUNT(*) AS hits FROM hits WINDOW TUMBLING (SIZE 1 MINUTE, RETENTION 30 DAYS, GRACE PERIOD 1 MINUTE)
  WHERE status >= 400 GROUP BY status;
