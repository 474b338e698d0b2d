//! Probes of the number of namespaces in memory.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};

use super::super::recovery::hands::{Stream, ask, outcome, primary_with};
use crate::engine::ephemeral::EphemeralStack;
use crate::error::Result;
use crate::probe::{Lab, Observation, Verdict};
use crate::ready::{Attempt, poll};
use crate::server::hrana::{Hrana, Reply};
use crate::server::http::Answer;
use crate::server::namespace::NamespaceName;

/// Enough to press one namespace out of memory while another comes in.
const READERS: usize = 8;

pub(super) async fn reachable(lab: &Lab<'_>) -> Result<Observation> {
    let stack = primary_with(lab, &["--max-active-namespaces", "2"]).await?;
    let names = make(&stack, 8).await?;
    let missed = read_until_missed(&stack, &names, Duration::from_secs(5)).await?;
    lab.discard(&stack).await?;
    Ok(judged(missed.as_ref()))
}

fn judged(missed: Option<&Reply>) -> Observation {
    match missed {
        None => Observation::new(
            Verdict::AsDocumented,
            "every namespace is reachable while more are in use than are kept in memory",
        ),
        Some(reply) => Observation::new(
            Verdict::Weakness,
            format!(
                "a namespace that exists is now and then answered {} while more are in use than \
                 are kept in memory",
                outcome(reply)
            ),
        )
        .replied("one of many reads side by side", reply),
    }
}

async fn make(stack: &EphemeralStack, count: usize) -> Result<Vec<NamespaceName>> {
    let names: Vec<NamespaceName> =
        (0..count).map(|number| format!("n{number}").parse()).collect::<Result<_, _>>()?;
    let admin = stack.admin()?;
    for some in names.chunks(READERS) {
        try_join_all(some.iter().map(|name| admin.create(name))).await?;
    }
    Ok(names)
}

/// Several readers, each of all namespaces in another order, until one of them
/// is not answered with success.
async fn read_until_missed(
    stack: &EphemeralStack,
    names: &[NamespaceName],
    limit: Duration,
) -> Result<Option<Reply>> {
    let all: Vec<Hrana> =
        names.iter().map(|name| stack.hrana("primary", Some(name))).collect::<Result<_>>()?;
    let missed = Cell::new(None);
    let over = Cell::new(false);
    let started = Instant::now();
    let reader = async |number: usize| {
        let begin = number * all.len() / READERS;
        for hrana in all.iter().cycle().skip(begin) {
            if over.get() || started.elapsed() > limit {
                return Ok(());
            }
            let reply = hrana.execute("SELECT 1").await?;
            if !reply.succeeded() {
                missed.set(Some(reply));
                over.set(true);
            }
        }
        Ok(())
    };
    let ended: Vec<Result<()>> = join_all((0..READERS).map(reader)).await;
    ended.into_iter().collect::<Result<()>>()?;
    Ok(missed.take())
}

/// Which namespace has to go is the server's choice; one of these tries meets it.
const TRIES: usize = 8;
/// How long the other namespaces are read in the middle of a transaction.
const BUSY: Duration = Duration::from_millis(500);

pub(super) async fn transaction(lab: &Lab<'_>) -> Result<Observation> {
    let stack = primary_with(lab, &["--max-active-namespaces", "2"]).await?;
    let names = make(&stack, TRIES + 4).await?;
    let (firsts, others) = names.split_at(TRIES);
    let mut tried = interrupted(&stack, &firsts[0], others).await?;
    for first in &firsts[1..] {
        if tried.commit != "ok" || !tried.kept() {
            break;
        }
        tried = interrupted(&stack, first, others).await?;
    }
    lab.discard(&stack).await?;
    let (verdict, finding) = match (tried.commit.as_str(), tried.kept()) {
        ("ok", true) => (Verdict::AsDocumented, "the transaction commits every time".to_owned()),
        (word, kept) => {
            let fate = if kept { "there" } else { "lost" };
            let finding = format!("COMMIT is now and then answered {word} and the row is {fate}");
            (Verdict::Weakness, finding)
        }
    };
    Ok(Observation::new(verdict, finding)
        .answered("COMMIT after reads of four other namespaces", &tried.answer)
        .replied("SELECT x FROM t", &tried.read))
}

/// A transaction, with requests to other namespaces before its end.
struct Interrupted {
    commit: String,
    answer: Answer,
    read: Reply,
}

impl Interrupted {
    fn kept(&self) -> bool {
        self.read.scalar() == Some("kept")
    }
}

async fn interrupted(
    stack: &EphemeralStack,
    first: &NamespaceName,
    others: &[NamespaceName],
) -> Result<Interrupted> {
    until_made(stack, first, "CREATE TABLE t (x)").await?;
    let mut stream = Stream::new(stack, first)?;
    for sql in ["BEGIN", "INSERT INTO t VALUES ('kept')"] {
        let (word, answer) = stream.execute(sql).await?;
        if word != "ok" {
            // Pressed out between two requests already: as good as before the COMMIT.
            let read = until_made(stack, first, "SELECT x FROM t").await?;
            return Ok(Interrupted { commit: word, answer, read });
        }
    }
    // The server puts its memory in order every 300 ms only, and keeps what is
    // asked for most.
    let since = Instant::now();
    for name in others.iter().cycle() {
        if since.elapsed() > BUSY {
            break;
        }
        ask(stack, name, "SELECT 1").await?;
    }
    let (commit, answer) = stream.execute("COMMIT").await?;
    let read = until_made(stack, first, "SELECT x FROM t").await?;
    Ok(Interrupted { commit, answer, read })
}

/// Repeats a statement while the namespace is on its way out of memory.
async fn until_made(stack: &EphemeralStack, name: &NamespaceName, sql: &str) -> Result<Reply> {
    poll(&format!("`{sql}` is answered"), Duration::from_secs(2), async || {
        let reply = ask(stack, name, sql).await?;
        Ok(if reply.status == 404 {
            Attempt::Again(reply.describe())
        } else {
            Attempt::Done(reply)
        })
    })
    .await
}
