-- Forms that once parted replicas, ended them, or kept copies of them from being accepted.

-- # a trigger of one connection on a table of all: it is gone after a restart
-- converges
CREATE TABLE t(a)
-- refused: temporary objects are refused
CREATE TRIGGER temp.z AFTER INSERT ON t BEGIN INSERT INTO t VALUES ('twice'); END
CREATE TRIGGER IF NOT EXISTS temp.y AFTER INSERT ON main.t BEGIN SELECT 1; END
CREATE TRIGGER "Temp"."x" AFTER INSERT ON t BEGIN SELECT 1; END
CREATE TEMP TRIGGER IF NOT EXISTS z AFTER INSERT ON t BEGIN SELECT 1; END
-- converges
INSERT INTO t VALUES (1)

-- # names that SQLite makes unique by chance
-- converges
CREATE TABLE t(a)
-- refused: tells them apart by random numbers
CREATE TABLE many AS SELECT 1 AS "x:1", 2 AS "x:1", 3 AS "x:1", 4 AS "x:1", 5 AS "x:1", 6 AS "x:1", 7 AS "x:1"
SELECT * FROM (SELECT 1 AS "x:1", 2 AS "x:1", 3 AS "x:1", 4 AS "x:1", 5 AS "x:1", 6 AS "x:1", 7 AS "x:1")
-- converges
SELECT name, sql FROM sqlite_schema

-- # harmless names that look like them
-- converges
CREATE TABLE clock(time, "time:30")
INSERT INTO clock VALUES (1, 2)
SELECT * FROM clock
SELECT 1 AS a, 2 AS "a:7"
CREATE VIEW pairs AS SELECT 1 AS port, 2 AS "port:8080"
SELECT * FROM pairs

-- # columns that a join compares are not shown to the authorizer: a page number of one file
-- converges
CREATE TABLE t(a)
CREATE TABLE page(rootpage INTEGER)
INSERT INTO t VALUES (zeroblob(100000))
CREATE TABLE u(a UNIQUE)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO page SELECT i FROM n
-- refused: by NATURAL or USING
SELECT page.rootpage FROM page JOIN sqlite_schema USING (rootpage)
SELECT page.rootpage FROM page NATURAL JOIN sqlite_schema
SELECT name FROM sqlite_schema NATURAL JOIN page
CREATE TABLE roots AS SELECT page.rootpage FROM page JOIN sqlite_schema USING (rootpage)

-- # the same for Lockstep's own tables
-- converges
CREATE TABLE guess(applied INTEGER)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO guess SELECT i FROM n
-- refused: Lockstep keeps its own state
SELECT guess.applied FROM guess JOIN _lockstep_state USING (applied)
SELECT guess.applied FROM guess NATURAL JOIN _lockstep_state
CREATE TABLE known AS SELECT guess.applied FROM guess NATURAL JOIN _lockstep_state

