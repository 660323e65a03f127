-- AUTOINCREMENT counters, and the table that holds them.

-- # counters
-- converges
CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT, b)
SELECT * FROM sqlite_sequence
INSERT INTO auto(b) VALUES (1), (2) RETURNING a
DELETE FROM auto
INSERT INTO auto(b) VALUES (3) RETURNING a
INSERT INTO auto VALUES (100, 4)
INSERT INTO auto(b) VALUES (5) RETURNING a
INSERT INTO auto VALUES (-5, 6)
INSERT OR IGNORE INTO auto VALUES (100, 7)
INSERT OR REPLACE INTO auto(a, b) VALUES (100, 8)
UPDATE auto SET a = 1000 WHERE a = 100
INSERT INTO auto(b) VALUES (9) RETURNING a
SELECT rowid, name, seq FROM sqlite_sequence
CREATE TABLE second(id INTEGER PRIMARY KEY AUTOINCREMENT)
INSERT INTO second DEFAULT VALUES
ALTER TABLE auto RENAME TO renamed
SELECT * FROM sqlite_sequence
INSERT INTO renamed(b) VALUES (10) RETURNING a
DROP TABLE second
SELECT * FROM sqlite_sequence
CREATE TABLE second(id INTEGER PRIMARY KEY AUTOINCREMENT)
INSERT INTO second DEFAULT VALUES RETURNING id
CREATE TABLE copy(a INTEGER PRIMARY KEY AUTOINCREMENT, b)
INSERT INTO copy SELECT * FROM renamed
INSERT INTO copy SELECT NULL, b FROM renamed ORDER BY b
CREATE TRIGGER chain AFTER INSERT ON second BEGIN INSERT INTO copy(b) VALUES (new.id); END
INSERT INTO second DEFAULT VALUES
SELECT * FROM copy
-- error 1
DROP TABLE sqlite_sequence
ALTER TABLE sqlite_sequence ADD COLUMN x
ALTER TABLE sqlite_sequence RENAME TO x
CREATE INDEX i ON sqlite_sequence(name)
CREATE TRIGGER z AFTER UPDATE ON sqlite_sequence BEGIN SELECT 1; END

-- # written by hand
-- converges
CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT, b)
CREATE TABLE other(a INTEGER PRIMARY KEY AUTOINCREMENT, b)
INSERT INTO auto(b) VALUES (1)
UPDATE sqlite_sequence SET seq = 50 WHERE name = 'auto'
INSERT INTO auto(b) VALUES (2) RETURNING a
UPDATE sqlite_sequence SET seq = 0
INSERT INTO auto(b) VALUES (3) RETURNING a
DELETE FROM sqlite_sequence
INSERT INTO auto(b) VALUES (4) RETURNING a
INSERT INTO sqlite_sequence VALUES ('other', 10), ('auto', 100), ('auto', 200)
INSERT INTO auto(b) VALUES (5) RETURNING a
INSERT INTO other(b) VALUES (6) RETURNING a
INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (1000, 'nothing', 'text')
UPDATE sqlite_sequence SET seq = 'x' WHERE name = 'other'
INSERT INTO other(b) VALUES (7) RETURNING a
UPDATE sqlite_sequence SET seq = 1.5 WHERE name = 'other'
INSERT INTO other(b) VALUES (8) RETURNING a
UPDATE sqlite_sequence SET seq = NULL, name = x'00' WHERE name = 'auto'
INSERT INTO auto(b) VALUES (9) RETURNING a
UPDATE sqlite_sequence SET name = NULL
INSERT INTO auto(b) VALUES (10) RETURNING a
SELECT rowid, * FROM sqlite_sequence
DELETE FROM sqlite_sequence WHERE name IS NULL RETURNING *
INSERT INTO sqlite_sequence VALUES ('other', 9223372036854775800)
INSERT INTO other(b) VALUES (11) RETURNING a
CREATE TRIGGER reset AFTER DELETE ON auto BEGIN UPDATE sqlite_sequence SET seq = 7 WHERE name = 'auto'; END
DELETE FROM auto WHERE a > 5
SELECT rowid, * FROM sqlite_sequence
INSERT INTO auto(b) VALUES (12) RETURNING a
-- refused: sqlite_sequence is refused
INSERT INTO sqlite_sequence VALUES ('auto', 9223372036854775807)
INSERT INTO sqlite_sequence VALUES ('auto', 1e30)
INSERT INTO sqlite_sequence VALUES ('auto', '9223372036854775807')
INSERT INTO sqlite_sequence VALUES ('auto', 9223372036854775806 + 1)
INSERT INTO sqlite_sequence VALUES ('whatever', 9223372036854775807)
UPDATE sqlite_sequence SET seq = 9223372036854775807
REPLACE INTO sqlite_sequence(rowid, name, seq) VALUES (1, 'auto', 9223372036854775807)
INSERT INTO sqlite_sequence VALUES ('auto', '  9223372036854775807 and more')
INSERT INTO sqlite_sequence VALUES ('auto', 9e18 * 9)

-- # a counter is read before the statement begins
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
CREATE TABLE t(n)
CREATE TRIGGER jump AFTER INSERT ON t BEGIN UPDATE sqlite_sequence SET seq = 9223372036854775807; INSERT INTO a(v) VALUES (new.n); END
INSERT INTO a(v) VALUES (1)
INSERT INTO t VALUES (1)
SELECT rowid, * FROM sqlite_sequence
INSERT INTO a(v) VALUES (1) RETURNING x

-- # near the end
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, v)
INSERT INTO a VALUES (9223372036854775805, 1)
INSERT INTO a(v) VALUES (2) RETURNING x
SELECT * FROM sqlite_sequence
-- refused: rowid 9223372036854775807 is refused
INSERT INTO a(v) VALUES (3)
INSERT OR IGNORE INTO a(v) VALUES (3)
INSERT INTO a(v) SELECT v FROM a
-- converges
SELECT * FROM a
DELETE FROM a
SELECT * FROM sqlite_sequence
-- refused: rowid 9223372036854775807 is refused
INSERT INTO a(v) VALUES (4) RETURNING x

-- # sequence that is not there
-- refused: rowid
CREATE TABLE h(rowid, oid, _rowid_ INTEGER PRIMARY KEY AUTOINCREMENT)
-- error 1: no such table
SELECT * FROM sqlite_sequence
INSERT INTO sqlite_sequence VALUES ('x', 1)
-- converges
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT)
INSERT INTO a DEFAULT VALUES
DROP TABLE a
SELECT * FROM sqlite_sequence
INSERT INTO sqlite_sequence VALUES ('a', 41)
CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT)
INSERT INTO a DEFAULT VALUES RETURNING x
CREATE TABLE b(rowid INTEGER PRIMARY KEY AUTOINCREMENT, oid)
INSERT INTO b DEFAULT VALUES RETURNING rowid, _rowid_, oid
ALTER TABLE a RENAME TO "b c"
INSERT INTO "b c" DEFAULT VALUES RETURNING x
SELECT rowid, * FROM sqlite_sequence
