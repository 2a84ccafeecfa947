"""The store on SQLite: the log, its status rows and its proofs. `compose` opens it; `audit` works without a server.

sqlite.py meets the port; writer.py is its one writing thread; guard.py says what may be written; leaf.py turns entries into
bytes; seal.py holds the log's key; lock.py keeps a second server out; schema.py is the database's shape; audit.py verifies,
exports and proves.
"""
