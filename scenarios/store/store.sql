-- A music store: a catalogue, shops with a stock of records, downloads, customers with playlists and reviews, orders, payments
-- and an audit of them. Thirty tables and some thousand rows, all made of numbers. First everything is created, then
-- filled: while a table holds rows, each further change of the schema has the whole database read anew.

CREATE TABLE countries(
  code TEXT PRIMARY KEY CHECK (length(code) = 2),
  name TEXT NOT NULL UNIQUE,
  vat INTEGER NOT NULL CHECK (vat BETWEEN 0 AND 30)
) WITHOUT ROWID;

CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The catalogue.

CREATE TABLE labels(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  country TEXT NOT NULL REFERENCES countries
);

CREATE TABLE artists(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT REFERENCES countries ON DELETE SET NULL,
  sort_name TEXT GENERATED ALWAYS AS (lower(replace(name, 'The ', ''))) VIRTUAL
);
CREATE INDEX artists_by_name ON artists(sort_name);

CREATE TABLE members(
  artist INTEGER NOT NULL REFERENCES artists ON DELETE CASCADE,
  person TEXT NOT NULL,
  instrument TEXT NOT NULL DEFAULT 'voice',
  PRIMARY KEY (artist, person)
) WITHOUT ROWID;

CREATE TABLE genres(
  id INTEGER PRIMARY KEY,
  parent INTEGER REFERENCES genres,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE
);

CREATE TABLE formats(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, surcharge INTEGER NOT NULL DEFAULT 0);

CREATE TABLE albums(
  id INTEGER PRIMARY KEY,
  artist INTEGER NOT NULL REFERENCES artists,
  label INTEGER REFERENCES labels ON DELETE SET NULL,
  title TEXT NOT NULL,
  released TEXT NOT NULL,
  price INTEGER NOT NULL CHECK (price > 0),
  catalogue_number TEXT NOT NULL,
  tracks INTEGER NOT NULL DEFAULT 0,
  playing_ms INTEGER NOT NULL DEFAULT 0,
  year INTEGER GENERATED ALWAYS AS (CAST(substr(released, 1, 4) AS INTEGER)) STORED
);
CREATE UNIQUE INDEX albums_by_number ON albums(catalogue_number);
CREATE INDEX albums_by_artist ON albums(artist, released DESC);
CREATE INDEX albums_by_title ON albums(title COLLATE NOCASE);

CREATE TABLE tracks(
  id INTEGER PRIMARY KEY,
  album INTEGER NOT NULL REFERENCES albums ON DELETE CASCADE,
  place INTEGER NOT NULL,
  title TEXT NOT NULL,
  ms INTEGER NOT NULL CHECK (ms > 0),
  price INTEGER NOT NULL DEFAULT 99,
  minutes TEXT GENERATED ALWAYS AS (printf('%d:%02d', ms / 60000, ms / 1000 % 60)) VIRTUAL,
  UNIQUE (album, place)
);
CREATE INDEX long_tracks ON tracks(ms) WHERE ms > 360000;

CREATE TABLE track_genres(
  track INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
  genre INTEGER NOT NULL REFERENCES genres,
  PRIMARY KEY (genre, track)
) WITHOUT ROWID;
CREATE INDEX genres_by_track ON track_genres(track);

CREATE TABLE credits(
  track INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
  artist INTEGER NOT NULL REFERENCES artists,
  role TEXT NOT NULL DEFAULT 'guest',
  PRIMARY KEY (track, artist)
) WITHOUT ROWID;
CREATE INDEX credits_by_artist ON credits(artist);

-- Shops and their stock. What refers to a shop is checked at the end of a batch, so that the table can be rebuilt.

CREATE TABLE shops(
  id INTEGER PRIMARY KEY,
  city TEXT NOT NULL,
  country TEXT NOT NULL REFERENCES countries,
  opened TEXT
);

CREATE TABLE staff(
  id INTEGER PRIMARY KEY,
  shop INTEGER NOT NULL REFERENCES shops DEFERRABLE INITIALLY DEFERRED,
  boss INTEGER REFERENCES staff,
  name TEXT NOT NULL
);
CREATE INDEX staff_by_shop ON staff(shop);

CREATE TABLE stock(
  album INTEGER NOT NULL REFERENCES albums ON DELETE CASCADE,
  format INTEGER NOT NULL REFERENCES formats,
  shop INTEGER NOT NULL REFERENCES shops DEFERRABLE INITIALLY DEFERRED,
  pieces INTEGER NOT NULL DEFAULT 0 CHECK (pieces >= 0),
  PRIMARY KEY (album, format, shop)
) WITHOUT ROWID;
CREATE INDEX stock_running_out ON stock(shop, album) WHERE pieces < 3;

CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  album INTEGER NOT NULL REFERENCES albums,
  format INTEGER NOT NULL REFERENCES formats,
  shop INTEGER NOT NULL REFERENCES shops DEFERRABLE INITIALLY DEFERRED,
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- Customers, and what they say and hear.

CREATE TABLE customers(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL COLLATE NOCASE,
  country TEXT NOT NULL REFERENCES countries,
  advisor INTEGER REFERENCES staff ON DELETE SET NULL,
  fax TEXT,
  spent INTEGER NOT NULL DEFAULT 0,
  joined TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX customers_by_email ON customers(email);
CREATE INDEX customers_by_domain ON customers(substr(email, instr(email, '@') + 1), id);
CREATE INDEX customers_by_fax ON customers(fax) WHERE fax IS NOT NULL;

CREATE TABLE addresses(
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  kind TEXT NOT NULL DEFAULT 'home' CHECK (kind IN ('home', 'work')),
  street TEXT NOT NULL,
  city TEXT NOT NULL,
  PRIMARY KEY (customer, kind)
) WITHOUT ROWID;

CREATE TABLE wishes(
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  album INTEGER NOT NULL REFERENCES albums ON DELETE CASCADE,
  since TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (customer, album)
) WITHOUT ROWID;

CREATE TABLE reviews(
  album INTEGER NOT NULL REFERENCES albums ON DELETE CASCADE,
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  words TEXT,
  PRIMARY KEY (album, customer)
);

CREATE TABLE ratings(
  album INTEGER PRIMARY KEY REFERENCES albums ON DELETE CASCADE,
  reviews INTEGER NOT NULL,
  stars INTEGER NOT NULL
);

CREATE TABLE playlists(
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  name TEXT NOT NULL,
  UNIQUE (customer, name)
);

CREATE TABLE playlist_tracks(
  playlist INTEGER NOT NULL REFERENCES playlists ON DELETE CASCADE,
  place INTEGER NOT NULL,
  track INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
  PRIMARY KEY (playlist, place)
) WITHOUT ROWID;

CREATE TABLE plays(
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
  track INTEGER NOT NULL REFERENCES tracks,
  at REAL NOT NULL DEFAULT (julianday('now'))
);
CREATE INDEX plays_by_track ON plays(track, at);

CREATE TABLE charts(track INTEGER PRIMARY KEY REFERENCES tracks, plays INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX charts_by_plays ON charts(plays DESC, track);

-- Sales.

CREATE TABLE coupons(
  code TEXT PRIMARY KEY,
  percent INTEGER NOT NULL CHECK (percent BETWEEN 1 AND 50),
  uses INTEGER NOT NULL CHECK (uses >= 0)
) WITHOUT ROWID;

CREATE TABLE orders(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer INTEGER NOT NULL REFERENCES customers,
  shop INTEGER NOT NULL REFERENCES shops DEFERRABLE INITIALLY DEFERRED,
  coupon TEXT REFERENCES coupons,
  placed TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'sent')),
  total INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX orders_by_customer ON orders(customer, id DESC);
CREATE INDEX open_orders ON orders(id) WHERE state = 'open';

CREATE TABLE order_items(
  ordered INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
  album INTEGER NOT NULL,
  format INTEGER NOT NULL,
  shop INTEGER NOT NULL,
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  price INTEGER NOT NULL,
  PRIMARY KEY (ordered, album, format),
  FOREIGN KEY (album, format, shop) REFERENCES stock
) WITHOUT ROWID;
CREATE INDEX items_by_album ON order_items(album, pieces);

CREATE TABLE downloads(
  ordered INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
  track INTEGER NOT NULL REFERENCES tracks,
  price INTEGER NOT NULL,
  licence TEXT NOT NULL UNIQUE DEFAULT (hex(randomblob(12))),
  PRIMARY KEY (ordered, track)
);

CREATE TABLE payments(
  id INTEGER PRIMARY KEY,
  ordered INTEGER NOT NULL UNIQUE REFERENCES orders,
  method TEXT NOT NULL DEFAULT 'card',
  amount INTEGER NOT NULL,
  at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX payments_by_method ON payments(method, at);

CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  what TEXT NOT NULL,
  subject INTEGER NOT NULL,
  ticket INTEGER NOT NULL DEFAULT (abs(random() % 1000000))
);

-- Counts and sums that are kept beside what they are made of.

CREATE TRIGGER track_added AFTER INSERT ON tracks BEGIN
  UPDATE albums SET tracks = tracks + 1, playing_ms = playing_ms + new.ms WHERE id = new.album;
END;
CREATE TRIGGER track_removed AFTER DELETE ON tracks BEGIN
  UPDATE albums SET tracks = tracks - 1, playing_ms = playing_ms - old.ms WHERE id = old.album;
END;
CREATE TRIGGER track_cut AFTER UPDATE OF ms ON tracks BEGIN
  UPDATE albums SET playing_ms = playing_ms + new.ms - old.ms WHERE id = new.album;
END;

CREATE TRIGGER reviewed AFTER INSERT ON reviews BEGIN
  INSERT INTO ratings VALUES (new.album, 1, new.stars)
    ON CONFLICT DO UPDATE SET reviews = reviews + 1, stars = stars + excluded.stars;
END;
CREATE TRIGGER review_changed AFTER UPDATE OF stars ON reviews BEGIN
  UPDATE ratings SET stars = stars + new.stars - old.stars WHERE album = new.album;
END;
CREATE TRIGGER review_withdrawn AFTER DELETE ON reviews BEGIN
  UPDATE ratings SET reviews = reviews - 1, stars = stars - old.stars WHERE album = old.album;
END;

CREATE TRIGGER played AFTER INSERT ON plays BEGIN
  INSERT INTO charts VALUES (new.track, 1) ON CONFLICT DO UPDATE SET plays = plays + 1;
END;
CREATE TRIGGER play_forgotten AFTER DELETE ON plays BEGIN
  UPDATE charts SET plays = plays - 1 WHERE track = old.track;
END;

CREATE TRIGGER delivered AFTER INSERT ON deliveries BEGIN
  INSERT INTO stock VALUES (new.album, new.format, new.shop, new.pieces)
    ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces;
END;
CREATE TRIGGER item_added AFTER INSERT ON order_items BEGIN
  UPDATE stock SET pieces = pieces - new.pieces
    WHERE album = new.album AND format = new.format AND shop = new.shop;
  UPDATE orders SET total = total + new.pieces * new.price WHERE id = new.ordered;
END;
CREATE TRIGGER item_removed AFTER DELETE ON order_items BEGIN
  UPDATE stock SET pieces = pieces + old.pieces
    WHERE album = old.album AND format = old.format AND shop = old.shop;
END;
CREATE TRIGGER download_added AFTER INSERT ON downloads BEGIN
  UPDATE orders SET total = total + new.price WHERE id = new.ordered;
END;

CREATE TRIGGER coupon_used AFTER INSERT ON orders WHEN new.coupon IS NOT NULL BEGIN
  UPDATE coupons SET uses = uses - 1 WHERE code = new.coupon;
END;
CREATE TRIGGER order_placed AFTER INSERT ON orders BEGIN
  INSERT INTO audit(what, subject) VALUES ('order placed', new.id);
END;
CREATE TRIGGER order_cancelled AFTER DELETE ON orders BEGIN
  INSERT INTO audit(what, subject) VALUES ('order cancelled', old.id);
END;
CREATE TRIGGER paid AFTER INSERT ON payments BEGIN
  UPDATE orders SET state = 'paid' WHERE id = new.ordered;
  UPDATE customers SET spent = spent + new.amount
    WHERE id = (SELECT customer FROM orders WHERE id = new.ordered);
  INSERT INTO audit(what, subject) VALUES ('paid by ' || new.method, new.ordered);
END;

-- Views; the last one can be written to.

CREATE VIEW catalogue AS
  SELECT a.id, r.name AS artist, a.title, a.year, a.tracks, a.price, l.name AS label
  FROM albums a JOIN artists r ON r.id = a.artist LEFT JOIN labels l ON l.id = a.label;

CREATE VIEW best_sellers AS
  SELECT album, sum(pieces) AS pieces, sum(pieces * price) AS turnover
  FROM order_items GROUP BY album ORDER BY turnover DESC, album;

CREATE VIEW hit_parade AS
  SELECT rank() OVER (ORDER BY plays DESC) AS rank, track, plays FROM charts WHERE plays > 0;

CREATE VIEW genre_paths AS
  WITH RECURSIVE path(id, name, depth) AS (
    SELECT id, name, 0 FROM genres WHERE parent IS NULL
    UNION ALL
    SELECT g.id, path.name || '/' || g.name, depth + 1 FROM genres g JOIN path ON g.parent = path.id
  )
  SELECT id, name, depth FROM path;

CREATE VIEW contacts AS SELECT c.id, c.name, c.email, a.city FROM customers c JOIN addresses a ON a.customer = c.id;
CREATE TRIGGER contact_moved INSTEAD OF UPDATE OF city ON contacts BEGIN
  UPDATE addresses SET city = new.city WHERE customer = old.id;
  INSERT INTO audit(what, subject) VALUES ('moved to ' || new.city, old.id);
END;

-- Rows.

INSERT INTO countries VALUES
  ('at', 'Austria', 20), ('br', 'Brazil', 17), ('dk', 'Denmark', 25), ('ie', 'Ireland', 23), ('jp', 'Japan', 10),
  ('ng', 'Nigeria', 8), ('pt', 'Portugal', 23);

INSERT INTO settings VALUES ('currency', 'cents'), ('opening hours', '10 to 19'), ('returns', '14 days');

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO labels SELECT i, 'label ' || i, substr('atbrdkiejpngpt', 1 + i % 7 * 2, 2) FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO artists(id, name, country)
SELECT i, CASE i % 3 WHEN 0 THEN 'The ' ELSE '' END || 'Band ' || i, substr('atbrdkiejpngpt', 1 + i * 3 % 7 * 2, 2) FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
INSERT INTO members
SELECT id, 'person ' || (id * 3 + i), CASE i WHEN 1 THEN 'guitar' WHEN 2 THEN 'drums' ELSE 'voice' END
FROM artists, n WHERE id % 4 <> i;

INSERT INTO genres VALUES
  (1, NULL, 'music'), (2, 1, 'jazz'), (3, 1, 'rock'), (4, 1, 'classical'), (5, 2, 'bebop'), (6, 2, 'swing'), (7, 3, 'punk'),
  (8, 3, 'indie'), (9, 4, 'baroque'), (10, 7, 'hardcore');

INSERT INTO formats VALUES (1, 'cd', 0), (2, 'vinyl', 900), (3, 'cassette', 200);

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80)
INSERT INTO albums(id, artist, label, title, released, price, catalogue_number)
SELECT i, 1 + i * 7 % 40, nullif(i * 5 % 13, 0), 'Album ' || (i * 37 % 100), printf('%d-%02d-01', 1970 + i % 54, 1 + i % 12),
       900 + i * 53 % 1100, printf('LP%05d', i * 311)
FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
INSERT INTO tracks(id, album, place, title, ms, price)
SELECT albums.id * 8 + i - 8, albums.id, i, 'Track ' || (albums.id * i % 97), 90000 + (albums.id * 7919 + i * 104729) % 330000,
       79 + i % 3 * 20
FROM albums, n;

INSERT INTO track_genres SELECT id, 2 + id * 13 % 9 FROM tracks;
INSERT INTO track_genres SELECT id, 1 FROM tracks WHERE id % 5 = 0;

INSERT INTO credits(track, artist, role)
SELECT id, 1 + id * 11 % 40, CASE id % 3 WHEN 0 THEN 'producer' ELSE 'guest' END FROM tracks WHERE id % 4 = 0;

INSERT INTO shops VALUES (1, 'Lisbon', 'pt', '2001-05-01'), (2, 'Cork', 'ie', '2009-09-12'), (3, 'Lagos', 'ng', NULL);

INSERT INTO staff VALUES
  (1, 1, NULL, 'Ada'), (2, 1, 1, 'Bo'), (3, 2, 1, 'Cleo'), (4, 2, 3, 'Dan'), (5, 3, 1, 'Eve'), (6, 3, 5, 'Finn');

INSERT INTO deliveries(album, format, shop, pieces)
SELECT a.id, f.id, s.id, 4 + (a.id * f.id + s.id) % 9 FROM albums a, formats f, shops s WHERE (a.id + f.id + s.id) % 2 = 0;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
INSERT INTO customers(id, name, email, country, advisor, fax)
SELECT i, 'Customer ' || i, 'C' || i || '@mail' || (i % 5) || '.example', substr('atbrdkiejpngpt', 1 + i % 7 * 2, 2),
       nullif(i % 7, 0), CASE WHEN i % 6 = 0 THEN printf('+%08d', i * 7919) END
FROM n;

INSERT INTO addresses SELECT id, 'home', 'street ' || (id * 7 % 31), 'city ' || (id % 17) FROM customers;
INSERT INTO addresses SELECT id, 'work', 'square ' || (id * 5 % 23), 'city ' || (id % 11) FROM customers WHERE id % 3 = 0;

INSERT INTO wishes(customer, album) SELECT id, 1 + id * 17 % 80 FROM customers;

INSERT INTO reviews SELECT 1 + id * 29 % 80, id, 1 + id % 5, 'words ' || id FROM customers;

INSERT INTO playlists SELECT id, id, 'mine' FROM customers WHERE id % 3 = 0;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)
INSERT INTO playlist_tracks SELECT id, i, 1 + (id * 101 + i * 37) % 640 FROM playlists, n;

INSERT INTO plays(customer, track) SELECT customer, track FROM playlists p JOIN playlist_tracks t ON t.playlist = p.id
WHERE t.place <= 2 ORDER BY p.id, t.place;

INSERT INTO coupons VALUES ('SPRING', 10, 40), ('FRIENDS', 25, 15), ('ONCE', 50, 1);
