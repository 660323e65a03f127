-- Objects that come and go, and the schema as SQL sees it.

-- # creating and dropping
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE IF NOT EXISTS t(z)
DROP TABLE IF EXISTS absent
DROP INDEX IF EXISTS absent
DROP VIEW IF EXISTS absent
DROP TRIGGER IF EXISTS absent
INSERT INTO t(b) VALUES (3), (1), (2)
CREATE INDEX by_b ON t(b)
CREATE INDEX IF NOT EXISTS by_b ON t(a)
SELECT b FROM t WHERE b > 1
DROP INDEX by_b
SELECT b FROM t WHERE b > 1
CREATE UNIQUE INDEX once ON t(b)
INSERT OR IGNORE INTO t(b) VALUES (3), (4)
INSERT OR REPLACE INTO t(b) VALUES (3)
DROP INDEX once
INSERT INTO t(b) VALUES (3)
CREATE INDEX part ON t(b) WHERE b > 2
CREATE INDEX expr ON t(b + 1, abs(b) DESC)
CREATE INDEX coll ON t(b COLLATE NOCASE, a COLLATE RTRIM)
CREATE INDEX json ON t(b ->> '$.x')
INSERT INTO t(b) VALUES ('{"x": 7}')
CREATE INDEX glob_ ON t(b) WHERE b GLOB 'x*'
CREATE INDEX between_ ON t(b) WHERE b BETWEEN 'x' AND 'y' OR b IN (1, 2)
SELECT a FROM t WHERE b + 1 = 4
CREATE VIEW v2 AS SELECT a FROM t
CREATE VIEW IF NOT EXISTS v2 AS SELECT 2
SELECT * FROM v2
DROP VIEW v2
CREATE TRIGGER twice AFTER DELETE ON t BEGIN DELETE FROM t WHERE b = old.b; END
DELETE FROM t WHERE a = 1
DROP TRIGGER twice
CREATE TABLE made AS SELECT a, b, a || b AS c, 1.5 AS d, NULL AS e, x'00' AS f FROM t
SELECT sql FROM sqlite_schema WHERE name = 'made'
CREATE TABLE empty AS SELECT * FROM t WHERE 0
CREATE TABLE typed AS SELECT CAST(a AS TEXT) AS a, CAST(b AS REAL) AS b, +a AS c FROM t
SELECT sql FROM sqlite_schema WHERE name = 'typed'
CREATE TABLE plain AS VALUES (1, 2), (3, 4)
CREATE TABLE ordered AS SELECT b FROM t ORDER BY b DESC
SELECT rowid, b FROM ordered
CREATE TABLE wide("column with a long name that says what is in it" TEXT DEFAULT 'and a default that is not short')
CREATE TABLE types(a INT, b INTEGER, c BIGINT, d VARCHAR(20), e CHARACTER VARYING(255), f DECIMAL(10, 5), g BOOLEAN, h DATE, i BLOB, j, k FLOATING POINT, l "any thing", m CHARINT)
INSERT INTO types VALUES ('1', '1', '1', 1, 1, '1.50', 'true', '2024-01-01', 1, '1', '1', '1', '1')
SELECT typeof(a), typeof(b), typeof(c), typeof(d), typeof(e), typeof(f), typeof(g), typeof(h), typeof(i), typeof(j), typeof(k), typeof(l), typeof(m) FROM types
CREATE TABLE strict_one(a INT, b INTEGER, c REAL, d TEXT, e BLOB, f ANY) STRICT
INSERT INTO strict_one VALUES ('1', 2.0, 3, 4, x'05', '6')
SELECT *, typeof(a), typeof(c), typeof(d), typeof(f) FROM strict_one
CREATE TABLE both(a INT PRIMARY KEY, b ANY) STRICT, WITHOUT ROWID
INSERT INTO both VALUES (1, '1'), (2, 1)
CREATE TABLE pk_desc(a INTEGER PRIMARY KEY DESC, b)
INSERT INTO pk_desc(b) VALUES (1), (2)
CREATE TABLE pk_text(a TEXT PRIMARY KEY, b)
INSERT INTO pk_text VALUES (NULL, 1), (NULL, 2), ('x', 3)
CREATE TABLE pk_int(a INT PRIMARY KEY)
INSERT INTO pk_int VALUES (9223372036854775807), (NULL)
CREATE TABLE pk_expr(a INTEGER, b, PRIMARY KEY (a ASC))
INSERT INTO pk_expr(b) VALUES (1)
CREATE TABLE pk_wr(a COLLATE NOCASE, b, c, PRIMARY KEY (b DESC, a COLLATE RTRIM, b)) WITHOUT ROWID
INSERT INTO pk_wr VALUES ('A', 1, 1), ('a', 1, 2), ('a ', 2, 3)
SELECT * FROM pk_wr
CREATE TABLE fk(a REFERENCES t, b REFERENCES nowhere(x), c REFERENCES fk)
CREATE TABLE conflict(a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE, c CHECK (c > 0), d DEFAULT 5)
INSERT INTO conflict VALUES (1, 1, 1, 1), (1, 2, 2, 2), (2, NULL, 1, 1), (3, 1, 1, 1)
SELECT * FROM conflict
DROP TABLE made
DROP TABLE conflict
CREATE TABLE made(again)
CREATE TABLE comment(a /* of the column */, -- and another
    b) -- at the end
