"""What storage promises, run on SQLite and on PostgreSQL alike."""
