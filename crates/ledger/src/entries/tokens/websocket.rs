//! As much of a WebSocket client as one probe needs (RFC 6455, Hrana 2).

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::within;
use demo_base::error::{Fault, Result};
use demo_sqld::namespace::NamespaceName;

/// For one answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// The last frame of a message, of text.
const FINAL_TEXT: u8 = 0x81;
/// The other side ends the conversation.
const CLOSE: u8 = 0x88;
/// What a client sends is masked; with zeros it stays as it is.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0; 4];
/// Instead of a length: it follows in two bytes.
const LENGTH_16: u8 = 0x7e;
/// Instead of a length: it follows in eight bytes.
const LENGTH_64: u8 = 0x7f;

/// A conversation with one stream open.
pub(in crate::entries) struct Socket {
    stream: TcpStream,
    requests: u32,
}

impl Socket {
    /// Shakes hands, says hello with `token` and opens a stream.
    ///
    /// # Errors
    /// When the server does not play along.
    pub(in crate::entries) async fn open(
        address: SocketAddr,
        namespace: &NamespaceName,
        token: &SecretString,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut socket = Self { stream, requests: 0 };
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {namespace}.localhost:{}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: hrana2\r\n\r\n",
            address.port()
        );
        socket.stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(in_time(socket.stream.read_u8()).await?);
        }
        let answer = String::from_utf8_lossy(&answer);
        if !answer.starts_with("HTTP/1.1 101 ") {
            let line = answer.lines().next().unwrap_or_default().to_owned();
            return Err(Fault::failed("the server makes no WebSocket").because(line).into());
        }
        let hello = json!({ "type": "hello", "jwt": token.expose_secret() });
        let welcome = socket.say(&hello).await?;
        if welcome["type"] != "hello_ok" {
            return Err(Fault::failed("the hello was refused").because(welcome.to_string()).into());
        }
        socket.request(json!({ "type": "open_stream", "stream_id": 1 })).await?;
        Ok(socket)
    }

    /// Runs a statement; how it was answered, in few words.
    ///
    /// # Errors
    /// When the server does not answer in time. A refusal and a socket that the
    /// server has closed are answers.
    pub(in crate::entries) async fn execute(&mut self, sql: &str) -> Result<String> {
        let statement = json!({ "sql": sql, "want_rows": false });
        let request = json!({ "type": "execute", "stream_id": 1, "stmt": statement });
        let answer = self.request(request).await?;
        Ok(match answer["type"].as_str() {
            Some("response_ok") => "ok".to_owned(),
            _ => answer.to_string(),
        })
    }

    async fn request(&mut self, request: Value) -> Result<Value> {
        self.requests += 1;
        let id = self.requests;
        self.say(&json!({ "type": "request", "request_id": id, "request": request })).await
    }

    async fn say(&mut self, message: &Value) -> Result<Value> {
        let text = message.to_string();
        let mut frame = vec![FINAL_TEXT];
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(length @ 0..=125), _) => frame.push(MASKED | length),
            (_, Ok(length)) => {
                frame.push(MASKED | LENGTH_16);
                frame.extend(length.to_be_bytes());
            }
            _ => return Err(Fault::failed("a message of 64 KiB and more").into()),
        }
        frame.extend(MASK);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await?;
        in_time(self.hear()).await
    }

    async fn hear(&mut self) -> std::io::Result<Value> {
        loop {
            let kind = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                LENGTH_16 => u64::from(self.stream.read_u16().await?),
                LENGTH_64 => self.stream.read_u64().await?,
                short => u64::from(short),
            };
            let mut body = Vec::new();
            (&mut self.stream).take(length).read_to_end(&mut body).await?;
            match kind {
                FINAL_TEXT => return Ok(serde_json::from_slice(&body)?),
                CLOSE => return Ok(json!({ "type": "closed by the server" })),
                // A ping; the server goes on without its answer for long enough.
                _ => {}
            }
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    match within(DEADLINE, answer).await {
        Some(answer) => Ok(answer?),
        None => Err(Fault::failed("the WebSocket does not answer").into()),
    }
}
