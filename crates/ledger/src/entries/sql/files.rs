//! Functions that reach the server's file system from SQL.
//!
//! The paths come from the server itself (`PRAGMA database_list`), so that the same
//! statements work in a container. Only the stack's own data folder is read and
//! written.

use std::rc::Rc;

use serde_json::json;

use crate::entries::http_api::wire::{Wire, result, scalar, verdict_of};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "sql-reads-any-file",
        claim: "A read-only token for one namespace shows that namespace and nothing else",
        source: "docs/USER_GUIDE, Client Authentication; SQLite's shell has readfile() (new)",
        area: Area::Security,
        why: "One SELECT can read other tenants' databases, the metastore, keys and /etc",
        mitigation: "Give tokens only to people you would give a shell, or run one server per \
                     tenant",
        how: "A read-only token for namespace B finds a marker of A in A's files by readfile()",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let tenants = Tenants::new(context, &stack).await?;
            let refused = tenants.wire.clone().namespace(&tenants.victim);
            let refused = refused.execute("SELECT x FROM secret").await?;
            let file =
                |name: &str| format!("readfile('{}/{}/{name}')", tenants.folder, tenants.victim);
            // The row is in the write-ahead log until a checkpoint moves it.
            let sql = format!(
                "SELECT CAST(coalesce(instr({}, CAST('{MARKER}' AS BLOB)), 0)
         + coalesce(instr({}, CAST('{MARKER}' AS BLOB)), 0) > 0 AS INTEGER)",
                file("data-wal"),
                file("data")
            );
            let answer = tenants.wire.execute(&sql).await?;
            let (verdict, finding) =
                match (verdict_of(&answer).as_str(), scalar(&answer).as_deref()) {
                    ("ok", Some("1")) => (
                        Verdict::Weakness,
                        "readfile() shows another tenant's rows to a reader".to_owned(),
                    ),
                    ("ok", _) => {
                        (Verdict::Undocumented, "readfile() runs and finds nothing".to_owned())
                    }
                    (code, _) => (Verdict::AsDocumented, format!("readfile() is refused: {code}")),
                };
            Ok(Observation::new(verdict, finding)
                .answered("SELECT on the other's table, same token", &refused)
                .answered("SELECT instr(readfile(…/dbs/OTHER/data-wal), marker) > 0", &answer))
        }),
    },
    Probe {
        id: "sql-writes-any-file",
        claim: "A read-only token cannot change anything on the server",
        source: "docs/USER_GUIDE, Client Authentication; SQLite's shell has writefile() (new)",
        area: Area::Security,
        why: "One SELECT can overwrite other tenants' databases, or any file that the server's \
              user may write",
        mitigation: "As for sql-reads-any-file; a read-only root file system limits it to the data",
        how: "A read-only token writes a file into the stack's data folder by writefile()",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            // A stack of its own: the file goes with it.
            let stack = context.primary(|_| Ok(())).await?;
            let tenants = Tenants::new(context, &stack).await?;
            let refused = tenants.wire.execute("CREATE TABLE t (x)").await?;
            let path = format!("{}/written-by-a-reader", tenants.folder);
            let write = tenants.wire.execute(&format!("SELECT writefile('{path}', 'x')")).await?;
            let read = format!("SELECT CAST(readfile('{path}') AS TEXT)");
            let there = scalar(&tenants.wire.execute(&read).await?).as_deref() == Some("x");
            context.discard(&stack).await?;
            let (verdict, finding) = match (verdict_of(&write).as_str(), there) {
                ("ok", true) => (
                    Verdict::Weakness,
                    "writefile() writes for a token that may only read".to_owned(),
                ),
                ("ok", false) => {
                    (Verdict::Undocumented, "writefile() runs, writing nothing".to_owned())
                }
                (code, _) => (Verdict::AsDocumented, format!("writefile() is refused: {code}")),
            };
            Ok(Observation::new(verdict, finding)
                .answered("CREATE TABLE, same token", &refused)
                .answered("SELECT writefile(…)", &write))
        }),
    },
    Probe {
        id: "sql-lists-folders",
        claim: "A tenant does not learn the names of other tenants",
        source: "assumption (new)",
        area: Area::Security,
        why: "Every tenant can list the namespaces, though the operator cannot",
        mitigation: "Do not put secrets into names of namespaces",
        how: "A read-only token for B asks pragma_database_list for the path, fsdir() for the rest",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let tenants = Tenants::new(context, &stack).await?;
            let sql = format!(
                "SELECT count(*) > 0 FROM fsdir('{}') WHERE name LIKE '%/{}'",
                tenants.folder, tenants.victim
            );
            let answer = tenants.wire.execute(&sql).await?;
            let path = if tenants.folder.is_empty() { "hidden" } else { "shown" };
            let names = match (verdict_of(&answer).as_str(), scalar(&answer).as_deref()) {
                ("ok", Some("1")) => "listed".to_owned(),
                ("ok", _) => "not listed".to_owned(),
                (code, _) => format!("refused with {code}"),
            };
            let verdict = match names.as_str() {
                "listed" => Verdict::Weakness,
                _ => Verdict::AsDocumented,
            };
            let finding =
                format!("to a reader the server's path is {path}, other tenants are {names}");
            Ok(Observation::new(verdict, finding).answered("fsdir() of the data folder", &answer))
        }),
    },
    Probe {
        id: "sql-extension-loading",
        claim: "Nobody can load a library into the server with SQL",
        source: "sqld --help, --extensions-path; assumption",
        area: Area::Security,
        why: "Together with writefile() it would allow running programs",
        mitigation: "Nothing to do",
        how: "SELECT load_extension(…), with a token for everything",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "extension").await?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name);
            let answer = wire.execute("SELECT load_extension('no-such-library')").await?;
            let error =
                result(&answer, 0)["error"]["message"].as_str().unwrap_or_default().to_owned();
            let (verdict, finding) = if error.contains("not authorized") {
                (Verdict::AsDocumented, "load_extension() is not authorized".to_owned())
            } else {
                // It looked for the library, or found one.
                (Verdict::Weakness, format!("load_extension() is answered {}", verdict_of(&answer)))
            };
            Ok(Observation::new(verdict, finding).answered("SELECT load_extension(…)", &answer))
        }),
    },
];

