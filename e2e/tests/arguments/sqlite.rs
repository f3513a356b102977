//! SQL for a real SQLite, whose server tells reading and writing apart by the first word.

use super::Effect::{Sqlite, Tells, There};
use super::{Class, Effect, attack, call};
use serde_json::json;

const PIN: Effect = Tells("PIN-4711");

fn class(
    name: &'static str,
    tool: &'static str,
    code: &'static str,
    attacks: &[(&str, Effect)],
    benign: &[(&'static str, &str, &'static str)],
) -> Class {
    let one = |(sql, effect): &(&str, Effect)| {
        let (own, sql) = sql.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap_or(("", sql));
        let code = match own {
            "unreadable" => "tools.database/unreadable",
            "statement" => "tools.database/statement",
            "function" => "tools.database/function",
            "table" => "tools.database/table",
            _ => code,
        };
        attack(call(tool, json!({"query": sql})), code, *effect)
    };
    Class {
        name,
        attacks: attacks.iter().map(one).collect(),
        benign: benign.iter().map(|(tool, sql, says)| (call(tool, json!({"query": sql})), *says)).collect(),
    }
}

pub fn classes() -> Vec<Class> {
    vec![
        class(
            "sqlite: other tables",
            "lite__read_query",
            "tools.database/table",
            &[
                ("SELECT * FROM people", PIN),
                ("SELECT pin FROM main.people", PIN),
                ("SELECT pin FROM \"people\"", PIN),
                ("SELECT pin FROM [people]", PIN),
                ("SELECT pin FROM `PEOPLE`", PIN),
                ("SELECT (SELECT pin FROM people) FROM orders", PIN),
                ("SELECT id FROM orders UNION SELECT pin FROM people", PIN),
                ("SELECT * FROM (WITH p AS (SELECT pin FROM people) SELECT * FROM p)", PIN),
                ("SELECT * FROM everyone", PIN),
                ("SELECT sql FROM sqlite_master", Tells("CREATE TABLE people")),
                ("SELECT sql FROM sqlite_schema", Tells("CREATE TABLE people")),
                ("SELECT pin FROM orders, people", PIN),
                ("SELECT group_concat(pin) FROM people", PIN),
                ("<function>SELECT name FROM pragma_table_info('people')", Tells("pin")),
                ("SELECT 1 FROM orders ORDER BY (SELECT abs(-9223372036854775808) FROM people)", Tells("integer overflow")),
            ],
            &[
                ("lite__read_query", "SELECT sum(total) AS s FROM orders", "29.5"),
                ("lite__read_query", "SELECT c.name FROM customers c JOIN orders o ON o.id = c.id", "ana"),
            ],
        ),
        class(
            "sqlite: rows of other tables",
            "lite__write_query",
            "tools.database/table",
            &[
                ("DELETE FROM people", Sqlite("SELECT count(*) FROM people", "0")),
                ("UPDATE people SET pin = 'x'", Sqlite("SELECT pin FROM people", "x")),
                ("INSERT INTO people VALUES (9, 'a', 'b')", Sqlite("SELECT count(*) FROM people", "2")),
                ("UPDATE orders SET note = (SELECT pin FROM people)", Sqlite("SELECT DISTINCT note FROM orders", "PIN-4711")),
                ("INSERT INTO orders(id, note) SELECT 9, pin FROM people", Sqlite("SELECT note FROM orders WHERE id = 9", "PIN-4711")),
                ("DELETE FROM main.people", Sqlite("SELECT count(*) FROM people", "0")),
                ("DELETE FROM \"people\"", Sqlite("SELECT count(*) FROM people", "0")),
                ("UPDATE orders SET note = pin FROM people", Sqlite("SELECT DISTINCT note FROM orders", "PIN-4711")),
                (
                    "INSERT INTO people VALUES (1, 'a', 'b') ON CONFLICT (id) DO UPDATE SET pin = 'taken'",
                    Sqlite("SELECT pin FROM people", "taken"),
                ),
                ("INSERT OR REPLACE INTO people VALUES (1, 'a', 'mine')", Sqlite("SELECT pin FROM people", "mine")),
                (
                    "DELETE FROM orders WHERE EXISTS (SELECT 1 FROM people WHERE pin LIKE 'PIN%')",
                    Sqlite("SELECT count(*) FROM orders", "0"),
                ),
                ("UPDATE [people] SET name = 'mallory'", Sqlite("SELECT name FROM people", "mallory")),
                (
                    "INSERT INTO orders(id, note) VALUES (9, (SELECT pin FROM everyone))",
                    Sqlite("SELECT note FROM orders WHERE id = 9", "PIN-4711"),
                ),
            ],
            &[
                ("lite__write_query", "INSERT INTO orders VALUES (7, 7, 'new')", "affected_rows"),
                ("lite__write_query", "UPDATE orders SET note = 'c' WHERE id = 7", "1"),
            ],
        ),
        class(
            "sqlite: definitions, files, settings",
            "lite__write_query",
            "tools.database/statement",
            &[
                ("DROP TABLE people", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'people'", "0")),
                ("ALTER TABLE orders RENAME TO gone", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'gone'", "1")),
                ("ALTER TABLE people DROP COLUMN pin", Sqlite("SELECT count(*) FROM pragma_table_info('people')", "2")),
                ("CREATE TABLE evil(a)", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'evil'", "1")),
                ("CREATE VIEW evil AS SELECT * FROM people", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'evil'", "1")),
                (
                    "CREATE TRIGGER evil AFTER INSERT ON orders BEGIN DELETE FROM people; END",
                    Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'evil'", "1"),
                ),
                ("CREATE INDEX evil ON people(pin)", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'evil'", "1")),
                ("PRAGMA user_version = 4711", Sqlite("PRAGMA user_version", "4711")),
                ("PRAGMA application_id(4711)", Sqlite("PRAGMA application_id", "4711")),
                ("PRAGMA journal_mode = WAL", Sqlite("PRAGMA journal_mode", "wal")),
                ("<unreadable>VACUUM INTO '{box}/open/copy.db'", There("{box}/open/copy.db")),
                ("DROP VIEW everyone", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'everyone'", "0")),
                ("<table>PRAGMA table_info(people)", Tells("pin")),
                ("CREATE TABLE copied AS SELECT * FROM people", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'copied'", "1")),
            ],
            &[
                ("lite__write_query", "PRAGMA table_info(orders)", "total"),
                ("lite__write_query", "DELETE FROM orders WHERE id = 99", "affected_rows"),
            ],
        ),
    ]
}
