-- The span of temperatures in twelve hours, every six hours. (a hopping window without other groups)
CREATE TABLE half_days AS
  SELECT 'machine' AS what, COUNT(*) AS readings, MAX(value) - MIN(value) AS span FROM temperature
  WINDOW HOPPING (SIZE 12 HOURS, ADVANCE BY 6 HOURS, GRACE PERIOD 300 DAYS) GROUP BY 'machine';
