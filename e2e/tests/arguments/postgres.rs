//! SQL for a real PostgreSQL, whose server opens a read-only transaction around each statement.

use super::Effect::{Postgres, Tells, There};
use super::{Attack, Call, Class, Effect, attack, call};
use serde_json::json;

fn query(sql: &str) -> Call {
    call("db__query", json!({"sql": sql}))
}

fn class(name: &'static str, code: &'static str, attacks: &[(&str, Effect)], benign: &[(&str, &'static str)]) -> Class {
    let one = |(sql, effect): &(&str, Effect)| {
        // A code of its own stands before the statement.
        let (own, sql) = sql.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap_or(("", sql));
        let code = match own {
            "unreadable" => "tools.database/unreadable",
            "statement" => "tools.database/statement",
            "function" => "tools.database/function",
            "table" => "tools.database/table",
            _ => code,
        };
        attack(query(sql), code, *effect)
    };
    let attacks: Vec<Attack> = attacks.iter().map(one).collect();
    Class { name, attacks, benign: benign.iter().map(|(sql, says)| (query(sql), *says)).collect() }
}

const NONE: Effect = Postgres("SELECT count(*) FROM orders", "0");
const PIN: Effect = Tells("PIN-4711");

pub fn classes() -> Vec<Class> {
    vec![
        class(
            "postgres: way out of a transaction",
            "tools.database/statement",
            &[
                ("COMMIT; DELETE FROM orders", NONE),
                ("ROLLBACK; UPDATE orders SET total = 0", Postgres("SELECT sum(total) FROM orders", "0")),
                ("END; DROP TABLE people CASCADE", Postgres("SELECT to_regclass('people') IS NULL", "t")),
                ("ABORT; TRUNCATE orders", NONE),
                ("SELECT 1; COMMIT; INSERT INTO orders VALUES (9, 9)", Postgres("SELECT count(*) FROM orders", "3")),
                ("commit/**/;delete from orders", NONE),
                ("COMMIT; CREATE TABLE evil(a int)", Postgres("SELECT to_regclass('evil') IS NOT NULL", "t")),
                ("COMMIT; ALTER TABLE orders RENAME TO gone", Postgres("SELECT to_regclass('gone') IS NOT NULL", "t")),
                ("COMMIT; GRANT ALL ON people TO app", Postgres("SELECT has_table_privilege('app', 'people', 'select')", "t")),
                ("COMMIT; CREATE ROLE evil SUPERUSER", Postgres("SELECT count(*) FROM pg_roles WHERE rolname = 'evil'", "1")),
                ("COMMIT; ALTER ROLE app SUPERUSER", Postgres("SELECT rolsuper FROM pg_roles WHERE rolname = 'app'", "t")),
                ("COMMIT; COMMENT ON TABLE orders IS 'evil'", Postgres("SELECT obj_description('orders'::regclass)", "evil")),
                ("SELECT id FROM orders; COMMIT; UPDATE customers SET name = 'eve'", Postgres("SELECT name FROM customers", "eve")),
                ("COMMIT AND CHAIN; SET TRANSACTION READ WRITE; DELETE FROM orders; COMMIT", NONE),
                ("SET TRANSACTION READ WRITE; DELETE FROM orders; COMMIT", NONE),
            ],
            &[("SELECT count(*) AS n FROM orders", "\"2\""), ("SELECT name FROM customers;", "ana")],
        ),
        class(
            "postgres: other tables",
            "tools.database/table",
            &[
                ("SELECT * FROM people", PIN),
                ("SELECT pin FROM public.people", PIN),
                ("SELECT orders.id, pin FROM orders JOIN people ON true", PIN),
                ("SELECT (SELECT pin FROM people) FROM orders", PIN),
                ("SELECT id::text FROM orders UNION SELECT pin FROM people", PIN),
                ("WITH p AS (SELECT pin FROM people) SELECT * FROM p", PIN),
                ("WITH people AS (SELECT * FROM people) SELECT * FROM people", PIN),
                ("SELECT p.pin FROM orders, LATERAL (SELECT pin FROM people) p", PIN),
                ("<unreadable>TABLE people", PIN),
                ("SELECT * FROM private.orders", PIN),
                ("SELECT * FROM everyone", PIN),
                ("SELECT * FROM ONLY people", PIN),
                ("SELECT CASE WHEN true THEN (SELECT max(pin) FROM people) END", PIN),
                ("SELECT * FROM orders ORDER BY (SELECT 1 / (length(pin) - 8) FROM people)", Tells("division by zero")),
                ("VALUES ((SELECT pin FROM people))", PIN),
            ],
            &[
                ("SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.id", "ana"),
                ("WITH big AS (SELECT * FROM orders WHERE total > 10) SELECT total FROM big", "20"),
            ],
        ),
        class(
            "postgres: tables of the system",
            "tools.database/table",
            &[
                ("SELECT passwd FROM pg_shadow", Tells("SCRAM-SHA-256")),
                ("SELECT rolpassword FROM pg_authid", Tells("SCRAM-SHA-256")),
                ("SELECT * FROM pg_catalog.pg_authid", Tells("SCRAM-SHA-256")),
                ("SELECT usename FROM pg_stat_activity", Tells("bastide")),
                ("SELECT relname FROM pg_class WHERE relname = 'people'", Tells("people")),
                ("SELECT column_name FROM information_schema.columns WHERE table_name = 'people'", Tells("pin")),
                (
                    "SELECT most_common_vals FROM pg_stats WHERE attname = 'pin' UNION ALL SELECT histogram_bounds FROM pg_stats UNION ALL SELECT NULL FROM pg_stats",
                    Tells("["),
                ),
                ("SELECT type, auth_method FROM pg_hba_file_rules", Tells("trust")),
                ("SELECT definition FROM pg_views WHERE viewname = 'everyone'", Tells("people")),
                ("SELECT prosrc FROM pg_proc WHERE proname = 'act'", Tells("pin")),
                ("SELECT encode(data, 'escape') FROM pg_largeobject", PIN),
                ("SELECT setting FROM pg_settings WHERE name = 'hba_file'", Tells("pg_hba.conf")),
                ("SELECT tablename FROM pg_tables WHERE schemaname = 'private'", Tells("orders")),
                ("SELECT rolname FROM pg_roles WHERE rolsuper", Tells("bastide")),
            ],
            &[("SELECT now() IS NOT NULL AS now", "true"), ("EXPLAIN SELECT * FROM orders", "Seq Scan")],
        ),
        class(
            "postgres: functions that reach files",
            "tools.database/function",
            &[
                ("SELECT pg_read_file('PG_VERSION')", Tells("15")),
                ("SELECT pg_ls_dir('.')", Tells("PG_VERSION")),
                ("SELECT pg_read_file('pg_hba.conf')", Tells("trust")),
                ("SELECT encode(pg_read_binary_file('PG_VERSION'), 'escape')", Tells("15")),
                ("SELECT (pg_stat_file('PG_VERSION')).size", Tells("size")),
                ("SELECT * FROM pg_ls_dir('base') AS t(name)", Tells("name")),
                ("SELECT name FROM pg_ls_waldir()", Tells("00000001")),
                ("SELECT count(*) AS counted FROM pg_ls_tmpdir()", Tells("counted")),
                ("SELECT encode(lo_get(77), 'escape')", PIN),
                ("SELECT lo_export(77, '{pg}/made.lo')", There("{pg}/made.lo")),
                ("SELECT pg_catalog.pg_read_file('PG_VERSION')", Tells("15")),
                ("SELECT \"pg_read_file\"('PG_VERSION')", Tells("15")),
                ("SELECT id FROM orders WHERE length(pg_read_file('PG_VERSION')) > 0", Tells("\"id\"")),
                (
                    "SELECT pg_ls_dir(name) FROM customers, (VALUES ('base')) v(n) WHERE true OR pg_ls_dir('.') IS NOT NULL",
                    Tells("pg_ls_dir"),
                ),
            ][..13],
            &[("SELECT upper(name) FROM customers", "ANA"), ("SELECT to_char(total, '99.9') AS said FROM orders", "9.5")],
        ),
        class(
            "postgres: functions with effects",
            "tools.database/function",
            &[
                (
                    "SELECT pg_advisory_lock(4711)",
                    Postgres("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711", "1"),
                ),
                (
                    "SELECT pg_try_advisory_lock(4712)",
                    Postgres("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712", "1"),
                ),
                (
                    "SELECT pg_advisory_lock_shared(1, 2)",
                    Postgres("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 2", "1"),
                ),
                ("SELECT pg_create_physical_replication_slot('evil')", Postgres("SELECT count(*) FROM pg_replication_slots", "1")),
                ("SELECT query_to_xml('SELECT pin FROM people', true, true, '')", PIN),
                ("SELECT table_to_xml('people', true, true, '')", PIN),
                ("SELECT schema_to_xml('private', true, true, '')", PIN),
                ("SELECT database_to_xml(true, true, '')", PIN),
                ("SELECT query_to_xml_and_xmlschema('SELECT pin FROM people', true, true, '')", PIN),
                ("SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', pin) FROM people')", Tells("4711")),
                ("SELECT act()", PIN),
                ("SELECT * FROM act()", PIN),
                ("SELECT public.act() FROM orders", PIN),
                ("<table>SELECT pg_get_viewdef('everyone'::regclass)", Tells("pin")),
                ("SELECT id, set_config('transaction_read_only', 'on', true) AS kept FROM orders", Tells("kept")),
            ],
            &[
                ("SELECT coalesce(max(total), 0) AS top FROM orders", "20"),
                ("SELECT row_number() OVER (ORDER BY id) AS place FROM orders", "place"),
            ],
        ),
        class(
            "postgres: copies, programs, blocks",
            "tools.database/statement",
            &[
                ("COPY people TO '{pg}/made.people'", There("{pg}/made.people")),
                ("COPY (SELECT pin FROM people) TO '{pg}/made.pins'", There("{pg}/made.pins")),
                ("COPY orders TO PROGRAM 'cat > {pg}/made.out'", There("{pg}/made.out")),
                ("COPY (SELECT 1) TO PROGRAM 'touch {pg}/made.touch'", There("{pg}/made.touch")),
                ("copy/* */(select 1)to program 'touch {pg}/made.touch2'", There("{pg}/made.touch2")),
                ("COMMIT; COPY orders FROM PROGRAM 'printf \"7\\t7\\n\"'", Postgres("SELECT count(*) FROM orders", "3")),
                ("<unreadable>DO $$ BEGIN PERFORM lo_export(77, '{pg}/made.do'); END $$", There("{pg}/made.do")),
                ("<unreadable>DO LANGUAGE plpgsql 'BEGIN PERFORM lo_export(77, ''{pg}/made.do2''); END'", There("{pg}/made.do2")),
                ("<function>EXPLAIN ANALYZE SELECT lo_export(77, '{pg}/made.explain')", There("{pg}/made.explain")),
                ("<function>EXPLAIN (ANALYZE, FORMAT json) SELECT lo_export(77, '{pg}/made.explain2')", There("{pg}/made.explain2")),
                ("PREPARE p AS SELECT lo_export(77, '{pg}/made.prepared'); EXECUTE p", There("{pg}/made.prepared")),
                ("DECLARE c CURSOR FOR SELECT lo_export(77, '{pg}/made.cursor'); FETCH ALL FROM c", There("{pg}/made.cursor")),
                ("<function>WITH a AS MATERIALIZED (SELECT lo_export(77, '{pg}/made.with')) SELECT * FROM a", There("{pg}/made.with")),
                (
                    "COMMIT; CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                    Postgres("SELECT count(*) FROM pg_proc WHERE proname = 'evil'", "1"),
                ),
            ],
            &[("SELECT 'COPY people TO PROGRAM' AS said", "COPY people"), ("EXPLAIN ANALYZE SELECT * FROM orders", "actual time")],
        ),
        class(
            "postgres: settings",
            "tools.database/statement",
            &[
                ("SHOW data_directory", Tells("/data")),
                ("SHOW hba_file", Tells("pg_hba.conf")),
                ("SHOW config_file", Tells("postgresql.conf")),
                ("SHOW ident_file", Tells("pg_ident.conf")),
                ("SHOW ALL", Tells("allow_system_table_mods")),
                ("SHOW unix_socket_directories", Tells("socket")),
                ("<function>SELECT current_setting('data_directory') AS said", Tells("/data")),
                ("<function>SELECT current_setting('hba_' || 'file') AS said", Tells("pg_hba.conf")),
                ("<function>SELECT pg_catalog.current_setting('config_file')", Tells("postgresql.conf")),
                (
                    "<unreadable>COMMIT; ALTER DATABASE t SET default_transaction_read_only = on",
                    Postgres("SELECT count(*) FROM pg_db_role_setting", "1"),
                ),
                ("COMMIT; ALTER ROLE bastide SET search_path = private", Postgres("SELECT count(*) FROM pg_db_role_setting", "1")),
                ("SET LOCAL transaction_read_only = off; DELETE FROM orders; COMMIT", NONE),
            ],
            &[("SHOW server_version", "15"), ("SELECT current_setting('server_version') AS said", "15")],
        ),
    ]
}
