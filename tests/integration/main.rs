//! `demo` as its users run it: the real program, the real server.
//!
//! Every test has a project folder and ports of its own, waits for facts and
//! never for time, and leaves nothing running. `demo-test-support` has the builder.
#![expect(clippy::unwrap_used, reason = "clippy lets tests unwrap, not what they call")]

mod admin_key;
mod architecture;
mod auth_bench;
mod bad_input;
mod command_line;
mod compose_files;
mod confined;
mod credentials;
mod data;
mod embedded;
mod gate;
mod gate_routing;
mod keys_rotate;
mod lifeline;
mod links;
mod logs;
mod mint;
mod namespaces;
mod overload;
mod plan;
mod probe_changed;
mod probe_interrupted;
mod probe_ledger;
mod probe_reports;
mod readme;
mod rejected;
mod rotation;
mod shared_auth;
mod smoke_green;
mod smoke_interrupted;
mod smoke_red;
mod stack;
mod stale_state;
mod supervisor;
mod tenant;
