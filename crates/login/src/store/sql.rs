//! Postgres and `MySQL`, through sqlx. The drivers' types differ, but the statements
//! hardly do, so that one macro defines both stores.

mod migrations;

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use sqlx::Row;
use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

use super::{DEADLINE, Registered, StoreError, Stored};
use crate::Error;
use crate::config::Sql;
use crate::name::Username;
use crate::profile::Profile;
use crate::tokens::{self, TokenRecord};
use demo_base::error::Result;

/// Time for the first connection.
const START: Duration = Duration::from_secs(10);

const TOKEN: &str = "SELECT t.id, t.user_name, t.digest, t.label, t.readonly, t.cidrs, t.created, \
                     t.expires FROM auth_tokens t";

async fn within<T>(call: impl Future<Output = Result<T>> + Send) -> Stored<T> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(outcome) => outcome.map_err(StoreError::Away),
        Err(_elapsed) => {
            let seconds = DEADLINE.as_secs();
            Err(StoreError::Away(anyhow::anyhow!("no answer within {seconds} s")))
        }
    }
}

/// Why there is no connection at startup. The message does not repeat the URL, which may
/// have a password.
fn unusable(key: &'static str, error: sqlx::Error) -> Error {
    match &error {
        // The error's own message may repeat the URL.
        sqlx::Error::Configuration(_) => Error::DatabaseUrl { key },
        sqlx::Error::Database(refusal) if is_refusal(refusal.code().as_deref()) => {
            Error::DatabaseRefuses { key, source: error.into() }
        }
        sqlx::Error::Database(refusal) if is_missing(refusal.code().as_deref()) => {
            Error::DatabaseMissing { key, source: error.into() }
        }
        _ => Error::DatabaseSilent { key, source: error.into() },
    }
}

/// Postgres' class 28, `MySQL`'s 28000 and 42000 (access denied to the database).
fn is_refusal(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("28"))
}

fn is_missing(code: Option<&str>) -> bool {
    matches!(code, Some("3D000" | "42000"))
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::UniqueViolation)
}

