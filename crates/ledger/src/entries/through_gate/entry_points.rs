//! Ways around the namespace that a token is for: paths, headers, batons, origins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::attack_context::{SECRET, Tenants};
use crate::Error;
use crate::entries::http_api::wire::{Wire, baton, execute, scalar};
use crate::gate_audit::{Attack, Attempt};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::http::Answer;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "dev-path-writes-read-only",
        how: "INSERT over /dev/NS/v2/pipeline into a namespace that the token may read, with the \
              Host of one that it may write",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let claims =
                json!({ "p": { "rw": { "ns": [own] }, "ro": { "ns": [other] } }, "exp": far() });
            let token = context.stack.token_with(&claims)?;
            let wire = context.wire(target)?.token(Some(token)).namespace(&own);
            let answer = wire.post(&dev_path(&other), &body(INSERT)).await?;
            Ok(Attempt::new(context.holds(&other, "stranger").await?, said(&answer)))
        }),
    },
    Attack {
        id: "dev-path-takes-foreign-key",
        how: "SELECT over /dev/NS/v2/pipeline of another tenant, with a token of one's own key",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let key = SigningKey::generate()?;
            let pem = Value::String(key.public().to_pem());
            let config = Map::from_iter([("jwt_key".to_owned(), pem)]);
            context.stack.admin()?.configure(&own, config).await?;
            let token = token::mint(&key, &json!({}))?;
            let wire = context.wire(target)?.token(Some(token)).namespace(&own);
            let answer =
                wire.post(&dev_path(&other), &body("SELECT x FROM t ORDER BY 1 DESC")).await?;
            Ok(Attempt::new(scalar(&answer).as_deref() == Some(SECRET), said(&answer)))
        }),
    },
    Attack {
        id: "x-namespace-header-ignored",
        how: "SELECT with x-namespace of one namespace and the Host of another",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let claims = json!({ "p": { "rw": { "ns": [own, other] } }, "exp": far() });
            let token = context.stack.token_with(&claims)?;
            let wire = context.wire(target)?.token(Some(token)).namespace(&other);
            let wire = wire.header("x-namespace", own.as_str());
            let answer = wire.execute(&format!("SELECT x FROM t WHERE x = '{SECRET}'")).await?;
            Ok(Attempt::new(scalar(&answer).as_deref() == Some(SECRET), said(&answer)))
        }),
    },
    Attack {
        id: "namespaces-told-without-token",
        how: "SELECT without a token on a namespace that exists and one that does not",
        run: &Attack::run(async |context, target| {
            let Tenants { other, .. } = context.tenants().await?;
            let missing = context.context.name("missing")?;
            let there = context.wire(target)?.namespace(&other).execute("SELECT 1").await?;
            let nowhere = context.wire(target)?.namespace(&missing).execute("SELECT 1").await?;
            let same = there.status == nowhere.status
                && there.body.replace(other.as_str(), "")
                    == nowhere.body.replace(missing.as_str(), "");
            let saw = format!("exists {}, does not {}", there.status, nowhere.status);
            Ok(Attempt::new(!same, saw))
        }),
    },
    Attack {
        id: "baton-crosses-namespaces",
        how: "SELECT with the baton of another tenant's open stream",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let begin = |name| -> Result<Wire> {
                Ok(context.wire(target)?.token(Some(context.token(name)?)).namespace(name))
            };
            let opened = begin(&other)?.pipeline(json!([execute("BEGIN")])).await?;
            let baton = baton(&opened).ok_or_else(|| {
                Error::experiment_saw("no stream was opened", opened.body.clone())
            })?;
            let sql = format!("SELECT x FROM t WHERE x = '{SECRET}'");
            let request = json!({ "baton": baton, "requests": [execute(&sql)] });
            let answer = begin(&own)?.post("/v3/pipeline", &request).await?;
            Ok(Attempt::new(scalar(&answer).as_deref() == Some(SECRET), said(&answer)))
        }),
    },
    Attack {
        id: "block-reads-leaves-dump",
        how: "GET /dump of a namespace whose reads are blocked",
        run: &Attack::run(async |context, target| {
            let Tenants { other, .. } = context.tenants().await?;
            let config = Map::from_iter([("block_reads".to_owned(), Value::Bool(true))]);
            context.stack.admin()?.configure(&other, config).await?;
            let wire = context.wire(target)?.token(Some(context.token(&other)?)).namespace(&other);
            let answer = wire.get("/dump").await?;
            Ok(Attempt::new(answer.body.contains(SECRET), said(&answer)))
        }),
    },
    Attack {
        id: "cors-open-to-every-origin",
        how: "OPTIONS with the origin of a stranger's page",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let request =
                context.wire(target)?.namespace(&own).request(Method::OPTIONS, "/v2/pipeline");
            let response = request
                .header("origin", "https://elsewhere.invalid")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization")
                .send()
                .await?;
            let allowed = response.headers().get("access-control-allow-origin");
            let allowed = allowed.and_then(|value| value.to_str().ok()).unwrap_or("nobody");
            let saw = format!("{}, allowed: {allowed}", response.status().as_u16());
            Ok(Attempt::new(allowed == "*" || allowed.contains("elsewhere"), saw))
        }),
    },
    Attack {
        id: "replica-loads-namespace-without-token",
        how: "SELECT at the replica without a token: does it load the namespace?",
        run: &Attack::run(async |context, target| {
            let name = context.context.namespace(&context.stack, "unasked").await?;
            let folder = context.replica_folder(&format!("data.sqld/dbs/{name}"))?;
            let answer = context.replica(target)?.namespace(&name).execute("SELECT 1").await?;
            Ok(Attempt::new(folder.exists(), said(&answer)))
        }),
    },
    Attack {
        id: "replica-writes-outside-without-token",
        how: "SELECT at the replica without a token, with x-namespace-bin of `../../NAME`",
        run: &Attack::run(async |context, target| {
            let name = context.context.name("outside")?;
            let folder = context.replica_folder(name.as_str())?;
            let path = STANDARD_NO_PAD.encode(format!("../../{name}"));
            let answer = context
                .replica(target)?
                .header("x-namespace-bin", path)
                .execute("SELECT 1")
                .await?;
            Ok(Attempt::new(folder.exists(), said(&answer)))
        }),
    },
    Attack {
        id: "unknown-names-leave-folders",
        how: "SELECT at the replica on a namespace that nobody created, with a token for another",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let name = context.context.name("nobodys")?;
            let folder = context.replica_folder(&format!("data.sqld/dbs/{name}"))?;
            let wire = context.replica(target)?.token(Some(context.token(&own)?)).namespace(&name);
            let answer = wire.execute("SELECT 1").await?;
            Ok(Attempt::new(folder.exists(), said(&answer)))
        }),
    },
];

const INSERT: &str = "INSERT INTO t VALUES ('stranger')";

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.body)
}

fn dev_path(name: &NamespaceName) -> String {
    format!("/dev/{name}/v2/pipeline")
}

fn body(sql: &str) -> Value {
    json!({ "requests": [execute(sql), { "type": "close" }] })
}

fn far() -> i64 {
    jiff::Timestamp::now().as_second() + 600
}
