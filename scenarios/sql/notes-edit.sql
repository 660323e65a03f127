-- An edit: what stands there is kept as a revision, then the new text takes its place.
INSERT INTO revisions SELECT id, version, body FROM notes WHERE id = :note;

INSERT INTO notes(id, body, picture) VALUES (:note, :body, :picture)
  ON CONFLICT(id) DO UPDATE SET body = excluded.body, picture = excluded.picture, version = version + 1;

SELECT version, length(body), hex(picture) FROM notes WHERE id = :note;
