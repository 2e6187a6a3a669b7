"""Checks specs: every finding with its file, line, column and code."""
