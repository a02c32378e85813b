SELECT DISTINCT stock FROM lines WHERE country = 'United Kingdom'
  AND stock IN (SELECT stock FROM lines WHERE country = 'France')
  AND stock NOT IN (SELECT stock FROM lines WHERE country = 'Germany')
