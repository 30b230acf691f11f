"""Importing the people and places of a brand from files: read rows, check all of them, then save page by page.

A file that has one problem saves nothing; a page saved twice changes nothing. Nothing here sends or binds without a consent.
"""

from services.directory.files import PAGE_ROWS, paged, read_file
from services.directory.run import Saved, check, save

__all__ = ["PAGE_ROWS", "Saved", "check", "paged", "read_file", "save"]
