"""What each command does, as functions: they read, fit, judge and write; they print nothing."""
