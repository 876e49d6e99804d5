-- One table like the shop's product, with a key of one's choice and nothing that it refers to.
CREATE TABLE item (id __KEY__ NOT NULL PRIMARY KEY, number BIGINT NOT NULL, category_id INT NOT NULL,
    sku VARCHAR(24) NOT NULL UNIQUE, name VARCHAR(120) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INT NOT NULL,
    attributes JSON NOT NULL, description TEXT NOT NULL, active TINYINT(1) NOT NULL, updated DATETIME(6) NOT NULL,
    KEY (category_id))
