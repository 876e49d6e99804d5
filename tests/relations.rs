//! Rows that stand in other rows' way.

use crate::support::each_pairing;
use crate::support::pairing::table;

const FAMILY: &str = "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20)); \
    CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, parent_id INTEGER, v VARCHAR(20), \
    FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE)";

#[test]
fn parents_come_first_and_go_last() {
    each_pairing(|pair| {
        pair.both(FAMILY);
        pair.remote.sql("INSERT INTO parent VALUES (1,'a'),(2,'b'); INSERT INTO child VALUES (10,1,'x'),(20,2,'y')");
        assert_eq!(pair.sync("--type FULL").exit_code, 0);
        pair.remote.sql("DELETE FROM child WHERE id=10; DELETE FROM parent WHERE id=1; \
            INSERT INTO parent VALUES (3,'c'); UPDATE child SET parent_id=3 WHERE id=20; DELETE FROM parent WHERE id=2");
        pair.local.sql("INSERT INTO parent VALUES (4,'d'); INSERT INTO child VALUES (40,4,'z')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, v FROM parent ORDER BY id");
        pair.assert_same("SELECT id, parent_id, v FROM child ORDER BY id");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM child"), "2");
        pair.assert_settled("");
    });
}

#[test]
fn a_cascade_that_was_not_meant_is_a_conflict() {
    each_pairing(|pair| {
        pair.both(FAMILY);
        pair.remote.sql("INSERT INTO parent VALUES (1,'a'),(2,'b'); INSERT INTO child VALUES (10,1,'x'),(12,2,'y')");
        pair.sync("--type FULL");
        pair.remote.sql("DELETE FROM child WHERE id=10; DELETE FROM parent WHERE id=1");
        pair.local.sql("INSERT INTO child VALUES (11,1,'mine')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM child WHERE id=11"), "mine");
        assert_eq!(pair.local.cell("SELECT v FROM parent WHERE id=1"), "a");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM child"), "1");
        assert!(report.errors.iter().any(|failure| failure.code == "SYNC_004"));
        let open = "SELECT table_name, kind FROM db_sync_conflict WHERE state='PENDING' ORDER BY table_name";
        let text = |text: &str| Some(text.to_owned());
        let expected =
            vec![vec![text("child"), text("parent")], vec![text("parent"), text("parent")]];
        assert_eq!(pair.local.sql(open), expected, "{}", pair.name);
        pair.assert_settled("");
        assert_eq!(pair.local.sql(open), expected, "{}: a second run doubles nothing", pair.name);
    });
}

#[test]
fn children_by_a_column_that_is_not_synced_are_seen() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER)");
        pair.remote.sql("CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)");
        pair.local.sql(
            "DROP TABLE c; CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER, u INTEGER UNIQUE); \
             CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER, \
             FOREIGN KEY (r) REFERENCES p (u) ON DELETE CASCADE)",
        );
        pair.remote.sql("INSERT INTO p VALUES (1,1),(2,2),(3,3)");
        pair.sync("");
        pair.local.sql("UPDATE p SET u=id");
        pair.local.sql("INSERT INTO c VALUES (7,1)");
        pair.remote.sql("DELETE FROM p WHERE id<3");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        assert!(report.errors.iter().any(|failure| failure.code == "SYNC_004"));
        assert_eq!(pair.local.cell("SELECT r FROM c WHERE id=7"), "1", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM p"), "2", "nobody refers to the other");
        pair.assert_settled("");
    });
}

