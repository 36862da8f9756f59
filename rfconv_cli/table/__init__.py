"""Rows and columns: reading a table, freezing its schema, splitting its rows, encoding it. No torch here."""
