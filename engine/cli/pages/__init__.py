"""Documentation pages, written from specs and their cases. Pure: what was loaded in, Markdown out.

subject.py       one integration as the pages see it
markdown.py      tables, code and escaping
fields.py        a JSON Schema as rows of a table
connecting.py    credentials, configuration, hosts, sign-in, connection test
actions.py       each action with input, output and an example
outcomes.py      status words, events, errors, limits
evidence.py      what is unconfirmed, and the sources
page.py          one page, and the index
"""
