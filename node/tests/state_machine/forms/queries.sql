-- Queries whose answer depends on an order, a collation, a number's last digit, or a plan: the same everywhere.

-- # orders that nobody asked for
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, b, c)
CREATE TABLE u(x, y)
CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO t SELECT i, i * 7919 % 61, 'c' || i % 5 FROM n
INSERT INTO u SELECT b, c FROM t WHERE a % 2
INSERT INTO w SELECT 'k' || b, a FROM t
CREATE INDEX by_b ON t(b)
CREATE INDEX by_c ON t(c, b)
CREATE INDEX u_y ON u(y)
SELECT * FROM t
SELECT b FROM t
SELECT c FROM t
SELECT DISTINCT c FROM t
SELECT c, count(*) FROM t GROUP BY c
SELECT group_concat(b) FROM t
SELECT c, group_concat(a, '-') FROM t GROUP BY c
SELECT group_concat(a ORDER BY b DESC) FROM t
SELECT string_agg(a, '/') FROM t WHERE b > 30
SELECT json_group_array(b), json_group_object(c, a) FROM t
SELECT c, b, max(a) FROM t GROUP BY c
SELECT c, b, min(b), max(b) FROM t GROUP BY c
SELECT c, b FROM t GROUP BY c
SELECT b, a FROM t LIMIT 5 OFFSET 3
SELECT * FROM t, u WHERE b = x LIMIT 10
SELECT * FROM u LEFT JOIN t ON y = c AND a < 5 LIMIT 12
SELECT t.a, u.x FROM t RIGHT JOIN u ON t.b = u.x
SELECT t.a, u.x FROM t FULL JOIN u ON t.b = u.x + 1
SELECT a FROM t WHERE b = 5 OR c = 'c3'
SELECT a FROM t WHERE b IN (7, 3, 5) AND c IN ('c1', 'c2', 'c3')
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE x = b) AND NOT EXISTS (SELECT 1 FROM u WHERE y = c AND x > 50)
SELECT a FROM t INTERSECT SELECT x FROM u
SELECT c FROM t EXCEPT SELECT y FROM u WHERE x > 20
SELECT a FROM t WHERE a < 5 UNION ALL SELECT x FROM u WHERE x < 5
SELECT * FROM w LIMIT 10
SELECT v FROM w
CREATE TABLE from_scan AS SELECT b, c FROM t
SELECT rowid, b FROM from_scan LIMIT 5
INSERT INTO u SELECT c, b FROM t
INSERT INTO u SELECT y, x FROM u
SELECT rowid, x FROM u WHERE rowid > 100 LIMIT 9
DROP INDEX by_b
SELECT b FROM t
UPDATE t SET b = (SELECT count(*) FROM t AS s WHERE s.b < t.b)
UPDATE u SET x = (SELECT b FROM t WHERE a > u.rowid % 10 LIMIT 1)
DELETE FROM u WHERE rowid IN (SELECT rowid FROM u LIMIT 7)
SELECT count(*), sum(x) FROM u
SELECT a, b FROM t ORDER BY c
SELECT a FROM t ORDER BY c COLLATE NOCASE DESC, b % 3 NULLS LAST
SELECT * FROM (SELECT a FROM t ORDER BY b DESC) LIMIT 3
SELECT (SELECT b FROM t LIMIT 1), (SELECT y FROM u), (SELECT v FROM w LIMIT 1 OFFSET 2)
SELECT a, b FROM t WHERE (b, c) > (30, 'c2') AND (a, b) IN (SELECT x, y FROM u UNION SELECT a, b FROM t)