#[test]
fn children_that_would_follow_go_in_with_their_parent() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, u INTEGER NOT NULL UNIQUE)");
        pair.both(
            "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER, v INTEGER, \
            FOREIGN KEY (r) REFERENCES p (u) ON UPDATE CASCADE)",
        );
        pair.remote
            .sql("INSERT INTO p VALUES (1,5),(2,3); INSERT INTO c VALUES (1,5,0),(2,5,0),(3,5,0)");
        pair.sync("");
        // What the child got on one side alone is no conflict because its parent's update would have changed it, too.
        pair.local.sql(
            "UPDATE p SET u=6 WHERE id=1; UPDATE c SET v=1 WHERE id=1; UPDATE c SET r=3 WHERE id=2",
        );
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        assert_eq!(table(&report, "c").conflicts.detected, 0, "{}", pair.name);
        pair.assert_same("SELECT id, u FROM p ORDER BY id");
        pair.assert_same("SELECT id, r, v FROM c ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT SUM(r * 10 + v) FROM c"), "151");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_undo WHERE table_name='c' AND run_id IN (SELECT MAX(run_id) FROM db_sync_undo WHERE table_name='p' AND action='UPDATE')"), "3");
        pair.assert_settled("");
    });
}

#[test]
fn a_cascade_on_one_side_alone_is_a_conflict() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, u INTEGER NOT NULL UNIQUE)");
        pair.remote.sql("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER)");
        pair.local.sql("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER, FOREIGN KEY (r) REFERENCES p (u) ON UPDATE CASCADE)");
        pair.remote.sql("INSERT INTO p VALUES (1,5); INSERT INTO c VALUES (1,5)");
        pair.sync("");
        pair.remote.sql("UPDATE p SET u=6");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, r FROM c");
        pair.assert_settled("");
        // Once the child has the new value on its own side as well, both go in.
        pair.remote.sql("UPDATE c SET r=6");
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, u FROM p");
        pair.assert_same("SELECT id, r FROM c");
        pair.assert_settled("");
    });
}

#[test]
fn what_children_refer_to_passes_to_another_row() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, u INTEGER UNIQUE, v INTEGER)");
        pair.both("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER NOT NULL, FOREIGN KEY (r) REFERENCES t (u))");
        pair.remote.sql("INSERT INTO t VALUES (3,2,0),(4,7,0),(5,8,0),(6,9,0),(7,NULL,0); INSERT INTO c VALUES (1,2),(2,7),(3,9)");
        pair.sync("");
        let unchecked = if pair.remote.is_file() {
            "PRAGMA foreign_keys=OFF"
        } else {
            "SET foreign_key_checks=0"
        };
        // To a row of another key, by a swap, and from a row that keeps nothing.
        pair.remote.sql(&format!(
            "{unchecked}; UPDATE t SET id=2 WHERE id=3; UPDATE t SET u=-1 WHERE id=4; UPDATE t SET u=7 WHERE id=5; \
             UPDATE t SET u=8 WHERE id=4; UPDATE t SET u=NULL WHERE id=6; UPDATE t SET u=9 WHERE id=7"
        ));
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        pair.assert_same("SELECT id, u FROM t ORDER BY id");
        pair.assert_same("SELECT id, r FROM c ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn references_that_are_unique_change_places() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY)");
        pair.both("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER NOT NULL UNIQUE, FOREIGN KEY (r) REFERENCES p (id))");
        pair.remote.sql("INSERT INTO p VALUES (1),(2),(3); INSERT INTO c VALUES (1,1),(2,2)");
        pair.sync("");
        pair.remote.sql(
            "UPDATE c SET r=3 WHERE id=1; UPDATE c SET r=1 WHERE id=2; UPDATE c SET r=2 WHERE id=1",
        );
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        pair.assert_same("SELECT id, r FROM c ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn a_restricting_foreign_key_waits_for_its_children() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, u INTEGER NOT NULL UNIQUE)");
        pair.both("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER, FOREIGN KEY (r) REFERENCES p (u) ON UPDATE RESTRICT ON DELETE RESTRICT)");
        pair.remote.sql("INSERT INTO p VALUES (1,3); INSERT INTO c VALUES (1,3)");
        pair.sync("");
        pair.remote.sql("UPDATE c SET r=NULL; UPDATE p SET u=2");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        pair.assert_same("SELECT id, u FROM p");
        pair.assert_settled("");
    });
}

