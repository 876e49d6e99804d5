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
fn every_row_takes_its_neighbours_place() {
    each_pairing(|pair| {
        pair.both(
            "CREATE TABLE line (id INTEGER NOT NULL PRIMARY KEY, place INTEGER NOT NULL UNIQUE)",
        );
        let rows: Vec<String> = (0..2500).map(|id| format!("({id},{id})")).collect();
        pair.remote.sql(&format!("INSERT INTO line VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        pair.remote.sql("UPDATE line SET place=-place-1; UPDATE line SET place=-place");
        let report = pair.sync("");
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
