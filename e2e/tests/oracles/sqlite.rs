//! `sql` of SQLite: it is watched while it prepares and runs what the guard lets through.

use super::chance::Chance;
use super::speaker::Speaker;
use super::statements::Grammar;
use super::{Tally, cases};
use e2e::Peers;
use guards::{Guard, GuardKind, Words, path::Lexical};
use serde_json::{Value, json};
use std::process::Command;

fn grammar() -> Grammar {
    Grammar {
        open: &[
            "orders",
            "customers",
            "main.orders",
            "\"orders\"",
            "ORDERS",
            "[orders]",
            "`customers`",
            "orders o",
            "customers c",
            "'orders'",
            "orders AS customers",
            "orders NOT INDEXED",
            "orders INDEXED BY by_total",
        ],
        columns: &[
            "id",
            "total",
            "name",
            "orders.id",
            "customers.name",
            "customer",
            "secret",
            "rowid",
            "\"id\"",
            "[total]",
            "o.id",
            "_rowid_",
            "oid",
            "c.secret",
            "orders.secret",
            "'id'",
            "\"secret\"",
        ],
        shut: &[
            "people",
            "everyone",
            "sqlite_master",
            "sqlite_schema",
            "\"Odd Name\"",
            "main.people",
            "temp.sqlite_master",
            "words",
            "pragma_table_info('people')",
            "pragma_database_list",
            "pragma_table_list",
            "json_each('[1]')",
            "generate_series(1, 3)",
            "sqlite_temp_master",
            "dbstat",
            "sqlite_sequence",
            "PEOPLE",
            "'people'",
            "[people]",
            "`everyone`",
            "words_content",
            "json_tree('{}')",
            "fts5vocab",
            "pragma_function_list",
            "sqlite_dbpage",
            "sqlite_stmt",
        ],
        plain: &[
            "1",
            "'x'",
            "NULL",
            "count(*)",
            "max(id)",
            "upper('a')",
            "length(name)",
            "abs(-1)",
            "date('now')",
            "strftime('%Y', 'now')",
            "round(1.5)",
            "substr('abc', 1, 2)",
            "ifnull(1, 2)",
            "x'00'",
            "1.5e3",
            "json_extract('{\"a\":1}', '$.a')",
            "total(id)",
            "printf('%d', 1)",
            "group_concat(name)",
            "typeof(1)",
            "hex(x'00')",
            "random()",
            "likely(1)",
            "quote('a')",
            "julianday('now')",
            "instr('a', 'b')",
            "replace('a', 'b', 'c')",
            "iif(1, 2, 3)",
            "unicode('a')",
            "char(97)",
            "'it''s'",
            "CURRENT_TIMESTAMP",
            "1 COLLATE NOCASE",
            "'a' LIKE 'b'",
            "sum(id) OVER ()",
        ],
        sharp: &[
            "load_extension('x')",
            "readfile('/etc/passwd')",
            "writefile('x', 'y')",
            "edit('x')",
            "fts3_tokenizer('simple')",
            "zeroblob(10)",
            "randomblob(2000000000)",
            "sqlite_compileoption_get(1)",
            "sqlite_source_id()",
            "last_insert_rowid()",
            "changes()",
            "total_changes()",
            "sqlite_version()",
            "zeroblob(999999999)",
            "LOAD_EXTENSION('x')",
            "\"load_extension\"('x')",
            "printf('%999999999d', 1)",
            "highlight(words, 0, 'a', 'b')",
            "snippet(words, 0, '', '', '', 1)",
            "sqlite_log(1, 'x')",
            "replace(hex(zeroblob(100000)), '00', 'abcdefghij')",
            "fts5_source_id()",
            "match('a', 'b')",
            "likelihood(1, 0.5)",
            "sqlite_offset(id)",
            "subtype('a')",
            "geopoly_blob('x')",
            "rtreedepth(1)",
            "eval('DELETE FROM orders')",
        ],
        acts: &[
            "DELETE FROM orders",
            "INSERT INTO orders(id) VALUES (9)",
            "UPDATE orders SET total = 0",
            "DROP TABLE orders",
            "CREATE TABLE x(a)",
            "ATTACH ':memory:' AS a",
            "DETACH main",
            "PRAGMA user_version = 7",
            "PRAGMA writable_schema = ON",
            "PRAGMA table_info(orders)",
            "PRAGMA table_info(people)",
            "PRAGMA main.table_xinfo('people')",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA journal_mode",
            "PRAGMA database_list",
            "PRAGMA foreign_keys(0)",
            "PRAGMA query_only(1)",
            "PRAGMA user_version(5)",
            "PRAGMA cache_size",
            "PRAGMA case_sensitive_like(1)",
            "PRAGMA integrity_check",
            "PRAGMA optimize",
            "PRAGMA wal_checkpoint",
            "VACUUM",
            "VACUUM INTO '/tmp/x.db'",
            "REINDEX",
            "ANALYZE",
            "BEGIN",
            "COMMIT",
            "SAVEPOINT a",
            "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM people; END",
            "REPLACE INTO orders(id) VALUES (1)",
            "INSERT OR REPLACE INTO orders(id) VALUES (1)",
            "ALTER TABLE orders RENAME TO x",
            "CREATE TEMP TABLE x(a)",
            "DELETE FROM orders RETURNING *",
            "UPDATE orders SET total = 0 FROM people",
            "INSERT INTO orders SELECT * FROM people",
            "CREATE VIEW v AS SELECT * FROM people",
            "PRAGMA index_list(orders)",
            "PRAGMA index_info(by_total)",
            "PRAGMA foreign_key_list('people')",
            "PRAGMA encoding",
            "PRAGMA application_id = 1",
            "PRAGMA function_list",
            "PRAGMA temp_store = 2",
            "PRAGMA data_version",
            "PRAGMA schema_version",
            "PRAGMA page_count",
            "PRAGMA collation_list",
            "PRAGMA compile_options",
            "PRAGMA table_list",
            "VALUES (1)",
            "TABLE orders",
        ],
        before: &["EXPLAIN ", "EXPLAIN QUERY PLAN ", "", "EXPLAIN ANALYZE ", "WITH a AS (SELECT 1) ", "/* x */ ", "explain query plan "],
        behind: &[
            " LIMIT 1",
            " ORDER BY 1",
            " LIMIT 5 OFFSET 1",
            " GROUP BY id",
            " ORDER BY (SELECT pin FROM people)",
            " LIMIT (SELECT count(*) FROM people)",
            " GROUP BY 1 HAVING count(*) > 0",
            " FOR UPDATE",
            " WINDOW w AS (ORDER BY id)",
        ],
        calls: Vec::new(),
    }
}