pub(super) const MARKER: &str = "marker-91f2-of-another-tenant";

/// Two tenants; `wire` may only read the second.
pub(super) struct Tenants {
    pub victim: NamespaceName,
    pub reader: NamespaceName,
    pub wire: Wire,
    /// The folder of all namespaces, as the server sees it.
    pub folder: String,
}

impl Tenants {
    pub async fn new(context: &ProbeContext<'_>, stack: &Rc<EphemeralStack>) -> Result<Self> {
        let victim = context.namespace(stack, "victim").await?;
        let reader = context.namespace(stack, "reader").await?;
        let wire = Wire::new(stack, "primary")?;
        let insert = format!("CREATE TABLE secret AS SELECT '{MARKER}' AS x");
        let made = wire.clone().namespace(&victim).execute(&insert).await?;
        if verdict_of(&made) != "ok" {
            return Err(Error::experiment_saw("cannot make the secret", made.body).into());
        }
        let claims = json!({ "p": { "ro": { "ns": [reader.as_str()] } } });
        let token = stack.token_with(&claims)?;
        let wire = wire.namespace(&reader).token(Some(token));
        let list = wire.execute("SELECT file FROM pragma_database_list").await?;
        // …/dbs/NAME/data
        let path = scalar(&list).unwrap_or_default();
        let folder = path.strip_suffix(&format!("/{reader}/data")).unwrap_or_default();
        let folder = folder.to_owned();
        Ok(Self { victim, reader, wire, folder })
    }
}
