-- The tables of a shop, and eleven hundred rows in them. Every piece in stock came with a delivery.

CREATE TABLE customers(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  joined TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE addresses(
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  city TEXT NOT NULL,
  street TEXT NOT NULL
);
CREATE INDEX addresses_by_customer ON addresses(customer);

CREATE TABLE categories(
  id INTEGER PRIMARY KEY,
  parent INTEGER REFERENCES categories,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE products(
  id INTEGER PRIMARY KEY,
  category INTEGER NOT NULL REFERENCES categories,
  code TEXT NOT NULL UNIQUE,
  price INTEGER NOT NULL CHECK (price > 0)
);
CREATE INDEX products_by_category ON products(category, price DESC);

CREATE TABLE suppliers(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE supplies(
  supplier INTEGER NOT NULL REFERENCES suppliers,
  product INTEGER NOT NULL REFERENCES products,
  PRIMARY KEY (product, supplier)
) WITHOUT ROWID;

CREATE TABLE warehouses(id INTEGER PRIMARY KEY, city TEXT NOT NULL);

CREATE TABLE stock(
  product INTEGER NOT NULL REFERENCES products,
  warehouse INTEGER NOT NULL REFERENCES warehouses,
  pieces INTEGER NOT NULL DEFAULT 0 CHECK (pieces >= 0),
  PRIMARY KEY (product, warehouse)
) WITHOUT ROWID;
CREATE INDEX stock_running_out ON stock(warehouse, product) WHERE pieces < 3;

CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  supplier INTEGER NOT NULL,
  product INTEGER NOT NULL,
  warehouse INTEGER NOT NULL REFERENCES warehouses,
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  at TEXT NOT NULL DEFAULT (datetime('now')),
  FOREIGN KEY (product, supplier) REFERENCES supplies
);

CREATE TABLE orders(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer INTEGER NOT NULL REFERENCES customers,
  address INTEGER NOT NULL REFERENCES addresses,
  placed REAL NOT NULL DEFAULT (julianday('now')),
  voucher INTEGER NOT NULL DEFAULT (abs(random() % 1000000)),
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid')),
  total INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX orders_by_customer ON orders(customer);
CREATE INDEX open_orders ON orders(id) WHERE state = 'open';

CREATE TABLE order_lines(
  ordered INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
  product INTEGER NOT NULL,
  warehouse INTEGER NOT NULL,
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  price INTEGER NOT NULL,
  PRIMARY KEY (ordered, product),
  FOREIGN KEY (product, warehouse) REFERENCES stock
);
CREATE INDEX lines_by_product ON order_lines(product);

CREATE TABLE payments(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ordered INTEGER NOT NULL UNIQUE REFERENCES orders,
  amount INTEGER NOT NULL,
  receipt TEXT NOT NULL DEFAULT (hex(randomblob(8)))
);

CREATE TABLE reviews(
  product INTEGER NOT NULL REFERENCES products,
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (product, customer)
);

CREATE TABLE journal(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  what TEXT NOT NULL
);

CREATE TRIGGER delivered AFTER INSERT ON deliveries BEGIN
  INSERT INTO stock VALUES(new.product, new.warehouse, new.pieces)
    ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces;
END;

CREATE TRIGGER line_added AFTER INSERT ON order_lines BEGIN
  UPDATE stock SET pieces = pieces - new.pieces WHERE product = new.product AND warehouse = new.warehouse;
  UPDATE orders SET total = total + new.pieces * new.price WHERE id = new.ordered;
END;

CREATE TRIGGER line_removed AFTER DELETE ON order_lines BEGIN
  UPDATE stock SET pieces = pieces + old.pieces WHERE product = old.product AND warehouse = old.warehouse;
END;

CREATE TRIGGER order_placed AFTER INSERT ON orders BEGIN
  INSERT INTO journal(what) VALUES('order ' || new.id || ' with voucher ' || new.voucher);
END;

CREATE TRIGGER order_cancelled AFTER DELETE ON orders BEGIN
  INSERT INTO journal(what) VALUES('cancelled ' || old.id);
END;

CREATE TRIGGER paid AFTER INSERT ON payments BEGIN
  UPDATE orders SET state = 'paid' WHERE id = new.ordered;
END;

CREATE VIEW best_sellers AS
  SELECT product, sum(pieces) AS pieces FROM order_lines GROUP BY product ORDER BY pieces DESC, product;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
INSERT INTO customers(id, name, email) SELECT i, 'customer ' || i, 'c' || i || '@example.org' FROM n;

INSERT INTO addresses SELECT id, id, 'city ' || (id % 17), 'street ' || (id * 7 % 31) FROM customers;

INSERT INTO categories VALUES (1, NULL, 'everything'), (2, 1, 'tools'), (3, 1, 'toys'), (4, 2, 'hammers'), (5, 3, 'trains');

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO products SELECT i, 2 + i % 4, printf('P%04d', i), 10 + i * 37 % 500 FROM n;

INSERT INTO suppliers VALUES (1, 'north'), (2, 'south'), (3, 'east'), (4, 'west');

INSERT INTO supplies SELECT 1 + id % 4, id FROM products;

INSERT INTO warehouses VALUES (1, 'harbour'), (2, 'airport'), (3, 'station');

INSERT INTO deliveries(supplier, product, warehouse, pieces)
  SELECT supplier, product, warehouses.id, 5 + product % 11 FROM supplies, warehouses ORDER BY product, warehouses.id;