/// Settings that only tell something.
const TOLD: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "database_list",
    "collation_list",
    "function_list",
    "module_list",
    "pragma_list",
    "compile_options",
    "encoding",
    "data_version",
    "schema_version",
    "page_count",
    "page_size",
    "freelist_count",
    "journal_mode",
    "user_version",
    "application_id",
    "cache_size",
    "foreign_keys",
    "query_only",
    "integrity_check",
    "quick_check",
    "synchronous",
    "auto_vacuum",
    "temp_store",
    "max_page_count",
    "locking_mode",
];

/// What is wrong with what SQLite was about to do.
fn fault(said: &Value, columns: bool) -> Option<String> {
    if said["changed"].as_array().is_none_or(|changed| !changed.is_empty()) {
        return Some(format!("changed {}", said["changed"]));
    }
    for one in said["asked"].as_array().unwrap() {
        let text = |at: usize| one[at].as_str().unwrap_or_default();
        let lower = text(1).to_ascii_lowercase();
        let fits = match text(0) {
            "SQLITE_SELECT" | "SQLITE_RECURSIVE" => true,
            "SQLITE_READ" => {
                // What a query itself names has no database.
                let made = matches!(lower.as_str(), "json_each" | "json_tree") || (one[3].is_null() && text(2).is_empty());
                let listed = made
                    || matches!(lower.as_str(), "orders" | "customers")
                    || (lower.is_empty() && text(2).is_empty())
                    || one[1].is_null();
                listed && (!columns || lower != "orders" || matches!(text(2).to_ascii_lowercase().as_str(), "" | "id" | "total" | "rowid"))
            }
            "SQLITE_FUNCTION" => {
                !matches!(text(2), "load_extension" | "readfile" | "writefile" | "edit" | "fts3_tokenizer" | "sqlite_log" | "eval")
            }
            "SQLITE_PRAGMA" => {
                TOLD.contains(&lower.as_str())
                    && (one[2].is_null() || matches!(text(2).to_ascii_lowercase().as_str(), "orders" | "customers"))
            }
            _ => false,
        };
        if !fits {
            return Some(one.to_string());
        }
    }
    None
}

#[test]
fn sqlite_does_nothing_else() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = Speaker::start(
        Command::new(peers.python("python")).arg(Speaker::script("sqlite.py")).current_dir(folder.path()),
        folder.path(),
        "sqlite",
    );
    let guard = |tables: &[&str]| {
        let tables = Some(tables.iter().map(|table| (*table).to_owned()).collect());
        Guard::new(GuardKind::Sql, &Words { dialect: Some("sqlite".into()), tables, ..Words::default() }).unwrap()
    };
    let policies = [(guard(&["orders", "customers"]), false), (guard(&["orders(id, total)", "customers"]), true)];
    let (grammar, mut chance, mut tally) = (grammar(), Chance::new(0x73_716c_6974), Tally::default());
    let mut ran = 0;
    while tally.cases < cases() {
        let mut allowed = Vec::new();
        while allowed.len() < 300 && tally.cases < cases() {
            let (text, (guard, columns)) = (grammar.statement(&mut chance), &policies[tally.cases % 2]);
            tally.cases += 1;
            if let Ok(judged) = guard.judge_text(&text, &Lexical) {
                tally.allowed += 1;
                if judged.normal != text && chance.in_hundred(20) {
                    allowed.push((judged.normal, *columns));
                }
                allowed.push((text, *columns));
            }
        }
        let texts: Vec<Value> = allowed.iter().map(|(text, _)| json!(text)).collect();
        for ((text, columns), said) in allowed.iter().zip(oracle.ask(&texts)) {
            tally.asked += 1;
            ran += usize::from(said["code"] == "ok");
            if let Some(fault) = fault(&said, *columns) {
                tally.wrong(format!("{text:?}{}: {fault}", if *columns { " (columns)" } else { "" }));
            }
        }
    }
    println!("sqlite: {ran} ran to their end");
    assert!(ran * 3 >= tally.allowed, "too few ran");
    tally.close("sql, SQLite", 20);
}
