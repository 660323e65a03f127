-- A second column, and a third one that is there already.
ALTER TABLE t ADD COLUMN b;
ALTER TABLE t ADD COLUMN a;