-- # windows
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, g, v REAL)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO t SELECT i, i % 4, i * 0.1 FROM n
SELECT a, row_number() OVER (), rank() OVER (ORDER BY g), dense_rank() OVER (ORDER BY g), percent_rank() OVER (ORDER BY g), cume_dist() OVER (ORDER BY g), ntile(4) OVER (ORDER BY a) FROM t
SELECT a, sum(v) OVER (PARTITION BY g ORDER BY a), total(v) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING), avg(v) OVER (ORDER BY g RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT a, sum(v) OVER (ORDER BY g GROUPS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES), count(*) FILTER (WHERE a % 2) OVER (ORDER BY a) FROM t
SELECT a, lag(a, 2, 'none') OVER w, lead(a) OVER w, first_value(a) OVER w, last_value(a) OVER w, nth_value(a, 3) OVER w FROM t WINDOW w AS (PARTITION BY g ORDER BY v DESC)
SELECT a, group_concat(a, '.') OVER (ORDER BY a ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING EXCLUDE CURRENT ROW) FROM t
SELECT g, sum(sum(v)) OVER (ORDER BY g) FROM t GROUP BY g
SELECT a, max(v) OVER (PARTITION BY g ORDER BY a ROWS UNBOUNDED PRECEDING) - min(v) OVER (PARTITION BY g) FROM t ORDER BY 2, 1
SELECT json_group_array(a) OVER (PARTITION BY g ORDER BY a DESC) FROM t LIMIT 9
SELECT * FROM (SELECT a, row_number() OVER (PARTITION BY g ORDER BY v DESC) AS n FROM t) WHERE n <= 2
-- error 1
SELECT row_number() FROM t
SELECT a FROM t WHERE rank() OVER (ORDER BY a) < 3
SELECT sum(v) OVER (ORDER BY a RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING EXCLUDE) FROM t
SELECT sum(v) OVER (ORDER BY a, g RANGE 5 PRECEDING) FROM t
SELECT sum(v) OVER (ORDER BY a ROWS -1 PRECEDING) FROM t
SELECT ntile(0) OVER (ORDER BY a) FROM t
SELECT nth_value(a, 0) OVER (ORDER BY a) FROM t
SELECT abs(a) OVER () FROM t

-- # common table expressions
-- converges
CREATE TABLE edge(a, b)
INSERT INTO edge VALUES (1, 2), (2, 3), (3, 1), (3, 4), (5, 6)
WITH RECURSIVE reach(n) AS (VALUES (1) UNION SELECT b FROM edge JOIN reach ON a = n) SELECT n FROM reach
WITH RECURSIVE reach(n, d) AS (VALUES (1, 0) UNION ALL SELECT b, d + 1 FROM edge JOIN reach ON a = n WHERE d < 5) SELECT * FROM reach ORDER BY d, n
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 5) SELECT n FROM c
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c LIMIT 7
WITH RECURSIVE c(n) AS (SELECT 10 UNION ALL SELECT n - 1 FROM c WHERE n > 1 ORDER BY 1 LIMIT 6 OFFSET 2) SELECT n FROM c
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n * 2 FROM c WHERE n < 100 UNION ALL SELECT n * 3 FROM c WHERE n < 50) SELECT n FROM c
WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 3), b(n) AS (SELECT n FROM a UNION ALL SELECT n + 10 FROM b WHERE n < 20) SELECT * FROM b
WITH a AS (SELECT 1 AS n), b AS (SELECT n + 1 AS n FROM a), c AS MATERIALIZED (SELECT a.n + b.n AS n FROM a, b) SELECT * FROM a, b, c
WITH ins(n) AS (VALUES (7), (8)) INSERT INTO edge SELECT n, n + 1 FROM ins
WITH top(n) AS (SELECT max(a) FROM edge) UPDATE edge SET b = (SELECT n FROM top) WHERE a = 1
WITH gone(n) AS (SELECT 5) DELETE FROM edge WHERE a IN gone RETURNING *
WITH RECURSIVE fib(n, f, g) AS (SELECT 1, 0, 1 UNION ALL SELECT n + 1, g, f + g FROM fib WHERE n < 92) SELECT max(f) FROM fib
WITH RECURSIVE fib(n, f, g) AS (SELECT 1, 0, 1 UNION ALL SELECT n + 1, g, f + g FROM fib WHERE n < 100) SELECT typeof(f), f FROM fib WHERE n > 92
WITH RECURSIVE life(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, s || s FROM life WHERE n < 12) SELECT n, length(s) FROM life
-- error 1
WITH c AS (SELECT 1 UNION ALL SELECT * FROM c UNION ALL SELECT * FROM c AS d, c) SELECT * FROM absent
WITH RECURSIVE c(n) AS (SELECT n FROM c) SELECT * FROM c
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT max(n) FROM c) SELECT * FROM c
WITH RECURSIVE a(n) AS (SELECT n FROM b), b(n) AS (SELECT n FROM a) SELECT * FROM a

