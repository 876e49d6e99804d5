-- The shop: a table that others refer to, a large one, one that refers to it, and one with a key of two columns.
CREATE TABLE category (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE);
CREATE TABLE product (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, category_id INT NOT NULL,
    sku VARCHAR(24) NOT NULL UNIQUE, name VARCHAR(120) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INT NOT NULL,
    attributes JSON NOT NULL, description TEXT NOT NULL, active TINYINT(1) NOT NULL, updated DATETIME(6) NOT NULL,
    KEY (category_id), FOREIGN KEY (category_id) REFERENCES category (id));
CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, product_id BIGINT NOT NULL, amount INT NOT NULL,
    note VARCHAR(80) NULL, created DATETIME(6) NOT NULL,
    KEY (product_id), FOREIGN KEY (product_id) REFERENCES product (id));
CREATE TABLE stock_move (warehouse VARCHAR(12) NOT NULL, product_id BIGINT NOT NULL, moved INT NOT NULL,
    at DATETIME NOT NULL, PRIMARY KEY (warehouse, product_id))
