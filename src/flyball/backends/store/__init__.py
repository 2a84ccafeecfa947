"""The store on SQLite: the log, its status rows and its proofs. `compose` opens it; `audit` works without a server.

sqlite.py meets the port; reader.py reads; writer.py is the one writing thread, batch.py what it writes at once, guard.py what
may be written; leaf.py turns entries into bytes; seal.py holds the log's key; lock.py keeps a second server out; schema.py is
the database's shape; check.py holds the log against its checkpoints; audit.py verifies, exports and proves.
"""
