-- A customer buys a record in a shop, and a track to download with it.
INSERT INTO orders(customer, shop, coupon)
  SELECT :customer, :shop, (SELECT code FROM coupons WHERE code = :coupon AND uses > 0) FROM customers WHERE id = :customer;

INSERT INTO order_items
  SELECT (SELECT max(id) FROM orders WHERE customer = :customer), s.album, s.format, s.shop, :pieces, a.price + f.surcharge
  FROM stock s JOIN albums a ON a.id = s.album JOIN formats f ON f.id = s.format
  WHERE s.album = :album AND s.shop = :shop ORDER BY s.format LIMIT 1;

INSERT INTO downloads(ordered, track, price)
  SELECT (SELECT max(id) FROM orders WHERE customer = :customer), id, price FROM tracks WHERE album = :album AND place = :place;

SELECT id, total FROM orders WHERE customer = :customer ORDER BY id DESC LIMIT 1;
