// A server of the second TypeScript SDK, both eras over HTTP. Usage: two.mjs PORT.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const from = createRequire(`${process.env.BASTIDE_PEERS}/node/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const { McpServer, createMcpHandler, fromJsonSchema } = await load('@modelcontextprotocol/server');
const { toNodeHandler } = await load('@modelcontextprotocol/node');

function made() {
    const server = new McpServer({ name: 'two', version: '1.0.0' });
    const message = fromJsonSchema({ type: 'object', properties: { message: { type: 'string' } }, required: ['message'] });
    const text = (words) => ({ content: [{ type: 'text', text: words }] });
    server.registerTool('echo', { description: 'Gives a message back.', inputSchema: message }, ({ message }) => text(`Echo: ${message}`));
    server.registerTool('hidden', { description: 'Is for nobody.' }, () => text('hidden'));
    return server;
}

createServer(toNodeHandler(createMcpHandler(made))).listen(Number(process.argv[2]), '127.0.0.1');
