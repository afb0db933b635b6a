"""A stream of NATS JetStream: publishes lines and awaits that they are stored; tells and empties it.

jetstream.py URL publish|rows|empty: the stream, and the subject, is `log`. Lines go in portions of at most 100. One
that is not acknowledged in time is published again, with the numbers that its messages had: the server drops those
that it has. So a message is stored once, in order, as long as this process lives.
"""

import asyncio
import itertools
import os
import sys

import nats

PORTION = 100


async def publish(jetstream):
    lines = enumerate(sys.stdin.buffer)
    while portion := list(itertools.islice(lines, PORTION)):
        while True:
            try:
                stored = [
                    await jetstream.publish_async("log", line.rstrip(b"\n"), headers={"Nats-Msg-Id": f"{os.getpid()}-{number}"})
                    for number, line in portion
                ]
                await asyncio.wait_for(asyncio.gather(*stored), timeout=2)
                break
            except Exception as error:
                print(f"jetstream: again: {error!r}", file=sys.stderr)
                await asyncio.sleep(0.2)


async def rows(jetstream):
    count = (await jetstream.stream_info("log")).state.messages
    stored = await jetstream.subscribe("log", ordered_consumer=True)
    for _ in range(count):
        print((await stored.next_msg(timeout=60)).data.decode())


async def empty(jetstream):
    await jetstream.add_stream(name="log", subjects=["log"])
    await jetstream.purge_stream("log")


async def main(url, what):
    async def ignore(_):
        pass

    connection = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=ignore)
    await what(connection.jetstream())
    await connection.close()


asyncio.run(main(sys.argv[1], globals()[sys.argv[2]]))
