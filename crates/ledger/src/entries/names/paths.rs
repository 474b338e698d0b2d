//! Names that become folders.
//!
//! Every stack here is a throw-away one, and its data path lies deep inside its own
//! folder, so that what the server creates outside the data path still stays in the
//! folder.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::Method;
use serde_json::json;

use super::super::tokens::answers::judge;
use super::select;
use crate::{Area, Engines, Error, Probe, Verdict};
use demo_base::error::Result;
use demo_base::files;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, StackPlan};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "namespace-names-not-checked",
        claim: "The server refuses names that cannot be namespaces",
        source: "tursodatabase/libsql, sqld#684 \"validate namespace name\"",
        area: Area::Lifecycle,
        why: "A name with a dot creates a database that no host name reaches",
        mitigation: "Check names before sending them: a-z, 0-9 and -, 63 at most; `demo` does",
        how: "Creates `a b`, `été` and `a.b`, then a SELECT with Host a.b.localhost",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let space = create(&stack, "a%20b").await?;
            let accents = create(&stack, "%C3%A9t%C3%A9").await?;
            let dot = create(&stack, "a.b").await?;
            let reach = select(context, &stack, "a.b.localhost", None, "SELECT 1").await?;
            context.discard(&stack).await?;
            let answers =
                format!("{}, {}, {}; {}", space.status, accents.status, dot.status, reach.status);
            let known = [
                (
                    "200, 200, 200; 404",
                    Verdict::Undocumented,
                    "names with spaces, accents and dots are accepted; no host reaches one with a \
                     dot",
                ),
                ("400, 400, 400; 404", Verdict::AsDocumented, "names that cannot be hosts get 400"),
            ];
            Ok(judge(&answers, &known)
                .answered("create `a b`", &space)
                .answered("create `été`", &accents)
                .answered("create `a.b`", &dot)
                .answered("SELECT with Host: a.b.localhost", &reach))
        }),
    },
    Probe {
        id: "namespace-name-leaves-data-folder",
        claim: "Namespaces are kept inside the data path",
        source: "tursodatabase/libsql, sqld#684 \"validate namespace name\"",
        area: Area::Security,
        why: "Anyone who may create namespaces can create folders wherever the server may write",
        mitigation: "Check names before sending them; run the server under its own user",
        how: "A create of `../../NAME`, with the data path deep inside the stack's own folder",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(deepen).await?;
            let outside = outer(&stack, "primary")?.join("outside");
            let answer = create(&stack, "..%2F..%2Foutside").await?;
            let made = if outside.join("data").exists() { "made" } else { "not made" };
            context.discard(&stack).await?;
            let known = [
                (
                    "200, made",
                    Verdict::Weakness,
                    "a namespace called `../../NAME` is made outside the data path",
                ),
                ("400, not made", Verdict::AsDocumented, "a name with `..` is answered 400"),
                (
                    "200, not made",
                    Verdict::Undocumented,
                    "a name with `..` is answered 200 and stays in",
                ),
            ];
            Ok(judge(&format!("{}, {made}", answer.status), &known)
                .answered("create `../../outside`", &answer)
                .saw("the folder outside the data path", made))
        }),
    },
    Probe {
        id: "replica-writes-outside-without-token",
        claim: "Without a token nobody can make a replica write files",
        source: "assumption",
        area: Area::Security,
        why: "Anyone who can reach a replica's port can create files outside its data path, \
              without a token",
        mitigation: "Let a proxy remove x-namespace-bin; run the server under its own user",
        how: "A request without a token to a replica that has a key, with x-namespace-bin \
              `../../NAME`; the data path lies deep inside the stack's own folder",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.own(Variants::NAMESPACED, |plan, _| deepen(plan)).await?;
            let outside = outer(&stack, "replica")?.join("outside");
            let at_primary = outer(&stack, "primary")?.join("outside");
            let base = format!("http://{}", stack.address("replica", Interface::Http)?);
            let body =
                json!({ "requests": [{ "type": "execute", "stmt": { "sql": "SELECT 1" } }] });
            let request = context
                .http()
                .post(format!("{base}/v2/pipeline"))
                .json(&body)
                .header("x-namespace-bin", STANDARD_NO_PAD.encode("../../outside"));
            let answer = Answer::to(request, &base).await?;
            let made = if outside.exists() { "made" } else { "not made" };
            let primary = if at_primary.exists() { "made" } else { "not made" };
            context.discard(&stack).await?;
            let known = [
                (
                    "made at the replica, not made at the primary",
                    Verdict::Weakness,
                    "a request without a token makes a replica write a folder outside its data \
                     path",
                ),
                (
                    "made at the replica, made at the primary",
                    Verdict::Weakness,
                    "a request without a token makes replica and primary write outside their data \
                     paths",
                ),
                (
                    "not made at the replica, not made at the primary",
                    Verdict::AsDocumented,
                    "a request without a token makes nobody write outside the data path",
                ),
            ];
            let seen = format!("{made} at the replica, {primary} at the primary");
            Ok(judge(&seen, &known)
                .answered("SELECT without a token, x-namespace-bin: `../../outside`", &answer)
                .saw("the folder outside the data path", seen))
        }),
    },
    Probe {
        id: "failed-create-leaves-a-name-behind",
        claim: "A create that fails leaves nothing behind",
        source: "assumption",
        area: Area::Lifecycle,
        why: "The name can never be used or deleted again",
        mitigation: "Check the length of names before sending them: 63 at most; `demo` does",
        how: "A create of 300 characters, the same again, and a delete",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = "a".repeat(300);
            let first = create(&stack, &name).await?;
            let second = create(&stack, &name).await?;
            let path = format!("/v1/namespaces/{name}");
            let delete = stack.admin()?.raw(Method::DELETE, &path, None).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "500, 400, 500",
                    Verdict::Undocumented,
                    "a name of 300 characters: create 500, again \"already exists\", delete 500",
                ),
                (
                    "400, 400, 404",
                    Verdict::AsDocumented,
                    "a name of 300 characters is answered 400",
                ),
                (
                    "500, 500, 404",
                    Verdict::AsDocumented,
                    "a create that fails leaves nothing behind",
                ),
            ];
            let answers = format!("{}, {}, {}", first.status, second.status, delete.status);
            Ok(judge(&answers, &known)
                .answered("create", &first)
                .answered("create again", &second)
                .answered("delete", &delete))
        }),
    },
    Probe {
        id: "replica-loads-namespace-without-token",
        claim: "A replica does nothing for a request without a token",
        source: "assumption",
        area: Area::Security,
        why: "Anyone can make a replica fetch and keep every namespace whose name they guess",
        mitigation: "Put a proxy that checks tokens in front of replicas",
        how: "A request without a token to a replica that has a key; does it have a folder for \
              the namespace then?",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "unasked").await?;
            let folder = mount(&stack, "replica")?.join("replica.sqld/dbs").join(name.as_str());
            let before = folder.exists();
            let reply = stack.anonymous("replica", Some(&name))?.execute("SELECT 1").await?;
            let has = |there: bool| if there { "folder" } else { "no folder" };
            let seen = format!("{}, {}, {}", has(before), reply.status, has(folder.exists()));
            let known = [
                (
                    "no folder, 401, folder",
                    Verdict::Weakness,
                    "a replica loads a namespace for a request without a token, and then answers \
                     401",
                ),
                (
                    "no folder, 401, no folder",
                    Verdict::AsDocumented,
                    "a replica answers 401 to a request without a token and loads nothing",
                ),
            ];
            Ok(judge(&seen, &known)
                .replied("SELECT on the replica without a token", &reply)
                .saw("its folder before, the answer, its folder after", seen))
        }),
    },
];

