-- A table is rebuilt, since SQLite cannot make one STRICT: the new one is made beside it and filled, the old one is dropped,
-- the new one takes its name, and the index and the trigger that went with the old one come back.
--
-- This is for tables that no other one refers to: DROP TABLE deletes all rows first, and foreign keys cannot be switched off
-- for it, since PRAGMA is refused (inside of a transaction SQLite would ignore it). v5-shops.sql shows what to do otherwise.
CREATE TABLE methods(name TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO methods VALUES ('card'), ('cash'), ('transfer');
INSERT INTO methods SELECT DISTINCT method FROM payments WHERE true ON CONFLICT DO NOTHING;

CREATE TABLE new_payments(
  id INTEGER PRIMARY KEY,
  ordered INTEGER NOT NULL UNIQUE REFERENCES orders,
  method TEXT NOT NULL DEFAULT 'card' REFERENCES methods,
  amount INTEGER NOT NULL CHECK (amount >= 0),
  currency TEXT NOT NULL DEFAULT 'EUR',
  at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

INSERT INTO new_payments(id, ordered, method, amount, at) SELECT id, ordered, method, amount, at FROM payments ORDER BY id;
DROP TABLE payments;
ALTER TABLE new_payments RENAME TO payments;

CREATE INDEX payments_by_method ON payments(method, at);

CREATE TRIGGER paid AFTER INSERT ON payments BEGIN
  UPDATE orders SET state = 'paid' WHERE id = new.ordered;
  UPDATE customers SET spent = spent + new.amount WHERE id = (SELECT customer FROM orders WHERE id = new.ordered);
  INSERT INTO audit(what, subject) VALUES ('paid by ' || new.method, new.ordered);
END;
