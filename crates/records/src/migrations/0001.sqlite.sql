CREATE TABLE documents (
  org BLOB NOT NULL, collection TEXT NOT NULL, id BLOB NOT NULL,
  revision INTEGER NOT NULL, changed INTEGER NOT NULL, body TEXT NOT NULL,
  UNIQUE (org, collection, id)
) STRICT;
-- One row for each index of a document that has a value. `value` is encoded so that its bytes order like the values.
CREATE TABLE entries (
  org BLOB NOT NULL, collection TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, id BLOB NOT NULL,
  exclusive INTEGER NOT NULL,
  PRIMARY KEY (org, collection, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_of_document ON entries (org, collection, id, name, value);
CREATE UNIQUE INDEX entries_exclusive ON entries (org, collection, name, value) WHERE exclusive = 1;
CREATE TABLE compact (
  org BLOB NOT NULL, name TEXT NOT NULL, key INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (org, name, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, org BLOB NOT NULL, name TEXT NOT NULL, object BLOB NOT NULL,
  recorded INTEGER NOT NULL, actor TEXT NOT NULL, payload TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_org ON events (org, sequence);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE subscribers (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