/// One step between the mount and the data path.
const OUTER: &str = "outer";

/// Moves the data paths one step down, into a folder that the server may write to under
/// any user: in the image it owns only the data path itself.
fn deepen(plan: &mut StackPlan) -> Result<()> {
    for service in &mut plan.services {
        for mount in service.mounts.iter().filter(|mount| !mount.read_only) {
            let outer = mount.source.join(OUTER);
            files::create_dir(&outer, 0o777)?;
            let path = format!("{}/{OUTER}/data.sqld", mount.target);
            service.environment.insert("SQLD_DB_PATH".to_owned(), path);
        }
    }
    Ok(())
}

/// Where `../../NAME` from the databases' folder leads: inside the stack's own.
fn outer(stack: &EphemeralStack, service: &str) -> Result<PathBuf> {
    Ok(mount(stack, service)?.join(OUTER))
}

/// The folder of the host that a service writes to.
fn mount(stack: &EphemeralStack, service: &str) -> Result<PathBuf> {
    let mounts = &stack.service(service)?.mounts;
    let mount = mounts.iter().find(|mount| !mount.read_only);
    let own = mount.filter(|mount| mount.source.starts_with(stack.folder()));
    let own = own.ok_or_else(|| Error::experiment("the data is not in the stack's own folder"))?;
    Ok(own.source.clone())
}

/// Sends a create of a name that is already encoded for a URL.
async fn create(stack: &EphemeralStack, encoded: &str) -> Result<Answer> {
    let path = format!("/v1/namespaces/{encoded}/create");
    Ok(stack.admin()?.raw(Method::POST, &path, Some(&json!({}))).await?)
}
