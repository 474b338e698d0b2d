//! SQL that reaches the server's files.

use secrecy::SecretString;

use super::attack_context::{AttackContext, SECRET, Tenants};
use crate::entries::http_api::wire::{scalar, verdict_of};
use crate::gate_audit::{Attack, Attempt};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "sql-reads-any-file",
        how: "SELECT readfile() of another tenant's write-ahead log",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let (folder, token) = inside(context, &own).await?;
            let sql = format!(
                "SELECT instr(readfile('{folder}/{other}/data-wal'), CAST('{SECRET}' AS BLOB)) > 0"
            );
            let answer =
                context.wire(target)?.token(Some(token)).namespace(&own).execute(&sql).await?;
            let got_in = scalar(&answer).as_deref() == Some("1");
            Ok(Attempt::new(got_in, format!("{} {}", answer.status, answer.body)))
        }),
    },
    Attack {
        id: "sql-writes-any-file",
        how: "SELECT writefile() beside the databases",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let (folder, token) = inside(context, &own).await?;
            let path = format!("{folder}/{own}/written");
            let sql = format!("SELECT writefile('{path}', 'x')");
            let answer =
                context.wire(target)?.token(Some(token)).namespace(&own).execute(&sql).await?;
            let there = format!("SELECT CAST(readfile('{path}') AS TEXT) = 'x'");
            let there = context.inside(&own)?.execute(&there).await?;
            let saw = format!("{}: {}", answer.status, verdict_of(&answer));
            Ok(Attempt::new(there.scalar() == Some("1"), format!("{saw} {}", answer.body)))
        }),
    },
    Attack {
        id: "sql-lists-folders",
        how: "PRAGMA database_list, and SELECT from fsdir() of the databases' folder",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let (folder, token) = inside(context, &own).await?;
            let wire = context.wire(target)?.token(Some(token)).namespace(&own);
            let sql =
                format!("SELECT count(*) > 0 FROM fsdir('{folder}') WHERE name LIKE '%/{other}'");
            let answer = wire.execute(&sql).await?;
            let mut tries = vec![("fsdir()".to_owned(), scalar(&answer).as_deref() == Some("1"))];
            for sql in ["PRAGMA database_list", "SELECT file FROM pragma_database_list"] {
                tries.push((sql.to_owned(), wire.execute(sql).await?.body.contains(&folder)));
            }
            Ok(Attempt::several(target, &tries, format!("{} {}", answer.status, answer.body)))
        }),
    },
];

/// The folder of all namespaces as the server sees it, and a token for `own`.
pub(super) async fn inside(
    context: &AttackContext<'_>,
    own: &NamespaceName,
) -> Result<(String, SecretString)> {
    let reply = context.inside(own)?.execute("SELECT file FROM pragma_database_list").await?;
    // …/dbs/NAME/data
    let path = reply.scalar().unwrap_or_default().to_owned();
    let folder = path.strip_suffix(&format!("/{own}/data")).unwrap_or_default().to_owned();
    Ok((folder, context.token(own)?))
}
