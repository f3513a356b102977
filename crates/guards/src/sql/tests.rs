use super::*;
use proptest::prelude::*;

const PG: Dialect = Dialect::Postgres;

fn judge(policy: &Policy, sql: &str) -> Result<Judged, Reason> {
    policy.judge(sql).map_err(|refused| refused.reason)
}

fn reads(dialect: Dialect, sql: &str) -> Result<String, Reason> {
    judge(&Policy::new(dialect), sql).map(|judged| judged.normal)
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn reading_passes() {
    for sql in [
        "SELECT 1",
        "select a, b from t where c = 'x' and d in (1,2,3) order by 1 desc limit 5 offset 2;",
        "SELECT DISTINCT ON (a) a FROM t",
        "SELECT t.*, count(*) OVER (PARTITION BY a) FROM t",
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 9) SELECT * FROM a",
        "SELECT * FROM a LEFT JOIN b USING (id) WHERE EXISTS (SELECT 1 FROM c WHERE c.id = a.id)",
        "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM t",
        "SELECT a::int, b::jsonb ->> 'x', c[1] FROM t",
        "SELECT date_trunc('day', ts), sum(x) FILTER (WHERE y) FROM t GROUP BY 1 HAVING sum(x) > 2",
        "SELECT string_agg(a, ',' ORDER BY a) FROM t",
        "VALUES (1), (2)",
        "SHOW server_version",
        "EXPLAIN SELECT 1",
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM t",
        "SELECT $1, $2",
        "SELECT $q$a;b$q$",
        "SELECT E'it\\'s'",
        "SELECT 'C:\\dir'",
        "SELECT 'delete from t; drop table t'",
        "SELECT \"drop\" FROM \"table\"",
        "-- drop\nSELECT /* delete */ 1",
        "SELECT a FROM t; -- end",
        "SELECT now() - interval '1 day'",
        "SELECT * FROM generate_series(1, 10) AS g",
        "SELECT unnest(ARRAY[1,2])",
        "SELECT extract(year FROM d) FROM t",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM t",
        "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
        "SELECT pg_catalog.lower(a) FROM t",
        "SELECT * FROM t TABLESAMPLE SYSTEM (10)",
        "SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) c",
        "SELECT 'ünï' || '日本'",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT a FROM information_schema.tables",
        "SELECT coalesce(nullif(a, ''), 'x') AS \"Ü\" FROM t",
        "SELECT * FROM updates WHERE \"delete\" = 1",
    ] {
        assert!(reads(PG, sql).is_ok(), "{sql}: {:?}", reads(PG, sql));
    }
    for sql in [
        "SELECT `a` FROM `t` LIMIT 5, 10",
        "# note\nSELECT 1",
        "SHOW TABLES",
        "SHOW CREATE TABLE t",
        "SHOW COLUMNS FROM t",
        "SHOW DATABASES",
        "DESCRIBE t",
        "EXPLAIN SELECT 1",
        "SELECT 'it\\'s', \"a\"",
        "SELECT 1 -- x",
        "SELECT DATE_FORMAT(a, '%Y'), GROUP_CONCAT(b SEPARATOR ';') FROM t GROUP BY 1",
        "SELECT 1--1",
        "SELECT IF(a, 1, 2), IFNULL(b, 0) FROM t",
        "SELECT @@version",
        "SELECT '/*! x */'",
        "SHOW VARIABLES LIKE 'a%'",
        "SELECT JSON_EXTRACT(a, '$.b') FROM t",
    ] {
        assert!(reads(Dialect::MySql, sql).is_ok(), "{sql}: {:?}", reads(Dialect::MySql, sql));
    }
    for sql in [
        "SELECT * FROM sqlite_master",
        "PRAGMA table_info(t)",
        "PRAGMA database_list",
        "EXPLAIN QUERY PLAN SELECT 1",
        "SELECT [a] FROM t",
        "SELECT json_extract(a, '$.b'), datetime('now') FROM t WHERE a LIKE 'x%' LIMIT 3",
    ] {
        assert!(reads(Dialect::Sqlite, sql).is_ok(), "{sql}: {:?}", reads(Dialect::Sqlite, sql));
    }
    for sql in ["SELECT a FROM t WHERE b = 'x' ORDER BY a", "SELECT count(*) FROM t GROUP BY a"] {
        assert!(reads(Dialect::Ansi, sql).is_ok(), "{sql}: {:?}", reads(Dialect::Ansi, sql));
    }
}