#[test]
fn unique_values_change_places() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE slots (id INTEGER NOT NULL PRIMARY KEY, place VARCHAR(20) NOT NULL UNIQUE)");
        pair.remote.sql("INSERT INTO slots VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d')");
        pair.sync("--type FULL");
        pair.remote.sql(
            "UPDATE slots SET place='t' WHERE id=1; UPDATE slots SET place='a' WHERE id=2; \
            UPDATE slots SET place='b' WHERE id=3; UPDATE slots SET place='c' WHERE id=1; \
            DELETE FROM slots WHERE id=4; INSERT INTO slots VALUES (5,'d')",
        );
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, place FROM slots ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn two_new_rows_with_one_unique_value_both_stay() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE slots (id INTEGER NOT NULL PRIMARY KEY, place VARCHAR(20) NOT NULL UNIQUE)");
        pair.remote.sql("INSERT INTO slots VALUES (1,'a')");
        pair.sync("--type FULL");
        for (number, strategy) in
            ["REMOTE_WINS", "LOCAL_WINS", "SKIP", "MANUAL"].into_iter().enumerate()
        {
            let [one, two, three] = [2, 3, 4].map(|id| number * 10 + id);
            pair.remote.sql(&format!("INSERT INTO slots VALUES ({one},'same{number}')"));
            pair.local.sql(&format!(
                "INSERT INTO slots VALUES ({two},'same{number}'),({three},'other{number}')"
            ));
            let report = pair.sync(&format!("--conflict {strategy}"));
            assert_eq!(report.exit_code, 3, "{} {strategy}: {report:#?}", pair.name);
            assert_eq!(table(&report, "slots").status, "PARTIAL");
            assert!(report.errors.iter().any(|failure| failure.code == "SYNC_002"));
            let id = |place: &str| format!("SELECT id FROM slots WHERE place='{place}{number}'");
            assert_eq!(pair.remote.cell(&id("same")), one.to_string());
            assert_eq!(pair.local.cell(&id("same")), two.to_string());
            assert_eq!(pair.remote.cell(&id("other")), three.to_string());
            pair.assert_settled(&format!("--conflict {strategy}"));
        }
    });
}

#[test]
fn rows_that_refer_to_each_other_arrive() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE tree (id INTEGER NOT NULL PRIMARY KEY, up INTEGER NULL, FOREIGN KEY (up) REFERENCES tree (id))");
        pair.remote.sql("INSERT INTO tree VALUES (1,NULL),(2,NULL),(3,NULL),(9,NULL)");
        pair.remote.sql("UPDATE tree SET up=9 WHERE id=1; UPDATE tree SET up=3 WHERE id=2; UPDATE tree SET up=2 WHERE id=3");
        let report = pair.sync("--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, up FROM tree ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn a_trigger_that_changes_what_was_written_never_flows_back() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE names (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.local.sql(if pair.local.is_file() {
            "CREATE TRIGGER loud AFTER INSERT ON names BEGIN UPDATE names SET v=upper(NEW.v) WHERE id=NEW.id; END"
        } else {
            "CREATE TRIGGER loud BEFORE INSERT ON names FOR EACH ROW SET NEW.v=upper(NEW.v)"
        });
        pair.remote.sql("INSERT INTO names VALUES (1,'quiet'),(2,'LOUD')");
        let report = pair.sync("--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        assert_eq!(table(&report, "names").notes.len(), 1, "{report:#?}");
        assert_eq!(pair.local.cell("SELECT v FROM names WHERE id=1"), "QUIET");
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
        assert_eq!(pair.remote.cell("SELECT v FROM names WHERE id=1"), "quiet");
    });
}

