"""Drives one session of the Python SDK: a step a line on standard input, its outcome a line on standard output.

Usage: session.py ABLE ERA http URL [TOKEN] | session.py ABLE ERA sse URL [TOKEN] | session.py ABLE ERA stdio COMMAND [ARGUMENT...]

ABLE is `able` or `unable`. One that is able can be asked: it accepts forms, samples, has a root, wants logs, and notes what it was asked and told.
ERA is `auto`, `legacy` or a revision without a handshake.

The first line is {"server": NAME, "revision": REVISION}. The steps and what they give:
  {"list": true}                                     {"tools": [...]}
  {"call": NAME, "arguments": {...}, "within": S}    {"error": bool, "text": [...], "meta": {...}, "progress": [...]}, after S seconds {"gone": true}
  {"calls": [...]}                                   {"calls": [...]}: steps of calls, all at once
  {"read": URI}                                      {"text": [...]}
  {"resources": true}                                {"uris": [...]}
  {"subscribe": URI} and {"unsubscribe": URI}        {}
  {"listen": {"tools": bool, "uris": [...]}}         {"heard": {...}}: what is honoured; what is told is seen later
  {"hush": true}                                     {}: the subscription ends
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


FILLED = {"string": "blue", "boolean": True, "integer": 3, "number": 3.5}


async def elicit(_, params):
    SEEN.append({"elicitation": getattr(params, "mode", "form"), "message": params.message})
    if getattr(params, "mode", "form") == "url":
        return types.ElicitResult(action="accept")
    fields = params.requested_schema.get("properties", {})
    wanted = {"name", "check", *params.requested_schema.get("required", [])} & fields.keys()
    return types.ElicitResult(action="accept", content={name: FILLED[fields[name]["type"]] for name in wanted})


async def roots(_):
    SEEN.append({"roots": True})
    return types.ListRootsResult(roots=[types.Root(uri="file:///tmp", name="tmp")])


async def told(params):
    SEEN.append({"log": params.level, "data": params.data})


async def heard(message):
    match getattr(message, "method", None):
        case "notifications/resources/updated":
            SEEN.append({"updated": str(message.params.uri)})
        case "notifications/tools/list_changed":
            SEEN.append({"changed": "tools"})


class Listening:
    """A subscription that is held beside the steps."""

    def __init__(self, client, filter):
        self.client, self.filter = client, filter
        self.begun, self.task = asyncio.get_running_loop().create_future(), None

    async def hold(self):
        try:
            async with self.client.listen(**self.filter) as stream:
                self.begun.set_result(stream.honored)
                async for event in stream:
                    SEEN.append({"told": type(event).__name__, "uri": str(getattr(event, "uri", ""))})
                SEEN.append({"told": "end"})
        except Exception as fault:
            if self.begun.done():
                SEEN.append({"told": "lost"})
            else:
                self.begun.set_exception(fault)

    async def begin(self):
        self.task = asyncio.create_task(self.hold())
        return (await self.begun).model_dump(mode="json", exclude_none=True)

    async def end(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


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
            case "calls":
                return {"calls": await asyncio.gather(*(step(client, one) for one in plan["calls"]))}
            case "listen":
                wanted = plan["listen"]
                filter = {"tools_list_changed": wanted.get("tools", False), "resource_subscriptions": wanted.get("uris", [])}
                client.listening = Listening(client, filter)
                return {"heard": await client.listening.begin()}
            case "hush":
                await client.listening.end()
                return {}
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
    able, era, kind, *rest = sys.argv[1:]
    abilities = {}
    if able == "able":
        abilities = {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots, "log_level": "debug"}
    async with contextlib.AsyncExitStack() as stack:
        where = target(stack, kind, rest)
        client = Client(where, mode=era, logging_callback=told, message_handler=heard, **abilities)
        await stack.enter_async_context(client)
        say({"server": client.server_info.name if client.server_info else None, "revision": client.protocol_version})
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await step(client, json.loads(line)))


asyncio.run(main())
