-- The busiest half hour of each day. (ARG_MAX, or: the value where another is largest)
CREATE TABLE peaks AS
  SELECT CAST(at AS DATE) AS day, MAX(value) AS passengers, ARG_MAX(at, value) AS since FROM taxi GROUP BY CAST(at AS DATE);
