"""A queue of RabbitMQ, `log`: amqp_queue.py URL empty makes it, amqp_queue.py URL rows tells what is in it and leaves it there."""

import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
count = channel.queue_declare("log", durable=True).method.message_count
if sys.argv[2] == "empty":
    channel.queue_purge("log")
elif count > 0:
    for method, _, body in channel.consume("log"):
        sys.stdout.write(body.decode())
        count -= 1
        if count == 0:
            break
# What nobody has acknowledged is in the queue again when the connection closes.
connection.close()
