-- Names that SQLite makes up, that hide a rowid, or that hide something of SQLite's own.

-- # equal names of columns
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
INSERT INTO t(b) VALUES (1), (2)
CREATE TABLE few AS SELECT 1 AS a, 2 AS a, 3 AS a
CREATE TABLE five AS SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a
SELECT * FROM (SELECT 1 AS a, 2 AS a, 3 AS a)
SELECT a AS "a:99" FROM t
SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a
SELECT 1, 1, 1, 1, 1, 1, 1, 1
SELECT a, a, a, a, a, a, a, a FROM t
SELECT t.*, t.*, t.*, t.*, t.*, t.*, t.* FROM t
SELECT * FROM t AS t1, t AS t2, t AS t3, t AS t4, t AS t5, t AS t6, t AS t7 LIMIT 2
SELECT * FROM t NATURAL JOIN t AS t2 NATURAL JOIN t AS t3 NATURAL JOIN t AS t4 NATURAL JOIN t AS t5 NATURAL JOIN t AS t6 NATURAL JOIN t AS t7
SELECT * FROM t JOIN t AS t2 USING (a) JOIN t AS t3 USING (a) JOIN t AS t4 USING (a)
INSERT INTO t(b) VALUES (9) RETURNING a, a, a, a, a, a, a
SELECT count(*) FROM (SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a)
-- refused: named a are refused
CREATE TABLE many AS SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a
CREATE TABLE many AS SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a UNION SELECT 1, 2, 3, 4, 5, 6, 7
SELECT * FROM (SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a)

-- # columns that hide the rowid
-- converges
CREATE TABLE one(rowid, a)
CREATE TABLE two(rowid, oid, a)
CREATE TABLE mixed(RowID TEXT, _rowid_ REAL, a)
CREATE TABLE key(rowid INTEGER PRIMARY KEY, oid)
CREATE TABLE whole(rowid, oid, _rowid_, PRIMARY KEY (rowid)) WITHOUT ROWID
INSERT INTO one VALUES (7, 'a'), (7, 'b')
INSERT INTO one(oid, a) VALUES (100, 'c')
INSERT INTO two VALUES (1, 2, 3)
INSERT INTO two(_rowid_, a) VALUES (9, 'nine')
INSERT INTO mixed(oid, a) VALUES (5, 'five')
INSERT INTO key VALUES (3, 4)
INSERT INTO whole VALUES (1, 2, 3)
SELECT rowid, oid, _rowid_, a FROM one
SELECT rowid, oid, _rowid_ FROM key
UPDATE two SET _rowid_ = _rowid_ + 10
UPDATE one SET rowid = 8 WHERE oid = 100 RETURNING oid
CREATE TABLE alias(id INTEGER PRIMARY KEY, rowid, oid)
SELECT t.rowid FROM (SELECT 1 AS rowid) AS t
SELECT rowid FROM one AS x JOIN two AS y USING (rowid)
CREATE VIEW v AS SELECT a FROM one
-- refused: leave one of rowid, oid and _rowid_ free
CREATE TABLE h(rowid, oid, _rowid_)
CREATE TABLE h(a, ROWID, Oid, _RowId_)
CREATE TABLE h AS SELECT 1 AS rowid, 2 AS oid, 3 AS _rowid_
-- error 1: rowid alias: _rowid_
ALTER TABLE two ADD COLUMN _rowid_
ALTER TABLE key ADD COLUMN _rowid_
ALTER TABLE two RENAME COLUMN a TO _rowid_
ALTER TABLE two ADD COLUMN _rowid_ AS (a)
-- error 1: no such column
SELECT oid + x.rowid FROM (SELECT a FROM one) AS x
SELECT _rowid_ FROM v
SELECT rowid FROM (SELECT a FROM one)

-- # names that need quotes
-- converges
CREATE TABLE "select"("from" INTEGER PRIMARY KEY, "a""b", [c d], `e``f`, "", "x'y", "ä", "🦀", " ")
INSERT INTO "select" VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9)
UPDATE "select" SET "a""b" = "ä" + "🦀", "" = 0 RETURNING *
CREATE TABLE "a;b--c"("/*" TEXT, "'--" TEXT)
INSERT INTO "a;b--c" VALUES (';', '--')
CREATE TABLE 'single'('quoted' INTEGER)
INSERT INTO 'single' VALUES (1)
CREATE TABLE "new
    line"("a
    b")
INSERT INTO "new
    line" VALUES (1)
