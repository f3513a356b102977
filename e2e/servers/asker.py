"""A server of the Python SDK, both eras over HTTP, whose tools do what one test each needs. Usage: asker.py PORT.

What its tools live through it says on standard error, a line each.
"""

import json
import sys

import anyio
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmptyResult,
    InputRequiredResult,
    SamplingMessage,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel

PAGE = "asker://page"
mcp = MCPServer(name="asker", version="1.0.0")


class Form(BaseModel):
    name: str


def say(words):
    print(words, file=sys.stderr, flush=True)


def modern(ctx: Context) -> bool:
    return ctx.protocol_version == "2026-07-28"


def form(message: str) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=Form.model_json_schema()))


def prompt() -> dict:
    return {"messages": [SamplingMessage(role="user", content=TextContent(type="text", text="say hi"))], "max_tokens": 10}


@mcp.tool()
def echo(text: str) -> str:
    """Gives a text back."""
    return text


@mcp.tool()
async def both(ctx: Context) -> str | InputRequiredResult:
    """Asks for a form and a sample at once."""
    say("both")
    if modern(ctx):
        given = ctx.input_responses or {}
        if {"form", "sample"} <= given.keys():
            return f"{given['form'].content['name']}: {given['sample'].content.text}"
        sample = CreateMessageRequest(params=CreateMessageRequestParams(**prompt()))
        return InputRequiredResult(input_requests={"form": form("Who?"), "sample": sample})
    given = {}

    async def fill():
        given["form"] = (await ctx.elicit(message="Who?", schema=Form)).data.name

    async def sample():
        result = await ctx.session.create_message(**prompt(), related_request_id=ctx.request_id)
        given["sample"] = result.content.text

    async with anyio.create_task_group() as group:
        group.start_soon(fill)
        group.start_soon(sample)
    return f"{given['form']}: {given['sample']}"


@mcp.tool()
async def rounds(count: int, ctx: Context) -> str | InputRequiredResult:
    """Asks so often, one after the other."""
    if not modern(ctx):
        say("rounds")
        names = []
        for number in range(1, count + 1):
            try:
                names.append((await ctx.elicit(message=f"Name {number}?", schema=Form)).data.name)
            except BaseException as fault:
                say(f"rounds {number}: {type(fault).__name__}")
                raise
        return " ".join(names)
    names = json.loads(ctx.request_state) if ctx.request_state else []
    say(f"rounds {len(names)}")
    given = ctx.input_responses or {}
    if "name" in given:
        names.append(given["name"].content["name"])
    if len(names) == count:
        return " ".join(names)
    return InputRequiredResult(input_requests={"name": form(f"Name {len(names) + 1}?")}, request_state=json.dumps(names))


@mcp.tool()
async def talk(word: str, steps: int, ctx: Context) -> str:
    """Notes its progress and logs its word with each step."""
    for step in range(1, steps + 1):
        await ctx.report_progress(progress=step, total=steps, message=word)
        await ctx.info(f"{word} {step}")
        await anyio.sleep(0.2)
    return word


@mcp.tool()
async def slow(seconds: float, ctx: Context) -> str:
    """Takes its time, and says when it is not let."""
    say("slow begins")
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        say("slow was cancelled")
        raise
    say("slow ended")
    return "slow"


def grown() -> str:
    """A tool that was not there at first."""
    return "grown"


@mcp.tool()
async def grow(ctx: Context) -> str:
    """Adds a tool, and says so."""
    mcp.add_tool(grown)
    await ctx.notify_tools_changed()
    if not modern(ctx):
        await ctx.session.send_tool_list_changed()
    return "grew"


@mcp.tool()
async def touch(ctx: Context) -> str:
    """Says that the page was updated."""
    await ctx.notify_resource_updated(PAGE)
    for session in list(SUBSCRIBED):
        await session.send_resource_updated(PAGE)
    return "touched"


@mcp.resource(PAGE)
def page() -> str:
    """A page."""
    return "A page about birds."


SUBSCRIBED = set()


async def subscribe(ctx: ServerRequestContext, params: SubscribeRequestParams) -> EmptyResult:
    say(f"subscribe {params.uri}")
    SUBSCRIBED.add(ctx.session)
    return EmptyResult()


async def unsubscribe(ctx: ServerRequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
    say(f"unsubscribe {params.uri}")
    SUBSCRIBED.discard(ctx.session)
    return EmptyResult()


mcp._lowlevel_server.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
mcp._lowlevel_server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
mcp.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
