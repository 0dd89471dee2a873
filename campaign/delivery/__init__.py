"""Who pays: claiming, composing, sending and recording messages; the jobs of a worker."""
