//! The tables in Postgres and `MySQL`. The migrator runs under a lock of the
//! database, so that two instances may start at once.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

#[cfg(feature = "backend-postgres")]
pub fn postgres() -> Migrator {
    migrator(&[(
        "logins",
        "CREATE TABLE auth_users (
            name VARCHAR(100) PRIMARY KEY,
            hash VARCHAR(200) NOT NULL,
            created BIGINT NOT NULL
        );
        CREATE TABLE auth_profiles (name VARCHAR(100) PRIMARY KEY, profile TEXT NOT NULL);
        CREATE TABLE auth_tokens (
            id VARCHAR(40) PRIMARY KEY,
            user_name VARCHAR(100) NOT NULL,
            digest VARCHAR(64) NOT NULL,
            label VARCHAR(200),
            readonly BOOLEAN NOT NULL,
            cidrs TEXT NOT NULL,
            created BIGINT NOT NULL,
            expires BIGINT
        );
        CREATE INDEX auth_tokens_by_user ON auth_tokens (user_name);
        CREATE TABLE auth_lock (id INTEGER PRIMARY KEY);
        INSERT INTO auth_lock (id) VALUES (1)",
    )])
}

/// `MySQL` commits each statement that creates a table, so an interrupted step runs again
/// from its beginning. Every statement can therefore run twice.
#[cfg(feature = "backend-mysql")]
pub fn mysql() -> Migrator {
    const NAMES: &str = "CHARACTER SET ascii COLLATE ascii_bin";
    let migrations = [
        format!(
            "CREATE TABLE IF NOT EXISTS auth_users (
                name VARCHAR(100) {NAMES} PRIMARY KEY,
                hash VARCHAR(200) {NAMES} NOT NULL,
                created BIGINT NOT NULL
            ) ENGINE = InnoDB"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS auth_profiles (
                name VARCHAR(100) {NAMES} PRIMARY KEY,
                profile TEXT CHARACTER SET utf8mb4 NOT NULL
            ) ENGINE = InnoDB"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS auth_tokens (
                id VARCHAR(40) {NAMES} PRIMARY KEY,
                user_name VARCHAR(100) {NAMES} NOT NULL,
                digest VARCHAR(64) {NAMES} NOT NULL,
                label VARCHAR(200) CHARACTER SET utf8mb4,
                readonly BOOLEAN NOT NULL,
                cidrs TEXT {NAMES} NOT NULL,
                created BIGINT NOT NULL,
                expires BIGINT,
                INDEX auth_tokens_by_user (user_name)
            ) ENGINE = InnoDB"
        ),
        "CREATE TABLE IF NOT EXISTS auth_lock (id INTEGER PRIMARY KEY) ENGINE = InnoDB".to_owned(),
        "INSERT IGNORE INTO auth_lock (id) VALUES (1)".to_owned(),
    ];
    let steps: Vec<(&'static str, String)> =
        migrations.into_iter().map(|sql| ("logins", sql)).collect();
    migrator(&steps)
}

/// The steps in order, from version 1. sqlx refuses a database with unknown versions, or
/// with steps whose text has changed.
fn migrator<S: AsRef<str>>(steps: &[(&'static str, S)]) -> Migrator {
    let migration = |(version, (name, sql)): (i64, &(&'static str, S))| {
        let sql: SqlStr =
            sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(sql.as_ref().to_owned()));
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(steps).map(migration).collect());
    migrator.dangerous_set_table_name("auth_schema");
    migrator
}
