//! The key that the server is started with, in every form that people write it.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde_json::json;

use super::super::tokens::answers::{judge, outcome};
use crate::{Area, Ended, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::keys::SigningKey;
use demo_sqld::token;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;

/// Why the probes of refused files are left out on Docker.
const EXIT: Engines = Engines::NativeOnly("it looks at the exit code of the server binary itself");
const KEY_FILE: &str = "SQLD_AUTH_JWT_KEY_FILE";
/// A key that nobody has: made for this probe, its private half thrown away.
const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdIdBUtnKUTQ5R5VnoUc4HnUWq
joPFI1NY4aSO+L1jKR/w5hL/qIDW0pMNpKf65ntVpE7v5q/bMQ9gf8qgBISmzJvG
psfhG1xFdvg2al7uoHBRcaiid/51Z5rsMU3LD0yOSmXvWjZ7MbmAm9I+GwUdrYeI
bhOxt4H3i9YhB4zbaQIDAQAB
-----END PUBLIC KEY-----
";

/// For the forms that the server accepts.
const TAKEN_SOURCE: &str = "flag help, --auth-jwt-key-file";
const TAKEN_WHY: &str = "A server that cannot read its key does not start, or refuses everybody";
const TAKEN_HOW: &str = "Starts a server with a new key in this form and sends it a token signed \
                         with that key";
/// For the forms that people expect the server to accept.
const EXPECTED_SOURCE: &str = "assumption; flag help, --auth-jwt-key-file";
const EXPECTED_WHY: &str =
    "The server does not start, and its message mentions base64 instead of the file";
const EXPECTED_HOW: &str = "The server binary is started with such a file";
const MITIGATION: &str =
    "Use the PEM that `openssl pkey -pubout` writes, or what `demo setup` makes";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "key-file-pem",
        claim: "The key file may be an Ed25519 public key as PEM",
        source: TAKEN_SOURCE,
        area: Area::Operations,
        why: TAKEN_WHY,
        mitigation: MITIGATION,
        how: TAKEN_HOW,
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            alone(context, |key| key.public().to_pem(), "PEM").await
        }),
    },
    Probe {
        id: "key-file-base64url",
        claim: "The key file may be the 32 bytes in URL-safe base64",
        source: TAKEN_SOURCE,
        area: Area::Operations,
        why: TAKEN_WHY,
        mitigation: MITIGATION,
        how: TAKEN_HOW,
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            alone(context, base64url, "43 characters of base64url").await
        }),
    },
    Probe {
        id: "key-in-the-environment",
        claim: "The key may be in SQLD_AUTH_JWT_KEY itself",
        source: TAKEN_SOURCE,
        area: Area::Operations,
        why: TAKEN_WHY,
        mitigation: MITIGATION,
        how: "A server with the key in SQLD_AUTH_JWT_KEY and without a file gets a token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let key = SigningKey::generate()?;
            let text = base64url(&key);
            let stack = context
                .own(Variants::DEFAULT, |plan, _| {
                    plan.services.retain(|service| service.name == "primary");
                    for service in &mut plan.services {
                        service.environment.remove(KEY_FILE);
                        service.environment.insert("SQLD_AUTH_JWT_KEY".to_owned(), text.clone());
                    }
                    Ok(())
                })
                .await?;
            let answers = (ask(&stack, &key).await?, ask(&stack, &SigningKey::generate()?).await?);
            context.discard(&stack).await?;
            Ok(judge_taken(&format!("{} and {}", answers.0, answers.1), "SQLD_AUTH_JWT_KEY"))
        }),
    },
    Probe {
        id: "key-file-base64-newline",
        claim: "A base64 key file may end with a newline",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(
                context,
                |key| format!("{}\n", base64url(key)),
                "a base64 key with a newline",
                Verdict::Undocumented,
            )
            .await
        }),
    },
    Probe {
        id: "key-file-base64-padded",
        claim: "A base64 key file may be padded with `=`",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(
                context,
                |key| format!("{}=", base64url(key)),
                "a base64 key with padding",
                Verdict::Undocumented,
            )
            .await
        }),
    },
    Probe {
        id: "key-file-standard-base64",
        claim: "A key file may be in standard base64",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(
                context,
                standard_base64,
                "a key in the standard base64 alphabet",
                Verdict::AsDocumented,
            )
            .await
        }),
    },
    Probe {
        id: "key-file-leading-line",
        claim: "A PEM file may begin with an empty line",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(
                context,
                |key| format!("\n{}", key.public().to_pem()),
                "a PEM after an empty line",
                Verdict::Undocumented,
            )
            .await
        }),
    },
    Probe {
        id: "key-file-private-key",
        claim: "A private key works as well as a public one",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(
                context,
                |key| key.to_pem().expose_secret().to_owned(),
                "a private key",
                Verdict::AsDocumented,
            )
            .await
        }),
    },
    Probe {
        id: "key-file-rsa",
        claim: "Tokens may be signed with RSA, as most providers do",
        source: EXPECTED_SOURCE,
        area: Area::Operations,
        why: EXPECTED_WHY,
        mitigation: MITIGATION,
        how: EXPECTED_HOW,
        engines: EXIT,
        check: &Probe::check(async |context| {
            refused(context, |_| RSA_PUBLIC.to_owned(), "an RSA public key", Verdict::AsDocumented)
                .await
        }),
    },
    Probe {
        id: "key-file-empty-locks-everybody-out",
        claim: "The server does not start with an empty key file",
        source: "assumption",
        area: Area::Operations,
        why: "A secret that was not filled in shows as 401 to every client instead of an error at \
              startup",
        mitigation: "Check that the file is not empty before the start",
        how: "A server with an empty file gets a valid token, and a request without one",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = with_key_file(context, "").await?;
            let with = ask(&stack, &SigningKey::generate()?).await?;
            let without = outcome(&stack.anonymous("primary", None)?.execute("SELECT 1").await?);
            context.discard(&stack).await?;
            let answers = format!("{with} and {without}");
            let known = [
                (
                    "401 and 401",
                    Verdict::Undocumented,
                    "with an empty key file the server starts and answers 401 to everybody",
                ),
                ("200 and 200", Verdict::Weakness, "with an empty key file the server is open"),
            ];
            Ok(judge(&answers, &known).saw("an empty file: a token, no token", answers))
        }),
    },
    Probe {
        id: "key-file-several-keys",
        claim: "One file may hold several keys, and tokens of all of them are accepted",
        source: "flag help, --auth-jwt-key-file",
        area: Area::Operations,
        why: "It makes key rotation possible without locking clients out",
        mitigation: "Add the new key, restart, change the tokens, remove the old key, restart",
        how: "A server with two PEMs in its file gets a token of each, and one of a third key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let keys = [SigningKey::generate()?, SigningKey::generate()?];
            let text = keys.each_ref().map(|key| key.public().to_pem()).concat();
            let stack = with_key_file(context, &text).await?;
            let (first, second) = (ask(&stack, &keys[0]).await?, ask(&stack, &keys[1]).await?);
            let third = ask(&stack, &SigningKey::generate()?).await?;
            context.discard(&stack).await?;
            let answers = format!("{first}, {second}, {third}");
            let known = [
                (
                    "200, 200, 401",
                    Verdict::AsDocumented,
                    "tokens of all keys in the file are accepted",
                ),
                ("200, 401, 401", Verdict::Differs, "only tokens of the first key are accepted"),
                ("401, 200, 401", Verdict::Differs, "only tokens of the last key are accepted"),
                ("200, 200, 200", Verdict::Weakness, "tokens of any key are accepted"),
            ];
            Ok(judge(&answers, &known)
                .saw("a token of the first, the second, a third key", answers))
        }),
    },
    Probe {
        id: "key-file-read-at-start-only",
        claim: "A key replaced in the file takes effect at once",
        source: "assumption",
        area: Area::Security,
        why: "A leaked key still opens the server after it was removed from the file",
        mitigation: "Restart every server after a change of its key file",
        how: "The key in the file is replaced under a running server, which is then restarted; \
              tokens of both keys read before and after",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (old, new) = (SigningKey::generate()?, SigningKey::generate()?);
            let stack = with_key_file(context, &old.public().to_pem()).await?;
            // In place: a container sees the file that was mounted, not one of its name.
            std::fs::write(stack.folder().join("key"), new.public().to_pem())?;
            let running = format!("{} and {}", ask(&stack, &old).await?, ask(&stack, &new).await?);
            stack.restart("primary", Stop::Graceful).await?;
            let restarted =
                format!("{} and {}", ask(&stack, &old).await?, ask(&stack, &new).await?);
            context.discard(&stack).await?;
            let known = [
                (
                    "200 and 401; 401 and 200",
                    Verdict::Undocumented,
                    "the key file is read at the start only: the old key counts until a restart",
                ),
                (
                    "401 and 200; 401 and 200",
                    Verdict::AsDocumented,
                    "a key that is replaced in the file counts at once",
                ),
            ];
            Ok(judge(&format!("{running}; {restarted}"), &known)
                .saw("after the change: tokens of the old key, the new one", running)
                .saw("after a restart: the same", restarted))
        }),
    },
];

