//! Keys and token.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Finding;
use crate::explain::Diagnosis;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::{moment, token};
use demo_stack::credentials::store::Store;

const AREA: &str = "credentials";

pub(super) fn findings(settings: &Settings) -> Vec<Finding> {
    let store = Store::new(settings.local_dir());
    if !store.key_path().exists() && !store.public_key_path().exists() {
        let text = "there are no keys yet; `demo up` and `demo setup` make them";
        return vec![Finding::note(AREA, text, "demo setup")];
    }
    vec![keys(&store), own_token(settings, &store)]
}

fn keys(store: &Store) -> Finding {
    match store.signing_key().and_then(|key| Ok((key, store.key_set()?))) {
        Ok((key, trusted)) if trusted.contains(&key.public()) => {
            Finding::ok(AREA, format!("key {} is trusted", key.public().thumbprint()))
        }
        Ok(_) => Finding::problem(
            AREA,
            "jwt.pub does not hold the public half of jwt.key",
            "demo setup --force",
        ),
        Err(error) => {
            let diagnosis = Diagnosis::of(&error);
            let fix = diagnosis.hint.unwrap_or_else(|| "demo setup".to_owned());
            Finding::problem(AREA, diagnosis.message, &fix)
        }
    }
}

fn own_token(settings: &Settings, store: &Store) -> Finding {
    let now = Timestamp::now();
    let inspect = || -> Result<token::Inspection> {
        let text = match &settings.token {
            Some(token) => token.expose_secret().to_owned(),
            None => files::read_text(&settings.token_path, "token file")?,
        };
        Ok(token::inspect(text.trim(), &store.key_set()?, now)?)
    };
    match inspect() {
        Ok(inspection) if inspection.accepted => {
            let life = inspection.expires.map(|end| moment::expiry(end, now));
            let life = life.unwrap_or_else(|| "never expires".to_owned());
            Finding::ok(AREA, format!("the token is valid; it {life}"))
        }
        Ok(inspection) => {
            let why = inspection.reason.unwrap_or_default();
            Finding::problem(AREA, format!("a server would refuse the token: {why}"), "demo setup")
        }
        Err(error) => Finding::problem(AREA, error.to_string(), "demo setup"),
    }
}
