"""Painters: each lays one tissue on a Field and says in words what only it can know (a count, a pattern).

A painter is a function of a Field; what it returns fills the blanks of its tissue's caption templates.
"""
