//! `sql` of PostgreSQL: what the guard lets through runs there, as a role that may do what the policy opens and nothing else.

use super::chance::Chance;
use super::speaker::Speaker;
use super::statements::Grammar;
use super::{Tally, cases};
use e2e::{Peers, Postgres};
use guards::{Guard, GuardKind, Words, path::Lexical};
use serde_json::{Value, json};
use std::process::Command;

const SCHEMA: &str = r#"
CREATE TABLE orders(id int PRIMARY KEY, customer int, total numeric, secret text, name text);
CREATE TABLE customers(id int PRIMARY KEY, name text, secret text, customer int, total numeric);
CREATE TABLE people(id int PRIMARY KEY, name text, pin text);
CREATE TABLE "Orders"(id int);
CREATE SCHEMA private;
CREATE TABLE private.orders(id int, pin text);
CREATE VIEW everyone AS SELECT * FROM people;
CREATE SEQUENCE counter;
CREATE FUNCTION act() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION own(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE OPERATOR #@# (LEFTARG = int, RIGHTARG = int, FUNCTION = plus);
INSERT INTO orders VALUES (1, 1, 9.5, 's'), (2, 1, 20, 't');
INSERT INTO customers VALUES (1, 'ana', 'u');
INSERT INTO people VALUES (1, 'eve', '1234');
SELECT lo_from_bytea(77, 'x');
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regprocedure AS name FROM pg_proc WHERE prokind IN ('f', 'w', 'a') AND (
      provolatile = 'v' AND proname NOT IN ('random', 'gen_random_uuid', 'clock_timestamp', 'timeofday', 'pg_is_in_recovery', 'pg_listening_channels', 'pg_prepared_statement', 'pg_cursor', 'pg_lock_status') AND proname NOT LIKE 'pg%\_size') LOOP
    EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', one.name);
  END LOOP;
END $$;
REVOKE ALL ON DATABASE t FROM PUBLIC;
GRANT CONNECT ON DATABASE t TO PUBLIC;
CREATE ROLE reads LOGIN; CREATE ROLE writes_columns LOGIN; CREATE ROLE columns LOGIN; CREATE ROLE writes LOGIN; CREATE ROLE all_tables LOGIN;
GRANT SELECT ON orders, customers TO reads;
GRANT SELECT (id, total) ON orders TO columns; GRANT SELECT ON customers TO columns;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders, customers TO writes;
GRANT SELECT (id, total), INSERT (id, total), UPDATE (id, total), DELETE ON orders TO writes_columns; GRANT SELECT ON customers TO writes_columns;
GRANT USAGE ON SCHEMA private TO all_tables; GRANT SELECT ON ALL TABLES IN SCHEMA public, private TO all_tables; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO all_tables;
"#;

/// Every function as a call with values of its types.
const CALLS: &str = r"
SELECT format('%s%I(%s)', CASE WHEN oid::int % 3 = 0 THEN 'pg_catalog.' ELSE '' END, proname, (SELECT coalesce(string_agg(CASE typname WHEN 'text' THEN '''a''' WHEN 'int4' THEN '1' WHEN 'int8' THEN '1' WHEN 'float8' THEN '1.0'
  WHEN 'bool' THEN 'true' WHEN 'name' THEN '''a''' WHEN 'regclass' THEN '''people''' WHEN 'oid' THEN '77' WHEN 'record' THEN 'ROW(1)' WHEN 'anyelement' THEN '1' WHEN 'anyarray' THEN 'ARRAY[1]' WHEN 'any' THEN '1' WHEN 'interval' THEN '''1 second''' ELSE 'NULL' END, ', ' ORDER BY at), '')
  FROM unnest(proargtypes) WITH ORDINALITY AS given(type, at) JOIN pg_type ON pg_type.oid = type))
FROM pg_proc WHERE prokind IN ('f', 'a') AND prorettype NOT IN ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype) AND NOT 'internal'::regtype = ANY (proargtypes::oid[]) ORDER BY oid;
";

