"""Files in; values, or problems with file, line, field and remedy, out. No network, no metrics."""
