-- Text: collations, patterns, encodings, and bytes that are no text.

-- # collations and patterns
-- converges
CREATE TABLE t(a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM, c TEXT COLLATE BINARY)
INSERT INTO t VALUES ('a', 'a', 'a'), ('A', 'a ', 'A'), ('ä', 'ä', 'ä'), ('Ä', 'ä  ', 'Ä'), ('z', 'Z', 'z'), ('🦀', '🦀', '🦀'), ('', ' ', '')
SELECT a FROM t ORDER BY a, rowid
SELECT b FROM t ORDER BY b, rowid
SELECT c FROM t ORDER BY c
SELECT DISTINCT a FROM t
SELECT a, count(*) FROM t GROUP BY a
SELECT b, count(*) FROM t GROUP BY b
SELECT c FROM t GROUP BY c COLLATE NOCASE
SELECT x.c, y.c FROM t AS x JOIN t AS y ON x.a = y.c WHERE x.rowid < y.rowid
SELECT min(a), max(a), min(b), max(c) FROM t
SELECT a = 'A', b = 'a', c = 'a', a = c, c = a, a COLLATE BINARY = 'A' FROM t
SELECT a FROM t UNION SELECT b FROM t ORDER BY 1 COLLATE NOCASE, 1
CREATE UNIQUE INDEX once ON t(c COLLATE BINARY, b)
CREATE UNIQUE INDEX folded ON t(c || b COLLATE NOCASE)
INSERT OR IGNORE INTO t VALUES ('x', 'a   ', 'a')
SELECT c LIKE 'a', c LIKE 'Ä', c GLOB 'a', 'ABC' LIKE 'a_c', 'aXc' GLOB 'a?c', 'a%c' LIKE 'a\%c' ESCAPE '\', 'abc' GLOB '[a-c]b[^x]', 'é' LIKE '_', 'É' LIKE 'é' FROM t LIMIT 3
SELECT 'abc' LIKE NULL, NULL LIKE 'x', 5 LIKE '5', 1.0 LIKE '1._', x'414243' LIKE 'abc', '' LIKE '', '' LIKE '%', '' GLOB '*', 'a' GLOB '[', ']' GLOB '[]]', '-' GLOB '[a-]', 'b' GLOB '[^a'
SELECT upper('äéß straße'), lower('ÄÉ'), length('äé🦀'), substr('äé🦀x', 2, 2), substr('hello', -3, 2), substr('hello', 0, 2), substr('hello', 2, -1), instr('äéx', 'x'), instr('abc', ''), replace('aaa', 'a', 'bb'), replace('abc', '', 'x'), trim('xxhixx', 'x'), ltrim('äaä', 'ä'), rtrim('  x  '), trim('', 'x')
SELECT unicode('é'), unicode(''), char(233, 128640, 0), char(), char(-1), char(1114112), hex(char(55296)), hex('é'), unhex('c3a9'), unhex('xx'), unhex('41-42', '-'), soundex('Robert'), soundex(''), quote('it''s'), quote(x'00ff'), quote(NULL), quote(1.5), concat(1, NULL, 'x'), concat_ws('-', 'a', NULL, 'b'), unistr('\00e9\+01f980'), unistr_quote('a' || char(7))
SELECT octet_length('é'), octet_length(x'0000'), octet_length(12345), typeof(1 || 2), 'a' || NULL, 'a' < 'B', 'a' < x'00', 1 < '1', likelihood('x', 0.5), subtype(json('[]')), if(0, 'a', 'b'), iif(NULL, 'a'), nullif('a', 'A' COLLATE NOCASE)
SELECT 'x' IN ('X' COLLATE NOCASE), 'x' COLLATE NOCASE IN ('X'), 'b' BETWEEN 'A' AND 'C', 'b' COLLATE NOCASE BETWEEN 'A' AND 'C', CASE 'x' COLLATE NOCASE WHEN 'X' THEN 'same' END
-- error 257: no such collation sequence
SELECT c FROM t ORDER BY c COLLATE nonsense
-- error 1
SELECT 'x' LIKE 'y' ESCAPE 'ab'
SELECT 'x' LIKE 'y' ESCAPE ''
SELECT like('a', 'b', 'cc')
SELECT unistr('\zz')
SELECT substr('x')
SELECT 'a' REGEXP 'b'
SELECT likelihood('x', 2)
-- error 2067: UNIQUE constraint failed
INSERT INTO t VALUES ('x', 'a   ', 'a')
-- refused: match() is refused
SELECT 'a' MATCH 'b'

