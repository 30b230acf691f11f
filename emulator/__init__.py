"""The platforms, played locally: official account and WeCom with tokens, windows, quotas, callbacks and faults.

Here lives everything that imitates a platform, its phone face and its control face (`/play`).
Nothing of this project and nothing of any platform SDK is imported here: only the platforms' wire protocols are shared.
"""
