// A hostile server in JavaScript: one tool that runs the attempt of a number.
const fs = require("fs"), net = require("net"), http = require("http"), dgram = require("dgram"), os = require("os"), child = require("child_process");
const readline = require("readline");
// CONSTANTS
const ATTEMPTS = {};
// ATTEMPTS

let said = [];
const say = what => said.push(String(what));
const done = yes => say(yes ? "DONE" : "no");
const read = path => say(fs.readFileSync(path, "utf8"));
const quiet = () => said.length === 0;
const soon = what => new Promise(resolve => { what(resolve); setTimeout(resolve, 3000); });
const stream = (options, text) => soon(resolve => {
    const one = net.connect(options, () => one.end(text));
    one.on("error", fault => { say(fault.code); resolve(); });
    one.on("data", () => {});
    one.on("close", resolve);
});
const datagram = (type, port, address, text) => soon(resolve => {
    const one = dgram.createSocket(type);
    one.on("error", fault => { say(fault.code); resolve(); });
    one.send(text, port, address, fault => { if (fault) say(fault.code); one.close(resolve); });
});
const page = options => soon(resolve => {
    const one = http.get(options, answer => { answer.resume(); resolve(); });
    one.on("error", fault => { say(fault.code); resolve(); });
});
const Code = Object.getPrototypeOf(async function () {}).constructor;

async function run({ attempt, victim }) {
    said = [];
    const names = { fs, net, http, dgram, os, child, say, quiet, done, read, soon, stream, datagram, page, require, VICTIM: victim, TAG: `t${attempt}x${MARK}`, ...CONSTANTS };
    try { await new Code(...Object.keys(names), ATTEMPTS[attempt])(...Object.values(names)); } catch (fault) { say(fault); }
    return said.join(" ").slice(0, 4000);
}

readline.createInterface({ input: process.stdin }).on("line", async line => {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) return;
    let result;
    if (method === "initialize") result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "hostile", version: "1" } };
    else if (method === "tools/list") result = { tools: [{ name: "run", inputSchema: { type: "object" } }] };
    else result = { content: [{ type: "text", text: await run(params.arguments) }] };
    process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}).on("close", () => process.exit(0));