#[test]
fn whatever_does_more_is_refused() {
    for sql in [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "TRUNCATE t",
        "DROP TABLE t",
        "CREATE TABLE t (a int)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t (a int)",
        "ALTER TABLE t ADD a int",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION x",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON t (a)",
        "GRANT ALL ON t TO u",
        "REVOKE ALL ON t FROM u",
        "COPY t FROM PROGRAM 'id'",
        "COPY t TO '/x'",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "COPY t FROM STDIN",
        "COPY (SELECT 1) TO STDOUT",
        "DO $$ BEGIN END $$",
        "CALL f()",
        "SET x = 1",
        "SET ROLE a",
        "SET SESSION AUTHORIZATION a",
        "RESET ALL",
        "BEGIN",
        "COMMIT",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "DEALLOCATE a",
        "LISTEN a",
        "NOTIFY a",
        "VACUUM",
        "ANALYZE t",
        "LOCK TABLE t",
        "DISCARD ALL",
        "CLUSTER t",
        "REINDEX TABLE t",
        "REFRESH MATERIALIZED VIEW v",
        "COMMENT ON TABLE t IS 'x'",
        "SECURITY LABEL ON TABLE t IS 'x'",
        "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "LOAD 'x'",
        "CHECKPOINT",
        "DECLARE a CURSOR FOR SELECT 1",
        "FETCH a",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a",
        "WITH a AS (INSERT INTO b VALUES (1) RETURNING *) SELECT * FROM a",
        "WITH a AS (UPDATE b SET c = 1 RETURNING *) TABLE a",
        "WITH a AS (SELECT 1) DELETE FROM b",
        "WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a",
        "SELECT * FROM (WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a) c",
        "SELECT a INTO b FROM c",
        "SELECT * INTO TEMP b FROM c",
        "SELECT 1 FOR UPDATE",
        "SELECT * FROM t FOR SHARE NOWAIT",
        "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (ANALYZE) UPDATE t SET a = 1",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE t",
        ";",
        "",
        "  ",
        "-- x",
        "SELECT pg_sleep(1)",
        "SELECT PG_SLEEP(1)",
        "SELECT pg_catalog.pg_sleep(1)",
        "SELECT \"pg_sleep\"(1)",
        "SELECT * FROM pg_sleep(1)",
        "SELECT 1 WHERE pg_sleep(1) IS NULL",
        "SELECT 1 ORDER BY pg_sleep(1)",
        "SELECT 1 LIMIT pg_sleep(1)",
        "SELECT set_config('a', 'b', false)",
        "SELECT pg_read_file('x')",
        "SELECT * FROM pg_ls_dir('.')",
        "SELECT lo_import('x')",
        "SELECT lo_export(1, 'x')",
        "SELECT dblink('a', 'b')",
        "SELECT * FROM dblink('a', 'b') AS t(a int)",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT b, c FROM d')",
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        "SELECT nextval('s')",
        "SELECT setval('s', 1)",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_reload_conf()",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT f(1)",
        "SELECT public.lower('a')",
        "SELECT my.count(a) FROM t",
        "SELECT (SELECT f())",
        "SELECT count(f(a)) FROM t",
        "SELECT CASE WHEN f() THEN 1 END",
        "SELECT a FROM t GROUP BY f(a)",
        "SELECT a FROM t WINDOW w AS (ORDER BY f(a))",
        "SELECT sum(a) FILTER (WHERE f()) FROM t",
        "SELECT a OPERATOR(s.+) b FROM t",
        "SELECT repeat('a', 100000000)",
        "SELECT repeat('a', 9999 * 9999)",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM pg_shadow",
        "SELECT rolpassword FROM pg_catalog.pg_authid",
        "SELECT * FROM \"pg_authid\"",
        "TABLE pg_shadow",
        "S/**/ELECT 1; DE/**/LETE FROM a",
        "SELECT 1 /* /* */ */",
        "SELECT 1 /*! UNION SELECT 2 */",
        "SELECT 'a\\'; DROP TABLE t; --'",
        "SELECT 1 -- x\rDROP TABLE t",
        "SELECT\0 1",
        "SELECT \u{202e}1",
        "\\! id",
        "SELECT 1 \\g | id",
        "SELECT 'abc",
        "SELECT (1",
        "SELEC 1",
        "SELECT 1 UNION",
        "DELETE",
        "SHOW TABLES; DROP TABLE t",
        "PRAGMA table_info(t)",
        "ATTACH DATABASE 'x' AS y",
    ] {
        assert!(reads(PG, sql).is_err(), "{sql}");
    }
    for sql in [
        "SELECT a FROM t INTO OUTFILE '/x'",
        "SELECT a INTO OUTFILE '/x' FROM t",
        "SELECT a INTO DUMPFILE '/x' FROM t",
        "SELECT a INTO @x FROM t",
        "SELECT @a := 1",
        "SELECT SLEEP(9)",
        "SELECT BENCHMARK(9, 1)",
        "SELECT LOAD_FILE('/x')",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
        "REPLACE INTO t VALUES (1)",
        "HANDLER t OPEN",
        "/*!50000 DROP TABLE t */",
        "SELECT /*!50000 SLEEP(9) */ 1",
        "SELECT 1 /*!UNION SELECT a FROM b*/",
        "/*M!100100 DELETE FROM t */",
        "SELECT /*+ SET_VAR(sql_mode='') */ 1",
        "SELECT 1 FROM t FOR UPDATE",
        "SELECT 1 FROM t LOCK IN SHARE MODE",
        "SELECT 1 PROCEDURE ANALYSE()",
        "SELECT GET_LOCK('a', 9)",
        "SELECT sys_exec('id')",
        "SELECT * FROM mysql.user",
        "SELECT * FROM `mysql`.`user`",
        "SET GLOBAL a = 1",
        "FLUSH TABLES",
        "KILL 1",
        "INSTALL PLUGIN a SONAME 'b'",
        "RENAME TABLE a TO b",
        "LOCK TABLES t READ",
        "DO SLEEP(1)",
        "XA START 'a'",
        "CREATE USER a",
        "UNLOCK TABLES",
        "SHUTDOWN",
        "USE mysql",
        "SELECT \"a\\\" \"",
        "SELECT 1; DROP TABLE t",
        "system id",
        "DELIMITER //",
        "SOURCE x",
        "OPTIMIZE TABLE t",
        "SELECT 1 # x\n; DROP TABLE t",
        "ANALYZE TABLE t",
        "CALL p()",
        "HELP 'x'",
        "CHANGE MASTER TO a = 1",
        "PREPARE a FROM 'DROP TABLE t'",
        "EXECUTE a",
        "TRUNCATE t",
        "SELECT UpdateXML(1, 2, 3)",
    ] {
        assert!(reads(Dialect::MySql, sql).is_err(), "{sql}");
    }
    for sql in [
        "ATTACH DATABASE 'x' AS y",
        "ATTACH 'x' AS y",
        "DETACH y",
        "SELECT load_extension('x')",
        "SELECT writefile('a', 'b')",
        "SELECT readfile('a')",
        "SELECT edit('a')",
        "SELECT fts3_tokenizer('a')",
        "SELECT randomblob(9)",
        "SELECT zeroblob(9)",
        "PRAGMA writable_schema = 1",
        "PRAGMA writable_schema",
        "PRAGMA journal_mode = OFF",
        "PRAGMA journal_mode(off)",
        "PRAGMA temp_store_directory = '/x'",
        "PRAGMA user_version = 1",
        "PRAGMA query_only = 0",
        "VACUUM INTO '/x'",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        ".shell id",
        ".read x",
        "BEGIN",
        "REPLACE INTO t VALUES (1)",
        "INSERT OR REPLACE INTO t VALUES (1)",
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE a USING b",
        "SELECT printf('%.1000000000c', 'x')",
    ] {
        assert!(reads(Dialect::Sqlite, sql).is_err(), "{sql}");
    }
}

