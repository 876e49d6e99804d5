-- Of every __STEP__ products one gets another price and name, of every ten times as many orders one goes and one comes.
-- __SALT__ makes every round change other rows, __OFFSET__ tells the numbers that each side gives out apart.
SET auto_increment_increment=2, auto_increment_offset=__OFFSET__;
UPDATE product SET price=price+1.01, name=CONCAT('neu ',LEFT(name,100)) WHERE (id*7919+__SALT__)%__STEP__=0;
DELETE FROM orders WHERE (id*104729+__SALT__)%(__STEP__*10)=0;
INSERT INTO orders (product_id,amount,note,created)
    SELECT product_id, amount+1, 'new', created FROM orders WHERE (id*15485863+__SALT__)%(__STEP__*10)=0
