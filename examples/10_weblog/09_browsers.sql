-- Who asks, by what they call themselves? (regular expressions in a query in FROM)
CREATE TABLE browsers AS
  SELECT browser, COUNT(*) AS hits, COUNT(DISTINCT address) AS addresses
  FROM (SELECT address,
               CASE WHEN REGEXP_LIKE(agent, '(?i)bot|crawl|spider|slurp') THEN 'robot'
                    WHEN REGEXP_LIKE(agent, 'Firefox/\d+') THEN 'Firefox ' || REGEXP_EXTRACT('Firefox/(\d+)', agent, 1)
                    WHEN REGEXP_LIKE(agent, 'Chrome/\d+') THEN 'Chrome ' || REGEXP_EXTRACT('Chrome/(\d+)', agent, 1)
                    ELSE 'other' END AS browser
        FROM hits) asked
  GROUP BY browser;