#[test]
fn what_triggers_of_both_sides_write_elsewhere_is_written_once() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE film (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(20))");
        pair.both("CREATE TABLE a_text (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(20))");
        for side in [&pair.remote, &pair.local] {
            for (event, then) in [
                ("INSERT", "INSERT INTO a_text VALUES (NEW.id,NEW.title)"),
                ("UPDATE", "UPDATE a_text SET title=NEW.title WHERE id=OLD.id"),
                ("DELETE", "DELETE FROM a_text WHERE id=OLD.id"),
            ] {
                side.sql(&format!(
                    "CREATE TRIGGER on_{event} AFTER {event} ON film FOR EACH ROW {}",
                    if side.is_file() { format!("BEGIN {then}; END") } else { then.to_owned() }
                ));
            }
        }
        pair.remote.sql("INSERT INTO film VALUES (1,'one'),(2,'two'),(3,'three')");
        let same = |sync: &str| {
            let report = pair.sync(sync);
            assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
            pair.assert_same("SELECT id, title FROM film ORDER BY id");
            pair.assert_same("SELECT id, title FROM a_text ORDER BY id");
            pair.assert_settled("");
        };
        same("--type FULL");
        pair.remote.sql("UPDATE film SET title='II' WHERE id=2; DELETE FROM film WHERE id=3");
        pair.local.sql("INSERT INTO film VALUES (4,'four'); UPDATE film SET title='I' WHERE id=1");
        same("--force");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM a_text"), "3");
    });
}

