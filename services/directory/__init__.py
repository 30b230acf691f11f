"""Importing the people and places of a brand from files: read rows, check all of them, then save page by page.

A file that has one problem saves nothing; a page saved twice changes nothing. Nothing here sends or binds without a consent.
"""

from services.directory.files import paged, read_file
from services.directory.run import Saved, check, save

__all__ = ["Saved", "check", "paged", "read_file", "save"]
