//! Every forbidden name, with every separator, in every place of a statement, through
//! every door, at the gate and the real server: what the gate refuses never arrives,
//! and what it lets pass does not reach the canary.

use std::time::{Duration, Instant};

use demo_gate::sql::judge;
use futures::{StreamExt, stream};
use prost::encoding;
use serde_json::{Value, json};

use super::{Front, Socket, bin, execute};

/// Names for nobody, with arguments with which they would work.
const NAMES: [(&str, &str); 20] = [
    ("readfile", "'{canary}'"),
    ("writefile", "'{written}', 'x'"),
    ("fsdir", "'{folder}'"),
    ("lsmode", "33188"),
    ("load_extension", "'{canary}'"),
    ("fts3_tokenizer", "'simple'"),
    ("fts5", "1"),
    ("sha3_query", "'SELECT 1'"),
    ("carray", "1, 1"),
    ("sqlite_dbpage", "'main'"),
    ("sqlite_stmt", ""),
    ("sqlite_log", "1, 'x'"),
    ("sqlite_crypt", "'a', NULL"),
    ("sqlite3mc_config", "'cipher'"),
    ("sqlite3mc_codec_data", "'cipher_salt'"),
    ("replicate", "'a', 3"),
    ("padl", "'a', 3"),
    ("regexp", "'a', 'a'"),
    ("pragma_database_list", ""),
    ("pragma_temp_store_directory", ""),
];

/// Where the name stands: `{name}` with `{arguments}`.
const PLACES: [&str; 22] = [
    "SELECT {name}({arguments})",
    "SELECT * FROM {name}({arguments})",
    "VALUES ({name}({arguments}))",
    "SELECT 1, {name} ({arguments}) AS x",
    "SELECT max(1, {name}({arguments}))",
    "SELECT 1 WHERE x'00' = {name}({arguments})",
    "SELECT CASE WHEN 1 THEN {name}({arguments}) END",
    "SELECT 1 ORDER BY {name}({arguments})",
    "SELECT 1 LIMIT {name}({arguments})",
    "SELECT 1 FROM t JOIN {name}({arguments})",
    "SELECT * FROM t, {name}({arguments})",
    "SELECT * FROM main.{name}({arguments})",
    "SELECT * FROM '{name}'({arguments})",
    "SELECT * FROM ({name}({arguments}))",
    "SELECT \"{name}\"({arguments})",
    "SELECT [{name}]({arguments})",
    "SELECT `{name}`({arguments})",
    "WITH a AS (SELECT {name}({arguments}) AS b) SELECT b FROM a",
    "INSERT INTO t SELECT {name}({arguments})",
    "UPDATE t SET x = {name}({arguments})",
    "CREATE TABLE made (x DEFAULT ({name}({arguments})))",
    "CREATE TRIGGER made AFTER DELETE ON t BEGIN SELECT {name}({arguments}); END",
];

/// What may part a name from what is around it for one of the tokenizers: every byte,
/// and what Unicode calls white space or format.
fn separators() -> Vec<String> {
    let latin = (0..=0xff).filter_map(char::from_u32);
    let wide = [
        0x0600..=0x0605,
        0x061c..=0x061c,
        0x06dd..=0x06dd,
        0x070f..=0x070f,
        0x1680..=0x1680,
        0x180e..=0x180e,
        0x2000..=0x200f,
        0x2028..=0x202f,
        0x205f..=0x206f,
        0x3000..=0x3000,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xfff0..=0xffff,
        0x110bd..=0x110bd,
        0x1bca0..=0x1bca3,
        0x1d173..=0x1d17a,
        0xe0001..=0xe0001,
        0xe0020..=0xe002f,
    ];
    let wide = wide.into_iter().flatten().filter_map(char::from_u32);
    let comments = ["/**/", "-- x\n", "/* ' */", "\u{feff}\u{feff}", " \u{feff} "];
    latin.chain(wide).map(String::from).chain(comments.map(str::to_owned)).collect()
}

/// Before, inside and after.
fn spellings(name: &str, separator: &str) -> [String; 4] {
    let (head, tail) = name.split_at(4);
    [
        format!("{separator}{name}"),
        format!("{head}{separator}{tail}"),
        format!("{name}{separator}"),
        format!("{separator}{name}{separator}"),
    ]
}

/// One way for a statement to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Door {
    Execute,
    Batch,
    Sequence,
    Describe,
    StoreSql,
    Cursor,
    V1Execute,
    V1Batch,
    Root,
    Escaped,
    Protobuf,
    ProtobufCursor,
    Grpc,
    GrpcDescribe,
}

const DOORS: [Door; 14] = [
    Door::Execute,
    Door::Batch,
    Door::Sequence,
    Door::Describe,
    Door::StoreSql,
    Door::Cursor,
    Door::V1Execute,
    Door::V1Batch,
    Door::Root,
    Door::Escaped,
    Door::Protobuf,
    Door::ProtobufCursor,
    Door::Grpc,
    Door::GrpcDescribe,
];

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    encoding::bytes::encode(number, &content.to_vec(), &mut whole);
    whole
}