-- # sqlite_sequence is given the largest rowid: the next counter's rowid is drawn
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE b(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE t(n)
INSERT INTO a(v) VALUES (1)
-- refused: 9223372036854775807 is refused
INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (9223372036854775807, 'x', 1)
-- converges
INSERT INTO b(v) VALUES (1)
SELECT rowid, name, seq FROM sqlite_sequence

-- # the same by UPDATE, REPLACE, a query, a trigger
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE b(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE t(n)
INSERT INTO a(v) VALUES (1)
CREATE TRIGGER far AFTER INSERT ON t BEGIN INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (new.n, 'x', 1); END
-- refused: 9223372036854775807 is refused
UPDATE sqlite_sequence SET rowid = 9223372036854775807
UPDATE sqlite_sequence SET oid = oid + 9223372036854775806 WHERE rowid = 1
REPLACE INTO sqlite_sequence(_rowid_, name, seq) VALUES (9223372036854775807, 'x', 1)
INSERT INTO sqlite_sequence(rowid, name, seq) SELECT 9223372036854775807, name, seq FROM sqlite_sequence
INSERT INTO t VALUES (9223372036854775807)
-- converges
INSERT INTO b(v) VALUES (1)
SELECT rowid, name, seq FROM sqlite_sequence

-- # there and gone again within one statement
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE b(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE c(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE t(n)
CREATE VIEW v AS SELECT 1 AS n
CREATE TRIGGER visit AFTER INSERT ON t BEGIN INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (9223372036854775807, 'x', 1); INSERT INTO b(v) VALUES (new.n); DELETE FROM sqlite_sequence WHERE name = 'x'; END
CREATE TRIGGER stead INSTEAD OF INSERT ON v BEGIN INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (9223372036854775807, 'x', 1); INSERT INTO c(v) VALUES (new.n); DELETE FROM sqlite_sequence WHERE name = 'x'; END
-- refused: 9223372036854775807 is refused
INSERT INTO t VALUES (1)
INSERT INTO v VALUES (1)
-- converges
SELECT rowid, name, seq FROM sqlite_sequence

-- # an exhausted counter is no full disk
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE)
INSERT INTO a VALUES (9223372036854775806, 'x')
-- error 13: 9223372036854775807
INSERT OR IGNORE INTO a(v) VALUES ('x'), ('x')
INSERT INTO a(v) VALUES ('x'), ('y') ON CONFLICT DO NOTHING
-- converges
SELECT * FROM a

-- # the same for tables that SQLite makes up
-- converges
CREATE TABLE guess(pageno INTEGER, name, file)
INSERT INTO guess VALUES (1, 'main', ''), (2, 't', '')
-- refused: is refused
SELECT guess.name FROM guess JOIN dbstat USING (name)
SELECT count(*) FROM guess NATURAL JOIN dbstat
SELECT guess.name FROM guess JOIN pragma_database_list USING (name)
SELECT count(*) FROM guess NATURAL JOIN pragma_database_list

-- # a check that is added prefers SQLite's own random function
-- converges
CREATE TABLE t(a)
INSERT INTO t VALUES (1), (2), (3), (4), (5), (6)
CREATE TABLE u(a, b)
INSERT INTO u SELECT a, a FROM t
-- refused: random
ALTER TABLE t ADD CONSTRAINT c CHECK (random() <> 0)
ALTER TABLE t ADD CONSTRAINT d CHECK (length(randomblob(3)) = 3)
ALTER TABLE t ADD CONSTRAINT e CHECK (random() % 97 <> a)
ALTER TABLE u ADD CONSTRAINT f CHECK (abs(random()) % 12 <> a)
ALTER TABLE u ADD CHECK (abs(random()) % 12 <> a)

-- # a function that is refused elsewhere, in a schema that only a reload resolves
-- converges
CREATE TABLE e(a)
CREATE TABLE f(a)
-- refused: last_insert_rowid() is refused
ALTER TABLE e ADD COLUMN z CHECK (last_insert_rowid() % 2 = 0)
CREATE TABLE h(a CHECK (last_insert_rowid() % 2 = 0))
ALTER TABLE e ADD CONSTRAINT c CHECK (last_insert_rowid() % 2 = 0)
-- refused: changes() is refused
ALTER TABLE e ADD COLUMN y CHECK (changes() >= 0)
ALTER TABLE e ADD COLUMN x DEFAULT (total_changes())
-- refused: is refused
ALTER TABLE f ADD COLUMN w CHECK (sqlite_version() > '3')
ALTER TABLE f ADD COLUMN v2 DEFAULT (sqlite_version())
ALTER TABLE f ADD COLUMN v3 CHECK (sqlite_source_id() <> '')
ALTER TABLE f ADD COLUMN v4 CHECK (sqlite_compileoption_used('X') = 0)
CREATE INDEX version ON f(sqlite_version())
CREATE INDEX part ON f(a) WHERE sqlite_version() > '3'
CREATE TABLE made(a, b AS (sqlite_version()))
-- converges
INSERT INTO e(a) VALUES (1)
INSERT INTO e(a) VALUES (2)
INSERT INTO f(a) VALUES (1)

-- # a user's view takes the place of what the node reads for itself
-- converges
CREATE TABLE t(a)
-- refused: pragma_table_list is refused
CREATE VIEW pragma_table_list AS SELECT 'main' AS schema, '_x' AS name, 'table' AS type, 0 AS wr
CREATE TABLE pragma_table_list(schema, name, type, wr)
-- converges
INSERT INTO t VALUES (1)
CREATE TABLE u(a)

-- # the same by renaming, and for what else it reads
-- converges
CREATE TABLE shadow(schema, name, type, wr)
CREATE TABLE t(a INTEGER PRIMARY KEY)
-- refused: is refused
ALTER TABLE shadow RENAME TO pragma_table_list
ALTER TABLE shadow RENAME TO "PRAGMA_Table_Xinfo"
CREATE VIEW pragma_table_xinfo(name, pk, hidden, cid, arg, schema) AS SELECT 'x', 0, 0, 0, '', ''
CREATE TABLE pragma_foreign_key_list("table")
CREATE VIEW pragma_function_list AS SELECT 1
-- converges
CREATE TABLE u(a REFERENCES t)
INSERT INTO u VALUES (NULL)

-- # rows that are older than a column
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
INSERT INTO t(b) VALUES ('one'), ('two'), ('three')
ALTER TABLE t ADD COLUMN price REAL DEFAULT 0
UPDATE t SET b = 'uno' WHERE a = 1
DELETE FROM t WHERE a = 2
ALTER TABLE t ADD COLUMN word TEXT DEFAULT 5
UPDATE t SET b = 'tre' WHERE a = 3
ALTER TABLE t ADD COLUMN n INTEGER DEFAULT '7'
UPDATE t SET a = a + 10
ALTER TABLE t ADD COLUMN f NUMERIC DEFAULT 1.0
DELETE FROM t

-- # rows that are older than a column are copied as they are
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY)
CREATE TABLE b(x INTEGER PRIMARY KEY, y DEFAULT 'k')
INSERT INTO a VALUES (1), (2)
ALTER TABLE a ADD COLUMN y DEFAULT 'k'
INSERT INTO b SELECT * FROM a
SELECT * FROM b
UPDATE b SET y = 'l'
DELETE FROM b

-- # a computed column that cannot be computed is no damage
-- converges
CREATE TABLE t(a)
INSERT INTO t VALUES ('{"x": 1}'), ('no json')
ALTER TABLE t ADD COLUMN b TEXT AS (json_extract(a, '$.x'))
SELECT a FROM t
UPDATE t SET a = '{"x": 2}'
CREATE TABLE s(a)
INSERT INTO s VALUES (-9223372036854775808)
ALTER TABLE s ADD COLUMN b AS (abs(a))
-- error 1: integer overflow
SELECT * FROM s

-- # a text in double quotes that is later a column
-- converges
CREATE TABLE t(a, b)
-- error 1: no such column
CREATE INDEX i ON t(b, "zz")
CREATE TABLE c(a CHECK (a <> "text"))
CREATE INDEX p ON t(b) WHERE b <> "text"
-- converges
INSERT INTO t VALUES (1, 2)
ALTER TABLE t ADD COLUMN zz
UPDATE t SET b = 3

-- # names made unique by chance that come out of a view, a compound, a WITH
-- converges
CREATE VIEW seven AS SELECT 1 AS "x:1", 2 AS "x:1", 3 AS "x:1", 4 AS "x:1", 5 AS "x:1", 6 AS "x:1", 7 AS "x:1"
-- refused: are refused
SELECT * FROM seven
CREATE TABLE t1 AS SELECT * FROM seven
CREATE TABLE t2 AS SELECT 1 AS "x:1", 2 AS "x:1", 3 AS "x:1", 4 AS "x:1", 5 AS "x:1", 6 AS "x:1", 7 AS "x:1" UNION ALL SELECT 1, 2, 3, 4, 5, 6, 7
CREATE TABLE t3 AS WITH w AS (SELECT 1 AS "x:1", 2 AS "x:1", 3 AS "x:1", 4 AS "x:1", 5 AS "x:1", 6 AS "x:1", 7 AS "x:1") SELECT * FROM w
CREATE TABLE t4 AS SELECT 1 AS "a:1:1", 2 AS "a:1:1", 3 AS "a:1:1", 4 AS "a:1:1", 5 AS "a:1:1", 6 AS "a:1:1", 7 AS "a:1:1"
CREATE TABLE t5 AS SELECT 1 AS ":9", 2 AS ":9", 3 AS ":9", 4 AS ":9", 5 AS ":9", 6 AS ":9", 7 AS ":9"

-- # the same function in a column that is added to rows
-- converges
CREATE TABLE t(a)
INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8)
-- refused: random
ALTER TABLE t ADD COLUMN z DEFAULT 3 CHECK (abs(random()) % 5 <> z)
ALTER TABLE t ADD COLUMN y CHECK (abs(random()) % 20 <> a)
ALTER TABLE t ADD COLUMN x NOT NULL DEFAULT 1 CHECK (hex(randomblob(1)) < 'FA')

-- # joins of a schema under another name, in an UPDATE, in a view
-- converges
CREATE TABLE t(a)
CREATE TABLE page(rootpage INTEGER, n)
INSERT INTO t VALUES (zeroblob(100000))
CREATE TABLE u(a UNIQUE)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO page SELECT i, 0 FROM n
-- refused: is refused
CREATE VIEW found AS SELECT name FROM main.sqlite_master AS s JOIN page AS p USING (rootpage)
UPDATE page SET n = 1 WHERE rootpage IN (SELECT p.rootpage FROM page AS p JOIN main.sqlite_master AS s USING (rootpage))
SELECT count(*) FROM sqlite_schema AS a JOIN sqlite_schema AS b USING (rootpage)
DELETE FROM page WHERE EXISTS (SELECT 1 FROM (SELECT page.rootpage AS rootpage) NATURAL JOIN sqlite_schema)
-- converges
SELECT count(*) FROM page

-- # older rows of a table without rowid
-- converges
CREATE TABLE t(a PRIMARY KEY, b REAL) WITHOUT ROWID
INSERT INTO t VALUES (1, 5), (2, 1e300)
ALTER TABLE t ADD COLUMN c REAL DEFAULT 1
SELECT typeof(c), typeof(b) FROM t
UPDATE t SET b = 2 WHERE a = 1
DELETE FROM t

-- # older rows, and a text as the default of a number
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
INSERT INTO t VALUES (1, 5), (2, 6)
ALTER TABLE t ADD COLUMN c TEXT DEFAULT 5
UPDATE t SET b = 2 WHERE a = 1
ALTER TABLE t ADD COLUMN d INTEGER DEFAULT '5'
UPDATE t SET b = 3 WHERE a = 1
ALTER TABLE t ADD COLUMN e NUMERIC DEFAULT 1.0
UPDATE t SET b = 4 WHERE a = 1
ALTER TABLE t ADD COLUMN f REAL DEFAULT '7'
UPDATE t SET b = 5 WHERE a = 1
DELETE FROM t

-- # older rows in a foreign key's action, a trigger, an upsert
-- converges
CREATE TABLE p(id INTEGER PRIMARY KEY)
CREATE TABLE t(a INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)
INSERT INTO p VALUES (1), (2)
INSERT INTO t VALUES (1, 1), (2, 2)
ALTER TABLE t ADD COLUMN price REAL DEFAULT 2
UPDATE p SET id = 10 WHERE id = 1

-- # a table of which the node's own inspection could not get rid: it refers to itself and to one that is not there
-- converges
CREATE TABLE self(a INTEGER PRIMARY KEY, b REFERENCES self(a) ON DELETE CASCADE, c REFERENCES absent(c))
ALTER TABLE self ADD COLUMN d REFERENCES missing(d) ON DELETE SET NULL
ALTER TABLE self ADD COLUMN e REFERENCES self(a)
-- error 1: no such table
INSERT INTO self(a) VALUES (1)

-- # what an index calls depends on how a value was made
-- converges
CREATE TABLE t(a, c)
-- refused: in an index is refused
CREATE INDEX i ON t(a) WHERE c IS NOT json_quote(c)
CREATE INDEX i ON t(json_array(c))
CREATE UNIQUE INDEX i ON t(a, jsonb_set('{}', '$.a', c))
-- converges
CREATE INDEX i ON t(c ->> '$.a', json_extract(c, '$.b'), replace(a, 'x', 'y'))
INSERT INTO t VALUES (1, json('[1]'))

-- # words that are no columns until there is one of that name
-- converges
CREATE TABLE t(a, b, c CHECK (rowid > 0))
CREATE INDEX i ON t(a <> false)
CREATE INDEX p ON t(a) WHERE rowid > 1
INSERT INTO t VALUES (1, 1, 1), (2, 0, 1), (0, 5, 1)
-- refused: could not tell it from the value
CREATE TABLE named("true", a CHECK (a <> true))
ALTER TABLE t RENAME b TO "false"
ALTER TABLE t ADD COLUMN "TRUE" DEFAULT 9
-- error 1: rowid alias
ALTER TABLE t ADD COLUMN rowid
ALTER TABLE t RENAME b TO oid
-- converges
UPDATE t SET a = 7
SELECT * FROM t

-- # checks of rows that look at pages: the budget does not depend on how many there are
-- converges
CREATE TABLE t(a)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT zeroblob(100) FROM n
ALTER TABLE t ADD COLUMN b CHECK (b IS NULL)
ALTER TABLE t ADD CONSTRAINT c CHECK (length(a) = 100)
