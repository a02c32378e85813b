SELECT COUNT(DISTINCT invoice) AS invoices, COUNT(DISTINCT invoice) FILTER (WHERE invoice LIKE 'C%') AS cancelled,
       CAST(COUNT(DISTINCT invoice) FILTER (WHERE invoice LIKE 'C%') AS REAL) / COUNT(DISTINCT invoice) AS share
FROM lines