fn grammar(calls: Vec<String>) -> Grammar {
    Grammar {
        open: &[
            "orders",
            "customers",
            "public.orders",
            "\"orders\"",
            "ORDERS",
            "orders o",
            "customers c",
            "ONLY orders",
            "orders AS o",
            "customers AS o",
            "orders *",
            "public.\"customers\"",
        ],
        columns: &[
            "id",
            "total",
            "name",
            "orders.id",
            "customers.name",
            "customer",
            "secret",
            "ctid",
            "\"id\"",
            "o.id",
            "xmin",
            "orders.secret",
            "c.secret",
            "public.orders.id",
            "o.secret",
            "orders.tableoid",
            "total",
            "id",
            "(o).secret",
            "(orders).secret",
            "o.*",
        ],
        shut: &[
            "people",
            "everyone",
            "private.orders",
            "\"Orders\"",
            "pg_class",
            "pg_catalog.pg_authid",
            "information_schema.tables",
            "pg_shadow",
            "pg_settings",
            "counter",
            "pg_stat_activity",
            "pg_user",
            "u&\"\\0070eople\"",
            "generate_series(1, 3)",
            "unnest(ARRAY[1])",
            "pg_ls_dir('.')",
            "ROWS FROM (generate_series(1, 2), pg_ls_dir('.'))",
            "json_to_recordset('[]') AS x(a int)",
            "dblink('', '') AS t(a int)",
            "pg_read_file('x')",
            "PEOPLE",
            "t.public.people",
            "\"people\"",
            "people TABLESAMPLE SYSTEM (10)",
            "pg_sleep(0)",
            "nextval('counter')",
            "act()",
            "query_to_xml('SELECT 1', true, true, '')",
            "json_each('{}')",
            "regexp_matches('a', 'b')",
            "string_to_table('a', 'b')",
            "xmltable('/a' PASSING '<a/>' COLUMNS b text)",
            "pg_locks",
            "pg_largeobject",
            "pg_stats",
            "pg_proc",
            "pg_statistic",
            "now()",
            "current_user",
            "pg_prepared_statements",
            "pg_timezone_names",
        ],
        plain: &[
            "1",
            "'x'",
            "NULL",
            "count(*)",
            "max(id)",
            "upper('a')",
            "length('a')",
            "abs(-1)",
            "now()",
            "to_char(now(), 'YYYY')",
            "round(1.5)",
            "substring('abc' from 1 for 2)",
            "nullif(1, 2)",
            "'1'::int",
            "1.5e3",
            "'{}'::jsonb",
            "array_agg(id)",
            "current_date",
            "string_agg('a', ',')",
            "extract(year from now())",
            "'a' || 'b'",
            "row_number() OVER ()",
            "ARRAY[1,2]",
            "ROW(1, 2)",
            "E'a\\nb'",
            "$$a$$",
            "interval '1 day'",
            "date '2020-01-01'",
            "'a' LIKE 'b'",
            "1 = ANY (ARRAY[1])",
            "position('a' in 'b')",
            "trim(both from ' a ')",
            "jsonb_build_object('a', 1)",
            "'people'::regclass",
            "'a' ~ 'b'",
            "1 BETWEEN 0 AND 2",
            "random()",
            "gen_random_uuid()",
            "current_user",
            "generate_series(1, 2)",
            "lower('A') COLLATE \"C\"",
            "to_json(1)",
            "'\\x00'::bytea",
            "1::text::int",
            "md5('a')",
            "B'101'",
            "now() AT TIME ZONE 'UTC'",
            "greatest(1, 2)",
            "true",
            "EXISTS (SELECT 1)",
            "format('%s', 1)",
            "unnest(ARRAY[1])",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY id)",
            "count(*) FILTER (WHERE id > 1)",
        ],
        sharp: &[
            "pg_sleep(0)",
            "set_config('my.own', 'x', false)",
            "set_config('search_path', 'private', true)",
            "pg_read_file('postgresql.conf')",
            "nextval('counter')",
            "setval('counter', 9)",
            "lo_get(77)",
            "lo_unlink(77)",
            "lo_export(77, '/tmp/x')",
            "pg_advisory_lock(1)",
            "pg_notify('a', 'b')",
            "query_to_xml('SELECT * FROM people', true, true, '')",
            "table_to_xml('people', true, true, '')",
            "dblink('', '')",
            "act()",
            "own(1)",
            "1 #@# 2",
            "1 OPERATOR(pg_catalog.+) 2",
            "OPERATOR(public.#@#) 1",
            "1 OPERATOR(public.#@#) 2",
            "pg_terminate_backend(0)",
            "current_setting('data_directory')",
            "row_to_json(orders)",
            "to_jsonb(o)",
            "orders::text",
            "o::text",
            "(SELECT pin FROM people)",
            "pg_catalog.pg_sleep(0)",
            "\"pg_sleep\"(0)",
            "currval('counter')",
            "txid_current()",
            "pg_current_xact_id()",
            "has_table_privilege('people', 'select')",
            "pg_relation_size('people')",
            "database_to_xml(true, true, '')",
            "cursor_to_xml('a', 1, true, true, '')",
            "schema_to_xml('private', true, true, '')",
            "pg_ls_dir('.')",
            "pg_stat_file('x')",
            "lo_import('/etc/passwd')",
            "pg_reload_conf()",
            "setseed(0.5)",
            "pg_get_viewdef('everyone')",
            "obj_description(1, 'pg_class')",
            "ts_stat('SELECT pin::tsvector FROM people')",
            "ts_rewrite('a'::tsquery, 'SELECT 1')",
            "repeat('x', 2000000000)",
            "pg_export_snapshot()",
            "xpath('/a', '<a/>')",
            "xmlparse(document '<a/>')",
            "orders",
            "o",
            "customers",
            "count(orders)",
            "hash_record(o)",
            "json_agg(orders)",
            "pg_get_functiondef('act'::regproc)",
            "inet_server_addr()",
            "array_agg(o)",
            "ROW(o.*)",
            "(orders).*",
            "orders IS NULL",
            "orders = orders",
            "max(orders::text)",
        ],
        acts: &[
            "DELETE FROM orders",
            "INSERT INTO orders(id) VALUES (9)",
            "UPDATE orders SET total = 0",
            "DELETE FROM people",
            "INSERT INTO customers SELECT * FROM people",
            "UPDATE orders SET secret = (SELECT pin FROM people)",
            "UPDATE orders SET total = 0 FROM people",
            "DELETE FROM orders USING people",
            "INSERT INTO people SELECT * FROM customers",
            "UPDATE people SET pin = 'x'",
            "DELETE FROM orders RETURNING *",
            "INSERT INTO orders(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET total = 1",
            "INSERT INTO orders(id) VALUES (nextval('counter'))",
            "UPDATE orders SET total = 1 WHERE CURRENT OF c",
            "UPDATE orders SET secret = 'x'",
            "INSERT INTO orders VALUES (9, 9, 9, 'x')",
            "INSERT INTO orders(id, secret) VALUES (9, 'x')",
            "UPDATE orders SET total = 1 RETURNING *",
            "UPDATE orders SET total = 1 RETURNING secret",
            "INSERT INTO orders(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET secret = 'x'",
            "UPDATE orders SET (total, secret) = (1, 'x')",
            "UPDATE orders o SET total = 1 FROM orders p NATURAL JOIN customers",
            "DELETE FROM orders USING orders o JOIN customers USING (secret)",
            "INSERT INTO orders(id) SELECT id FROM orders WHERE secret = 'x'",
            "MERGE INTO orders USING people ON true WHEN MATCHED THEN DELETE",
            "MERGE INTO orders USING customers ON orders.id = customers.id WHEN MATCHED THEN UPDATE SET total = 1",
            "TRUNCATE orders",
            "DROP TABLE orders",
            "CREATE TABLE x(a int)",
            "CREATE TEMP TABLE x(a int)",
            "CREATE TABLE x AS SELECT * FROM people",
            "SELECT * INTO x FROM people",
            "COPY orders TO STDOUT",
            "COPY people TO '/tmp/x'",
            "COPY orders FROM PROGRAM 'id'",
            "COPY (SELECT * FROM people) TO PROGRAM 'cat'",
            "DO $$ BEGIN DELETE FROM orders; END $$",
            "SET ROLE bastide",
            "SET search_path = private",
            "RESET ALL",
            "SET LOCAL my.own = 'x'",
            "SET SESSION AUTHORIZATION bastide",
            "LISTEN a",
            "NOTIFY a",
            "PREPARE p AS SELECT * FROM people",
            "EXECUTE p",
            "DECLARE c CURSOR FOR SELECT * FROM people",
            "FETCH ALL FROM c",
            "LOCK TABLE orders",
            "VACUUM",
            "ANALYZE orders",
            "COMMIT",
            "ROLLBACK",
            "BEGIN",
            "SAVEPOINT a",
            "GRANT ALL ON orders TO PUBLIC",
            "CALL act()",
            "EXPLAIN ANALYZE DELETE FROM orders",
            "EXPLAIN (ANALYZE) UPDATE orders SET total = 0",
            "EXPLAIN (ANALYZE false) SELECT * FROM people",
            "EXPLAIN SELECT * FROM people",
            "TABLE orders",
            "TABLE people",
            "VALUES (1), (2)",
            "VALUES ((SELECT pin FROM people))",
            "SHOW search_path",
            "SHOW ALL",
            "DISCARD ALL",
            "CHECKPOINT",
            "LOAD 'x'",
            "ALTER SYSTEM SET fsync = off",
            "REINDEX TABLE orders",
            "CLUSTER orders",
            "COMMENT ON TABLE orders IS 'x'",
            "REFRESH MATERIALIZED VIEW v",
            "SECURITY LABEL ON TABLE orders IS 'x'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
            "REASSIGN OWNED BY reads TO writes",
            "UPDATE ONLY orders SET (total, secret) = (SELECT 1, pin FROM people)",
            "INSERT INTO private.orders VALUES (1)",
            "INSERT INTO \"Orders\" VALUES (1)",
            "DELETE FROM ONLY people",
            "WITH d AS (DELETE FROM orders RETURNING *) INSERT INTO orders SELECT * FROM d",
        ],
        before: &[
            "EXPLAIN ",
            "EXPLAIN ANALYZE ",
            "EXPLAIN (ANALYZE) ",
            "EXPLAIN (COSTS off) ",
            "EXPLAIN (ANALYZE, FORMAT json) ",
            "EXPLAIN VERBOSE ",
            "WITH a AS (SELECT 1) ",
            "WITH a AS (DELETE FROM orders RETURNING *) ",
            "/* x */ ",
            "PREPARE p AS ",
            "DECLARE c CURSOR FOR ",
            "CREATE TABLE x AS ",
            "COPY (",
        ],
        behind: &[
            " LIMIT 1",
            " ORDER BY 1",
            " LIMIT 5 OFFSET 1",
            " FOR UPDATE",
            " FOR SHARE",
            " FOR NO KEY UPDATE OF orders",
            " FOR KEY SHARE SKIP LOCKED",
            " ORDER BY (SELECT pin FROM people)",
            " LIMIT (SELECT count(*) FROM people)",
            " GROUP BY 1 HAVING count(*) > 0",
            " WINDOW w AS (ORDER BY id)",
            " FETCH FIRST 1 ROW ONLY",
            " INTO x",
            " OFFSET pg_sleep(0)::text::int",
            " LIMIT ALL",
            " GROUP BY ROLLUP (id)",
            " ORDER BY id USING <",
            " WHERE secret = 'x'",
            " ORDER BY secret",
            " GROUP BY secret",
            " LIMIT nextval('counter')",
        ],
        calls,
    }
}

