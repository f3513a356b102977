// Drives one legacy session of the TypeScript SDK; steps and answers as in session.py, of which it knows `list` and `call`.
//
// Usage: session.mjs http URL [TOKEN] | session.mjs sse URL [TOKEN] | session.mjs stdio COMMAND [ARGUMENT...]

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const from = createRequire(`${process.env.BASTIDE_PEERS}/node/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

function transport([kind, ...rest]) {
    if (kind === 'stdio') return new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env });
    const headers = rest[1] ? { Authorization: `Bearer ${rest[1]}` } : {};
    if (kind === 'sse') return new SSEClientTransport(new URL(rest[0]), { requestInit: { headers } });
    return new StreamableHTTPClientTransport(new URL(rest[0]), { requestInit: { headers } });
}

async function step(client, plan) {
    try {
        if (plan.list) return { tools: (await client.listTools()).tools.map((tool) => tool.name) };
        const result = await client.callTool({ name: plan.call, arguments: plan.arguments ?? {} });
        const text = (result.content ?? []).filter((block) => block.type === 'text').map((block) => block.text);
        return { error: Boolean(result.isError), text, meta: result._meta ?? {} };
    } catch (fault) {
        return { fault: { code: fault.code ?? null, message: String(fault.message ?? fault) } };
    }
}

const say = (answer) => console.log(JSON.stringify(answer));
const client = new Client({ name: 'e2e-typescript', version: '1.0.0' }, { versionNegotiation: { mode: 'legacy' } });
await client.connect(transport(process.argv.slice(2)));
say({ server: client.getServerVersion()?.name ?? null });
for await (const line of createInterface({ input: process.stdin })) say(await step(client, JSON.parse(line)));
await client.close();
