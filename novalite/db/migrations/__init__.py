"""The history of the schema, one numbered step per file in versions/. Run by novalite/db/schema.py.

`make db-revision M='add colour to servers'` writes the next step from the difference to the models.
Running conductors must survive it: a step that adds comes with the release that needs it, a step that
removes comes one release after the last one that used it.
"""