#[test]
fn every_row_takes_its_neighbours_place() {
    each_pairing(|pair| {
        pair.both(
            "CREATE TABLE line (id INTEGER NOT NULL PRIMARY KEY, place INTEGER NOT NULL UNIQUE)",
        );
        let rows: Vec<String> = (0..2500).map(|id| format!("({id},{id})")).collect();
        pair.remote.sql(&format!("INSERT INTO line VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        pair.remote.sql("UPDATE line SET place=-place-1; UPDATE line SET place=-place");
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors.first());
        pair.assert_same("SELECT id, place FROM line ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn a_parent_in_another_letter_case_is_the_same_parent() {
    let pair = crate::support::Pair::of("MARIADB", "SQLITE");
    pair.both("CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY)");
    pair.local.sql(
        "CREATE TABLE Book (id INTEGER PRIMARY KEY, a INT REFERENCES Author(id) ON DELETE CASCADE)",
    );
    pair.remote.sql("INSERT INTO author VALUES (1),(2)");
    pair.sync("");
    pair.local.sql("INSERT INTO Book VALUES (7,1)");
    pair.remote.sql("DELETE FROM author WHERE id=1");
    assert_eq!(pair.sync("").exit_code, 3);
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM Book"), "1");
}

#[test]
fn a_cascade_into_another_database_is_a_conflict() {
    let pair = crate::support::Pair::of("MARIADB", "MARIADB2");
    let other = pair.local.neighbour();
    pair.both("CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY)");
    let (mine, theirs) = (pair.local.name(), other.name());
    other.sql(&format!(
        "CREATE TABLE `child` (id INTEGER NOT NULL PRIMARY KEY, parent_id INTEGER, \
         FOREIGN KEY (parent_id) REFERENCES `{mine}`.parent (id) ON DELETE CASCADE)"
    ));
    pair.remote.sql("INSERT INTO parent VALUES (1),(2),(3)");
    pair.sync("");
    pair.local.sql(&format!("INSERT INTO `{theirs}`.child VALUES (7,1)"));
    pair.remote.sql("DELETE FROM parent WHERE id<3");
    let report = pair.sync("");
    assert_eq!(report.exit_code, 3, "{report:#?}");
    assert_eq!(other.cell("SELECT COUNT(*) FROM child"), "1");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM parent"), "2");
    // The child's table would keep its parent from being dropped with the database.
    other.sql("DROP TABLE child");
}

#[test]
fn children_that_refer_by_a_date_keep_their_parent() {
    each_pairing(|pair| {
        pair.both(
            "CREATE TABLE day (k DATE NOT NULL PRIMARY KEY); \
             CREATE TABLE visit (id INTEGER NOT NULL PRIMARY KEY, k DATE, FOREIGN KEY (k) REFERENCES day (k) ON DELETE CASCADE)",
        );
        pair.remote.sql("INSERT INTO day VALUES ('2024-01-01'),('2024-01-02')");
        pair.sync("");
        pair.local.sql("INSERT INTO visit VALUES (1,'2024-01-01')");
        pair.remote.sql("DELETE FROM day WHERE k='2024-01-01'");
        let report = pair.sync("");
        assert_eq!((report.status, report.exit_code), ("PARTIAL", 3), "{}: {report:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM visit"), "1");
    });
}

/// Products with a code that their parts follow, that their notes lose, that nothing but the codes themselves refer to.
fn followers(on_update: &str) -> String {
    format!(
        "CREATE TABLE product (id INTEGER NOT NULL PRIMARY KEY, code VARCHAR(20) UNIQUE); \
         CREATE TABLE part (id INTEGER NOT NULL PRIMARY KEY, code VARCHAR(20), v VARCHAR(20), \
         FOREIGN KEY (code) REFERENCES product (code) ON UPDATE {on_update})"
    )
}

#[test]
fn children_follow_a_value_that_changes_places() {
    each_pairing(|pair| {
        pair.both(&followers("CASCADE"));
        pair.remote.sql("INSERT INTO product VALUES (1,'a'),(2,'b'); INSERT INTO part VALUES (10,'a','x'),(20,'b','y')");
        pair.sync("");
        pair.remote.sql("UPDATE product SET code='t' WHERE id=1; UPDATE product SET code='a' WHERE id=2; UPDATE product SET code='b' WHERE id=1");
        pair.local.sql("INSERT INTO part VALUES (11,'a','mine')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, code FROM product ORDER BY id");
        pair.assert_same("SELECT id, code, v FROM part ORDER BY id");
        assert_eq!(pair.local.cell("SELECT code FROM part WHERE id=10"), "b");
        assert_eq!(pair.remote.cell("SELECT code FROM part WHERE id=11"), "b");
        pair.assert_settled("");
    });
}

#[test]
fn children_that_would_lose_their_parent_keep_it() {
    each_pairing(|pair| {
        pair.both(&followers("SET NULL"));
        pair.remote.sql("INSERT INTO product VALUES (1,'a'),(2,'b'); INSERT INTO part VALUES (10,'a','x'),(20,'b','y')");
        pair.sync("");
        pair.remote
            .sql("UPDATE product SET code='c' WHERE id=1; UPDATE product SET code='d' WHERE id=2");
        pair.local.sql("INSERT INTO part VALUES (11,'a','mine')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT code FROM part WHERE id=11"), "a");
        // The parts that lost their product on REMOTE lose it here, and then their product may change.
        assert_eq!(pair.local.sql("SELECT code FROM part WHERE id=20"), [[None]]);
        assert_eq!(pair.local.cell("SELECT code FROM product WHERE id=2"), "d");
        pair.assert_settled("");
    });
}

#[test]
fn tables_that_refer_to_each_other_in_a_circle() {
    each_pairing(|pair| {
        let circle = if pair.local.is_file() || pair.remote.is_file() {
            "CREATE TABLE team (id INTEGER NOT NULL PRIMARY KEY, captain INTEGER NULL REFERENCES player (id)); \
             CREATE TABLE player (id INTEGER NOT NULL PRIMARY KEY, team INTEGER NOT NULL REFERENCES team (id))"
        } else {
            ""
        };
        let server = "CREATE TABLE team (id INTEGER NOT NULL PRIMARY KEY, captain INTEGER NULL); \
             CREATE TABLE player (id INTEGER NOT NULL PRIMARY KEY, team INTEGER NOT NULL, FOREIGN KEY (team) REFERENCES team (id)); \
             ALTER TABLE team ADD FOREIGN KEY (captain) REFERENCES player (id)";
        for side in [&pair.remote, &pair.local] {
            side.sql(if side.is_file() { circle } else { server });
        }
        let rows = |from: i32, to: i32| -> String {
            let numbers = || (from..=to).map(|id| id.to_string());
            let teams: Vec<String> = numbers().map(|id| format!("({id},NULL)")).collect();
            let players: Vec<String> = numbers().map(|id| format!("({id},{id})")).collect();
            format!(
                "INSERT INTO team VALUES {}; INSERT INTO player VALUES {}; UPDATE team SET captain=id WHERE id>={from}",
                teams.join(","),
                players.join(",")
            )
        };
        pair.remote.sql(&rows(1, 30));
        pair.local.sql(&rows(31, 40));
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, captain FROM team ORDER BY id");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM team WHERE captain=id"), "40");
        pair.assert_settled("");
        pair.remote.sql(
            "UPDATE team SET captain=NULL WHERE id>35; DELETE FROM player WHERE id>35; DELETE FROM team WHERE id>35; \
             UPDATE team SET captain=1 WHERE id=2",
        );
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, captain FROM team ORDER BY id");
        pair.assert_same("SELECT id, team FROM player ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM team"), "35");
        pair.assert_settled("");
        // One of a circle that stays keeps the rest.
        pair.local.sql("UPDATE player SET team=3 WHERE id=4");
        pair.remote.sql("UPDATE team SET captain=NULL WHERE id=3; DELETE FROM player WHERE id=3; DELETE FROM team WHERE id=3");
        assert_eq!(pair.sync("").exit_code, 3, "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM player WHERE team=3"), "2");
        pair.assert_settled("");
    });
}