#[test]
fn tables_are_those_that_are_listed() {
    let tables = |entries: &[&str]| Policy::new(PG).tables(&strings(entries)).unwrap();
    let policy = tables(&["orders", "sales.orders", "hr.*"]);
    for sql in [
        "SELECT * FROM orders",
        "SELECT * FROM ORDERS o",
        "SELECT * FROM public.orders",
        "SELECT * FROM \"orders\"",
        "SELECT * FROM sales.orders, hr.people",
        "WITH x AS (SELECT * FROM orders) SELECT * FROM x JOIN orders USING (id)",
        "SELECT 1",
        "SHOW server_version",
        "WITH orders AS (SELECT * FROM orders) SELECT * FROM orders",
        "WITH RECURSIVE x AS (SELECT 1 UNION SELECT 1 FROM x) SELECT * FROM x",
        "SELECT * FROM generate_series(1, 2)",
        "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
        "WITH x AS (WITH y AS (SELECT 1) SELECT * FROM y) SELECT * FROM x",
    ] {
        assert!(judge(&policy, sql).is_ok(), "{sql}: {:?}", judge(&policy, sql));
    }
    for sql in [
        "SELECT * FROM people",
        "SELECT * FROM orders, people",
        "SELECT * FROM orders WHERE id IN (SELECT id FROM people)",
        "SELECT (SELECT name FROM people LIMIT 1)",
        "SELECT * FROM orders UNION SELECT * FROM people",
        "WITH x AS (SELECT * FROM people) SELECT * FROM x",
        "WITH people AS (SELECT * FROM people) SELECT * FROM people",
        "SELECT * FROM (WITH people AS (SELECT 1) SELECT * FROM people) x, people",
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM \"Orders\"",
        "SELECT * FROM other.orders",
        "SELECT * FROM db.sales.orders",
        "TABLE people",
        "SELECT * FROM pg_class",
        "SELECT * FROM information_schema.tables",
        "EXPLAIN SELECT * FROM people",
        "SELECT * FROM orders JOIN LATERAL (SELECT * FROM people) p ON true",
        "SELECT ARRAY(SELECT name FROM people)",
        "SELECT 1 ORDER BY (SELECT name FROM people)",
        "SELECT 1 LIMIT (SELECT 1 FROM people)",
        "SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM people)) FROM orders",
        "VALUES ((SELECT name FROM people))",
        "SELECT * FROM pg_shadow",
    ] {
        assert!(judge(&policy, sql).is_err(), "{sql}");
    }
    let mysql = Policy::new(Dialect::MySql).tables(&strings(&["orders"])).unwrap();
    for (sql, passes) in [
        ("SHOW CREATE TABLE orders", true),
        ("SHOW CREATE TABLE people", false),
        ("SHOW COLUMNS FROM people", false),
        ("DESCRIBE people", false),
        ("DESCRIBE orders", true),
        ("SHOW INDEX FROM people", false),
        ("SELECT 1 FROM DUAL", true),
        ("SELECT * FROM Orders", false),
        ("SELECT * FROM db.orders", false),
    ] {
        assert_eq!(judge(&mysql, sql).is_ok(), passes, "{sql}");
    }
    let sqlite = Policy::new(Dialect::Sqlite).tables(&strings(&["orders"])).unwrap();
    for (sql, passes) in [
        ("PRAGMA table_info(orders)", true),
        ("PRAGMA table_info(people)", false),
        ("SELECT * FROM Orders", true),
        ("SELECT * FROM main.orders", true),
        ("SELECT * FROM sqlite_master", false),
    ] {
        assert_eq!(judge(&sqlite, sql).is_ok(), passes, "{sql}");
    }
    for bad in ["", "a b", "a;b", "*", "a.", "a(", "a(b c)"] {
        assert!(Policy::new(PG).tables(&strings(&[bad])).is_err(), "{bad}");
    }
    assert!(Policy::new(PG).tables(&[]).is_err());
}

