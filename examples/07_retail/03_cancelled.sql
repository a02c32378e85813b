-- How many invoices were cancelled, and which part of all?
CREATE TABLE cancelled AS
  SELECT COUNT(DISTINCT invoice) AS invoices, COUNT(DISTINCT invoice) FILTER (WHERE invoice LIKE 'C%') AS cancelled,
         CAST(COUNT(DISTINCT invoice) FILTER (WHERE invoice LIKE 'C%') AS DOUBLE) / COUNT(DISTINCT invoice) AS share
  FROM lines;
