"""Persistence: the engine, the tables, one repository file for each noun, the migrations. One set of statements for SQLite and PostgreSQL.

Repositories are plain functions over a `Connection`; they decide nothing that `domain` can decide.
No HTTP, no platform, no template belongs here.
"""