#[test]
fn columns_are_those_that_are_listed() {
    let policy = Policy::new(PG).tables(&strings(&["people(id, name)", "orders"])).unwrap();
    for sql in [
        "SELECT id, name FROM people",
        "SELECT p.ID FROM people p WHERE p.name = 'x'",
        "SELECT count(*) FROM people",
        "SELECT * FROM orders",
        "SELECT total FROM orders",
    ] {
        assert!(judge(&policy, sql).is_ok(), "{sql}: {:?}", judge(&policy, sql));
    }
    for sql in [
        "SELECT * FROM people",
        "SELECT p.* FROM people p",
        "SELECT salary FROM people",
        "SELECT id FROM people WHERE salary > 1",
        "SELECT id FROM people ORDER BY salary",
        "SELECT p FROM people p",
        "SELECT id FROM people GROUP BY p.salary",
        "SELECT o.total, p.salary FROM orders o JOIN people p ON o.id = p.id",
        "SELECT row_to_json(p) FROM people p",
        "SELECT salary FROM (SELECT salary FROM people) x",
        "SELECT id AS salary FROM people WHERE salary > 1",
    ] {
        assert!(judge(&policy, sql).is_err(), "{sql}");
    }
}

#[test]
fn no_other_column_comes_in_by_a_join_a_row_or_another_name() {
    let policy = Policy::new(PG).tables(&strings(&["orders(id, total)", "customers"])).unwrap();
    for sql in [
        "SELECT id FROM orders NATURAL JOIN customers",
        "SELECT id FROM orders JOIN customers USING (secret)",
        "SELECT d FROM orders AS o(a, b, c, d)",
        "SELECT total FROM orders AS o(id, a, b, total)",
        "SELECT id FROM orders o WHERE o.* IS NOT NULL",
        "SELECT count(o.*) FROM orders o",
        "SELECT row_to_json(o) FROM orders o",
        "WITH a AS (SELECT 1) SELECT id FROM (orders NATURAL JOIN customers)",
    ] {
        assert_eq!(judge(&policy, sql), Err(Reason::SqlColumn), "{sql}");
    }
    for sql in
        ["SELECT o.id, count(*) FROM orders o JOIN customers USING (id) GROUP BY o.id", "SELECT id FROM orders JOIN customers ON true"]
    {
        assert!(judge(&policy, sql).is_ok(), "{sql}");
    }
    let writing = policy.mode(Mode::ReadWrite);
    for sql in [
        "INSERT INTO orders VALUES (1, 2, 'x')",
        "INSERT INTO orders(id, secret) VALUES (1, 'x')",
        "UPDATE orders SET secret = 'x'",
        "UPDATE orders SET total = 1 RETURNING *",
        "DELETE FROM orders RETURNING orders.*",
        "INSERT INTO orders(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET secret = 'x'",
    ] {
        assert_eq!(judge(&writing, sql), Err(Reason::SqlColumn), "{sql}");
    }
    for sql in [
        "INSERT INTO orders(id, total) VALUES (1, 2)",
        "UPDATE orders SET total = 1 WHERE id = 2 RETURNING id",
        "DELETE FROM orders WHERE id = 1",
    ] {
        assert!(judge(&writing, sql).is_ok(), "{sql}");
    }
}

