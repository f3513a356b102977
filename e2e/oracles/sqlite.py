"""What SQLite makes of a statement: a list of texts a line in, for each what its authorizer was asked, and what changed, out."""

import json
import sqlite3
import sys
import time

NAMES = {getattr(sqlite3, name): name for name in dir(sqlite3) if name.startswith("SQLITE_") and name.split("_")[1] in (
    "CREATE", "DELETE", "DROP", "INSERT", "PRAGMA", "READ", "SELECT", "TRANSACTION", "UPDATE", "ATTACH", "DETACH", "ALTER", "REINDEX", "ANALYZE", "FUNCTION",
    "SAVEPOINT", "RECURSIVE")}
NAMES[31] = "SQLITE_FUNCTION"
NAMES[33] = "SQLITE_RECURSIVE"
SCHEMA = """
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, total REAL, secret TEXT, name TEXT);
CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, secret TEXT, customer INTEGER, total REAL);
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, pin TEXT);
CREATE TABLE "Odd Name"(id INTEGER, note TEXT);
CREATE VIEW everyone AS SELECT * FROM people;
CREATE INDEX by_total ON orders(total);
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO orders VALUES (1, 1, 9.5, 's', 'a'), (2, 1, 20, 't', 'b');
INSERT INTO customers VALUES (1, 'ana', 'u', 1, 2);
INSERT INTO people VALUES (1, 'eve', '1234');
"""

connection = sqlite3.connect(":memory:", isolation_level=None)
connection.executescript(SCHEMA)
# Tables that it makes itself are in its schema from their first use on.
connection.execute("SELECT * FROM json_each('[1]'), json_tree('[1]')").fetchall()
asked = []


def authorize(action, first, second, database, by):
    asked.append([NAMES.get(action, str(action)), first, second, database, by])
    return sqlite3.SQLITE_OK


def state():
    connection.set_authorizer(None)
    found = [connection.total_changes, connection.in_transaction]
    for name in ("schema_version", "user_version", "application_id", "writable_schema", "foreign_keys", "journal_mode", "cache_size", "query_only", "case_sensitive_like", "temp_store", "recursive_triggers"):
        row = connection.execute(f"PRAGMA {name}").fetchone() if name != "case_sensitive_like" else connection.execute("SELECT 'a' LIKE 'A'").fetchone()
        found.append(row[0] if row else None)
    found.append([row[1] for row in connection.execute("PRAGMA database_list")])
    return found


def run(text):
    before = state()
    asked.clear()
    end = time.monotonic() + 2
    connection.set_progress_handler(lambda: time.monotonic() > end, 100000)
    connection.set_authorizer(authorize)
    try:
        cursor = connection.execute(text)
        rows = len(cursor.fetchmany(2000))
        said = "ok"
    except (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError) as fault:
        rows, said = 0, str(fault)
    seen = {json.dumps(one) for one in asked}
    after = state()
    return {"code": said, "rows": rows, "asked": [json.loads(one) for one in seen], "changed": [] if before == after else [before, after]}


for line in sys.stdin:
    print(json.dumps([run(text) for text in json.loads(line)]), flush=True)
