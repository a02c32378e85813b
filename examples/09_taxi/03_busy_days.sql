-- Days busier than their weekday's mean. (a query of a query, joined with it)
CREATE TABLE busy_days AS
  WITH days AS (SELECT CAST(at AS DATE) AS day, SUM(value) AS passengers FROM taxi GROUP BY CAST(at AS DATE)),
       weekdays AS (SELECT DAYOFWEEK(CAST(day AS TIMESTAMP)) AS weekday, AVG(passengers) AS mean FROM days
                    GROUP BY DAYOFWEEK(CAST(day AS TIMESTAMP)))
  SELECT d.day AS day, d.passengers AS passengers, w.mean AS mean
  FROM days d JOIN weekdays w ON DAYOFWEEK(CAST(d.day AS TIMESTAMP)) = w.weekday WHERE d.passengers > w.mean;
