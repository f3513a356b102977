//! `tools.database`: SQL is parsed; what reads the tables that were opened gets through, and nothing else does.

use super::{does_not_start, facts, guarded, passes, refuses};
use serde_json::json;

const POLICY: &str = "{ guard: sql, dialect: postgres, tables: [orders, customers] }";

#[test]
fn reading_arrives_as_it_is() {
    let world = guarded(POLICY);
    let mut agent = world.agent();
    passes(
        &mut agent,
        &[
            "SELECT id, sum(total) FROM orders GROUP BY 1",
            "WITH big AS (SELECT * FROM orders WHERE total > 9) SELECT c.name FROM big JOIN customers c ON c.id = big.customer;",
            "SELECT 'drop table orders; --' FROM customers -- nothing",
        ],
    );
    let last = facts(&world);
    assert_eq!((&last["guard"], &last["operation"]), (&json!("sql"), &json!("read")));
    assert_eq!(last["normal"], "SELECT 'drop table orders; --' FROM customers");
}

#[test]
fn whatever_does_more_is_refused() {
    let world = guarded(POLICY);
    let texts = [
        ("DELETE FROM orders", "tools.database/statement"),
        ("SELECT 1; DROP TABLE orders", "tools.database/statement"),
        ("SELECT 1; SELECT id FROM orders", "tools.database/statement"),
        ("WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x", "tools.database/statement"),
        ("EXPLAIN ANALYZE UPDATE orders SET total = 0", "tools.database/statement"),
        ("SELECT * INTO copy FROM orders", "tools.database/statement"),
        ("SELECT * FROM orders FOR UPDATE", "tools.database/statement"),
        ("COPY orders TO PROGRAM 'id'", "tools.database/statement"),
        ("DO $$ BEGIN DELETE FROM orders; END $$", "tools.database/unreadable"),
        ("SET ROLE admin", "tools.database/statement"),
        ("SELECT set_config('role', 'admin', false)", "tools.database/function"),
        ("SELECT pg_read_file('/etc/passwd')", "tools.database/function"),
        ("SELECT pg_sleep(1000)", "tools.database/function"),
        ("SELECT * FROM people", "tools.database/table"),
        ("SELECT * FROM orders WHERE id IN (SELECT id FROM people)", "tools.database/table"),
        ("WITH people AS (SELECT * FROM people) SELECT * FROM people", "tools.database/table"),
        ("SELECT * FROM pg_shadow", "tools.database/table"),
        ("S/**/ELECT 1", "tools.database/unreadable"),
        ("SELECT 1 /*! UNION SELECT 2 */", "tools.database/unreadable"),
        ("SELECT ((((((((((((((((((((((((((((1))))))))))))))))))))))))))))", "tools.database/unreadable"),
    ];
    refuses(&world, &mut world.agent(), &texts);
}

#[test]
fn what_arrives_has_a_limit_on_its_rows() {
    let world = guarded("{ guard: sql, dialect: postgres, rows: 50 }");
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "SELECT a FROM t; -- all"})).text(), "SELECT a FROM t\nLIMIT 50");
    assert_eq!(agent.call("canary__echo", json!({"text": "SELECT a FROM t LIMIT 9"})).text(), "SELECT a FROM t LIMIT 9");
    refuses(&world, &mut agent, &[("SELECT a FROM t LIMIT 51", "tools.database/statement")]);
    let sent = world.reached()[0]["arguments"]["text"].clone();
    let recorded = world.audit().into_iter().find(|record| record["kind"] == "intent" || record["arguments"]["text"] == sent);
    assert!(recorded.is_some_and(|record| record["arguments"]["text"] == sent), "what was sent is what is on record");
}

#[test]
fn a_policy_that_means_nothing_stops_the_start() {
    does_not_start("{ guard: sql }", "dialect: write postgres");
    does_not_start("{ guard: sql, dialect: postgres, tables: [] }", "tables: a table is");
}