#[test]
fn settings_and_other_tables_are_not_told_by_functions() {
    for sql in ["SHOW data_directory", "SHOW ALL", "SHOW app.jwt_secret"] {
        assert_eq!(reads(PG, sql), Err(Reason::SqlStatement), "{sql}");
    }
    for sql in [
        "SELECT current_setting('primary_conninfo')",
        "SELECT current_setting('app.jwt')",
        "SELECT current_setting('data_' || 'directory')",
    ] {
        assert_eq!(reads(PG, sql), Err(Reason::SqlFunction), "{sql}");
    }
    assert!(reads(PG, "SELECT current_setting('server_version')").is_ok() && reads(PG, "SELECT pg_relation_size('people')").is_ok());
    let listed = Policy::new(PG).tables(&strings(&["orders"])).unwrap();
    assert_eq!(judge(&listed, "SELECT pg_relation_size('people')"), Err(Reason::SqlTable));
    let lite = Policy::new(Dialect::Sqlite).tables(&strings(&["orders"])).unwrap();
    assert_eq!(judge(&lite, "PRAGMA table_list"), Err(Reason::SqlTable));
    assert_eq!(judge(&lite, "EXPLAIN ANALYZE SELECT id FROM orders"), Err(Reason::SqlStatement));
}

#[test]
fn writing_is_rows_only() {
    let policy = Policy::new(PG).mode(Mode::ReadWrite).tables(&strings(&["orders"])).unwrap();
    for (sql, operation) in [
        ("SELECT * FROM orders", Operation::Read),
        ("INSERT INTO orders VALUES (1)", Operation::Write),
        ("UPDATE orders SET a = 1 WHERE b = 2", Operation::Write),
        ("DELETE FROM orders WHERE b = 2", Operation::Delete),
        ("WITH a AS (DELETE FROM orders RETURNING *) SELECT * FROM a", Operation::Delete),
        ("INSERT INTO orders SELECT * FROM orders ON CONFLICT DO NOTHING", Operation::Write),
    ] {
        assert_eq!(judge(&policy, sql).map(|judged| judged.operation), Ok(Some(operation)), "{sql}");
    }
    for sql in [
        "INSERT INTO people VALUES (1)",
        "INSERT INTO orders SELECT * FROM people",
        "UPDATE people SET a = 1",
        "UPDATE orders SET a = (SELECT x FROM people)",
        "DELETE FROM people",
        "DELETE FROM orders USING people",
        "UPDATE orders SET a = f()",
        "INSERT INTO orders VALUES (pg_sleep(1))",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "COPY orders FROM PROGRAM 'id'",
        "GRANT ALL ON orders TO x",
        "CREATE TABLE x (a int)",
        "SET a = 1",
        "DELETE FROM orders RETURNING f()",
        "MERGE INTO orders USING orders o ON true WHEN MATCHED THEN DELETE",
    ] {
        assert!(judge(&policy, sql).is_err(), "{sql}");
    }
}

