-- What nobody needs goes: an index and the column that it was on, a view, a table. An index on an expression comes.
DROP INDEX customers_by_fax;
ALTER TABLE customers DROP COLUMN fax;
DROP VIEW hit_parade;
DROP TABLE settings;
CREATE UNIQUE INDEX albums_by_lower_number ON albums(lower(catalogue_number));
