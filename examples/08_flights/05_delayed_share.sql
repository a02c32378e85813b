-- Which part of an origin's flights leaves 15 minutes late or more, in three hours, each hour anew? (a hopping window)
CREATE TABLE delayed_share AS
  SELECT origin, COUNT(*) AS flights, CAST(COUNT(*) FILTER (WHERE delay >= 15) AS DOUBLE) / COUNT(*) AS share FROM flights
  WINDOW HOPPING (SIZE 3 HOURS, ADVANCE BY 1 HOUR, GRACE PERIOD 30 DAYS) GROUP BY origin;