#[test]
fn rows_are_limited() {
    let limited = |dialect, sql: &str| judge(&Policy::new(dialect).rows(100), sql).map(|judged| judged.replace);
    for (sql, expected) in [
        ("SELECT a FROM t", Some("SELECT a FROM t\nLIMIT 100")),
        ("SELECT a FROM t; -- end", Some("SELECT a FROM t\nLIMIT 100")),
        ("SELECT a FROM t -- LIMIT 5", Some("SELECT a FROM t\nLIMIT 100")),
        ("SELECT a FROM t LIMIT 100", None),
        ("SELECT a FROM t LIMIT 5 OFFSET 9", None),
        ("SELECT a FROM t OFFSET 5", Some("SELECT a FROM t OFFSET 5\nLIMIT 100")),
        (
            "SELECT a FROM t UNION SELECT b FROM (SELECT * FROM u LIMIT 9) x",
            Some("SELECT a FROM t UNION SELECT b FROM (SELECT * FROM u LIMIT 9) x\nLIMIT 100"),
        ),
        ("SELECT a FROM t FETCH FIRST 9 ROWS ONLY", None),
        ("SHOW server_version", None),
        ("SELECT 'é' -- ü", Some("SELECT 'é'\nLIMIT 100")),
    ] {
        assert_eq!(limited(PG, sql), Ok(expected.map(str::to_owned)), "{sql}");
    }
    assert_eq!(limited(Dialect::Ansi, "SELECT a FROM t"), Ok(Some("SELECT a FROM t\nFETCH FIRST 100 ROWS ONLY".to_owned())));
    assert_eq!(limited(Dialect::MySql, "SELECT a FROM t LIMIT 5, 50"), Ok(None));
    for sql in [
        "SELECT a FROM t LIMIT 101",
        "SELECT a FROM t LIMIT ALL",
        "SELECT a FROM t LIMIT 1 + 1",
        "SELECT a FROM t LIMIT $1",
        "SELECT a FROM t FETCH FIRST 9 ROWS WITH TIES",
        "SELECT a FROM t FETCH FIRST 200 ROWS ONLY",
    ] {
        assert_eq!(
            limited(PG, sql).map(|replace| replace.is_some()),
            if sql.contains("ALL") { Ok(true) } else { Err(Reason::SqlRows) },
            "{sql}"
        );
    }
    assert_eq!(limited(Dialect::MySql, "SELECT a FROM t LIMIT 5, 500"), Err(Reason::SqlRows));
}