impl Door {
    /// Path, content type and body.
    fn request(self, sql: &str) -> (&'static str, &'static str, Vec<u8>) {
        let statement = json!({"sql": sql});
        let batch = json!({"steps": [{"stmt": statement}]});
        let closed = |request: Value| {
            json!({"requests": [request, {"type": "close"}]}).to_string().into_bytes()
        };
        let json = "application/json";
        let framed = |message: Vec<u8>| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            [&[0], length.as_slice(), &message].concat()
        };
        match self {
            Self::Execute => ("/v2/pipeline", json, closed(execute(sql))),
            Self::Batch => ("/v3/pipeline", json, closed(json!({"type": "batch", "batch": batch}))),
            Self::Sequence => {
                ("/v3/pipeline", json, closed(json!({"type": "sequence", "sql": sql})))
            }
            Self::Describe => {
                ("/v3/pipeline", json, closed(json!({"type": "describe", "sql": sql})))
            }
            Self::StoreSql => {
                let store = json!({"type": "store_sql", "sql_id": 1, "sql": sql});
                let run = json!({"type": "execute", "stmt": {"sql_id": 1}});
                let body = json!({"requests": [store, run, {"type": "close"}]});
                ("/v3/pipeline", json, body.to_string().into_bytes())
            }
            Self::Cursor => ("/v3/cursor", json, json!({"batch": batch}).to_string().into_bytes()),
            Self::V1Execute => {
                ("/v1/execute", json, json!({"stmt": statement}).to_string().into_bytes())
            }
            Self::V1Batch => ("/v1/batch", json, json!({"batch": batch}).to_string().into_bytes()),
            Self::Root => ("/", json, json!({"statements": [sql]}).to_string().into_bytes()),
            Self::Escaped => {
                let units = sql.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                let sql: String = units.collect();
                let body = format!(
                    r#"{{"requests":[{{"type":"execute","stmt":{{"s\u0071l":"{sql}"}}}},{{"type":"close"}}]}}"#
                );
                ("/v2/pipeline", json, body.into_bytes())
            }
            Self::Protobuf => {
                let execute = field(1, &field(1, sql.as_bytes()));
                let body = [field(2, &field(2, &execute)), field(2, &field(1, &[]))].concat();
                ("/v3-protobuf/pipeline", "application/x-protobuf", body)
            }
            Self::ProtobufCursor => {
                let step = field(2, &field(1, sql.as_bytes()));
                let body = field(2, &field(1, &step));
                ("/v3-protobuf/cursor", "application/x-protobuf", body)
            }
            Self::Grpc => {
                let query = [field(1, sql.as_bytes()), field(2, &[])].concat();
                let program = field(2, &field(1, &field(2, &query)));
                let message = [field(1, b"00000000000000000000000000000001"), program].concat();
                ("/proxy.Proxy/Execute", "application/grpc-web+proto", framed(message))
            }
            Self::GrpcDescribe => {
                let id = field(1, b"00000000000000000000000000000001");
                let message = [id, field(2, sql.as_bytes())].concat();
                ("/proxy.Proxy/Describe", "application/grpc-web+proto", framed(message))
            }
        }
    }
}

struct Reply {
    status: u16,
    grpc: Option<String>,
    body: String,
}

impl Reply {
    /// The gate itself has refused it.
    fn refused(&self) -> bool {
        match &self.grpc {
            // 3: it is not the message of this call; 7: its SQL is forbidden.
            Some(status) => ["3", "7"].contains(&status.as_str()),
            None => {
                self.status == 400 || (self.status == 403 && self.body.contains("sql-forbidden"))
            }
        }
    }
}

const TOGETHER: usize = 12;

/// Sends each of `all` through its door.
fn send(front: &Front, token: &str, all: &[(Door, String)]) -> Vec<Reply> {
    let client = reqwest::Client::new();
    let replies = stream::iter(all).map(|(door, sql)| {
        let (path, kind, body) = door.request(sql);
        let request = client
            .post(format!("http://{}{path}", front.address))
            .header("authorization", format!("Bearer {token}"))
            .header("x-namespace-bin", bin("alpha"))
            .header("content-type", kind)
            .timeout(Duration::from_secs(30))
            .body(body);
        async move {
            let response = request.send().await.unwrap();
            let grpc = response.headers().get("grpc-status");
            let grpc = grpc.map(|status| status.to_str().unwrap().to_owned());
            let status = response.status().as_u16();
            let body = response.bytes().await.unwrap_or_default();
            Reply { status, grpc, body: String::from_utf8_lossy(&body).into_owned() }
        }
    });
    front.runtime.block_on(replies.buffered(TOGETHER).collect())
}

const CANARY: &str = "canary-5d1c-alive";

