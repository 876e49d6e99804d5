-- For every __STEP__ products one comes at the end, and one order for it.
INSERT INTO product (category_id,sku,name,price,stock,attributes,description,active,updated)
    SELECT category_id, CONCAT('N',__SALT__,'-',id), name, price, stock, attributes, description, active, updated
    FROM product WHERE (id*7919+__SALT__)%__STEP__=0;
INSERT INTO orders (product_id,amount,note,created)
    SELECT id, 1, 'appended', updated FROM product WHERE sku LIKE CONCAT('N',__SALT__,'-%')