struct Policy {
    guard: Guard,
    role: &'static str,
    /// Whether rows of its tables may change.
    writes: bool,
}

fn policies() -> Vec<Policy> {
    let policy = |tables: Option<&[&str]>, mode: &str, role, writes| {
        let tables = tables.map(|tables| tables.iter().map(|table| (*table).to_owned()).collect());
        let words = Words { dialect: Some("postgres".into()), mode: Some(mode.into()), tables, ..Words::default() };
        Policy { guard: Guard::new(GuardKind::Sql, &words).unwrap(), role, writes }
    };
    vec![
        policy(Some(&["orders", "customers"]), "read-only", "reads", false),
        policy(Some(&["orders(id, total)", "customers"]), "read-only", "columns", false),
        policy(Some(&["orders", "customers"]), "read-write", "writes", true),
        policy(Some(&["orders(id, total)"]), "read-write", "writes_columns", true),
        policy(None, "read-only", "all_tables", false),
    ]
}

/// What is wrong with what PostgreSQL made of it. A right that is missing is one that the policy did not open.
fn fault(said: &Value) -> Option<String> {
    let changed = said["changed"].as_array().is_none_or(|changed| !changed.is_empty());
    let code = said["code"].as_str().unwrap_or_default();
    // Not permitted; inside or outside of a transaction; no answer.
    (changed || matches!(code, "42501" | "25001" | "25006" | "25P01" | "late" | "none")).then(|| said.to_string())
}

