"""WeCom as played here: app tokens, messages and cards to members, media, callbacks.

`face.py` lists every API; the other files hold one subject each. No control face and no official account here.
"""
