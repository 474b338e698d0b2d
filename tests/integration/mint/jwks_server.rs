//! An issuer whose document of keys, and whose logins, the test writes itself,
//! byte for byte.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use demo_sqld::keys::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use demo_test_support::Project;

/// What is answered, and how often it was asked for since it was set.
#[derive(Default)]
struct Document {
    status: u16,
    body: Vec<u8>,
    asked: usize,
}

/// Serves one JWKS document on loopback for as long as it lives.
pub struct JwksServer {
    pub url: String,
    document: Arc<Mutex<Document>>,
    runtime: tokio::runtime::Runtime,
}

impl JwksServer {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let document = Arc::new(Mutex::new(Document::default()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/keys", get(answer)).with_state(document.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, document, runtime }
    }

    /// Answers this from now on.
    pub fn set(&self, status: u16, body: impl Into<Vec<u8>>) {
        *self.document.lock().unwrap() = Document { status, body: body.into(), asked: 0 };
    }

    pub fn asked(&self) -> usize {
        self.document.lock().unwrap().asked
    }

    /// The lines of `mint.yaml` below `login`, but for the first.
    pub fn yaml(&self, project: &Project, token: &str) -> String {
        let [http, _, admin, _] = project.ports();
        format!(
            "login:\n  issuer: {url}\n  audience: authenticated\n  jwks: {url}/keys\ntoken:\n  \
             issuer: demo-mint\n  databaseUrl: http://{{namespace}}.localhost:{http}\n  {token}\n\
             keys:\n  active: .local/jwt/jwt.key\nadmin:\n  url: http://127.0.0.1:{admin}\n  \
             key: ${{LIBSQL_ADMIN_AUTH_KEY}}\nlimits: {{perUserPerMinute: 100000, perAddressPerMinute: 100000}}\n\
             adminListen: 127.0.0.1:0\n",
            url = self.url
        )
    }

    /// Claims of a good login, as text without the closing brace.
    pub fn claims(&self, subject: &str) -> String {
        let end = jiff::Timestamp::now().as_second() + 3600;
        let claims = json!({"iss": self.url, "aud": "authenticated", "sub": subject, "exp": end});
        claims.to_string().trim_end_matches('}').to_owned()
    }

    /// Ends it: nobody answers any more.
    pub fn stop(self) {
        self.runtime.shutdown_background();
    }
}

async fn answer(State(document): State<Arc<Mutex<Document>>>) -> Response {
    let mut document = document.lock().unwrap();
    document.asked += 1;
    let status = axum::http::StatusCode::from_u16(document.status).unwrap();
    (status, document.body.clone()).into_response()
}

/// The document for one public key.
pub fn jwks(key: &SigningKey) -> String {
    json!({ "keys": [jwk(key)] }).to_string()
}

pub fn jwk(key: &SigningKey) -> Value {
    let public = key.public();
    json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "kid": public.thumbprint(), "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
    })
}

/// Any header and any claims, with a good signature of `key`.
pub fn signed(key: &SigningKey, header: &str, claims: &str) -> String {
    signed_parts(key, &URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims))
}

/// The same for segments that are encoded already, well or not.
pub fn signed_parts(key: &SigningKey, header: &str, claims: &str) -> String {
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_ed_pem(key.to_pem().expose_secret().as_bytes()).unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

/// The header of a good login of `key`.
pub fn header(key: &SigningKey) -> String {
    json!({"alg": "EdDSA", "typ": "JWT", "kid": key.public().thumbprint()}).to_string()
}