-- # numbers
-- converges
CREATE TABLE f(a REAL, b NUMERIC, c)
INSERT INTO f VALUES (0.1, 0.1, 0.1), (1e23, 1e23, 1e23), (-0.0, -0.0, -0.0), (1e308 * 10, -1e308 * 10, 1e308 * 10 - 1e308 * 10), (123456789012345678, 123456789012345678, 123456789012345678), (1e15, 1e15, '1e15'), (9007199254740993, 9007199254740993, 9007199254740993.0), (5e-324, 2.2250738585072014e-308, 1.7976931348623157e308)
SELECT * FROM f
SELECT quote(a), typeof(b), b, CAST(c AS TEXT), CAST(a AS INTEGER), a || '' FROM f
SELECT sum(a), total(a), avg(a), sum(b), sum(c), max(a), min(a) FROM f WHERE abs(a) < 1e20
SELECT sum(a), avg(a), total(c) FROM f
SELECT sum(v) FROM (SELECT 0.1 AS v UNION ALL SELECT 0.2 UNION ALL SELECT 0.3 UNION ALL SELECT 1e100 UNION ALL SELECT 1 UNION ALL SELECT -1e100)
SELECT 0.1 + 0.2, 1e0 / 3, 1.0 / 0, 1 / 0, 1 % 0, -7 / 2, -7 % 2, 7 % -2, 5.5 % 2, 1e20 % 7, 2 * 0.1
SELECT 9223372036854775807 + 1, 9223372036854775807 * 2, -9223372036854775808 - 1, -(-9223372036854775808), 9223372036854775807 + 1.0, 5000000000 * 5000000000
SELECT 1 << 63, 1 << 64, 1 << -1, -1 >> 70, -1 >> 1, ~0, 5 & -1, 5 | 1.9, '12abc' + 1, 'abc' + 1, '0x10' + 0, 0x10, '1e3' + 0, '.5' + 0
SELECT round(2.5), round(-2.5), round(1.005, 2), round(123.456, -1), round(1e17 + 0.5), round('x'), round(9.995, 2), round(0.5), round(1e300, 20)
SELECT format('%.20f', 0.1), format('%.17g', 0.1), format('%e', 12345.678), format('%g', 1e-5), format('%!.20g', 0.1), format('%08.3f|%+d|%x|%X|%o', 3.14159, 5, 255, 255, 8), format('%,d', 1234567), format('%.3s|%-10s|%10s', 'abcdef', 'ab', 'cd'), format('%q %Q %w', 'it''s', 'it''s', 'a"b'), format('%c%%%z', 'xyz'), format('%*d', 5, 42), format('%d', 'x'), format('%s'), format('%i %u', -1, -1)
SELECT printf('%.3f', 2.0005), printf('%.0f', 0.5), printf('%.0f', 1.5), printf('%.15g', 100000.1), printf('%.1000f', 1.1) = printf('%.1000f', 1.1)
SELECT CAST('9223372036854775808' AS INTEGER), CAST('1e1000' AS REAL), CAST('-1e1000' AS REAL), CAST(1e300 AS INTEGER), CAST('  12  ' AS INTEGER), CAST('1_000' AS INTEGER), CAST(x'3132' AS INTEGER), CAST('nan' AS REAL), CAST('inf' AS REAL), 1_000_000, 1_0.5_0
SELECT 9007199254740993 = 9007199254740993.0, 9223372036854775807 = 9223372036854775808.0, 1e400 = 1e500, -0.0 = 0.0, 1 = 1.0, '1' = 1, x'31' = '1', 0.1 + 0.2 = 0.3
SELECT abs(-0.0), sign(-0.0), sign('x'), sign(NULL), max(1, 1.0), min(1.0, 1), max('a', 1, x'00'), abs('-5.5'), abs(x'35')
SELECT column1, typeof(column1) FROM (VALUES (1), (1.0), ('1'), (x'31'), (NULL), (0.0), (-0.0)) ORDER BY 1
SELECT DISTINCT column1 FROM (VALUES (0.0), (-0.0), (0), (1), (1.0))
SELECT count(*) FROM f GROUP BY a ORDER BY 1
-- error 1: integer overflow
SELECT abs(-9223372036854775808)
SELECT sum(v) FROM (SELECT 9223372036854775807 AS v UNION ALL SELECT 1)