CREATE INDEX "index"" of" ON "select"("a""b")
CREATE VIEW "view of" AS SELECT "" AS "", " " AS "  " FROM "select"
SELECT * FROM "view of"
CREATE TRIGGER "on'" AFTER UPDATE ON "select" BEGIN UPDATE "a;b--c" SET "/*" = new."🦀"; END
UPDATE "select" SET "🦀" = 'crab'
SELECT * FROM "a;b--c"
ALTER TABLE "select" RENAME COLUMN "ä" TO "Ä"
ALTER TABLE "select" RENAME TO "SELECT 2"
CREATE TABLE ""(a)
INSERT INTO "" VALUES (1)
CREATE TABLE "%s%n"(a, "?", ":a", "@b", "$c", "?1")
INSERT INTO "%s%n" VALUES (1, 2, 3, 4, 5, 6)
SELECT "?", ":a" FROM "%s%n"
CREATE TABLE Case_Of(A, b)
INSERT INTO cASE_oF(a, B) VALUES (1, 2)
CREATE TABLE ÄÖ(a)
CREATE TABLE äö(a)
INSERT INTO ÄÖ VALUES (1)
SELECT * FROM äö
ALTER TABLE CASE_OF RENAME COLUMN a TO A
INSERT INTO case_of VALUES (3, 4)
CREATE TABLE abort(abort, action, after, "all", always, analyze, asc, "column")
INSERT INTO abort(abort) VALUES (1)
CREATE TABLE lockstep_state(applied)
-- error 1
CREATE TABLE case_OF(z)
CREATE TABLE sqlite_mine(a)
CREATE TABLE "SQLITE_mine"(a)
CREATE INDEX sqlite_mine ON case_of(a)
CREATE VIEW sqlite_mine AS SELECT 1
CREATE TRIGGER sqlite_mine AFTER INSERT ON case_of BEGIN SELECT 1; END
ALTER TABLE case_of RENAME TO sqlite_mine
ALTER TABLE case_of RENAME TO CASE_OF
CREATE TABLE sqlite_sequence(name, seq)
CREATE TABLE sqlite_stat1(tbl, idx, stat)
CREATE TABLE twice(a, A)
CREATE TABLE twice AS SELECT 1 AS a UNION SELECT b, c
ALTER TABLE case_of ADD COLUMN B
CREATE TABLE no columns()
CREATE TABLE none()
SELECT `a

-- # objects named like those of SQLite
-- converges
CREATE TABLE json_each(key, value)
INSERT INTO json_each VALUES ('mine', 1)
SELECT * FROM json_each
CREATE TABLE json_tree(a)
CREATE TABLE fts5(a)
CREATE TABLE rtree(a)
CREATE TABLE memdb(a)
CREATE TABLE main(a)
INSERT INTO main VALUES (1)
SELECT main.main.a FROM main.main
CREATE TABLE temp(a)
INSERT INTO temp VALUES (1)
CREATE TABLE "unit"(a)
CREATE TABLE old(a)
CREATE TABLE new(a)
CREATE TRIGGER turn AFTER INSERT ON old BEGIN INSERT INTO new VALUES (new.a); END
INSERT INTO old VALUES (1)
CREATE TABLE excluded(a UNIQUE)
INSERT INTO excluded VALUES (1), (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a + 1
CREATE TABLE setup_guard(a)
WITH sqlite_schema(a) AS (SELECT 1) SELECT * FROM sqlite_schema
WITH t(a) AS (SELECT 1), u AS (SELECT a FROM t) SELECT * FROM u
WITH json_each(a) AS (SELECT 1) SELECT * FROM json_each
WITH pragma_table_list(a) AS (SELECT 1) SELECT * FROM pragma_table_list
WITH main(a) AS (SELECT 2) SELECT * FROM main
WITH old(a) AS (SELECT 7) INSERT INTO old SELECT a FROM old
CREATE TABLE random(a)
CREATE TABLE datetime(now)
SELECT now FROM datetime
CREATE INDEX "sqlite-like" ON main(a)
CREATE TABLE "sqlitex"(a)
CREATE TABLE "sqlit_e"(a)
CREATE TABLE rowid(rowid)
INSERT INTO rowid VALUES (5)
SELECT rowid.rowid, oid FROM rowid
-- error 1
SELECT * FROM json_each('[1]')
WITH old AS (SELECT 1), OLD AS (SELECT 2) SELECT 1
WITH r(a, b) AS (SELECT 1) SELECT * FROM r
-- refused: pragma_mine is refused
CREATE VIEW pragma_mine AS SELECT 1 AS a