#[test]
fn values_may_have_to_be_parameters() {
    let policy = Policy::new(PG).literals(Literals::Parameters);
    for sql in ["SELECT a FROM t WHERE b = $1 LIMIT 5", "SELECT a FROM t WHERE b IS NULL AND c = true"] {
        assert!(judge(&policy, sql).is_ok(), "{sql}: {:?}", judge(&policy, sql));
    }
    for sql in ["SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 4", "SELECT a FROM t WHERE b = $1 OR 1 = 1", "SELECT $$x$$"] {
        assert_eq!(judge(&policy, sql).map(drop), Err(Reason::SqlInline), "{sql}");
    }
}

#[test]
fn functions_can_be_opened_by_name() {
    let policy = Policy::new(PG).functions(&strings(&["my.score", "rank_of"]));
    assert!(judge(&policy, "SELECT my.score(a), RANK_OF(b) FROM t").is_ok());
    assert!(judge(&policy, "SELECT score(a) FROM t").is_err() && judge(&policy, "SELECT other.rank_of(b) FROM t").is_err());
}

#[test]
fn several_statements_are_each_judged() {
    let policy = Policy::new(PG).statements(Statements::Several);
    assert!(judge(&policy, "SELECT 1; SELECT 2;").is_ok() && judge(&policy, "SELECT 1; DROP TABLE t").is_err());
}

/// A stack as small as those that calls are judged on.
fn small_stack(judge: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(judge).unwrap().join().unwrap();
}

#[test]
fn deep_and_long_texts_are_refused_in_time() {
    small_stack(|| {
        for (at, deep) in [
            format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
            format!("SELECT {}1{}", "(".repeat(23), ")".repeat(23)),
            format!("SELECT {}", "(".repeat(23)),
            format!("SELECT * FROM {}t{}", "(".repeat(23), ")".repeat(23)),
            format!("SELECT * FROM {}", "(".repeat(23)),
            format!("SELECT * FROM {} t", "(SELECT * FROM ".repeat(22)),
            format!("SELECT {}1", "NOT ".repeat(1_490)),
            format!("SELECT {}1", "- ".repeat(1_490)),
            format!("SELECT 1{}", " + 1".repeat(1_490)),
            format!("SELECT 1{}", " OR 1".repeat(1_490)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(740)),
            format!("SELECT a{}", "::int".repeat(740)),
            format!("SELECT a{}", "[1]".repeat(490)),
            format!("SELECT a{}", " IS NULL".repeat(740)),
            format!("SELECT a{}", " COLLATE x".repeat(740)),
            format!("SELECT a{}", " AT TIME ZONE b".repeat(370)),
            format!("SELECT {}1{}", "CASE WHEN 1 THEN ".repeat(350), " END".repeat(350)),
            format!("SELECT {}1{}", "if(".repeat(23), ")".repeat(23)),
            format!("SELECT {}1{}", "f(1, ".repeat(23), ")".repeat(23)),
            format!("SELECT {}1{}", "ARRAY[".repeat(23), "]".repeat(23)),
            format!("{}SELECT 1", "EXPLAIN ".repeat(1_400)),
            format!("{}SELECT 1{}", "WITH a AS (".repeat(22), ") SELECT 1".repeat(22)),
            format!("SELECT * FROM t{}", " JOIN t ON 1".repeat(370)),
            format!("SELECT * FROM {}t{}", "(t JOIN ".repeat(22), " ON 1)".repeat(22)),
            format!("SELECT 1 WHERE a IN ({}1)", "1,".repeat(9_000)),
            format!("SELECT '{}'", "x".repeat(60_000)),
            format!("SELECT {}", "a.".repeat(9_000)),
            format!("SELECT {}", "\"".repeat(1_001)),
            format!("/*{}", "/*".repeat(1_000)),
            format!("SELECT {}1{}", "x -> ".repeat(740), ""),
            format!("SELECT {}", "a BETWEEN b AND ".repeat(490)),
            format!("SELECT {}1", "EXISTS (SELECT ".repeat(22)),
            "SELECT 1;".repeat(6_000),
            "x".repeat(70_000),
        ]
        .into_iter()
        .enumerate()
        {
            println!("text {at}: {}", deep.chars().take(40).collect::<String>());
            for dialect in Dialect::ALL {
                for policy in [Policy::new(dialect), Policy::new(dialect).rows(5).tables(&strings(&["t"])).unwrap()] {
                    let _ = policy.judge(&deep);
                }
            }
        }
    });
}

