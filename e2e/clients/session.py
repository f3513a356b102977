"""Drives one legacy session of the Python SDK from a plan on standard input.

Usage: session.py http URL [TOKEN] | session.py stdio COMMAND [ARGUMENT...]

The plan is JSON: a list of {"list": true} or {"call": NAME, "arguments": {...}} steps. The answer is one JSON line:
{"server": NAME, "steps": [...]}; a step gives {"tools": [...]}, {"error": bool, "text": [...], "meta": {...}} or {"fault": {"code", "message"}}.
"""

import asyncio
import contextlib
import json
import sys

import httpx2 as httpx
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


def target(stack, arguments):
    kind, *rest = arguments
    if kind == "stdio":
        return StdioServerParameters(command=rest[0], args=rest[1:])
    headers = {"Authorization": f"Bearer {rest[1]}"} if len(rest) > 1 else {}
    http = httpx.AsyncClient(headers=headers, trust_env=False, timeout=30)
    stack.push_async_callback(http.aclose)
    return streamable_http_client(rest[0], http_client=http)


async def step(client, plan):
    try:
        if "list" in plan:
            listed = await client.list_tools()
            return {"tools": [tool.name for tool in listed.tools]}
        result = await client.call_tool(plan["call"], plan.get("arguments", {}))
        text = [block.text for block in result.content if getattr(block, "text", None) is not None]
        return {"error": bool(result.is_error), "text": text, "meta": result.meta or {}}
    except Exception as fault:
        detail = getattr(fault, "error", None)
        return {"fault": {"code": getattr(detail, "code", None), "message": str(fault)}}


async def main():
    plan = json.load(sys.stdin)
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(target(stack, sys.argv[1:]), mode="legacy"))
        steps = [await step(client, entry) for entry in plan]
        print(json.dumps({"server": client.server_info.name if client.server_info else None, "steps": steps}))


asyncio.run(main())
