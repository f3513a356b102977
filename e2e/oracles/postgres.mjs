// What PostgreSQL makes of a statement: a list of { role, text } a line in, for each what it did out.
//
// Each runs in a transaction of its own that is undone, as a role that has the tables of its policy and nothing else, nor any function that PostgreSQL
// itself calls volatile but those that only draw a number or tell the time. Arguments: the folder of the driver, the port, the database.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [driver, port, database] = process.argv.slice(2);
const { Client } = createRequire(`${driver}/`)("pg");
const clients = new Map();

const STATE = `SELECT concat_ws('|', pg_current_xact_id_if_assigned(), current_user, session_user, current_setting('search_path'),
  current_setting('statement_timeout'), current_setting('transaction_read_only'), current_setting('standard_conforming_strings'), current_setting('row_security'),
  current_setting('my.own', true), (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
  (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype IN ('advisory', 'tuple') OR mode NOT IN ('AccessShareLock', 'ExclusiveLock') AND pid = pg_backend_pid())) AS state`;

async function client(role) {
  const known = clients.get(role);
  if (known) return known;
  const made = new Client({ host: "127.0.0.1", port: Number(port), database, user: role });
  made.on("error", () => clients.delete(role));
  await made.connect();
  await made.query("SET statement_timeout = '3s'");
  await made.query("BEGIN");
  made.before = (await made.query(STATE)).rows[0].state;
  await made.query("ROLLBACK");
  clients.set(role, made);
  return made;
}

async function drop(role) {
  const known = clients.get(role);
  clients.delete(role);
  try { await known?.end(); } catch { /* it is gone */ }
}

async function run({ role, text, writes }) {
  const one = await client(role);
  let said;
  try {
    await one.query("BEGIN");
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "late" })), 8000); });
    const result = await Promise.race([one.query({ text, rowMode: "array" }), late]).finally(() => clearTimeout(timer));
    const all = [result].flat();
    said = { code: "ok", commands: all.map((one) => one.command), rows: Math.max(...all.map((one) => one.rows.length)) };
  } catch (error) {
    said = { code: error.code ?? "none", message: String(error.message).slice(0, 200) };
  }
  if (said.code === "late" || !clients.has(role)) {
    await drop(role);
    return { ...said, changed: ["no answer: it waits, copies, or ended the connection"] };
  }
  const changed = [];
  try {
    // Behind a mistake the transaction only answers with another; where it was ended by the statement there is none.
    const after = said.code === "ok" ? (await one.query(STATE)).rows[0].state : null;
    const [was, is] = [one.before.split("|"), after?.split("|") ?? []];
    if (after !== null && after !== one.before && !writes) changed.push(`${was} became ${is}`);
    const left = (await one.query("SAVEPOINT here").catch((error) => error)).code;
    if (left === "25P01") changed.push("the transaction was ended");
    await one.query("ROLLBACK");
  } catch (error) {
    changed.push(String(error.message));
    await drop(role);
  }
  return { ...said, changed };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = [];
  for (const one of JSON.parse(line)) answers.push(await run(one));
  process.stdout.write(JSON.stringify(answers) + "\n");
}
