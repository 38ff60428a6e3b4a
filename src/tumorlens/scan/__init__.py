"""Reading: a file, a folder, a zip or an array becomes Scans, or a clear error."""
