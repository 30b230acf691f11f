"""The JSON API `/api/v1/`: typed operations, one list of them, and what turns them into HTTP, OpenAPI and calls in process.

An operation knows nothing of HTTP: pydantic models in and out, errors of `domain.errors`.
Nothing here is reached without a caller, and nothing answers about another brand than the caller's.
"""
