-- Random functions draw from the entry's seed. Where SQLite itself draws from its process-wide generator, it is refused.

-- # every place of random()
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE seen(b, ts)
CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT, b DEFAULT (random()), c DEFAULT (hex(randomblob(4))))
CREATE VIEW dice AS SELECT abs(random()) % 6 + 1 AS eyes
CREATE TRIGGER roll AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (random(), randomblob(3)), ((SELECT eyes FROM dice), 0); END
INSERT INTO t(b) VALUES (1), (2), (3), ('now')
INSERT INTO t(b) VALUES (random ()), ([random]()), ("random"()), (`RANDOM`()), (random/**/())
INSERT INTO t(b) VALUES (randomblob(1 + 1)), (randomblob('3')), (randomblob(NULL)), (abs(random()) % 1000)
INSERT INTO t(b) VALUES (randomblob(0)), (randomblob(-5)), (randomblob(2.9)), (randomblob('x')), (randomblob(x'35')), (randomblob('5 apples'))
INSERT INTO t(b) VALUES (hex(randomblob(16))), (typeof(random())), (length(randomblob(1000)))
INSERT INTO seen SELECT b, a FROM t ORDER BY random() LIMIT 3
INSERT INTO auto(b) VALUES (random()), (random()) RETURNING a, b, c, random()
INSERT INTO auto DEFAULT VALUES
UPDATE t SET b = random() WHERE a % 2
UPDATE t SET b = random() FROM (SELECT random() AS r) AS s WHERE a < 3 AND s.r <> 0
INSERT INTO t VALUES (1, random()) ON CONFLICT (a) DO UPDATE SET b = excluded.b || random() WHERE random() <> 0
INSERT INTO t VALUES (2, 0) ON CONFLICT DO UPDATE SET b = random() RETURNING b, random()
REPLACE INTO t VALUES (3, random()), (4, random())
DELETE FROM t WHERE a = 2 RETURNING *, random()
DELETE FROM seen WHERE random() % 2 = 0
SELECT count(*), group_concat(quote(b)) FROM (SELECT b FROM seen ORDER BY random())
SELECT b FROM t ORDER BY random() % 3, a
SELECT random() AS r, random() AS s, r1.eyes, r2.eyes FROM dice AS r1, dice AS r2
SELECT random() = random(), (SELECT random()) = (SELECT random())
SELECT a, random() FROM t GROUP BY random() % 3 ORDER BY a
SELECT sum(random() % 10), max(random()), group_concat(random() % 10 ORDER BY random()) FROM t
SELECT row_number() OVER (ORDER BY random()), a FROM t ORDER BY a
SELECT a, sum(a) OVER (PARTITION BY random() % 2 ORDER BY a ROWS 2 PRECEDING) FROM t ORDER BY a
SELECT a FROM t WHERE random() > 0 OR a = 1
SELECT a FROM t WHERE a IN (SELECT abs(random()) % 20 FROM t)
SELECT EXISTS (SELECT 1 FROM t WHERE random() % 2), CASE WHEN random() > 0 THEN 'head' ELSE 'tail' END
SELECT t.a, u.a FROM t LEFT JOIN t AS u ON random() % 2 = 0 ORDER BY 1, 2 LIMIT 10
SELECT * FROM t LIMIT abs(random()) % 3 + 1 OFFSET abs(random()) % 2
SELECT a FROM t UNION SELECT random() % 5 ORDER BY 1
SELECT DISTINCT random() % 2 FROM t
SELECT value FROM json_each(json_array(random(), random()))
SELECT iif(random() % 2, random(), random()), coalesce(NULL, random()), nullif(random(), 0), likely(random())
WITH RECURSIVE walk(n, x) AS (SELECT 1, random() % 10 UNION ALL SELECT n + 1, x + random() % 3 FROM walk WHERE n < 10) SELECT * FROM walk
WITH m AS MATERIALIZED (SELECT random() AS r) SELECT x.r = y.r FROM m AS x, m AS y
WITH m AS NOT MATERIALIZED (SELECT random() AS r) SELECT x.r = y.r FROM m AS x, m AS y
CREATE TABLE copy AS SELECT *, random() AS r FROM t
CREATE TABLE drawn(r, s NOT NULL DEFAULT (random()) CHECK (s IS NOT 0))
INSERT INTO drawn(r) VALUES (1), (2)
ALTER TABLE drawn ADD COLUMN t CHECK (t IS NOT 0)
-- refused: in a constraint
CREATE TABLE drawn2(r CHECK (random() <> 0), s NOT NULL DEFAULT (random()) CHECK (s IS NOT random()))
CREATE TABLE chance(a CHECK (random() % 2 = 0))
ALTER TABLE drawn ADD COLUMN u CHECK (random() <> 0)
ALTER TABLE drawn ADD CONSTRAINT c CHECK (random() > 0)
-- converges
CREATE TRIGGER maybe BEFORE INSERT ON copy WHEN random() % 2 = 0 BEGIN SELECT RAISE(IGNORE); END
WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 150) INSERT INTO copy(a) SELECT i FROM n
CREATE TRIGGER through INSTEAD OF INSERT ON dice BEGIN INSERT INTO seen VALUES (new.eyes + random() % 5, random()); END
INSERT INTO dice VALUES (7), (random())
UPDATE copy SET b = (SELECT random() FROM t LIMIT 1)
DROP TABLE copy
-- error 1
UPDATE t SET b = random() WHERE a % 2 ON CONFLICT DO NOTHING
SELECT random(1)
SELECT randomblob()
SELECT random() OVER ()
SELECT random(DISTINCT 1)
SELECT random() FILTER (WHERE 1)
-- error 18: too big
SELECT randomblob(100000000)
SELECT randomblob(9223372036854775807)
SELECT randomblob(1e300)
INSERT INTO t(b) VALUES (randomblob(2000000000))