macro_rules! store {
    (
        $(#[$doc:meta])*
        $store:ident, $module:ident, $key:literal, $driver:ident, $rows:ident,
        upsert: $upsert:literal, placeholders: $placeholders:expr, lock: $lock:expr
    ) => {
        pub mod $module {
            use sqlx::$module::{$rows, $driver};
            use sqlx::{AssertSqlSafe, Pool};

            use super::*;

            $(#[$doc])*
            pub struct $store {
                pool: Pool<$driver>,
            }

            impl $store {
                /// # Errors
                /// [`Error::DatabaseUrl`], [`Error::DatabaseSilent`], [`Error::DatabaseRefuses`]
                /// and [`Error::DatabaseMissing`]; what the driver says about the tables.
                pub async fn open(config: &Sql) -> Result<Self> {
                    let options = sqlx::pool::PoolOptions::<$driver>::new()
                        .max_connections(config.connections.get())
                        .acquire_timeout(START);
                    let pool = options.connect(config.url.expose_secret()).await;
                    let pool = pool.map_err(|error| unusable($key, error))?;
                    migrate(&pool).await.context("cannot create the login tables")?;
                    Ok(Self { pool })
                }

                pub async fn hash_of(&self, user: &Username) -> Stored<Option<String>> {
                    within(async {
                        let sql = query("SELECT hash FROM auth_users WHERE name = ?");
                        let row = sql.bind(user.as_str()).fetch_optional(&self.pool).await?;
                        Ok(row.map(|row| row.try_get(0)).transpose()?)
                    })
                    .await
                }

                pub async fn count_users(&self) -> Stored<u64> {
                    within(async {
                        let sql = query("SELECT count(*) FROM auth_users");
                        let count: i64 = sql.fetch_one(&self.pool).await?.try_get(0)?;
                        Ok(count.unsigned_abs())
                    })
                    .await
                }

                pub async fn register(
                    &self,
                    user: &Username,
                    hash: &str,
                    profile: &Profile,
                    most: u64,
                ) -> Stored<Registered> {
                    within(async {
                        let name = user.as_str();
                        let mut transaction = self.pool.begin().await?;
                        // One registration at a time: two at once would see the same count.
                        query("SELECT id FROM auth_lock WHERE id = 1 FOR UPDATE")
                            .fetch_one(&mut *transaction)
                            .await?;
                        let users = query("SELECT count(*) FROM auth_users")
                            .fetch_one(&mut *transaction)
                            .await?;
                        let users: i64 = users.try_get(0)?;
                        let there = query("SELECT 1 FROM auth_users WHERE name = ?")
                            .bind(name)
                            .fetch_optional(&mut *transaction)
                            .await?;
                        if there.is_some() {
                            return Ok(Registered::Taken);
                        }
                        if users.unsigned_abs() >= most {
                            return Ok(Registered::Full);
                        }
                        query("DELETE FROM auth_tokens WHERE user_name = ?")
                            .bind(name)
                            .execute(&mut *transaction)
                            .await?;
                        let sql = "INSERT INTO auth_users (name, hash, created) VALUES (?, ?, ?)";
                        let added = query(sql)
                            .bind(name)
                            .bind(hash)
                            .bind(tokens::now())
                            .execute(&mut *transaction)
                            .await;
                        match added {
                            Err(error) if is_taken(&error) => return Ok(Registered::Taken),
                            other => {
                                other?;
                            }
                        }
                        query($upsert)
                            .bind(name)
                            .bind(profile.to_text())
                            .execute(&mut *transaction)
                            .await?;
                        transaction.commit().await?;
                        Ok(Registered::Done)
                    })
                    .await
                }

                pub async fn set_hash(&self, user: &Username, hash: &str) -> Stored<()> {
                    within(async {
                        query("UPDATE auth_users SET hash = ? WHERE name = ?")
                            .bind(hash)
                            .bind(user.as_str())
                            .execute(&self.pool)
                            .await?;
                        Ok(())
                    })
                    .await
                }

                pub async fn profile(&self, user: &Username) -> Stored<Profile> {
                    within(async {
                        let sql = query("SELECT profile FROM auth_profiles WHERE name = ?");
                        let row = sql.bind(user.as_str()).fetch_optional(&self.pool).await?;
                        let text: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
                        Ok(text.map(|text| Profile::of_text(&text)).unwrap_or_default())
                    })
                    .await
                }

                pub async fn set_profile(&self, user: &Username, profile: &Profile) -> Stored<()> {
                    within(async {
                        query($upsert)
                            .bind(user.as_str())
                            .bind(profile.to_text())
                            .execute(&self.pool)
                            .await?;
                        Ok(())
                    })
                    .await
                }

                pub async fn add_token(&self, token: &TokenRecord) -> Stored<()> {
                    within(async {
                        query("DELETE FROM auth_tokens WHERE user_name = ? AND expires <= ?")
                            .bind(&token.user)
                            .bind(tokens::now())
                            .execute(&self.pool)
                            .await?;
                        let sql = "INSERT INTO auth_tokens \
                                   (id, user_name, digest, label, readonly, cidrs, created, expires) \
                                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                        query(sql)
                            .bind(&token.id)
                            .bind(&token.user)
                            .bind(&token.digest)
                            .bind(&token.label)
                            .bind(token.readonly)
                            .bind(token.cidrs_text())
                            .bind(token.created)
                            .bind(token.expires)
                            .execute(&self.pool)
                            .await?;
                        Ok(())
                    })
                    .await
                }

                pub async fn find_token(&self, id: &str) -> Stored<Option<TokenRecord>> {
                    within(async {
                        let sql = format!(
                            "{TOKEN} JOIN auth_users u ON u.name = t.user_name WHERE t.id = ?"
                        );
                        let row = query(&sql).bind(id).fetch_optional(&self.pool).await?;
                        row.map(|row| token(&row)).transpose()
                    })
                    .await
                }

                pub async fn tokens_of(&self, user: &Username) -> Stored<Vec<TokenRecord>> {
                    within(async {
                        let sql = format!(
                            "{TOKEN} WHERE t.user_name = ? \
                             AND (t.expires IS NULL OR t.expires > ?) ORDER BY t.created, t.id"
                        );
                        let rows = query(&sql)
                            .bind(user.as_str())
                            .bind(tokens::now())
                            .fetch_all(&self.pool)
                            .await?;
                        rows.iter().map(token).collect()
                    })
                    .await
                }

                pub async fn revoke(&self, user: &Username, id: &str) -> Stored<bool> {
                    within(async {
                        let done = query("DELETE FROM auth_tokens WHERE id = ? AND user_name = ?")
                            .bind(id)
                            .bind(user.as_str())
                            .execute(&self.pool)
                            .await?;
                        Ok(done.rows_affected() == 1)
                    })
                    .await
                }

                pub async fn revoke_others(
                    &self,
                    user: &Username,
                    kept: &str,
                ) -> Stored<u64> {
                    within(async {
                        let sql = "DELETE FROM auth_tokens WHERE user_name = ? AND id <> ?";
                        let ended = query(sql).bind(user.as_str()).bind(kept);
                        Ok(ended.execute(&self.pool).await?.rows_affected())
                    })
                    .await
                }

                pub async fn remove(&self, user: &Username) -> Stored<bool> {
                    within(async {
                        let mut transaction = self.pool.begin().await?;
                        let done = query("DELETE FROM auth_users WHERE name = ?")
                            .bind(user.as_str())
                            .execute(&mut *transaction)
                            .await?;
                        for sql in [
                            "DELETE FROM auth_tokens WHERE user_name = ?",
                            "DELETE FROM auth_profiles WHERE name = ?",
                        ] {
                            query(sql).bind(user.as_str()).execute(&mut *transaction).await?;
                        }
                        transaction.commit().await?;
                        Ok(done.rows_affected() == 1)
                    })
                    .await
                }
            }

            async fn migrate(pool: &Pool<$driver>) -> Result<()> {
                // All steps use one connection, because its session holds the lock.
                let mut connection = pool.acquire().await?;
                let lock: Option<&str> = $lock;
                if let Some(lock) = lock {
                    let row = query(lock).fetch_one(&mut *connection).await?;
                    if row.try_get::<Option<i64>, _>(0)? != Some(1) {
                        anyhow::bail!("another instance is creating them and does not finish");
                    }
                }
                let migrator = migrations::$module();
                // `run` does not work here: the compiler cannot see that its future is `Send`.
                let mut outcome = migrator.run_direct(None, &mut *connection, false).await;
                if let Err(MigrateError::Dirty(version)) = outcome {
                    // A step was interrupted, and no other instance is running it, since this
                    // one has the lock. MySQL's steps can run again; Postgres rolls back.
                    query("DELETE FROM auth_schema WHERE version = ?")
                        .bind(version)
                        .execute(&mut *connection)
                        .await?;
                    outcome = migrator.run_direct(None, &mut *connection, false).await;
                }
                // The lock ends with its session.
                connection.close().await?;
                Ok(outcome?)
            }

            fn query<'a>(
                sql: &str,
            ) -> sqlx::query::Query<'a, $driver, <$driver as sqlx::Database>::Arguments> {
                let placeholders: fn(&str) -> String = $placeholders;
                // The SQL consists of constants only; every value is bound.
                sqlx::query(AssertSqlSafe(placeholders(sql)))
            }

            fn token(row: &$rows) -> Result<TokenRecord> {
                Ok(TokenRecord {
                    id: row.try_get(0)?,
                    user: row.try_get(1)?,
                    digest: row.try_get(2)?,
                    label: row.try_get(3)?,
                    readonly: row.try_get(4)?,
                    cidrs: tokens::parse_cidrs(&row.try_get::<String, _>(5)?)?,
                    created: row.try_get(6)?,
                    expires: row.try_get(7)?,
                })
            }
        }
    };
}

