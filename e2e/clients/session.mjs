// Drives one session of the TypeScript SDK; arguments, steps and answers as in session.py, of which it knows `list`, `call`, `subscribe`, `unsubscribe`,
// `listen`, `hush` and `seen`. Of its own: {"end": true} ends the session and gives {"session": ID}, {"challenge": {"url", "token"}} gives {"status",
// "metadata", "scope", "error"} as the SDK reads them.
//
// Usage: session.mjs ABLE ERA http URL [TOKEN] | session.mjs ABLE ERA sse URL [TOKEN] | session.mjs ABLE ERA stdio COMMAND [ARGUMENT...]

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const from = createRequire(`${process.env.BASTIDE_PEERS}/node/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const { Client, SSEClientTransport, StreamableHTTPClientTransport, extractWWWAuthenticateParams } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const seen = [];
let carrier;
let listening;

function transport([kind, ...rest]) {
    if (kind === 'stdio') return new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env });
    const headers = rest[1] ? { Authorization: `Bearer ${rest[1]}` } : {};
    if (kind === 'sse') return new SSEClientTransport(new URL(rest[0]), { requestInit: { headers } });
    return new StreamableHTTPClientTransport(new URL(rest[0]), { requestInit: { headers } });
}

async function call(client, plan) {
    const progress = [];
    const options = { onprogress: (note) => progress.push(note.progress) };
    if (plan.within) options.signal = AbortSignal.timeout(plan.within * 1000);
    try {
        const result = await client.callTool({ name: plan.call, arguments: plan.arguments ?? {} }, options);
        const text = (result.content ?? []).filter((block) => block.type === 'text').map((block) => block.text);
        return { error: Boolean(result.isError), text, meta: result._meta ?? {}, progress };
    } catch (fault) {
        if (options.signal?.aborted) return { gone: true, progress };
        throw fault;
    }
}

async function until(count) {
    for (let turn = 0; turn < 200 && seen.length < count; turn++) await new Promise((done) => setTimeout(done, 50));
    return { seen };
}

async function listen(client, wanted) {
    const filter = { ...(wanted.tools && { toolsListChanged: true }), ...(wanted.uris && { resourceSubscriptions: wanted.uris }) };
    listening = await client.listen(filter);
    return { heard: listening.honoredFilter ?? {} };
}

async function end() {
    const session = carrier.sessionId;
    await carrier.terminateSession();
    return { session };
}

async function challenge({ url, token }) {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(url, { method: 'POST', headers, body: '{}' });
    const { resourceMetadataUrl, scope, error } = extractWWWAuthenticateParams(response);
    return { status: response.status, metadata: resourceMetadataUrl?.href ?? null, scope: scope ?? null, error: error ?? null };
}

async function step(client, plan) {
    try {
        if (plan.list) return { tools: (await client.listTools()).tools.map((tool) => tool.name) };
        if (plan.call) return await call(client, plan);
        if (plan.subscribe) return await client.subscribeResource({ uri: plan.subscribe });
        if (plan.unsubscribe) return await client.unsubscribeResource({ uri: plan.unsubscribe });
        if (plan.listen) return await listen(client, plan.listen);
        if (plan.hush) return (await listening.close()) ?? {};
        if (plan.end) return await end();
        if (plan.challenge) return await challenge(plan.challenge);
        return await until(plan.seen);
    } catch (fault) {
        return { fault: { code: fault.code ?? null, message: String(fault.message ?? fault), data: fault.data ?? null } };
    }
}

const [able, era, ...where] = process.argv.slice(2);
const mode = ['auto', 'legacy'].includes(era) ? era : { pin: era };
const capabilities = able === 'able' ? { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} } : {};
const client = new Client({ name: 'e2e-typescript', version: '1.0.0' }, { capabilities, versionNegotiation: { mode } });
if (able === 'able') {
    client.setRequestHandler('elicitation/create', ({ params }) => {
        seen.push({ elicitation: params.mode ?? 'form', message: params.message });
        if (params.mode === 'url') return { action: 'accept' };
        const filled = { string: 'blue', boolean: true, integer: 3, number: 3.5 };
        const fields = params.requestedSchema.properties;
        const wanted = Object.keys(fields).filter((name) => ['name', 'check', ...(params.requestedSchema.required ?? [])].includes(name));
        return { action: 'accept', content: Object.fromEntries(wanted.map((name) => [name, filled[fields[name].type]])) };
    });
    client.setRequestHandler('sampling/createMessage', ({ params }) => {
        seen.push({ sampling: params.messages[0].content.text });
        return { role: 'assistant', content: { type: 'text', text: 'a sampled answer' }, model: 'tester', stopReason: 'endTurn' };
    });
    client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///tmp', name: 'tmp' }] }));
}
client.setNotificationHandler('notifications/message', ({ params }) => void seen.push({ log: params.level, data: params.data }));
client.setNotificationHandler('notifications/resources/updated', ({ params }) => void seen.push({ updated: params.uri }));
client.setNotificationHandler('notifications/tools/list_changed', () => void seen.push({ changed: 'tools' }));

const say = (answer) => console.log(JSON.stringify(answer));
carrier = transport(where);
await client.connect(carrier);
say({ server: client.getServerVersion()?.name ?? null, revision: client.getNegotiatedProtocolVersion() ?? null });
for await (const line of createInterface({ input: process.stdin })) say(await step(client, JSON.parse(line)));
await client.close();
