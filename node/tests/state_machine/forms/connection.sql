-- What is the state of one connection, one file or one build is not replicated. All of it is refused.

-- # asked for by name
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE seen(b, ts)
CREATE VIEW v AS SELECT a FROM t
INSERT INTO t(b) VALUES (1), (2), (3)
-- refused: RETURNING rowid
SELECT last_insert_rowid()
SELECT LAST_INSERT_ROWID ()
SELECT "last_insert_rowid"()
INSERT INTO t(b) SELECT last_insert_rowid()
UPDATE t SET b = last_insert_rowid() WHERE a = 1
-- refused: RETURNING
SELECT changes()
SELECT [changes]() FROM t
INSERT INTO t(b) VALUES (total_changes())
DELETE FROM t WHERE a = changes()
INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO UPDATE SET b = 1 WHERE changes() > 0
INSERT INTO t(b) VALUES (1) RETURNING changes()
SELECT * FROM t ORDER BY changes()
SELECT a FROM t LIMIT changes() + 1
SELECT max(a) OVER (ORDER BY total_changes()) FROM t
WITH c AS (SELECT changes() AS n) SELECT n FROM c
SELECT CASE WHEN 0 THEN changes() END
CREATE TABLE c AS SELECT changes() AS n
-- refused: differs between builds
SELECT sqlite_version()
SELECT sqlite_source_id()
SELECT sqlite_compileoption_get(0)
SELECT sqlite_compileoption_used('THREADSAFE')
SELECT fts5_source_id()
-- refused: load_extension() is refused
SELECT load_extension('x')
SELECT load_extension('x', 'y')
-- refused: writes to the log of one machine
SELECT sqlite_log(1, 'x')
-- error 1: no such function
SELECT sqlite_offset(a) FROM t
SELECT readfile('/etc/hostname')
SELECT writefile('/nowhere/x', 'y')
SELECT edit('x')
SELECT sin(1)
SELECT pow(2, 3)
SELECT median(a) FROM t
SELECT percentile(a, 50) FROM t
SELECT regexp('a', 'b')
SELECT sha3(a) FROM t
SELECT uuid()
SELECT sqlite_rename_table(1, 2, 3, 4, 5, 6, 7)
SELECT sqlite_drop_column(1, 2, 3)
SELECT sqlite_add_constraint(1, 2, 3)

-- # pragmas
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE guess(page_count INTEGER, pageno INTEGER, name, cache_size INTEGER)
-- refused: PRAGMA foreign_keys is refused
PRAGMA foreign_keys = OFF
PRAGMA foreign_keys
PRAGMA main.foreign_keys(0)
-- refused: is refused
PRAGMA recursive_triggers = ON
PRAGMA case_sensitive_like = ON
PRAGMA reverse_unordered_selects = ON
PRAGMA optimize
PRAGMA quick_check
PRAGMA integrity_check
PRAGMA foreign_key_check
PRAGMA user_version
PRAGMA user_version = 7
PRAGMA application_id = 7
PRAGMA schema_version = 1000
PRAGMA data_version
PRAGMA page_count
PRAGMA max_page_count = 3
PRAGMA page_size = 512
PRAGMA journal_mode = DELETE
PRAGMA wal_checkpoint(TRUNCATE)
PRAGMA wal_autocheckpoint = 1
PRAGMA synchronous = OFF
PRAGMA locking_mode = EXCLUSIVE
PRAGMA encoding = 'UTF-16'
PRAGMA auto_vacuum = FULL
PRAGMA incremental_vacuum
PRAGMA cache_size = 1
PRAGMA temp_store = FILE
PRAGMA temp_store_directory = '/nowhere'
PRAGMA query_only = ON
PRAGMA read_uncommitted = ON
PRAGMA writable_schema = ON
PRAGMA writable_schema = RESET
PRAGMA legacy_alter_table = ON
PRAGMA ignore_check_constraints = ON
PRAGMA defer_foreign_keys = ON
PRAGMA cell_size_check = ON
PRAGMA trusted_schema = OFF
PRAGMA automatic_index = OFF
PRAGMA count_changes = ON
PRAGMA full_column_names = ON
PRAGMA short_column_names = OFF
PRAGMA empty_result_callbacks = ON
PRAGMA hard_heap_limit = 1
PRAGMA soft_heap_limit = 1
PRAGMA busy_timeout = 60000
PRAGMA mmap_size = 1000000
PRAGMA secure_delete = ON
PRAGMA shrink_memory
PRAGMA threads = 4
PRAGMA analysis_limit = 10
PRAGMA table_info(t)
PRAGMA table_list
PRAGMA database_list
PRAGMA compile_options
PRAGMA function_list
PRAGMA collation_list
PRAGMA stats
PRAGMA no_such_pragma
-- refused: read sqlite_schema
SELECT * FROM pragma_table_info('t')
SELECT * FROM pragma_table_list
SELECT * FROM pragma_compile_options
SELECT * FROM PRAGMA_Function_List
SELECT name FROM pragma_database_list
SELECT s.name FROM sqlite_schema AS s, pragma_table_info(s.name)
SELECT * FROM pragma_user_version
SELECT * FROM "pragma_index_list"('t')
CREATE TABLE c AS SELECT * FROM pragma_compile_options
INSERT INTO t(b) SELECT file FROM pragma_database_list
-- refused: pragma_quick_check is refused
SELECT * FROM pragma_quick_check('t')
CREATE TABLE checked AS SELECT * FROM pragma_quick_check('t')
-- refused: page_count is refused
SELECT count(*) FROM pragma_page_count
-- refused: by NATURAL or USING
SELECT guess.page_count FROM guess JOIN pragma_page_count USING (page_count)
-- refused: is refused
SELECT guess.name FROM guess JOIN pragma_table_list USING (name)
SELECT guess.cache_size FROM guess NATURAL JOIN pragma_cache_size
-- refused: dbstat is refused
SELECT * FROM dbstat
SELECT sum(pgsize) FROM main.dbstat
SELECT * FROM "DBSTAT"('main', 1)
-- error 1: no such table
SELECT * FROM sqlite_stmt
SELECT * FROM sqlite_dbpage
SELECT * FROM sqlite_dbdata
SELECT * FROM bytecode('SELECT 1')
SELECT * FROM tables_used('SELECT 1')
SELECT * FROM completion('SEL')
SELECT * FROM fsdir('.')
SELECT * FROM zipfile('x')
SELECT * FROM generate_series(1, 5)
SELECT * FROM sqlite_stat1
SELECT * FROM sqlite_stat4
SELECT * FROM carray(1, 2)
-- error 1
SELECT * FROM pragma_no_such

