-- :item = 1..9
-- :itm  = 1..9
-- :n    = 9..1
-- :word = { txt = "1..9" }
-- :name = Ada
-- :n    = 7
UPDATE stock SET n = :n, name = :name WHERE item = :item AND word = :word;