#[test]
fn postgres_does_nothing_else() {
    let Some(peers) = Peers::find() else { return };
    let Some(postgres) = Postgres::start() else { return };
    postgres.tell("postgres", "CREATE DATABASE t");
    postgres.tell("t", SCHEMA);
    let calls: Vec<String> = postgres.tell("t", CALLS).lines().map(str::to_owned).collect();
    assert!(calls.len() > 2_000, "{}", calls.len());
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = Speaker::start(
        Command::new(peers.folder().join("node/node_modules/node/bin/node"))
            .arg(Speaker::script("postgres.mjs"))
            .arg(peers.postgres())
            .args([&postgres.port.to_string(), "t"]),
        folder.path(),
        "postgres",
    );
    let (policies, grammar, mut chance, mut tally) = (policies(), grammar(calls), Chance::new(0x7067), Tally::default());
    let mut ran = 0;
    while tally.cases < cases() {
        let mut allowed = Vec::new();
        while allowed.len() < 300 && tally.cases < cases() {
            let (text, policy) = (grammar.statement(&mut chance), &policies[tally.cases % policies.len()]);
            tally.cases += 1;
            if let Ok(judged) = policy.guard.judge_text(&text, &Lexical) {
                tally.allowed += 1;
                if judged.normal != text && chance.in_hundred(20) {
                    allowed.push((policy, judged.normal));
                }
                allowed.push((policy, text));
            }
        }
        let texts: Vec<Value> =
            allowed.iter().map(|(policy, text)| json!({"role": policy.role, "text": text, "writes": policy.writes})).collect();
        for ((policy, text), said) in allowed.iter().zip(oracle.ask(&texts)) {
            tally.asked += 1;
            ran += usize::from(said["code"] == "ok");
            if let Some(fault) = fault(&said) {
                tally.wrong(format!("{text:?} as {}: {fault}", policy.role));
            }
        }
    }
    println!("postgres: {ran} ran to their end");
    assert!(ran * 3 >= tally.allowed, "too few ran");
    tally.close("sql, PostgreSQL", 20);
}