#[test]
fn trees_go_whole() {
    each_pairing(|pair| {
        for rule in ["RESTRICT", "CASCADE", "SET NULL"] {
            let name = format!("tree_{}", &rule[..3].to_lowercase());
            pair.both(&format!(
                "CREATE TABLE {name} (id INTEGER NOT NULL PRIMARY KEY, up INTEGER NULL, \
                 FOREIGN KEY (up) REFERENCES {name} (id) ON DELETE {rule})"
            ));
            let rows: Vec<String> = (1..=40).map(|id| format!("({id},NULL)")).collect();
            pair.remote.sql(&format!("INSERT INTO {name} VALUES {}", rows.join(",")));
            pair.remote.sql(&format!(
                "UPDATE {name} SET up=id-1 WHERE id>1; UPDATE {name} SET up=1 WHERE id=1"
            ));
        }
        pair.sync("");
        for name in ["tree_res", "tree_cas", "tree_set"] {
            pair.remote.sql(&format!("UPDATE {name} SET up=NULL WHERE id>20; UPDATE {name} SET up=NULL; DELETE FROM {name} WHERE id>20"));
            pair.remote.sql(&format!("UPDATE {name} SET up=id-1 WHERE id>1"));
        }
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        for name in ["tree_res", "tree_cas", "tree_set"] {
            pair.assert_same(&format!("SELECT id, up FROM {name} ORDER BY id"));
            assert_eq!(pair.local.cell(&format!("SELECT COUNT(*) FROM {name}")), "20");
        }
        pair.assert_settled("");
    });
}

