"""What the scripts share: where things lie, the scenarios, input made for them, processes that are measured.

A script puts this folder's parent on `sys.path` and imports from here; nothing here imports a script.
"""