#[cfg(feature = "backend-postgres")]
store! {
    /// The tables in a Postgres database.
    PostgresStore, postgres, "postgres", Postgres, PgRow,
    upsert: "INSERT INTO auth_profiles (name, profile) VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET profile = excluded.profile",
    placeholders: numbered, lock: None
}

#[cfg(feature = "backend-mysql")]
store! {
    /// The tables in a `MySQL` or `MariaDB` database.
    MysqlStore, mysql, "mysql", MySql, MySqlRow,
    upsert: "INSERT INTO auth_profiles (name, profile) VALUES (?, ?) \
             ON DUPLICATE KEY UPDATE profile = VALUES(profile)",
    placeholders: str::to_owned,
    // sqlx takes its own lock with a negative timeout: MySQL then waits forever, while
    // MariaDB does not wait at all and continues without the lock.
    lock: Some("SELECT GET_LOCK('demo_auth_schema', 15)")
}

/// Replaces each `?` with `$1`, `$2` and so on, as Postgres requires.
#[cfg(feature = "backend-postgres")]
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, number)| format!("{text}${number}{part}"))
}

#[cfg(all(test, feature = "backend-postgres"))]
mod tests {
    #[test]
    fn placeholders_are_numbered() {
        assert_eq!(super::numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(super::numbered("a"), "a");
    }
}
