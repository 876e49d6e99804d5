-- The rows from __FIRST__ to __LAST__, alike every time; a text key looks like a UUID.
INSERT INTO item SELECT __VALUE__, seq, 1+seq%1000, CONCAT('SKU-',LPAD(seq,10,'0')),
    CONCAT('产品 Product № ',seq,' ',MD5(seq)), (seq%100000)/100, seq%500,
    CONCAT('{"colour": "',ELT(1+seq%4,'red','blue','绿','black'),'", "size": ',seq%40,', "tags": ["a","b",',seq%7,']}'),
    REPEAT(MD5(seq+1),5), seq%2, '2026-01-01 00:00:00.123456' + INTERVAL seq SECOND FROM seq___FIRST___to___LAST__
