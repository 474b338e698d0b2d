//! Reads flags, environment and `.env`; no other module reads them.
//!
//! Precedence: flag, environment, `.env`, default. A variable that is set but empty counts as not
//! set, as in `${NAME:-default}` in the compose files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::env_vars;
use crate::fault::Fault;
use demo_base::choice::Choice;
use demo_base::error::Result;
use demo_base::files;
use demo_config::dotenv;
use demo_smoke::NamespaceReplica;
use demo_stack::assets;
use demo_stack::credentials::store::{Store, admin_key};
use demo_stack::engine::docker::connect::Whereabouts;

/// The folder for everything that `demo` makes.
const LOCAL: &str = ".local";

/// Ports of the standing stack on 127.0.0.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ports {
    pub primary_http: u16,
    pub primary_grpc: u16,
    pub primary_admin: u16,
    pub replica_http: u16,
}

/// Which engine is to run the servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EngineChoice {
    #[default]
    Auto,
    Native,
    Docker,
}

impl Choice for EngineChoice {
    const ALL: &'static [Self] = &[Self::Auto, Self::Native, Self::Docker];

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Docker => "docker",
        }
    }

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Auto => "Native where it works, else docker",
            Self::Native => "The pinned server as processes of this machine",
            Self::Docker => "Containers, through the Docker API",
        })
    }
}

/// All input from outside the program, typed and validated.
#[derive(Debug)]
pub struct Settings {
    /// The folder with the compose files; `.local` is in it.
    pub project_dir: PathBuf,
    /// The environment over `.env`, plus the Admin key stored in `.local`: the variables that the
    /// configuration files of services interpolate.
    pub variables: BTreeMap<String, String>,
    pub ports: Ports,
    /// The variables that the compose files interpolate: `variables`, plus a key for the Admin API
    /// if they lack one.
    pub plan_variables: BTreeMap<String, String>,
    /// The key of the Admin API: from the environment, else `.env`, else `.local`, else a new one
    /// that has not been stored yet.
    pub admin_key: SecretString,
    /// Whether the environment or `.env` sets the Admin key.
    pub admin_key_given: bool,
    pub engine: EngineChoice,
    pub namespace_replica: NamespaceReplica,
    /// `DEMO_SQLD_BIN`.
    pub sqld_bin: Option<PathBuf>,
    /// `DEMO_TOKEN`.
    pub token: Option<SecretString>,
    /// `DEMO_TOKEN_PATH`, else the project's own token file.
    pub token_path: PathBuf,
    /// Where the Docker daemon is.
    pub docker: Whereabouts,
    /// `PATH`, in which `sqld` and `npm` are looked up.
    pub search_path: Option<OsString>,
}