-- # bytes that are no text
-- converges
CREATE TABLE raw(a INTEGER PRIMARY KEY, t TEXT, b BLOB)
INSERT INTO raw VALUES (1, CAST(x'ff' AS TEXT), x'ff'), (2, CAST(x'c3' AS TEXT), x'c3'), (3, CAST(x'eda080' AS TEXT), x''), (4, CAST(x'410042' AS TEXT), x'00'), (5, char(0), zeroblob(5)), (6, x'ff', 'ff')
CREATE INDEX by_t ON raw(t)
CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID
INSERT INTO keyed SELECT t, b FROM raw
SELECT a, length(t), octet_length(t), hex(t), typeof(t), typeof(b), quote(b) FROM raw
SELECT a FROM raw ORDER BY t, b
SELECT a, CAST(t AS BLOB), unicode(t), instr(t, 'B'), hex(substr(t, 1, 1)), hex(upper(t)) FROM raw
SELECT a FROM raw WHERE t LIKE 'A%' OR t GLOB 'A*' OR t = CAST(x'ff' AS TEXT)
SELECT hex(group_concat(t, '|')) FROM raw
SELECT hex(k), hex(v) FROM keyed
UPDATE raw SET t = t || CAST(x'fe' AS TEXT) WHERE a < 4
UPDATE raw SET b = CAST(t AS BLOB) WHERE a = 4
DELETE FROM keyed WHERE k = CAST(x'c3' AS TEXT)
INSERT INTO raw(t) SELECT hex(t) FROM raw RETURNING t
SELECT typeof(CAST(x'ff' AS TEXT)), length(CAST(x'f0808080' AS TEXT)), hex(lower(CAST(x'ff41' AS TEXT))), CAST(x'ff' AS TEXT) = CAST(x'ff' AS TEXT)
SELECT x'' = zeroblob(0), length(zeroblob(1000000)), zeroblob(-1) = x'', substr(x'010203', 2, 1), x'01' || x'02', typeof(x'01' || x'02'), hex(replace(x'616161', 'a', 'b'))
SELECT 'a' || char(0) || 'b' = 'a' || char(0) || 'c', length('a' || char(0) || 'b'), hex('a' || char(0) || 'b'), 'a' || char(0) LIKE 'a'
CREATE VIEW shown AS SELECT t FROM raw
-- refused: CAST(… AS BLOB)
SELECT CAST(x'ff' AS TEXT) AS c
SELECT t FROM raw
SELECT * FROM shown
SELECT 'fine', t FROM raw WHERE a = 2
INSERT INTO raw(t) VALUES (CAST(x'80' AS TEXT)) RETURNING t
UPDATE raw SET b = 1 WHERE a = 1 RETURNING t
DELETE FROM raw RETURNING t
SELECT substr(CAST(x'c3a9c3' AS TEXT), 2)
SELECT json_quote(CAST(x'ff' AS TEXT))
SELECT group_concat(t) FROM raw
-- converges
SELECT count(*) FROM raw

-- # what is too long
-- converges
CREATE TABLE t(a)
INSERT INTO t VALUES (zeroblob(100000)), (hex(zeroblob(30000)))
SELECT length(a) FROM t
UPDATE t SET a = a || a
SELECT length(a), typeof(a) FROM t
SELECT length(replace(hex(zeroblob(1000)), '0', 'xxxxxxxxxx'))
SELECT length(zeroblob(1100000)), length(printf('%1000000s', 'x'))
DELETE FROM t
-- error 18: too big
SELECT zeroblob(100000000)
INSERT INTO t VALUES (zeroblob(2147483647))
INSERT INTO t SELECT zeroblob(9223372036854775807)
SELECT length(hex(zeroblob(40000000)))
SELECT length(printf('%100000000s', 'x'))
INSERT INTO t VALUES (zeroblob(1000000)), (zeroblob(67108865))
SELECT zeroblob(2000000)
-- refused: LIMIT
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT zeroblob(1000) FROM c
INSERT INTO t VALUES (1), (2) RETURNING zeroblob(1000000)
-- error 1: LIKE or GLOB pattern too complex
SELECT 'x' LIKE hex(zeroblob(50000))
SELECT 'x' GLOB hex(zeroblob(50000))