fn base64url(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.public().as_bytes())
}

/// In the other alphabet, with a character that URL-safe base64 does not have.
fn standard_base64(key: &SigningKey) -> String {
    let text = STANDARD_NO_PAD.encode(key.public().as_bytes());
    if text.contains(['+', '/']) { text } else { format!("+/{}", &text[2..]) }
}

/// A primary with one database whose key file has this text.
async fn with_key_file(context: &ProbeContext<'_>, text: &str) -> Result<Rc<EphemeralStack>> {
    context
        .own(Variants::DEFAULT, |plan, folder| {
            let path = folder.join("key");
            files::write_atomic(&path, text.as_bytes(), files::MODE_SHARED)?;
            plan.services.retain(|service| service.name == "primary");
            for service in &mut plan.services {
                let target = service.environment.get(KEY_FILE).cloned().unwrap_or_default();
                for mount in service.mounts.iter_mut().filter(|mount| mount.target == target) {
                    mount.source.clone_from(&path);
                }
            }
            Ok(())
        })
        .await
}

/// What the server makes of a token of this key.
async fn ask(stack: &EphemeralStack, key: &SigningKey) -> Result<String> {
    let token = token::mint(key, &json!({ "a": "rw" }))?;
    let reply = stack.anonymous("primary", None)?.token(&token).execute("SELECT 1").await?;
    Ok(outcome(&reply))
}

