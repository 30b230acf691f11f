"""The texts of the catalogue, one YAML file a language: `key: text with {fields}`; a file holds texts and nothing else.

`{advisor}` takes the limit its field has in templates/catalogue.py, `{customer:4}` a smaller one for this place; `{{` prints a brace.
Both files have the same keys and, key by key, the same fields.
"""
