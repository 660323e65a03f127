-- :item = 1..9
BEGIN;
  SELECT a FROM t; -- fine
  UPDATE tt SET a = :item;
COMMIT;