fn judge_taken(answers: &str, form: &str) -> Observation {
    let known = [
        ("200 and 401", Verdict::AsDocumented, "the server takes tokens of the key in this form"),
        ("401 and 401", Verdict::Differs, "the server starts and refuses tokens of its own key"),
        ("200 and 200", Verdict::Weakness, "the server takes tokens of any key"),
    ];
    judge(answers, &known).saw(format!("{form}: its token, a foreign one"), answers)
}

async fn alone(
    context: &ProbeContext<'_>,
    write: impl Fn(&SigningKey) -> String,
    form: &str,
) -> Result<Observation> {
    let key = SigningKey::generate()?;
    let stack = with_key_file(context, &write(&key)).await?;
    let answers = (ask(&stack, &key).await?, ask(&stack, &SigningKey::generate()?).await?);
    context.discard(&stack).await?;
    Ok(judge_taken(&format!("{} and {}", answers.0, answers.1), form))
}

/// Starts the binary with this file: either it exits at once, or it has accepted the
/// key. `verdict` is the verdict on a refusal: the flag's help rules out some forms and
/// does not mention others.
async fn refused(
    context: &ProbeContext<'_>,
    write: impl Fn(&SigningKey) -> String,
    what: &str,
    verdict: Verdict,
) -> Result<Observation> {
    let folder = context.scratch()?;
    let text = write(&SigningKey::generate()?);
    files::write_atomic(&folder.path().join("key"), text.as_bytes(), files::MODE_SHARED)?;
    let arguments = [
        "--no-welcome",
        "--http-listen-addr",
        "127.0.0.1:0",
        "--db-path",
        "data",
        "--auth-jwt-key-file",
        "key",
    ];
    let ended = context.run_binary(folder.path(), &arguments, &[]).await?;
    let why = reason(&ended);
    let about_the_key = why.to_lowercase().contains("key");
    Ok(match ended.code {
        None => Observation::new(Verdict::Undocumented, format!("the server takes {what}")),
        Some(1) if about_the_key => {
            let finding = format!("with {what} the server exits with 1 at its start");
            Observation::new(verdict, finding)
        }
        Some(code) => {
            let finding = format!("with {what} the server exits with {code}: {why}");
            Observation::new(Verdict::Differs, finding)
        }
    }
    .saw(format!("sqld with {what}"), why))
}

/// The server's own explanation, without its log and the stack that follow it.
fn reason(ended: &Ended) -> String {
    let lines = ended.text.lines().skip_while(|line| !line.starts_with("Error: "));
    let lines = lines.take_while(|line| !line.starts_with("Stack backtrace"));
    let lines = lines.filter(|line| !line.contains(" INFO "));
    lines.collect::<Vec<_>>().join(" ")
}
