-- The same table in SQLite, as --create-tables makes it.
CREATE TABLE item (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, number bigint NOT NULL, category_id int NOT NULL,
    sku varchar(24) NOT NULL, name varchar(120) NOT NULL, price decimal(10,2) NOT NULL, stock int NOT NULL,
    attributes text NOT NULL, description text NOT NULL, active tinyint NOT NULL, updated datetime NOT NULL,
    UNIQUE (sku));
CREATE INDEX item_category_id ON item (category_id)
