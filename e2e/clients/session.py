"""Drives one legacy session of the Python SDK: a step a line on standard input, its outcome a line on standard output.

Usage: session.py [able] http URL [TOKEN] | session.py [able] sse URL [TOKEN] | session.py [able] stdio COMMAND [ARGUMENT...]

With `able` the client can be asked: it accepts forms, samples, has a root, and notes what it was asked and told.

The first line is {"server": NAME}. The steps and what they give:
  {"list": true}                                     {"tools": [...]}
  {"call": NAME, "arguments": {...}, "within": S}    {"error": bool, "text": [...], "meta": {...}, "progress": [...]}, after S seconds {"gone": true}
  {"read": URI}                                      {"text": [...]}
  {"resources": true}                                {"uris": [...]}
  {"subscribe": URI} and {"unsubscribe": URI}        {}
  {"seen": N}                                        {"seen": [...]}, as soon as there are N, or after ten seconds
What fails gives {"fault": {"code", "message"}}.
"""

import asyncio
import contextlib
import json
import sys

import anyio
import httpx2 as httpx
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

SEEN = []


def target(stack, kind, rest):
    if kind == "stdio":
        return StdioServerParameters(command=rest[0], args=rest[1:])
    headers = {"Authorization": f"Bearer {rest[1]}"} if len(rest) > 1 else {}
    if kind == "sse":
        return sse_client(rest[0], headers=headers, timeout=30)
    http = httpx.AsyncClient(headers=headers, trust_env=False, timeout=30)
    stack.push_async_callback(http.aclose)
    return streamable_http_client(rest[0], http_client=http)


async def sample(_, params):
    SEEN.append({"sampling": params.messages[0].content.text})
    content = types.TextContent(type="text", text="a sampled answer")
    return types.CreateMessageResult(role="assistant", content=content, model="tester", stop_reason="endTurn")


async def elicit(_, params):
    SEEN.append({"elicitation": getattr(params, "mode", "form"), "message": params.message})
    if getattr(params, "mode", "form") == "url":
        return types.ElicitResult(action="accept")
    return types.ElicitResult(action="accept", content={"name": "Ana", "check": True})


async def roots(_):
    SEEN.append({"roots": True})
    return types.ListRootsResult(roots=[types.Root(uri="file:///tmp", name="tmp")])


async def told(params):
    SEEN.append({"log": params.level})


async def heard(message):
    method = getattr(message, "method", None)
    if method == "notifications/resources/updated":
        SEEN.append({"updated": str(message.params.uri)})


def text_of(blocks):
    return [block.text for block in blocks if getattr(block, "text", None) is not None]


async def call(client, plan):
    progress = []

    async def note(done, _total, _message):
        progress.append(done)

    with anyio.move_on_after(plan.get("within")):
        result = await client.call_tool(plan["call"], plan.get("arguments", {}), progress_callback=note)
        return {
            "error": bool(result.is_error),
            "text": text_of(result.content),
            "meta": result.meta or {},
            "progress": progress,
            "types": [block.type for block in result.content],
        }
    return {"gone": True, "progress": progress}


async def step(client, plan):
    try:
        match next(key for key in plan if key not in ("arguments", "within")):
            case "list":
                return {"tools": [tool.name for tool in (await client.list_tools()).tools]}
            case "call":
                return await call(client, plan)
            case "read":
                return {"text": text_of((await client.read_resource(plan["read"])).contents)}
            case "resources":
                return {"uris": [str(found.uri) for found in (await client.list_resources()).resources]}
            case "subscribe":
                await client.subscribe_resource(plan["subscribe"])
                return {}
            case "unsubscribe":
                await client.unsubscribe_resource(plan["unsubscribe"])
                return {}
            case "seen":
                for _ in range(200):
                    if len(SEEN) >= plan["seen"]:
                        break
                    await asyncio.sleep(0.05)
                return {"seen": SEEN}
            case other:
                return {"fault": {"code": None, "message": f"no such step: {other}"}}
    except Exception as fault:
        detail = getattr(fault, "error", None)
        return {"fault": {"code": getattr(detail, "code", None), "message": str(fault), "data": getattr(detail, "data", None)}}


def say(answer):
    print(json.dumps(answer), flush=True)


async def main():
    words = sys.argv[1:]
    able = words[0] == "able"
    kind, *rest = words[1:] if able else words
    abilities = {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots} if able else {}
    async with contextlib.AsyncExitStack() as stack:
        where = target(stack, kind, rest)
        client = Client(where, mode="legacy", logging_callback=told, message_handler=heard, **abilities)
        await stack.enter_async_context(client)
        say({"server": client.server_info.name if client.server_info else None})
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await step(client, json.loads(line)))


asyncio.run(main())