SELECT sql FROM sqlite_schema WHERE name = 'comment'
-- error 1
CREATE TABLE t(a)
CREATE INDEX t ON t(a)
CREATE TABLE part(a)
CREATE VIEW t AS SELECT 1
DROP TABLE absent
DROP VIEW t
DROP TABLE v2
DROP TABLE sqlite_schema
DROP TABLE sqlite_master
DROP INDEX sqlite_autoindex_pk_text_1
CREATE TABLE two_keys(a PRIMARY KEY, b PRIMARY KEY)
CREATE TABLE no_key(a) WITHOUT ROWID
CREATE TABLE bad(a) STRICT
CREATE TABLE bad(a VARCHAR(3)) STRICT
CREATE TABLE bad(a INT) WITHOUT NONSENSE
CREATE TABLE bad(a INTEGER PRIMARY KEY AUTOINCREMENT) WITHOUT ROWID
CREATE TABLE bad(a TEXT PRIMARY KEY AUTOINCREMENT)
CREATE TABLE bad(a AS (b))
CREATE TABLE bad(a AS (b), b AS (a), c)
CREATE TABLE bad(a AS (1) PRIMARY KEY)
CREATE TABLE bad(a, b AS (a) DEFAULT 1)
CREATE TABLE bad(a, b AS ((SELECT 1)))
CREATE TABLE bad(a CHECK ((SELECT 1)))
CREATE TABLE bad(a DEFAULT (b))
CREATE TABLE bad(a DEFAULT (SELECT 1))
CREATE TABLE bad(a CHECK (nonsense > 0))
CREATE TABLE bad(a, a)
CREATE TABLE bad(a, FOREIGN KEY (b) REFERENCES t)
CREATE TABLE bad(a REFERENCES t(a, b))
CREATE INDEX bad ON t(nothing)
CREATE INDEX bad ON t((SELECT 1))
CREATE INDEX bad ON t(a) WHERE a IN (SELECT 1)
CREATE INDEX bad ON v(a)
CREATE INDEX bad ON sqlite_schema(name)
CREATE TRIGGER bad AFTER INSERT ON sqlite_schema BEGIN SELECT 1; END
CREATE TABLE main.main.x(a)
-- error 257: no such collation sequence
CREATE TABLE bad(a COLLATE nonsense PRIMARY KEY)
-- error 1555: UNIQUE constraint failed
INSERT INTO pk_expr VALUES (1, 1)
-- error 1299: NOT NULL constraint failed
INSERT INTO both VALUES (NULL, 1)
-- error 3091: cannot store
INSERT INTO both VALUES ('x', 1)
INSERT INTO strict_one(c) VALUES ('x')
INSERT INTO strict_one(a) VALUES (1.5)
INSERT INTO strict_one(e) VALUES (5)

-- # reading the schema
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT)
CREATE UNIQUE INDEX i ON t(b)
CREATE TABLE gone(a)
DROP TABLE gone
CREATE VIEW v AS SELECT * FROM t
SELECT type, name, tbl_name, sql FROM sqlite_schema
SELECT type, name, sql FROM main.sqlite_master ORDER BY name
CREATE TABLE seen(a, b)
INSERT INTO seen SELECT rowid, name FROM sqlite_master
INSERT INTO seen SELECT oid, type FROM sqlite_schema WHERE type = 'table'
SELECT max(rowid), count(*) FROM sqlite_schema
SELECT name FROM sqlite_schema WHERE sql LIKE '%unique%'
CREATE VIEW columns(a, b, c, d, e) AS SELECT * FROM sqlite_schema
CREATE VIEW objects AS SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'
SELECT * FROM objects
SELECT length(sql) FROM sqlite_schema
CREATE TABLE t2(a, b UNIQUE, PRIMARY KEY (a))
SELECT name, sql IS NULL FROM sqlite_schema WHERE tbl_name = 't2'
-- refused: name the columns you need
SELECT rootpage FROM sqlite_schema
CREATE TABLE roots AS SELECT rootpage FROM sqlite_schema
SELECT * FROM sqlite_master
SELECT max(RootPage) FROM main.sqlite_master
SELECT name FROM sqlite_schema ORDER BY rootpage
SELECT s.* FROM sqlite_schema AS s
INSERT INTO seen SELECT name, rootpage FROM sqlite_schema
SELECT name FROM (SELECT * FROM sqlite_schema)
SELECT name FROM sqlite_schema GROUP BY rootpage
SELECT name FROM sqlite_schema WHERE (rootpage, 1) > (1, 1)
SELECT count(rootpage) FROM sqlite_schema
SELECT name FROM sqlite_schema WHERE rootpage IN (SELECT a FROM t)
SELECT (SELECT s.rootpage) FROM sqlite_schema AS s
SELECT 1 AS rootpage UNION SELECT sqlite_schema.rootpage FROM sqlite_schema
SELECT d FROM columns
SELECT a FROM columns
WITH s AS (SELECT * FROM sqlite_schema) SELECT name FROM s
CREATE TABLE c AS WITH s AS (SELECT * FROM sqlite_schema) SELECT name FROM s
-- error 1: may not be modified
UPDATE sqlite_schema SET sql = ''
INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x(a)')
DELETE FROM sqlite_master
DELETE FROM sqlite_schema WHERE name = 'i'
REPLACE INTO main.sqlite_schema(name) VALUES ('x')
UPDATE sqlite_temp_schema SET sql = ''
-- error 1
ALTER TABLE sqlite_schema RENAME TO x
ALTER TABLE sqlite_schema ADD COLUMN x
INSERT INTO sqlite_temp_master VALUES (1, 2, 3, 4, 5)
