-- "Now" is the entry's time, however it is asked for. What depends on the machine's time zone is refused.

-- # every spelling of now
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b)
CREATE TABLE seen(b, ts)
CREATE INDEX seen_ts ON seen(ts)
CREATE TRIGGER watch AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (new.b, strftime('%f')), (random(), CURRENT_TIME); END
CREATE VIEW clock AS SELECT datetime('now') AS now, random() AS r
INSERT INTO t(b) VALUES (1), (2), (3), ('now')
INSERT INTO t(b) VALUES (CURRENT_TIMESTAMP), (CURRENT_DATE), (CURRENT_TIME)
INSERT INTO t(b) VALUES (current_timestamp || ''), (Current_Date), (cuRRent_time IS NOT NULL)
INSERT INTO t(b) VALUES (date()), (time()), (datetime()), (julianday()), (unixepoch()), (strftime('%s'))
INSERT INTO t(b) VALUES (datetime ('now')), (datetime/**/('now')), ("datetime"('now')), ([datetime]('NOW')), (`date`('nOw'))
INSERT INTO t(b) VALUES (datetime('n' || 'ow')), (unixepoch('subsec')), (timediff('now', '2024-01-01'))
INSERT INTO t(b) VALUES (unixepoch('subsecond')), (julianday('now', 'subsec')), (datetime('subsec')), (time('subsec'))
INSERT INTO t(b) VALUES (strftime('%Y-%m-%d %H:%M:%f %J %j %s %w %W %u %U %V %G %g %e %k %l %I %p %P %R %T %F %D', 'now'))
INSERT INTO t(b) VALUES (strftime('%d%%%M')), (timediff('2030-01-01', 'now')), (timediff('now', 'now'))
INSERT INTO t(b) SELECT datetime(b) FROM t WHERE b = 'now'
INSERT INTO t(b) SELECT datetime(lower('NOW')) UNION ALL SELECT time(char(110, 111, 119)) UNION ALL SELECT date(CAST(x'6e6f77' AS TEXT))
INSERT INTO t(b) SELECT datetime(x'6e6f77')
INSERT INTO seen SELECT * FROM clock
INSERT INTO seen SELECT now, (SELECT now FROM clock) FROM clock
UPDATE t SET b = CURRENT_TIMESTAMP WHERE a = 1
UPDATE t SET b = datetime('now') WHERE a = 2 RETURNING b, unixepoch('now'), CURRENT_TIME
DELETE FROM t WHERE a = 3 AND datetime('now') > '2000-01-01' RETURNING CURRENT_TIMESTAMP
SELECT datetime('now', '+1 month'), date('now', 'start of month', '+1 month', '-1 day'), date('now', 'weekday 0')
SELECT datetime('now', '-100 years'), datetime('now', '+00:30'), datetime('now', '+0001-02-03'), datetime('now', '+0001-02-03 04:05')
SELECT date('now', '+1 month', 'floor'), date('now', '+1 month', 'ceiling'), datetime('now', 'start of year'), datetime('now', 'start of day')
SELECT julianday('now') - julianday('now'), unixepoch('now') - unixepoch(CURRENT_TIMESTAMP)
SELECT datetime(1092941466, 'unixepoch'), datetime(1092941466, 'auto'), datetime(2460000.5, 'julianday'), datetime(1e10, 'auto')
SELECT datetime('2024-01-01T12:00:00+05:30'), datetime('2024-01-01 12:00Z'), time('12:00:00-04:00'), date('2024-02-30')
SELECT datetime('-4713-11-24 12:00:00'), datetime('9999-12-31 23:59:59'), datetime('9999-12-31 23:59:59', '+1 second'), date('10000-01-01')
SELECT datetime('noon'), datetime(''), datetime(NULL), date('now', NULL), date('now', 'nonsense'), strftime('%Q'), strftime(NULL)
SELECT datetime(0), datetime(-1), datetime(5373484.5), datetime(5373485), datetime(1e300), datetime(-1e300), datetime(9e999)
SELECT datetime('now') BETWEEN date('now') AND date('now', '+1 day'), CURRENT_DATE = date('now')
SELECT count(DISTINCT now) FROM (SELECT datetime('now', '+0.5 seconds') AS now FROM t AS x, t AS y)
SELECT strftime('%s', 'now') = unixepoch(), strftime('%J') = julianday(), typeof(strftime('%s'))
WITH RECURSIVE ticks(n, ts) AS (SELECT 1, CURRENT_TIMESTAMP UNION ALL SELECT n + 1, datetime(ts, '+1 hour') FROM ticks WHERE n < 5) SELECT * FROM ticks
SELECT a, lag(CURRENT_TIMESTAMP) OVER (ORDER BY a), first_value(datetime('now')) OVER (ORDER BY a) FROM t
SELECT json_object('now', datetime('now')), json_array(CURRENT_TIME), json_group_array(CURRENT_DATE) FROM t
SELECT iif(unixepoch() > 0, CURRENT_DATE, 'before'), coalesce(NULL, time()), max(date(), '2000-01-01')
SELECT b FROM t ORDER BY datetime('now', b || ' seconds'), a LIMIT unixepoch() % 3 + 1
SELECT count(*) FROM t GROUP BY date('now', a || ' days') HAVING max(datetime('now')) > 'a' ORDER BY 1
SELECT CASE CURRENT_DATE WHEN date() THEN 'today' END, CURRENT_TIMESTAMP COLLATE NOCASE
VALUES (CURRENT_TIMESTAMP, datetime('now')), (CURRENT_DATE, time('now'))

