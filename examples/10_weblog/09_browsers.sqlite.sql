WITH asked AS (
  SELECT address, CASE WHEN agent LIKE '%bot%' OR agent LIKE '%crawl%' OR agent LIKE '%spider%' OR agent LIKE '%slurp%' THEN 'robot'
    WHEN agent GLOB '*Firefox/[0-9]*' THEN 'Firefox ' || CAST(SUBSTR(agent, INSTR(agent, 'Firefox/') + 8) AS INT)
    WHEN agent GLOB '*Chrome/[0-9]*' THEN 'Chrome ' || CAST(SUBSTR(agent, INSTR(agent, 'Chrome/') + 7) AS INT)
    ELSE 'other' END AS browser FROM hits)
SELECT browser, COUNT(*) AS hits, COUNT(DISTINCT address) AS addresses FROM asked GROUP BY 1
