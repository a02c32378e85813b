-- The twenty paths that cost most bytes. (Top-N, with its places)
CREATE TABLE heavy_paths AS
  SELECT place, path, bytes, hits
  FROM (SELECT path, bytes, hits, ROW_NUMBER() OVER (ORDER BY bytes DESC, path) AS place
        FROM (SELECT path, SUM(bytes) AS bytes, COUNT(*) AS hits FROM hits WHERE bytes IS NOT NULL GROUP BY path) paths) ranked
  WHERE place <= 20;