-- # now in a schema
-- converges
CREATE TABLE at(a INTEGER PRIMARY KEY, ts DEFAULT CURRENT_TIMESTAMP, d DEFAULT CURRENT_DATE, t DEFAULT CURRENT_TIME, r DEFAULT (random()))
INSERT INTO at(a) VALUES (1), (2)
INSERT INTO at DEFAULT VALUES
INSERT INTO at(a, ts) VALUES (10, NULL) RETURNING *
INSERT INTO at(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET ts = datetime('now', '+1 day'), d = excluded.d RETURNING *
REPLACE INTO at(a) VALUES (2)
CREATE TABLE more(a, ts DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')), u DEFAULT (unixepoch('subsec')), j REAL DEFAULT (julianday()))
INSERT INTO more(a) SELECT a FROM at
CREATE TABLE made AS SELECT a, CURRENT_TIMESTAMP AS ts, datetime('now') AS d FROM at
CREATE TABLE checked(a CHECK (a < datetime('now', '+100 years')), b CHECK (b IS NULL OR b <= unixepoch('now')))
CREATE TABLE word(a CHECK (a < CURRENT_TIMESTAMP))
INSERT OR IGNORE INTO word VALUES ('2000-01-01'), ('2099-01-01')
SELECT * FROM word
CREATE TABLE typed(a TEXT DEFAULT CURRENT_TIMESTAMP, n INT DEFAULT (unixepoch())) STRICT
INSERT INTO typed DEFAULT VALUES RETURNING *
CREATE TABLE keyed(ts TEXT DEFAULT CURRENT_TIMESTAMP, n INT, PRIMARY KEY(ts, n)) WITHOUT ROWID
INSERT INTO keyed(n) VALUES (1), (2) RETURNING *
CREATE VIEW age AS SELECT a, unixepoch('now') - unixepoch(ts) AS seconds FROM at
SELECT * FROM age
CREATE TRIGGER touch AFTER UPDATE ON at WHEN new.ts IS old.ts BEGIN UPDATE at SET ts = datetime('now', '+' || new.a || ' seconds') WHERE a = new.a; END
UPDATE at SET d = 'x'
CREATE TRIGGER late BEFORE INSERT ON more WHEN CURRENT_TIMESTAMP > '2000' BEGIN SELECT CASE WHEN datetime('now') IS NULL THEN RAISE(ABORT, 'no time') END; END
INSERT INTO more(a) VALUES ('a')
ALTER TABLE at ADD COLUMN month AS (substr(ts, 1, 7))
INSERT INTO at(a) VALUES (20) RETURNING month
CREATE INDEX by_day ON at(date(ts))
CREATE INDEX recent ON at(ts) WHERE ts > '2020-01-01'
SELECT a FROM at WHERE date(ts) = date('now') ORDER BY a
CREATE TABLE parsed(ts, j AS (julianday(ts)), e AS (unixepoch(ts)) STORED)
INSERT INTO parsed VALUES ('2024-05-05 05:05:05'), (2460000.5), (NULL)
SELECT * FROM parsed
ALTER TABLE at ADD COLUMN later DEFAULT NULL CHECK (later IS NULL OR later > '2000')

-- error 275: CHECK constraint failed: a < CURRENT_TIMESTAMP
INSERT INTO word VALUES ('2099-01-01')
-- error 1: non-deterministic use of datetime() in a CHECK constraint
INSERT INTO checked VALUES ('2000-01-01', 5)
INSERT OR IGNORE INTO checked VALUES ('2000-01-01', 99999999999), ('2000-01-02', 1)

-- Time in an index, a generated column, or an added default does not follow from the row.
-- error 1
CREATE TABLE g(a, b AS (CURRENT_TIMESTAMP))
CREATE INDEX i ON at(datetime('now'))
CREATE INDEX i ON at(CURRENT_DATE)
CREATE INDEX i ON at(a) WHERE ts < CURRENT_TIMESTAMP
ALTER TABLE at ADD COLUMN z DEFAULT CURRENT_TIMESTAMP
ALTER TABLE at ADD COLUMN z DEFAULT (datetime('now'))
ALTER TABLE at ADD COLUMN z AS (CURRENT_TIMESTAMP)

-- error 1: non-deterministic use of
INSERT INTO parsed(ts) VALUES ('now')

-- # time zones
-- converges
CREATE TABLE t(a, b)
INSERT INTO t VALUES ('2024-01-01', 'localtime'), ('2024-01-01', 'utc')
SELECT datetime('now', 'utc'), datetime('2024-01-01 00:00Z', 'utc')

-- refused: time zone
SELECT datetime('now', 'localtime')
SELECT datetime('2024-01-01', 'utc')
SELECT datetime('2024-01-01', 'localtime')
SELECT date('now', 'LocalTime')
SELECT time('now', '+1 day', 'localtime')
SELECT julianday('now', 'localtime')
SELECT unixepoch('2024-01-01', 'utc')
SELECT strftime('%H', 'now', 'localtime')
SELECT strftime('%H', 0, 'unixepoch', 'localtime')
SELECT datetime(a, b) FROM t
SELECT datetime('now', 'local' || 'time')
INSERT INTO t SELECT datetime('now', 'localtime'), 1
UPDATE t SET a = date('now', 'localtime')
DELETE FROM t WHERE a < date('now', 'localtime')
INSERT INTO t VALUES (1, 2) RETURNING datetime('now', 'localtime')
CREATE TABLE l AS SELECT datetime('now', 'localtime') AS l
WITH l AS (SELECT datetime('now', 'localtime') AS l) SELECT * FROM l

-- A zone may be named in a schema; the statement that comes to evaluate it is refused.
-- converges
CREATE TABLE local(a, ts DEFAULT (datetime('now', 'localtime')))
CREATE VIEW here AS SELECT datetime('now', 'localtime') AS ts
CREATE TRIGGER hour AFTER DELETE ON t BEGIN INSERT INTO t VALUES (strftime('%H', 'now', 'localtime'), 0); END
INSERT INTO local VALUES (1, 2)
-- refused: time zone
INSERT INTO local(a) VALUES (1)
SELECT * FROM here
DELETE FROM t
