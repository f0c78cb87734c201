CREATE TABLE documents (
  org BYTEA NOT NULL, collection TEXT COLLATE "C" NOT NULL, id BYTEA NOT NULL,
  revision BIGINT NOT NULL, changed BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (org, collection, id)
);
-- One row for each index of a document that has a value. `value` is encoded so that its bytes order like the values.
CREATE TABLE entries (
  org BYTEA NOT NULL, collection TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, value BYTEA NOT NULL,
  id BYTEA NOT NULL, exclusive BIGINT NOT NULL,
  PRIMARY KEY (org, collection, name, value, id)
);
CREATE INDEX entries_of_document ON entries (org, collection, id, name, value);
CREATE UNIQUE INDEX entries_exclusive ON entries (org, collection, name, value) WHERE exclusive = 1;
CREATE TABLE compact (
  org BYTEA NOT NULL, name TEXT COLLATE "C" NOT NULL, key BIGINT NOT NULL, bytes BYTEA NOT NULL,
  PRIMARY KEY (org, name, key)
);
CREATE TABLE events (
  sequence BIGINT PRIMARY KEY, id BYTEA NOT NULL, org BYTEA NOT NULL, name TEXT NOT NULL, object BYTEA NOT NULL,
  recorded BIGINT NOT NULL, actor TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE INDEX events_of_org ON events (org, sequence);
CREATE TABLE counters (name TEXT COLLATE "C" PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE subscribers (name TEXT COLLATE "C" PRIMARY KEY, sequence BIGINT NOT NULL);
