-- What is sold leaves the stock; it may run out.
UPDATE stock SET n = n - 1 WHERE item = :item;
DELETE FROM stok WHERE n < 0;
