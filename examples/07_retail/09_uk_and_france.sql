-- Which products are sold in the United Kingdom and in France, but not in Germany? (INTERSECT, EXCEPT)
CREATE TABLE uk_and_france AS
  SELECT stock FROM lines WHERE country = 'United Kingdom' INTERSECT
  SELECT stock FROM lines WHERE country = 'France' EXCEPT
  SELECT stock FROM lines WHERE country = 'Germany';