impl Settings {
    /// Reads the environment and the project's `.env`.
    ///
    /// # Errors
    /// Exit 2 for a variable with an invalid value, with its name and where it was set; exit 5 for
    /// a missing project folder.
    pub fn load(project_dir: Option<&Path>) -> Result<Self> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let current = std::env::current_dir()
            .map_err(|error| Fault::input("the current folder is not accessible").because(error))?;
        let project_dir = find_project(&current, project_dir)?;
        let env_file = project_dir.join(".env");
        let from_file = if env_file.is_file() {
            let text = files::read_text(&env_file, "settings file")?;
            dotenv::parse(&text, &env_file.display().to_string(), &environment)?
        } else {
            BTreeMap::new()
        };
        let stored = Store::new(project_dir.join(LOCAL)).admin_key()?;
        let path = std::env::var_os(env_vars::PATH);
        Self::resolve(project_dir, environment, from_file, stored, path)
    }

    /// The part of [`Settings::load`] that performs no I/O; `stored` is the Admin key in `.local`.
    ///
    /// # Errors
    /// Exit 2 for a variable with an invalid value.
    pub fn resolve(
        project_dir: PathBuf,
        environment: BTreeMap<String, String>,
        from_file: BTreeMap<String, String>,
        stored: Option<SecretString>,
        search_path: Option<OsString>,
    ) -> Result<Self> {
        let mut variables = from_file.clone();
        variables.extend(environment.clone());
        let reader = Reader { environment: &environment, from_file: &from_file };
        let given: Option<SecretString> = reader.admin_key()?.map(Into::into);
        let admin_key_given = given.is_some();
        let known = given.or(stored);
        if let Some(key) = &known {
            set_admin_key(&mut variables, key);
        }
        let admin_key = known.map_or_else(admin_key::generate, Ok)?;
        let mut plan_variables = variables.clone();
        set_admin_key(&mut plan_variables, &admin_key);
        let in_project = |path: &str| project_dir.join(path);
        Ok(Self {
            ports: Ports {
                primary_http: reader.port(env_vars::PRIMARY_HTTP_PORT, 18080)?,
                primary_grpc: reader.port(env_vars::PRIMARY_GRPC_PORT, 18081)?,
                primary_admin: reader.port(env_vars::PRIMARY_ADMIN_PORT, 18082)?,
                replica_http: reader.port(env_vars::REPLICA_HTTP_PORT, 18083)?,
            },
            plan_variables,
            admin_key,
            admin_key_given,
            engine: reader.choice(env_vars::DEMO_ENGINE)?,
            namespace_replica: reader.choice(env_vars::EXPECT_NAMESPACE_REPLICA)?,
            sqld_bin: reader.get(env_vars::DEMO_SQLD_BIN).map(|value| in_project(value.text)),
            token: reader.get(env_vars::DEMO_TOKEN).map(|value| value.text.into()),
            token_path: in_project(
                reader.get(env_vars::DEMO_TOKEN_PATH).map_or(".local/jwt/jwt.token", |v| v.text),
            ),
            docker: docker(&environment),
            search_path,
            variables,
            project_dir,
        })
    }

    /// The folder for everything that `demo` makes.
    pub fn local_dir(&self) -> PathBuf {
        self.project_dir.join(LOCAL)
    }

    /// Whether a variable was set, in the environment or in `.env`.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|value| !value.is_empty())
    }
}

/// Adds the Admin key to the variables for interpolation.
pub fn set_admin_key(variables: &mut BTreeMap<String, String>, key: &SecretString) {
    let name = env_vars::LIBSQL_ADMIN_AUTH_KEY.to_owned();
    variables.insert(name, key.expose_secret().to_owned());
}

/// Read as the `docker` program reads it; `.env` has no effect on it.
fn docker(environment: &BTreeMap<String, String>) -> Whereabouts {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let config = get(env_vars::DOCKER_CONFIG).map(PathBuf::from);
    Whereabouts {
        host: get(env_vars::DOCKER_HOST),
        context: get(env_vars::DOCKER_CONTEXT),
        config_dir: config.or_else(|| Some(PathBuf::from(get(env_vars::HOME)?).join(".docker"))),
    }
}

/// The nearest folder, from `current` upwards, that has a base compose file, or `current` itself if
/// there is none.
fn find_project(current: &Path, asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(asked) = asked {
        let folder = current.join(asked);
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(Fault::not_found(format!("the project folder {folder} does not exist"))
                .hint("pass the folder with docker-compose.yml as --project-dir")
                .into());
        }
        return Ok(folder.canonicalize().unwrap_or(folder));
    }
    let nearest = current.ancestors().find(|folder| folder.join(assets::BASE.name).is_file());
    Ok(nearest.unwrap_or(current).to_path_buf())
}

struct Value<'a> {
    text: &'a str,
    set_in: &'static str,
}

struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
    from_file: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn get(&self, name: &str) -> Option<Value<'a>> {
        [(self.environment, "the environment"), (self.from_file, ".env")]
            .into_iter()
            .find_map(|(map, set_in)| Some(Value { text: map.get(name)?, set_in }))
            .filter(|value| !value.text.is_empty())
    }

    fn port(&self, name: &str, default: u16) -> Result<u16> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        match value.text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Fault::input(format!(
                "{name} in {} is `{}`, which is not a valid port",
                value.set_in, value.text
            ))
            .hint(format!("write a number from 1 to 65535, such as {name}={default}"))
            .into()),
        }
    }

    fn admin_key(&self) -> Result<Option<&'a str>> {
        let Some(value) = self.get(env_vars::LIBSQL_ADMIN_AUTH_KEY) else {
            return Ok(None);
        };
        // The server splits the Authorization header at the space, and a header cannot contain
        // control or non-ASCII characters.
        if value.text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(value.text))
        } else {
            Err(Fault::input(format!(
                "{} in {} contains a space or a character that is not allowed in an HTTP header",
                env_vars::LIBSQL_ADMIN_AUTH_KEY,
                value.set_in
            ))
            .hint("use letters, digits and punctuation only")
            .into())
        }
    }

    /// Parses the word of a choice.
    fn choice<T: Choice + Default>(&self, name: &str) -> Result<T> {
        let Some(value) = self.get(name) else { return Ok(T::default()) };
        T::parse(value.text).ok_or_else(|| {
            Fault::input(format!("{name} in {} is `{}`", value.set_in, value.text))
                .hint(format!("write one of: {}", T::words()))
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn resolve(environment: &[(&str, &str)], from_file: &[(&str, &str)]) -> Result<Settings> {
        Settings::resolve("/project".into(), map(environment), map(from_file), None, None)
    }

    #[test]
    fn the_admin_key_is_given_or_kept_and_never_a_known_one() {
        let name = "LIBSQL_ADMIN_AUTH_KEY";
        let key = |environment: &[(&str, &str)], file: &[(&str, &str)], stored: Option<&str>| {
            let stored = stored.map(Into::into);
            let (environment, file) = (map(environment), map(file));
            let settings =
                Settings::resolve("/project".into(), environment, file, stored, None).unwrap();
            assert_eq!(settings.plan_variables[name], settings.admin_key.expose_secret());
            (settings.admin_key.expose_secret().to_owned(), settings.variables.contains_key(name))
        };
        assert_eq!(key(&[(name, "e")], &[(name, "f")], Some("s")), ("e".to_owned(), true));
        assert_eq!(key(&[], &[(name, "f")], Some("s")), ("f".to_owned(), true));
        assert_eq!(key(&[], &[], Some("s")), ("s".to_owned(), true));
        let (first, second) = (key(&[], &[], None), key(&[], &[], None));
        assert_ne!(first, second);
        assert!(first.0.len() == 64 && !first.1);
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_the_default() {
        let both = &[("PRIMARY_HTTP_PORT", "1"), ("REPLICA_HTTP_PORT", "2")];
        let settings = resolve(&[("PRIMARY_HTTP_PORT", "9")], both).unwrap();
        assert_eq!(settings.ports.primary_http, 9);
        assert_eq!(settings.ports.replica_http, 2);
        assert_eq!(settings.ports.primary_grpc, 18081);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let settings = resolve(&[("DEMO_TOKEN", ""), ("DEMO_ENGINE", "")], &[]).unwrap();
        assert!(settings.token.is_none());
        assert_eq!(settings.engine, EngineChoice::Auto);
    }

    #[test]
    fn a_bad_value_names_the_variable_and_its_place() {
        for port in ["abc", "0", "70000", "-1", "18080 "] {
            let error = resolve(&[], &[("PRIMARY_HTTP_PORT", port)]).unwrap_err().to_string();
            let expected =
                format!("PRIMARY_HTTP_PORT in .env is `{port}`, which is not a valid port");
            assert_eq!(error, expected);
        }
        let error = resolve(&[("DEMO_ENGINE", "podman")], &[]).unwrap_err().to_string();
        assert_eq!(error, "DEMO_ENGINE in the environment is `podman`");
        assert!(resolve(&[("LIBSQL_ADMIN_AUTH_KEY", "two words")], &[]).is_err());
    }

    #[test]
    fn env_example_lists_every_variable_and_no_other() {
        let example = assets::ENV_EXAMPLE.text;
        let listed: Vec<&str> = example
            .lines()
            .filter_map(|line| line.trim_start_matches('#').split_once('='))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(listed, env_vars::ALL);
    }
}