#[test]
fn chains_of_every_length_fit() {
    small_stack(|| {
        for length in (1..400).step_by(if cfg!(debug_assertions) { 13 } else { 1 }) {
            let repeated = |text: &str| text.repeat(length);
            for sql in [
                format!("SELECT {}1", repeated("NOT ")),
                format!("SELECT 1{}", repeated(" OR 1")),
                format!("SELECT 1{}", repeated(" UNION SELECT 1")),
                format!("SELECT a{}", repeated("::int")),
                format!("SELECT a{}", repeated("[1]")),
                format!("SELECT {}1{}", repeated("CASE WHEN 1 THEN "), repeated(" END")),
                format!("{}SELECT 1", repeated("EXPLAIN ")),
                format!("SELECT * FROM t{}", repeated(" JOIN t ON 1")),
                format!("SELECT {}1", repeated("x -> ")),
                format!("SELECT {}1", repeated("a BETWEEN b AND ")),
            ] {
                for dialect in [Dialect::Postgres, Dialect::Sqlite] {
                    let _ = Policy::new(dialect).rows(5).judge(&sql);
                }
            }
        }
        for depth in 1..23 {
            let repeated = |text: &str| text.repeat(depth);
            for sql in [
                format!("SELECT {}1{}", repeated("("), repeated(")")),
                format!("SELECT * FROM {}t{}", repeated("(SELECT * FROM "), repeated(") x")),
                format!("SELECT {}1{}", repeated("f(1, "), repeated(")")),
                format!("{}SELECT 1{}", repeated("WITH a AS ("), repeated(") SELECT 1")),
                format!("SELECT * FROM {}t{}", repeated("(t JOIN "), repeated(" ON 1)")),
                format!("SELECT {}1{}", repeated("EXISTS (SELECT "), repeated(")")),
            ] {
                for dialect in Dialect::ALL {
                    let _ = Policy::new(dialect).rows(5).judge(&sql);
                }
            }
        }
    });
}

proptest! {
    #[test]
    fn the_normal_form_is_fixed(sql in "SELECT (a|b|1|'x'|count\\(\\*\\)|\"q\"|lower\\(a\\))(, (c|2|-1|NULL))?( FROM (t|u AS v|t, u|\\(SELECT 1\\) z))?( WHERE a (=|<|LIKE|IS NOT) (1|'y'|NULL))?( ORDER BY 1)?( LIMIT 5)?( -- x|;)?") {
        for dialect in Dialect::ALL {
            if let Ok(normal) = reads(dialect, &sql) {
                prop_assert_eq!(reads(dialect, &normal), Ok(normal.clone()));
            }
        }
    }

    #[test]
    fn nothing_panics_and_nothing_writes(parts in proptest::collection::vec(proptest::sample::select(vec![
        "SELECT", "DELETE FROM", "UPDATE", "INSERT INTO", "t", "FROM", "WHERE", "WITH a AS (", ")", "(", ";", "'", "\"", "`", "$$", "/*", "*/", "--", "\n", "1", ",", "SET", "x", "=", "DROP TABLE", "#", "\\", "é", "RETURNING", "*", "UNION", "INTO", "VALUES", "[", "]", "COPY", "TO", "E'", "LIMIT",
    ]), 0..14)) {
        let sql = parts.join(" ");
        for dialect in Dialect::ALL {
            if let Ok(judged) = Policy::new(dialect).judge(&sql) {
                prop_assert_eq!(judged.operation, Some(Operation::Read));
            }
        }
    }
}