#[test]
fn unique_values_of_every_type_change_places() {
    let kinds = [
        ("DATE", "'2024-01-01'", "'2024-01-02'"),
        ("DATETIME", "'2024-01-01 00:00:00'", "'2024-01-02 00:00:00'"),
        ("DECIMAL(3,1)", "99.9", "-99.9"),
        ("DOUBLE", "0.5", "1.5"),
        ("CHAR(1)", "'a'", "'b'"),
        ("TINYINT", "127", "126"),
        ("BIGINT", "9223372036854775807", "9223372036854775806"),
        ("VARBINARY(2)", "x'ffff'", "x'00'"),
        ("TIME", "'838:59:59'", "'-01:00:00'"),
    ];
    each_pairing(|pair| {
        for (number, (kind, one, two)) in kinds.iter().enumerate() {
            pair.both(&format!(
                "CREATE TABLE u{number} (id INTEGER NOT NULL PRIMARY KEY, u {kind} NOT NULL UNIQUE)"
            ));
            pair.remote.sql(&format!("INSERT INTO u{number} VALUES (1,{one}),(2,{two})"));
        }
        pair.both("CREATE TABLE lists (id INTEGER NOT NULL PRIMARY KEY); \
            CREATE TABLE entries (id INTEGER NOT NULL PRIMARY KEY, list_id INTEGER NOT NULL, pos INTEGER NOT NULL, \
            UNIQUE (list_id, pos), FOREIGN KEY (list_id) REFERENCES lists (id))");
        pair.remote.sql(
            "INSERT INTO lists VALUES (1),(2); INSERT INTO entries VALUES (1,1,1),(2,1,2),(3,2,1)",
        );
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        for (number, (_, one, two)) in kinds.iter().enumerate() {
            pair.remote.sql(&format!(
                "DELETE FROM u{number}; INSERT INTO u{number} VALUES (2,{one}),(1,{two})"
            ));
        }
        pair.remote.sql("DELETE FROM entries; INSERT INTO entries VALUES (1,1,2),(2,2,1),(3,1,1)");
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        for number in 0..kinds.len() {
            pair.assert_same(&format!("SELECT id, u FROM u{number} ORDER BY id"));
        }
        pair.assert_same("SELECT id, list_id, pos FROM entries ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn computed_unique_values_change_places() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB")] {
        let pair = crate::support::Pair::of(remote, local);
        pair.both("CREATE TABLE slug (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL, note VARCHAR(20), \
            s VARCHAR(20) GENERATED ALWAYS AS (lower(name)) STORED, UNIQUE (s))");
        pair.remote.sql("INSERT INTO slug (id,name,note) VALUES (1,'A','x'),(2,'B','y')");
        pair.sync("");
        pair.remote.sql("UPDATE slug SET name='c' WHERE id=1; UPDATE slug SET name='A' WHERE id=2; UPDATE slug SET name='B' WHERE id=1");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, name, note, s FROM slug ORDER BY id");
        pair.assert_settled("");
    }
}

#[test]
fn rows_that_cannot_be_without_each_other() {
    each_pairing(|pair| {
        for side in [&pair.remote, &pair.local] {
            side.sql(if side.is_file() {
                "CREATE TABLE store (id INTEGER NOT NULL PRIMARY KEY, manager INTEGER NOT NULL REFERENCES staff (id)); \
                 CREATE TABLE staff (id INTEGER NOT NULL PRIMARY KEY, store INTEGER NOT NULL REFERENCES store (id)); \
                 CREATE TABLE sale (id INTEGER NOT NULL PRIMARY KEY, staff INTEGER NOT NULL REFERENCES staff (id))"
            } else {
                "CREATE TABLE store (id INTEGER NOT NULL PRIMARY KEY, manager INTEGER NOT NULL); \
                 CREATE TABLE staff (id INTEGER NOT NULL PRIMARY KEY, store INTEGER NOT NULL, FOREIGN KEY (store) REFERENCES store (id)); \
                 ALTER TABLE store ADD FOREIGN KEY (manager) REFERENCES staff (id); \
                 CREATE TABLE sale (id INTEGER NOT NULL PRIMARY KEY, staff INTEGER NOT NULL, FOREIGN KEY (staff) REFERENCES staff (id))"
            });
        }
        let sales: Vec<String> = (1..=3000).map(|id| format!("({id},{})", id % 2 + 1)).collect();
        let circle = |id: u32| {
            format!("INSERT INTO store VALUES ({id},{id}); INSERT INTO staff VALUES ({id},{id})")
        };
        let unchecked = |side: &crate::support::Database, sql: &str| {
            side.sql(&if side.is_file() {
                format!("PRAGMA foreign_keys=OFF; {sql}")
            } else {
                format!("SET foreign_key_checks=0; {sql}")
            });
        };
        unchecked(
            &pair.remote,
            &format!("{}; {}; INSERT INTO sale VALUES {}", circle(1), circle(2), sales.join(",")),
        );
        // One whose manager nobody has heard of stays where it is, and with it who works there.
        unchecked(&pair.remote, "INSERT INTO store VALUES (7,99); INSERT INTO staff VALUES (7,7)");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {:#?}", pair.name, report.errors);
        let count = |table: &str| pair.local.cell(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(
            [count("store"), count("staff"), count("sale")],
            ["2", "2", "3000"],
            "{}",
            pair.name
        );
        pair.assert_settled("");
        // They go together too, but not while somebody else needs one of them.
        unchecked(
            &pair.remote,
            "DELETE FROM sale WHERE staff=2; DELETE FROM staff WHERE id=2; DELETE FROM store WHERE id=2",
        );
        pair.local.sql("INSERT INTO sale VALUES (9001,2)");
        let report = pair.sync("--force");
        assert_eq!(report.exit_code, 3, "{}: {:#?}", pair.name, report.errors);
        assert_eq!(
            [count("store"), count("staff"), count("sale")],
            ["2", "2", "1501"],
            "{}",
            pair.name
        );
        pair.local.sql("DELETE FROM sale WHERE id=9001");
        pair.sync("--force");
        assert_eq!([count("store"), count("staff")], ["1", "1"], "{}", pair.name);
        pair.assert_settled("");
    });
}

/// A statement that is refused has done nothing, so that no trigger fires twice for one row.
#[test]
fn triggers_fire_once_for_each_row_that_goes_in() {
    each_pairing(|pair| {
        for rows in [3, 64] {
            pair.both(&format!(
                "CREATE TABLE t{rows} (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)"
            ));
            let listed: Vec<String> = (1..=rows).map(|id| format!("({id},{id})")).collect();
            pair.remote.sql(&format!("INSERT INTO t{rows} VALUES {}", listed.join(",")));
        }
        pair.local.sql("CREATE TABLE seen (id INTEGER NOT NULL)");
        pair.sync("--table t3 --table t64");
        for rows in [3, 64] {
            let refuse = if pair.local.is_file() {
                format!(
                    "CREATE TRIGGER no{rows} BEFORE UPDATE ON t{rows} WHEN NEW.v>1000 BEGIN SELECT RAISE(ABORT,'no'); END; \
                     CREATE TRIGGER seen{rows} AFTER UPDATE ON t{rows} BEGIN INSERT INTO seen VALUES (NEW.id); END"
                )
            } else {
                format!(
                    "ALTER TABLE t{rows} ADD CONSTRAINT c{rows} CHECK (v<1000); \
                     CREATE TRIGGER seen{rows} AFTER UPDATE ON t{rows} FOR EACH ROW INSERT INTO seen VALUES (NEW.id)"
                )
            };
            pair.local.sql(&refuse);
            pair.remote.sql(&format!("UPDATE t{rows} SET v=v+100 WHERE id<{rows}; UPDATE t{rows} SET v=5000 WHERE id={rows}"));
        }
        let report = pair.sync("--table t3 --table t64");
        assert_eq!((report.exit_code, report.errors.len()), (3, 2), "{}: {report:#?}", pair.name);
        let twice =
            "SELECT COUNT(*) FROM (SELECT id FROM seen GROUP BY id HAVING COUNT(*)>2) AS twice";
        assert_eq!(pair.local.cell(twice), "0", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM seen"), "65", "{}", pair.name);
    });
}

/// A trigger that fires after a row is there cannot have changed it: what came out differently is the server's doing.
#[test]
fn a_trigger_that_cannot_change_a_row_excuses_nothing() {
    let pair = crate::support::Pair::of("MARIADB", "MARIADB2");
    pair.remote.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v DOUBLE)");
    pair.local.sql(
        "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v DOUBLE(10,2)); CREATE TABLE seen (id INT NOT NULL); \
         CREATE TRIGGER seen AFTER INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.id)",
    );
    pair.remote.sql("INSERT INTO t VALUES (1,1.123456),(2,2.5)");
    let report = pair.sync("--table t");
    assert_eq!(report.errors[0].code, "SYNC_003", "{report:#?}");
    assert_eq!(pair.local.cell("SELECT GROUP_CONCAT(id) FROM t"), "2");
}
