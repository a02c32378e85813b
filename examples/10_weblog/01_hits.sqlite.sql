SELECT address, at, method, path, status, bytes, referrer, agent FROM hits
