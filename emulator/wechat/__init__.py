"""The official account as played here: tokens, customer-service and template messages, codes, media, callbacks.

`face.py` lists every API; the other files hold one subject each. No control face and no WeCom here.
"""
