"""One file for each step of the schema, named by its number. Never edit a step that was released: add another."""
