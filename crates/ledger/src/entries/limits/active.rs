//! Probes of the number of namespaces in memory.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};

use super::super::recovery::fixtures::{Stream, ask, outcome, primary_with};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::{Hrana, Reply};
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "active-namespaces-stay-reachable",
        claim: "A namespace is reachable however many others are in use",
        source: "PRs libsql#1770 and libsql#1772, --max-active-namespaces",
        area: Area::Lifecycle,
        why: "Under load, the server sometimes answers as if an existing database did not exist",
        mitigation: "Set --max-active-namespaces above the number of namespaces; retry on 404",
        how: "With --max-active-namespaces 2, reads eight namespaces side by side until one is \
              answered 404, for 5 s at most",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with(context, &["--max-active-namespaces", "2"]).await?;
            let names = make(&stack, 8).await?;
            let missed = read_until_missed(&stack, &names, Duration::from_secs(5)).await?;
            context.discard(&stack).await?;
            Ok(judged(missed.as_ref()))
        }),
    },
    Probe {
        id: "transaction-survives-other-namespaces",
        claim: "An open transaction is not ended by requests to other namespaces",
        source: "PR libsql#1770, --max-active-namespaces",
        area: Area::Lifecycle,
        why: "A transaction is lost because other tenants were busy",
        mitigation: "Set --max-active-namespaces above the number of namespaces",
        how: "With --max-active-namespaces 2, opens a transaction with an INSERT, reads four other \
              namespaces, commits and looks for the row, until one is lost; 6 s at most on each of \
              four servers",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let mut lost = None;
            for _ in 0..SERVERS {
                lost = lost_transaction(context).await?;
                if lost.is_some() {
                    break;
                }
            }
            Ok(match lost {
                None => {
                    Observation::new(Verdict::AsDocumented, "the transaction commits every time")
                }
                Some(lost) => {
                    let kept = lost.read.scalar() == Some("1");
                    let fate = if kept { "there" } else { "lost" };
                    let word = &lost.commit;
                    let finding =
                        format!("COMMIT is now and then answered {word} and the row is {fate}");
                    Observation::new(Verdict::Weakness, finding)
                        .answered("COMMIT after reads of four other namespaces", &lost.answer)
                        .replied("how many of the row there are", &lost.read)
                }
            })
        }),
    },
];

/// Enough to press one namespace out of memory while another comes in.
const READERS: usize = 8;

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

/// Several readers, each of which reads all namespaces in another order, until one read
/// fails.
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

/// How many transactions are tried in turn, and for how long: which namespace the
/// server drops, and whether in the middle of a transaction, is its own choice.
const FIRSTS: usize = 4;
const TRIED: Duration = Duration::from_secs(6);

/// How many servers to try: what a server has kept so far decides what it drops, and
/// about one in seven loses no transaction (2 of 14 seen).
const SERVERS: usize = 4;

/// Tries transactions on a server of their own until one is lost.
async fn lost_transaction(context: &ProbeContext<'_>) -> Result<Option<Interrupted>> {
    let stack = primary_with(context, &["--max-active-namespaces", "2"]).await?;
    let names = make(&stack, FIRSTS + 4).await?;
    let (firsts, others) = names.split_at(FIRSTS);
    for first in firsts {
        until_found(&stack, first, "CREATE TABLE t (x)").await?;
    }
    let started = Instant::now();
    let mut lost = None;
    for (number, first) in firsts.iter().cycle().enumerate() {
        if lost.is_some() || started.elapsed() > TRIED {
            break;
        }
        lost = interrupted(&stack, first, others, number).await?;
    }
    context.discard(&stack).await?;
    Ok(lost)
}

/// A transaction whose COMMIT was not answered with success.
struct Interrupted {
    commit: String,
    answer: Answer,
    read: Reply,
}

/// A transaction with requests to other namespaces before its end. `None` if it was
/// committed, or could not even be opened.
async fn interrupted(
    stack: &EphemeralStack,
    first: &NamespaceName,
    others: &[NamespaceName],
    number: usize,
) -> Result<Option<Interrupted>> {
    let mut stream = Stream::new(stack, first)?;
    for sql in ["BEGIN", &format!("INSERT INTO t VALUES ({number})")] {
        if stream.execute(sql).await?.0 != "ok" {
            return Ok(None);
        }
    }
    try_join_all(others.iter().map(|name| ask(stack, name, "SELECT 1"))).await?;
    let (commit, answer) = stream.execute("COMMIT").await?;
    if commit == "ok" {
        return Ok(None);
    }
    let count = format!("SELECT count(*) FROM t WHERE x = {number}");
    let read = until_found(stack, first, &count).await?;
    Ok(Some(Interrupted { commit, answer, read }))
}

/// Repeats a statement while the namespace is on its way out of memory.
async fn until_found(stack: &EphemeralStack, name: &NamespaceName, sql: &str) -> Result<Reply> {
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