-- # json
-- converges
CREATE TABLE j(a, b JSON)
INSERT INTO j VALUES ('{"a": [1, 2.50, "x", null, true], "b": {"c": "é\u0041"}}', jsonb('{"z": 1, "a": 2, "z": 3}')), ('[]', NULL), ('"text"', jsonb('[1, 1e5, 1E400, -0, 0.0]'))
SELECT a ->> '$.a[1]', a -> '$.b', a ->> '$.b.c', json(b), hex(b) FROM j
SELECT j.rowid, e.key, e.value, e.type, e.atom, e.id, e.parent, e.fullkey, e.path FROM j, json_each(j.a) AS e
SELECT fullkey, atom FROM j, json_tree(j.a) ORDER BY j.rowid, id
SELECT json_set(a, '$.new', 5, '$.a[#]', 'end'), json_insert(a, '$.a[0]', 'no'), json_replace(a, '$.b', json('[1]')), json_remove(a, '$.a[#-1]') FROM j WHERE json_type(a) = 'object'
SELECT json_patch('{"a": 1, "b": {"c": 2}}', '{"a": null, "b": {"d": 3}}'), json_array(1, 'x', NULL, 2.0, json('{}')), json_object('k', 1, 'k', 2), json_quote(1e999), json_quote('"')
SELECT json_valid('{'), json_valid('{a: 1}'), json_valid('{a: 1}', 2), json('{a: 1, b: +.5, c: 0x1F, d: Infinity, e: NaN, ''f'': "\x41"}'), json_error_position('[1, 2'), json_array_length('[1, 2, 3]'), json_pretty('{"a": [1, {}]}')
SELECT json_group_array(a ORDER BY rowid DESC), json_group_object(rowid, b), jsonb_group_array(a) IS NOT NULL FROM j
SELECT json_extract('{"a": 1}', '$.a', '$.b'), json_extract('[1]', '$[5]'), '{"a": "1"}' ->> 'a', '[10, 20]' ->> 1, '[10, 20]' ->> -1
SELECT json_array_insert('[1, 2, 3]', '$[1]', 'x'), json_type('[1.0]', '$[0]'), json('9999999999999999999'), json_extract('9999999999999999999', '$'), json('1.00000000000000000001')
UPDATE j SET b = jsonb_set(b, '$.late', 1) WHERE json_type(b) = 'object' RETURNING json(b)
CREATE TABLE doc(body TEXT CHECK (json_valid(body)), title AS (body ->> '$.title') STORED, n INT AS (json_array_length(body, '$.tags')))
CREATE INDEX by_title ON doc(title)
INSERT INTO doc(body) VALUES ('{"title": "T", "tags": [1, 2]}'), ('{"title": null}'), ('{}')
SELECT title, n FROM doc ORDER BY title
WITH RECURSIVE deep(n, s) AS (SELECT 1, '[1]' UNION ALL SELECT n + 1, '[' || s || ']' FROM deep WHERE n < 900) SELECT json_valid(s), length(json(s)) FROM deep WHERE n = 900
-- error 1: malformed JSON
SELECT json('{')
SELECT json_extract('no', '$')
INSERT INTO doc(body) SELECT body -> '$.x' || '{' FROM doc UNION ALL SELECT json('[')
SELECT json('{x: 1')
SELECT json_set('[', '$', 1)
SELECT jsonb(x'ff')
-- error 1
SELECT json_extract('{}', 'a.b')
SELECT json_object('a')
SELECT json_object(1, 2)
SELECT json_array(x'ff')
SELECT json_insert('{}', '$.a')
SELECT * FROM json_each('{}', '$.', 1)
-- error 1: malformed JSON
INSERT INTO doc(body) VALUES ('{')

-- # sorts with ties that are larger than a small cache
-- converges
CREATE TABLE t(a INTEGER PRIMARY KEY, g, pad)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, i % 3, printf('%0300d', i) FROM n
SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY g)
SELECT group_concat(a) FROM (SELECT a, pad FROM t ORDER BY g DESC, length(pad))
SELECT g, sum(a), group_concat(a) FROM (SELECT a, g, pad FROM t ORDER BY g) GROUP BY g
CREATE TABLE sorted AS SELECT a, pad FROM t ORDER BY g
SELECT rowid, a FROM sorted WHERE rowid % 500 = 0
CREATE INDEX by_g ON t(g)
SELECT group_concat(a) FROM (SELECT DISTINCT g, a % 100 AS a FROM t)
SELECT group_concat(a) FROM (SELECT a FROM t WHERE g = 1 UNION SELECT a + 1 FROM t WHERE g = 1)
DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY g LIMIT 1000)
SELECT count(*), sum(a) FROM t