#[test]
#[allow(clippy::print_stdout, reason = "how much was tried, for whoever asks with --nocapture")]
fn c1_no_forbidden_name_reaches_the_server_however_it_is_spelled() {
    let started = Instant::now();
    let limits = "limits: {perNamespacePerSecond: 1000000, burst: 1000000}\n";
    let front = Front::with(limits);
    let path = |sql: &str| {
        let head = [("x-namespace-bin", bin("alpha"))];
        let head = head.each_ref().map(|(key, value)| (*key, value.as_str()));
        front.pipeline(&front.server, &head, &front.rw("alpha"), &[sql])
    };
    // Beside the database, where the server may read and write whoever it runs as.
    let file = path("SELECT file FROM pragma_database_list").json();
    let file = file["results"][0]["response"]["result"]["rows"][0][0]["value"].clone();
    let folder = file.as_str().unwrap().strip_suffix("/data").unwrap().to_owned();
    let (canary, written) = (format!("{folder}/canary"), format!("{folder}/written"));
    let made = path(&format!("SELECT writefile('{canary}', '{CANARY}')"));
    assert!(made.worked(), "{made:?}");
    let read = format!("SELECT CAST(readfile('{canary}') AS TEXT)");
    let read = || path(&read).text();
    assert!(read().contains(CANARY), "the server reads it: {}", read());

    let filled = |place: &str, name: &str, arguments: &str| {
        let arguments = arguments
            .replace("{canary}", &canary)
            .replace("{written}", &written)
            .replace("{folder}", &folder);
        place.replace("{name}", name).replace("{arguments}", &arguments)
    };
    // All of them by the judgement itself; those that it lets pass, and a part of the
    // others, through each door to the gate.
    let separators = separators();
    let (mut tried, mut passed, mut refused) = (0_usize, Vec::new(), Vec::new());
    for (name, arguments) in NAMES {
        for separator in &separators {
            for (position, spelling) in spellings(name, separator).into_iter().enumerate() {
                for (number, place) in PLACES.into_iter().enumerate() {
                    let sql = filled(place, &spelling, arguments);
                    tried += 1;
                    let reaches = ["readfile", "writefile", "fsdir"].contains(&name);
                    if judge(sql.as_bytes(), true).is_ok() {
                        // Anything visible may make another name, or an expression, of it.
                        let visible = separator.contains(|letter: char| letter.is_ascii_graphic());
                        assert!(position == 1 || visible, "the name is there as it is: {sql:?}");
                        if reaches && number == 0 {
                            passed.push(sql);
                        }
                    } else if tried.is_multiple_of(if reaches { 97 } else { 997 }) {
                        refused.push(sql);
                    }
                }
            }
        }
    }
    let doors = |all: &[String]| -> Vec<(Door, String)> {
        let through = |sql: &String| DOORS.map(|door| (door, sql.clone()));
        all.iter().flat_map(through).collect()
    };
    let token = front.rw("alpha");
    let (passed, refused) = (doors(&passed), doors(&refused));
    for ((door, sql), reply) in passed.iter().zip(send(&front, &token, &passed)) {
        assert!(!reply.body.contains(CANARY), "{door:?} {sql:?}: {}", reply.body);
        assert!(!reply.body.contains("\"canary"), "{door:?} {sql:?}: {}", reply.body);
    }
    for ((door, sql), reply) in refused.iter().zip(send(&front, &token, &refused)) {
        let (status, body) = (reply.status, &reply.body);
        assert!(reply.refused(), "{door:?} {sql:?}: {status} {:?} {body}", reply.grpc);
    }
    let over_sockets = sockets(&front, &token, &filled);
    assert!(read().contains(CANARY), "the canary was written: {}", read());
    let there = path(&format!("SELECT readfile('{written}') IS NULL")).text();
    assert!(there.contains("\"value\":\"1\""), "a file was written: {there}");
    assert!(path("SELECT 1").worked(), "the server is gone");
    let requests = passed.len() + refused.len() + over_sockets;
    println!(
        "differential: {} names x {} separators x {} positions x {} places = {tried} judged; \
         {requests} of them through {} doors in {:.0} s; 0 canaries touched",
        NAMES.len(),
        separators.len(),
        4,
        PLACES.len(),
        DOORS.len() + 2,
        started.elapsed().as_secs_f64(),
    );
    assert!(tried > 500_000 && requests > 20_000, "{tried} {requests}");
}

/// The same over web sockets: how many were sent.
fn sockets(front: &Front, token: &str, filled: &dyn Fn(&str, &str, &str) -> String) -> usize {
    let mut count = 0;
    let separators = ["", " ", "\u{feff}", "\u{200b}", "/**/", "\u{b}", "\u{a0}"];
    let mut socket = Socket::ready(&front.address, "alpha", token);
    for (name, arguments) in NAMES {
        for separator in separators {
            for place in PLACES {
                let sql = filled(place, &format!("{separator}{name}"), arguments);
                for kind in ["execute", "sequence", "describe"] {
                    let statement = json!({"sql": sql, "want_rows": true});
                    let request = match kind {
                        "execute" => json!({"type": kind, "stream_id": 1, "stmt": statement}),
                        _ => json!({"type": kind, "stream_id": 1, "sql": sql}),
                    };
                    let answer = socket
                        .say(&json!({"type": "request", "request_id": 7, "request": request}));
                    count += 1;
                    assert!(answer.said("response_error"), "{sql:?}: {answer:?}");
                    assert!(answer.text().contains("sql-forbidden"), "{sql:?}: {answer:?}");
                }
            }
        }
    }
    count
}
