"""What we say: the engine for texts marketers write, and the catalogue of texts the product itself says, in zh-CN and en.

Pure: texts and values in, text out. Jinja2 stays in engine.py. May import domain alone.
Nothing here sends, stores, looks up a person or reads a clock; who gets which text is decided elsewhere.
"""
