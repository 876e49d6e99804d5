-- So many rows, alike every time.
INSERT INTO category SELECT seq, CONCAT('Kategorie 类别 ', seq) FROM seq_1_to_1000;
INSERT INTO product SELECT seq, 1+seq%1000, CONCAT('SKU-',LPAD(seq,10,'0')),
    CONCAT('产品 Product № ',seq,' ',MD5(seq)), (seq%100000)/100, seq%500,
    CONCAT('{"colour": "',ELT(1+seq%4,'red','blue','绿','black'),'", "size": ',seq%40,', "tags": ["a","b",',seq%7,']}'),
    REPEAT(MD5(seq+1),5), seq%2, '2026-01-01 00:00:00.123456' + INTERVAL seq SECOND FROM seq_1_to___ROWS__;
INSERT INTO orders SELECT seq, 1+(seq*7919)%__ROWS__, 1+seq%9, IF(seq%3, CONCAT('note ',seq), NULL),
    '2026-02-01' + INTERVAL seq*13 SECOND FROM seq_1_to___ROWS__;
INSERT INTO stock_move SELECT CONCAT('W',seq%7), seq, seq%50, '2026-03-01' + INTERVAL seq SECOND
    FROM seq_1_to___MOVES__
