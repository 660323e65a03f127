-- Lockstep's own tables can be neither read nor written, whatever the way to them.

-- # by name
-- converges
CREATE TABLE t(a)
CREATE TABLE lockstep_mine(a)
CREATE TABLE "_lockstep"(a)
SELECT 1 AS _lockstep_x
WITH lockstep(a) AS (SELECT 1) SELECT * FROM lockstep
-- refused: Lockstep keeps its own state
SELECT * FROM _lockstep_state
SELECT applied FROM main._lockstep_state
SELECT count(*) FROM _lockstep_state
SELECT 1 FROM _lockstep_state
SELECT EXISTS (SELECT 1 FROM _lockstep_sessions)
SELECT * FROM t WHERE a IN (SELECT session FROM _lockstep_sessions)
SELECT * FROM t WHERE a IN _lockstep_sessions
SELECT * FROM t JOIN _lockstep_outcomes
UPDATE _LOCKSTEP_state SET applied = 7
DELETE FROM main."_lockstep_state"
DELETE FROM [_Lockstep_Sessions] WHERE 1
INSERT INTO _lockstep_sessions VALUES (1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
REPLACE INTO _lockstep_sessions(session) VALUES (1)
INSERT INTO t SELECT session FROM _lockstep_sessions
UPDATE t SET a = (SELECT max(applied) FROM _lockstep_state)
UPDATE t SET a = applied FROM _lockstep_state
DROP TABLE _lockstep_state
DROP TABLE IF EXISTS main._lockstep_sessions
ALTER TABLE _lockstep_state ADD COLUMN x
ALTER TABLE _lockstep_state RENAME TO mine
ALTER TABLE _lockstep_state RENAME COLUMN applied TO x
ALTER TABLE _lockstep_state DROP COLUMN membership
CREATE TABLE copy AS SELECT * FROM _lockstep_state
CREATE TABLE _lockstep_mine(a)
CREATE TABLE "_LOCKSTEP_MINE"(a)
CREATE TABLE _lockstep_mine AS SELECT 1
CREATE VIEW _lockstep_view AS SELECT 1
CREATE INDEX _lockstep_index ON t(a)
CREATE TRIGGER _lockstep_trigger AFTER INSERT ON t BEGIN SELECT 1; END
CREATE INDEX i ON _lockstep_state(applied)
CREATE TRIGGER z AFTER UPDATE ON _lockstep_state BEGIN SELECT 1; END
DROP VIEW _lockstep_state
-- refused: Lockstep's own
ALTER TABLE t RENAME TO _lockstep_t
ALTER TABLE t RENAME TO "_LockStep_state2"
-- refused: Lockstep keeps its own state
CREATE TABLE child(a REFERENCES _lockstep_state(applied))
CREATE TABLE child(a, FOREIGN KEY (a) REFERENCES "_lockstep_state")
-- refused: Lockstep's own mark
/*lockstep*/ COMMIT
  /*lockstep*/ SELECT 1
-- error 1
ALTER TABLE t RENAME TO _lockstep_state
CREATE TABLE IF NOT EXISTS _lockstep_state.x(a)
DROP INDEX _lockstep_index
DROP TRIGGER _lockstep_trigger

-- # through views, triggers and foreign keys
-- converges
CREATE TABLE t(a)
CREATE TABLE u(a)
CREATE TABLE w(a)
CREATE VIEW version AS SELECT sqlite_version() AS v
CREATE VIEW made AS SELECT 1 AS a
CREATE TABLE last(a)
CREATE TRIGGER counted AFTER DELETE ON w BEGIN INSERT INTO last VALUES (changes()); END
-- refused: Lockstep keeps its own state
CREATE TRIGGER deep AFTER INSERT ON t BEGIN UPDATE _lockstep_state SET applied = 0; END
CREATE TRIGGER look AFTER INSERT ON w BEGIN INSERT INTO u SELECT session FROM _lockstep_sessions; END
CREATE TRIGGER instead INSTEAD OF INSERT ON made BEGIN DELETE FROM _lockstep_sessions; END
CREATE VIEW peek AS SELECT applied FROM _lockstep_state
CREATE VIEW guessed AS SELECT t.a FROM t NATURAL JOIN "_lockstep_STATE"
SELECT '_lockstep_state'
-- refused: differs between builds
SELECT * FROM version
-- refused: RETURNING
DELETE FROM w

-- # what SQLite makes up, from a trigger or a view
-- converges
CREATE TABLE t(a)
CREATE TABLE u(a)
CREATE TRIGGER looks AFTER INSERT ON t BEGIN INSERT INTO u SELECT name FROM pragma_table_info('t'); END
CREATE TRIGGER pages AFTER DELETE ON t BEGIN INSERT INTO u SELECT name FROM dbstat; END
CREATE TRIGGER roots AFTER UPDATE ON t BEGIN INSERT INTO u SELECT rootpage FROM sqlite_schema; END
CREATE VIEW stats AS SELECT * FROM dbstat
CREATE VIEW files AS SELECT file FROM pragma_database_list
-- refused: is refused
INSERT INTO t VALUES (1)
UPDATE u SET a = (SELECT file FROM files)
SELECT * FROM files
-- error 1: unsafe use of virtual table "dbstat"
SELECT * FROM stats
SELECT count(*) FROM stats
DELETE FROM t
-- converges
INSERT INTO u VALUES (1)
