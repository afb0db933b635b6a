//! hwm before the programs that people put behind it: PostgreSQL, Redis, NATS, RabbitMQ, Mosquitto, rsyslog and
//! Kafka's client. Real servers on loopback, each started and stopped by its test, with its data in a temporary
//! folder. The servers stop for a while, die and come back; clients are killed; the rows that the engine has at
//! the end must be those of hwm's account.
//!
//! cases     what is done to an engine        judge     what must be true of its rows
//! records   what goes in                     run       hwm, its producer and its events
//! server    a server's processes             the rest  an engine each: its server, its client, its rows
//!
//! NATS and RabbitMQ are asked through the Python modules nats-py and pika; `.ci/run` puts them where
//! `PYTHONPATH=target/python` finds them.
//!
//! Run it with `--nocapture` to see what each client lost of its own when it was killed.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod judge;
mod kafka;
mod mosquitto;
mod nats;
mod postgresql;
mod rabbitmq;
mod records;
mod redis;
mod rsyslog;
mod run;
mod server;