-- # transactions, files and temporary objects
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE VIEW v AS SELECT a FROM t
CREATE INDEX by_b ON t(b)
-- refused: one atomic batch
BEGIN
BEGIN IMMEDIATE TRANSACTION
BEGIN EXCLUSIVE
BEGIN CONCURRENT
BEGIN NONSENSE
COMMIT TO unit
COMMIT
COMMIT TRANSACTION
END
ROLLBACK
ROLLBACK TRANSACTION TO SAVEPOINT unit
SAVEPOINT unit
SAVEPOINT mine
RELEASE unit
RELEASE SAVEPOINT unit
ROLLBACK TO unit
-- refused: ATTACH and DETACH are refused
ATTACH ':memory:' AS other
ATTACH DATABASE '' AS other
ATTACH 'file::memory:?cache=shared' AS other
ATTACH 'db-0' AS main
DETACH main
DETACH temp
DETACH other
-- refused: temporary objects are refused
CREATE TEMP TABLE z(a)
CREATE TEMPORARY TABLE z AS SELECT 1
CREATE TEMP TABLE IF NOT EXISTS z(a)
CREATE TABLE temp.z(a)
CREATE TABLE "temp".z(a)
CREATE TABLE TEMP.z AS SELECT 1 AS a
CREATE TEMP VIEW z AS SELECT 1
CREATE VIEW temp.z AS SELECT 1
CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT 1; END
-- refused: VACUUM is refused
VACUUM
VACUUM main
VACUUM INTO '/nowhere/else'
VACUUM main INTO 'x' || 'y'
-- refused: ANALYZE is refused
ANALYZE
ANALYZE t
ANALYZE main.by_b
-- refused: REINDEX is refused
REINDEX
REINDEX t
REINDEX by_b
REINDEX BINARY
REINDEX main.t
-- refused: virtual tables
CREATE VIRTUAL TABLE z USING fts5(a)
CREATE VIRTUAL TABLE IF NOT EXISTS z USING fts5(a)
CREATE VIRTUAL TABLE z USING rtree(id, x, y)
CREATE VIRTUAL TABLE z USING fts3(a)
CREATE VIRTUAL TABLE z USING dbstat
CREATE VIRTUAL TABLE z USING json_each
CREATE VIRTUAL TABLE z USING "no such module"
CREATE VIRTUAL TABLE main.z USING pragma_table_info
-- refused: EXPLAIN is refused
EXPLAIN SELECT 1
EXPLAIN QUERY PLAN SELECT 1
EXPLAIN INSERT INTO t VALUES (1, 1)
EXPLAIN QUERY PLAN DELETE FROM t
-- error 1
CREATE TABLE other.z(a)
CREATE INDEX temp.i ON t(a)
INSERT INTO temp.t VALUES (1, 2)
SELECT * FROM temp.t
ATTACH ':memory:'
VACUUM other
ANALYZE nowhere
REINDEX nowhere
DROP TABLE temp.t
DELETE FROM t LIMIT 1
UPDATE t SET b = 1 ORDER BY a LIMIT 1
SHOW TABLES
SET x = 1
GRANT ALL ON t TO me
-- converges
REINDEX RTRIM
SELECT name FROM temp.sqlite_schema
SELECT name FROM sqlite_temp_master
SELECT count(*) FROM temp.sqlite_master
SELECT count(*) FROM main.t
SELECT main.t.a FROM main.t AS t

-- # what a connection did last, in a trigger's condition
-- converges
CREATE TABLE t(a)
CREATE TRIGGER w AFTER INSERT ON t WHEN last_insert_rowid() > 0 BEGIN SELECT 1; END
CREATE TRIGGER u AFTER UPDATE ON t WHEN new.a > (SELECT changes()) BEGIN SELECT 1; END
CREATE TABLE d(a, b GENERATED ALWAYS AS (a + 1), CHECK (b <> 7))
-- refused: is refused
INSERT INTO t VALUES (1)
UPDATE t SET a = 1
INSERT INTO d(a) SELECT 1 WHERE total_changes() > 5
SELECT * FROM t ORDER BY last_insert_rowid() LIMIT (SELECT changes())
