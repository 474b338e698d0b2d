//! Hrana over WebSocket, as much of it as a refusal needs.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Observation, ProbeContext, Verdict, within};
use demo_base::error::{Fault, Result};
use demo_stack::plan::Interface;

/// What the server is given to say something.
const PATIENCE: Duration = Duration::from_secs(2);

struct Socket(TcpStream);

/// What came from the server.
enum Said {
    Text(Value),
    Close(u16, String),
    /// The connection ended without a close frame.
    Dropped,
    Nothing,
}

impl Socket {
    /// `Err` with the status line when the server does not switch protocols.
    async fn open(address: SocketAddr, host: &str) -> Result<Result<Self, String>> {
        let mut stream = TcpStream::connect(address).await?;
        // The key is the example of RFC 6455; nobody checks the answer to it.
        let hello = format!(
            "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: hrana3\r\n\r\n"
        );
        stream.write_all(hello.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_ended) => break,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head.lines().next().unwrap_or("nothing").to_owned();
        Ok(if line.contains(" 101 ") { Ok(Self(stream)) } else { Err(line) })
    }

    /// One text frame; a client must mask, and a mask of zeros is one.
    async fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        let length = u16::try_from(text.len()).map_err(|_| Fault::failed("too long a frame"))?;
        let mut frame = vec![0x81, 0x80 | 0x7e];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        // It may be gone already; the next receive says so.
        let _sent = self.0.write_all(&frame).await;
        Ok(())
    }

    async fn receive(&mut self) -> Said {
        match within(PATIENCE, self.frame()).await {
            None => Said::Nothing,
            Some(Err(_ended)) => Said::Dropped,
            Some(Ok((0x8, payload))) => {
                let code = match payload.first_chunk::<2>() {
                    Some(bytes) => u16::from_be_bytes(*bytes),
                    None => 1005,
                };
                let reason = payload.get(2..).unwrap_or_default();
                Said::Close(code, String::from_utf8_lossy(reason).into_owned())
            }
            Some(Ok((_, payload))) => {
                Said::Text(serde_json::from_slice(&payload).unwrap_or_default())
            }
        }
    }

    /// Opcode and payload; a server does not mask.
    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.0.read_u8().await? & 0x0f;
        let length = match self.0.read_u8().await? & 0x7f {
            126 => usize::from(self.0.read_u16().await?),
            127 => return Err(std::io::ErrorKind::FileTooLarge.into()),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }
}

impl Said {
    /// The same words in every run.
    fn describe(&self) -> String {
        match self {
            Self::Text(value) => value["type"].as_str().unwrap_or("no type").to_owned(),
            Self::Close(code, reason) => {
                format!("closed with {code} {reason}").trim_end().to_owned()
            }
            Self::Dropped => "dropped".to_owned(),
            Self::Nothing => "silent".to_owned(),
        }
    }
}

/// What the server says to hello and `open_stream`, one word each.
async fn greet(address: SocketAddr, host: &str, token: &str) -> Result<String> {
    let mut socket = match Socket::open(address, host).await? {
        Ok(socket) => socket,
        Err(status) => return Ok(format!("no WebSocket ({status})")),
    };
    socket.send(&json!({ "type": "hello", "jwt": token })).await?;
    let hello = socket.receive().await;
    if !matches!(&hello, Said::Text(_)) {
        return Ok(hello.describe());
    }
    let open = json!({ "type": "open_stream", "stream_id": 0 });
    socket.send(&json!({ "type": "request", "request_id": 0, "request": open })).await?;
    let opened = socket.receive().await;
    Ok(format!("{}, then {}", hello.describe(), opened.describe()))
}

pub(super) async fn refusals(context: &ProbeContext<'_>) -> Result<Observation> {
    let stack = context.namespaced().await?;
    let (own, other) =
        (context.namespace(&stack, "own").await?, context.namespace(&stack, "other").await?);
    let nobody = context.name("nobody")?;
    let token = stack.token_with(&json!({ "a": "rw", "id": own.as_str() }))?;
    let address = stack.address("primary", Interface::Http)?;
    let ask = async |host: String| greet(address, &host, token.expose_secret()).await;
    let right = ask(format!("{own}.localhost")).await?;
    let wrong = ask(format!("{other}.localhost")).await?;
    let missing = ask(format!("{nobody}.localhost")).await?;
    let explained = |said: &str| said.contains("error") || said.contains("no WebSocket");
    let verdict = if explained(&wrong) && explained(&missing) {
        Verdict::AsDocumented
    } else {
        Verdict::Differs
    };
    let finding = format!("own namespace: {right}; another: {wrong}; one that is not: {missing}");
    Ok(Observation::new(verdict, finding).saw("hello and open_stream on another namespace", wrong))
}