-- # where SQLite refuses what is not deterministic
-- converges
CREATE TABLE t(a, b)
CREATE TABLE empty(a)
INSERT INTO empty(a) VALUES (1), (2) RETURNING *
INSERT INTO t VALUES (1, 2)
-- error 1: non-deterministic functions prohibited in
CREATE TABLE g(a, b AS (random()))
CREATE TABLE g(a, b AS (random() + a) STORED)
CREATE TABLE g(a, b AS (hex(randomblob(2))))
CREATE INDEX i ON t(random())
CREATE INDEX i ON t(a + random())
CREATE UNIQUE INDEX i ON t(randomblob(1))
CREATE INDEX i ON t(a) WHERE random() > 0
-- error 1
CREATE TABLE g(a, PRIMARY KEY (random()))
CREATE TABLE g(a, UNIQUE (a, random()))
ALTER TABLE empty ADD COLUMN y DEFAULT (datetime('now'))

-- refused: or in ALTER TABLE
ALTER TABLE empty ADD COLUMN z DEFAULT (random())
ALTER TABLE t ADD COLUMN z DEFAULT (random())
ALTER TABLE t ADD COLUMN z AS (random())
ALTER TABLE t ADD COLUMN z AS (abs(random()) % 2)

-- # rowids are drawn after the largest one
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)
CREATE TABLE plain(b)
CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT, b)
CREATE TABLE keyed(a INTEGER PRIMARY KEY, b) WITHOUT ROWID
CREATE TABLE source(n)
CREATE VIEW v AS SELECT a, b FROM t
CREATE TRIGGER into_t INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a, new.b); DELETE FROM t WHERE a = new.a; END
CREATE TRIGGER moved INSTEAD OF UPDATE ON v BEGIN UPDATE t SET a = new.a WHERE a = old.a; UPDATE t SET a = 7 WHERE a = new.a; END
INSERT INTO t VALUES (1, 'one'), (2, 'two')
INSERT INTO plain VALUES (1)
INSERT INTO source VALUES (9223372036854775807)
INSERT INTO keyed VALUES (9223372036854775807, 1)
INSERT INTO t VALUES (9223372036854775806, 'last')
DELETE FROM t WHERE a = 9223372036854775806
INSERT INTO t(b) VALUES ('next') RETURNING a
INSERT INTO t VALUES (-9223372036854775808, 'least')
INSERT INTO t(b) VALUES ('after the least') RETURNING a
-- refused: rowid 9223372036854775807 is refused
INSERT INTO t VALUES (9223372036854775807, 1)
INSERT INTO t(a) VALUES (9223372036854775807), (NULL)
INSERT INTO t VALUES ('9223372036854775807', 1)
INSERT INTO t VALUES (0x7fffffffffffffff, 1)
INSERT INTO t(rowid, b) VALUES (9223372036854775807, 1)
INSERT INTO t(oid, b) VALUES (9223372036854775806 + 1, 1)
INSERT INTO plain(_rowid_, b) VALUES (9223372036854775807, 1)
INSERT INTO plain(rowid, b) VALUES (9223372036854775807, 1), (NULL, 2)
INSERT INTO t SELECT n, n FROM source
INSERT OR REPLACE INTO t VALUES (9223372036854775807, 'one')
INSERT OR IGNORE INTO t VALUES (9223372036854775807, 'new')
INSERT OR FAIL INTO t VALUES (9223372036854775807, 'new')
INSERT OR ROLLBACK INTO t VALUES (9223372036854775807, 'new')
REPLACE INTO plain(rowid, b) VALUES (9223372036854775807, 2)
UPDATE t SET a = 9223372036854775807 WHERE a = 1
UPDATE OR REPLACE t SET a = 9223372036854775807 WHERE a = 1
UPDATE plain SET rowid = 9223372036854775807
UPDATE t SET rowid = (SELECT n FROM source) WHERE a = 2
UPDATE t SET a = n FROM source WHERE a = 1
INSERT INTO t VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET a = 9223372036854775807
INSERT INTO t VALUES (9223372036854775807, 'x') ON CONFLICT DO NOTHING
INSERT INTO t VALUES (9223372036854775807, 'x') RETURNING a
INSERT INTO auto(a) VALUES (9223372036854775807), (NULL)
INSERT INTO auto(a) VALUES (9223372036854775807)
INSERT INTO v VALUES (9223372036854775807, 'there and gone')
UPDATE v SET a = 9223372036854775807 WHERE a = 1
WITH big(n) AS (SELECT max(n) FROM source) INSERT INTO t SELECT n, 'w' FROM big
-- error 2067: UNIQUE constraint failed: t.b
INSERT INTO t VALUES (9223372036854775807, 'one')
-- error 20: datatype mismatch
INSERT INTO t VALUES (9223372036854775808, 1)
INSERT INTO t VALUES (9.3e18, 1)
INSERT INTO t VALUES ('x', 1)
UPDATE t SET a = 'x'
UPDATE t SET a = NULL

-- # a row with the largest rowid inside a trigger, and gone again
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE other(a INTEGER PRIMARY KEY, b)
CREATE TRIGGER there AFTER INSERT ON other BEGIN INSERT INTO t VALUES (9223372036854775807, 'x'); INSERT INTO t(b) VALUES ('drawn'); DELETE FROM t WHERE a = 9223372036854775807; END
CREATE TRIGGER back AFTER UPDATE ON other BEGIN UPDATE t SET a = 9223372036854775807 WHERE a = 1; INSERT INTO t(b) VALUES ('drawn'); UPDATE t SET a = 1 WHERE a = 9223372036854775807; END
CREATE TABLE parent(id INTEGER PRIMARY KEY)
CREATE TABLE child(id INTEGER PRIMARY KEY REFERENCES parent ON UPDATE CASCADE)
INSERT INTO t VALUES (1, 1)
INSERT INTO parent VALUES (1)
INSERT INTO child VALUES (1)
-- refused: rowid 9223372036854775807 is refused
INSERT INTO other VALUES (1, 1)
UPDATE parent SET id = 9223372036854775807
-- converges
UPDATE other SET b = 2
