-- Different addresses per hour and method.
CREATE TABLE visitors AS
  SELECT method, COUNT(DISTINCT address) AS addresses FROM hits
  WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 30 DAYS, GRACE PERIOD 1 MINUTE) GROUP BY method;
