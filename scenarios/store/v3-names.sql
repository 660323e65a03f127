-- A column and a table get other names, and SQLite mends the views and triggers that use them. A view is redefined.
ALTER TABLE customers RENAME COLUMN name TO full_name;
ALTER TABLE wishes RENAME TO wish_list;

DROP VIEW best_sellers;
CREATE VIEW best_sellers AS
  SELECT i.album, a.title, sum(i.pieces) AS pieces
  FROM order_items i JOIN albums a ON a.id = i.album
  GROUP BY i.album ORDER BY 3 DESC, 1;
