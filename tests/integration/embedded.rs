//! `--target embedded` and `demo sync`: a copy in a file, and all that can
//! happen to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use demo_test_support::processes::{kill_server, pid_in};
use demo_test_support::{Background, Demo, Project, until};

/// A data command on the embedded replica of the default namespace.
fn embedded(project: &Project, args: &[&str]) -> Demo {
    project.demo(args.iter().copied()).args(["--target", "embedded"])
}

fn one_synced(project: &Project) -> Value {
    let lines = project.demo(["sync", "-o", "json"]).success().json();
    assert_eq!(lines.as_array().unwrap().len(), 1, "{lines}");
    lines[0].clone()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn stop_primary(project: &Project) {
    let pid = pid_in(&project.local("run/standing/primary.pid"));
    kill_server(project.path(), pid);
}

/// A plain database of the project's own making.
fn plain_database(file: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = libsql::Builder::new_local(file).build().await.unwrap();
        let connection = database.connect().unwrap();
        connection.execute("CREATE TABLE items (id, label, created_at)", ()).await.unwrap();
        connection.execute("INSERT INTO items VALUES (7, 'mine', 'x')", ()).await.unwrap();
    });
}

#[test]
fn own_writes_are_seen_at_once_and_others_after_a_sync() {
    let project = Project::up(&[]);
    embedded(&project, &["count"]).says("no such table").fails(1).hint("demo init");
    embedded(&project, &["init"]).prints("").success();
    embedded(&project, &["insert", "--label", "own"]).prints("1\n").success();
    let offline = ["count", "--offline"];
    embedded(&project, &offline).prints("1\n").success();

    project.demo(["insert", "--label", "other"]).prints("2\n").success();
    embedded(&project, &offline).prints("1\n").success();
    embedded(&project, &["count", "--sync-interval", "1h"]).prints("1\n").success();
    let line = one_synced(&project);
    assert!(line["index_after"].as_u64() > line["index_before"].as_u64(), "{line}");
    assert!(line["frames"].as_u64() > Some(0), "{line}");
    assert_eq!(line["fetched_again"], Value::Null, "{line}");
    embedded(&project, &offline).prints("2\n").success();
    let again = one_synced(&project);
    assert_eq!(again["frames"], 0, "{again}");
    assert_eq!(again["index_before"], again["index_after"], "{again}");

    project.demo(["insert", "--label", "third"]).success();
    embedded(&project, &["count", "--sync-interval", "0"]).prints("3\n").success();
    project.demo(["insert", "--label", "fourth"]).success();
    embedded(&project, &["count", "-o", "json"]).prints("{\n  \"count\": 4\n}\n").success();
    let rows = embedded(&project, &["run", "--label", "fifth"]).success().json();
    assert_eq!(rows.as_array().unwrap().len(), 5);
    assert_eq!(project.demo(["read"]).success().json(), rows);
    assert_eq!(embedded(&project, &["read"]).success().json(), rows);

    let folder = project.local("embedded");
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name != "default.lock" {
            assert_eq!(mode(&entry.path()), 0o600, "{name}");
        }
    }
    sql(&project);
    bad_input(&project);
    project.demo(["down", "--volumes"]).says(".local/embedded").success();
    assert!(!folder.exists());
}

fn sql(project: &Project) {
    let text = "select null n, 9007199254740993 i, 1.5 r, 'a' || char(9) || 'b' t, x'00ff' b";
    let local = embedded(project, &["sql", "-o", "json", text]).success().json();
    assert_eq!(project.demo(["sql", "-o", "json", text]).success().json(), local);
    embedded(project, &["sql", "select id from items where 0"]).prints("id\n").success();
    embedded(project, &["sql", "select count(*) c from items"]).prints("c\n5\n").success();
    // Nothing of a script that writes runs here.
    let script = "create table s (x); insert into s values (1), (2); select 1";
    embedded(project, &["sql", "-o", "json", script]).prints("[]\n").success();
    embedded(project, &["sql", "--offline", "select count(*) c from s"]).prints("c\n2\n").success();
    let returning = "insert into s values (3) returning x";
    embedded(project, &["sql", "-o", "json", returning])
        .prints("[\n  {\n    \"x\": 3\n  }\n]\n")
        .success();
    project.demo(["sql", "select count(*) c from s"]).prints("c\n3\n").success();
    embedded(project, &["sql", "selec 1"]).says("syntax error").fails(1);
    embedded(project, &["sql", "select 1; select * from absent"]).says("no such table").fails(1);
    embedded(project, &["sql", "--offline", returning]).says("--offline").fails(2);
}

fn bad_input(project: &Project) {
    embedded(project, &["insert", "--label", "x", "--offline"]).fails(2).hint("--offline");
    embedded(project, &["count", "--sync-interval", "soon"]).says("write 30s").fails(2);
    embedded(project, &["count", "--sync-interval", "-1s"]).fails(2);
    embedded(project, &["count", "--offline", "--sync-interval", "1s"]).fails(2);
    embedded(project, &["count", "--offline", "--wait"]).fails(2);
    embedded(project, &["count", "--namespace", "../x"]).fails(2);
    embedded(project, &["count", "--namespace", "shop"]).fails(2).hint("--variant namespaced");
    embedded(project, &["auth-check"]).fails(2).hint("--target primary");
    project.demo(["count", "--offline"]).fails(2).hint("--target embedded");
    project.demo(["count", "--sync-interval", "1s"]).fails(2).hint("--target embedded");
    for target in ["primary", "replica"] {
        let arguments = ["count", "--target", target, "--url", "http://127.0.0.1:1"];
        project.demo(arguments).says("--url").fails(2);
    }
    embedded(project, &["count", "--url", "nonsense"]).fails(2);
    // No name that could not be a namespace's has left a file.
    let strange = |name: &str| !name.starts_with("default");
    let entries = fs::read_dir(project.local("embedded")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| strange(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn with_the_primary_away_reads_go_on_and_writes_do_not() {
    let project = Project::up(&[]);
    embedded(&project, &["run", "--label", "kept"]).success();
    stop_primary(&project);

    let said = embedded(&project, &["count"]).prints("1\n").says("as of the last sync").success();
    assert!(said.stderr.starts_with("warning   cannot connect to"), "{said:?}");
    let rows = embedded(&project, &["read"]).success().json();
    assert_eq!(rows[0]["label"], "kept");
    embedded(&project, &["sql", "select label from items"]).prints("label\nkept\n").success();
    embedded(&project, &["count", "--wait"]).fails(3);
    for arguments in [
        &["insert", "--label", "x"][..],
        &["init"],
        &["run", "--label", "x"],
        &["sql", "delete from items"],
    ] {
        let said = embedded(&project, arguments).says("cannot connect").fails(3);
        assert!(!said.stderr.contains("warning"), "{said:?}");
    }
    project.demo(["sync"]).says("cannot connect").fails(3);
    // Of another server there is no copy, and this one is kept.
    let nobody = format!("http://127.0.0.1:{}", project.ports()[1]);
    embedded(&project, &["count", "--url", &nobody]).says("the copy belonged to").fails(3);
    embedded(&project, &["count", "--offline"]).prints("1\n").success();

    // A crash makes the primary begin a new log.
    project.demo(["up"]).success();
    embedded(&project, &["count"]).prints("1\n").says("fetched again").success();
    embedded(&project, &["count"]).prints("1\n").success();
    project.demo(["cleanup"]).success();
    assert!(!project.local("embedded").exists());
}

#[test]
fn a_primary_that_hangs_is_away() {
    let project = Project::up(&[]);
    embedded(&project, &["run", "--label", "kept"]).success();
    let pid = pid_in(&project.local("run/standing/primary.pid"));
    let signal = |signal| {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    };
    signal(Signal::STOP);
    let said = embedded(&project, &["count"]).prints("1\n").success();
    assert!(said.stderr.contains("did not answer in time; reading"), "{said:?}");
    // With the wrong token too: only the server itself can refuse one.
    embedded(&project, &["count", "--token", "garbage"]).prints("1\n").success();
    project.demo(["sync"]).says("did not answer in time").fails(3);
    signal(Signal::CONT);
    embedded(&project, &["count", "--wait"]).prints("1\n").success();
}

#[test]
fn a_refused_token_is_told_as_such_and_soon() {
    let project = Project::up(&["namespaced"]);
    for name in ["shop", "blog"] {
        project.demo(["namespace", "create", name]).success();
        embedded(&project, &["run", "--label", name, "--namespace", name]).success();
    }
    let scoped = project.demo(["token", "mint", "--namespace", "blog"]).success();
    let reader = project.demo(["token", "mint", "--access", "ro"]).success();
    let (scoped, reader) = (scoped.text(), reader.text());
    let foreign = {
        let other = Project::without_server();
        other.demo(["setup"]).success();
        other.demo(["token", "mint"]).success().text().to_owned()
    };
    let count = |namespace: &str, token: &str| {
        embedded(&project, &["count"]).args(["--namespace", namespace, "--token", token])
    };
    count("blog", scoped).prints("1\n").success();
    let since = std::time::Instant::now();
    count("shop", scoped).says("not for namespace `shop`").fails(4).hint("--namespace shop");
    for token in [foreign.as_str(), "garbage", ""] {
        count("shop", token).says("refused the token").fails(4).hint("demo token inspect");
    }
    // The crate alone would need three seconds for each.
    assert!(since.elapsed().as_secs() < 8, "{:?}", since.elapsed());
    project.demo(["sync", "--namespace", "shop", "--token", scoped]).fails(4);
    count("absent", reader).says("no namespace `absent`").fails(5).hint("demo namespace create");

    count("shop", reader).prints("1\n").success();
    let insert = ["insert", "--label", "x", "--namespace", "shop", "--token", reader];
    embedded(&project, &insert).fails(4).hint("demo token inspect");
    let delete = ["sql", "delete from items", "--namespace", "shop", "--token", reader];
    embedded(&project, &delete).fails(4).hint("demo token inspect");
    // A server that is down is no refusal, whatever the token.
    stop_primary(&project);
    count("shop", "garbage").prints("1\n").says("cannot connect").success();

    project.demo(["up", "--variant", "namespaced"]).success();
    let lines = project.demo(["sync", "-o", "json"]).success().json();
    let names: Vec<_> = lines.as_array().unwrap().iter().map(|l| l["namespace"].clone()).collect();
    assert_eq!(names, [json!("blog"), json!("shop")]);
    let twice = ["sync", "--namespace", "shop", "--namespace", "shop"];
    let said = project.demo(twice).success();
    assert!(said.stdout.starts_with("shop      index "), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    let missing = ["sync", "--namespace", "absent", "-o", "json"];
    project.demo(missing).fails(5);

    recreated(&project);
}

fn recreated(project: &Project) {
    let shop = ["--namespace", "shop"];
    project.demo(["namespace", "delete", "shop"]).success();
    // Deleted rows are no longer shown.
    embedded(project, &["count"]).args(shop).says("no namespace `shop`").fails(5);
    project.demo(["namespace", "create", "shop"]).success();
    embedded(project, &["count"]).args(shop).says("no such table").fails(1);
    project.demo(["run", "--label", "new"]).args(shop).success();
    let rows = embedded(project, &["read"]).args(shop).success().json();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["label"]), (1, &json!("new")));
}

#[test]
fn a_file_that_is_no_good_copy_is_fetched_again() {
    let project = Project::up(&[]);
    embedded(&project, &["run", "--label", "good"]).success();
    let file = project.local("embedded/default.db");
    let meta = project.local("embedded/default.db-client_wal_index");
    let record = project.local("embedded/default.json");
    let good = |said: &str| {
        embedded(&project, &["count", "--offline"]).fails(5).hint("demo sync");
        embedded(&project, &["count", "--sync-interval", "1h"]).prints("1\n").says(said).success();
        let said = embedded(&project, &["count"]).prints("1\n").success();
        assert_eq!(said.stderr, "", "mended once: {said:?}");
    };

    fs::write(&file, "rubbish").unwrap();
    good("set aside");
    let half = fs::metadata(&file).unwrap().len() / 2;
    fs::File::options().write(true).open(&file).unwrap().set_len(half).unwrap();
    good("set aside");
    fs::remove_file(&meta).unwrap();
    good("set aside");
    fs::write(&meta, "short").unwrap();
    good("set aside");
    fs::remove_file(&record).unwrap();
    good("set aside");
    fs::write(&record, "{").unwrap();
    good("set aside");

    rotten(&project, &file);

    // Somebody's own rows are not lost.
    fs::remove_file(&file).unwrap();
    plain_database(&file);
    good("aside-7");
    let aside = project.local("embedded/default.aside-7");
    let kept = fs::read(&aside).unwrap();
    assert!(kept.windows(4).any(|window| window == b"mine"));

    // Without any of it there is simply no copy.
    fs::remove_dir_all(project.local("embedded")).unwrap();
    embedded(&project, &["count", "--offline"]).says("there is no copy").fails(5);
    embedded(&project, &["count"]).prints("1\n").success();
    // What stands in the way of the folder is an error, and stays.
    fs::remove_dir_all(project.local("embedded")).unwrap();
    project.write(".local/embedded", "a file");
    embedded(&project, &["count"]).says("embedded").fails(2);
    assert_eq!(project.read(".local/embedded"), "a file");
    fs::remove_file(project.local("embedded")).unwrap();
}

/// Damage that neither size nor time gives away: found by reading.
fn rotten(project: &Project, file: &Path) {
    let before = fs::metadata(file).unwrap();
    let mut bytes = fs::read(file).unwrap();
    // Past the header of the database: its schema.
    bytes[100..4096].fill(0xff);
    fs::write(file, bytes).unwrap();
    let opened = fs::File::options().write(true).open(file).unwrap();
    opened.set_modified(before.modified().unwrap()).unwrap();
    drop(opened);
    embedded(project, &["count", "--offline"]).says("is damaged").fails(1).hint("demo sync");
    let said = embedded(project, &["count", "--sync-interval", "1h"]).prints("1\n");
    said.says("fetched again: the file was damaged").success();
    embedded(project, &["count", "--offline"]).prints("1\n").success();
}

#[test]
fn a_primary_that_went_back_in_time_is_noticed() {
    let project = Project::up(&[]);
    project.demo(["run", "--label", "first"]).success();
    project.demo(["down"]).success();
    let (data, backup) = (project.local("data/primary"), project.join("backup"));
    copy(&data, &backup);
    project.demo(["up"]).success();
    for label in ["second", "third"] {
        embedded(&project, &["insert", "--label", label]).success();
    }
    embedded(&project, &["count", "--offline"]).prints("3\n").success();
    project.demo(["down"]).success();
    // The backup has the same log, which ends earlier: the crate sees no change.
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    project.demo(["up"]).success();
    embedded(&project, &["count"]).prints("1\n").says("the primary was reset").success();
    embedded(&project, &["count", "--offline"]).prints("1\n").success();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

#[test]
fn one_command_waits_for_another() {
    let project = Project::up(&[]);
    embedded(&project, &["init"]).success();
    let lock = fs::File::create(project.local("embedded/default.lock")).unwrap();
    lock.lock().unwrap();
    let arguments = ["insert", "--label", "waits", "--target", "embedded"];
    let mut waiting = Background::start(project.command(arguments));
    // Other replicas and servers are not kept waiting.
    project.demo(["count"]).prints("0\n").success();
    assert!(waiting.lives());
    drop(lock);
    assert_eq!(waiting.end().code(), Some(0));

    let mut many: Vec<Background> =
        (0..6).map(|_| Background::start(project.command(arguments))).collect();
    for one in &mut many {
        assert_eq!(one.end().code(), Some(0));
    }
    embedded(&project, &["count", "--offline"]).prints("7\n").success();
}

#[test]
fn a_sync_that_was_cut_off_is_taken_up_again() {
    let project = Project::up(&[]);
    project.demo(["init"]).success();
    // Some 10 MB in many transactions: long enough to be met in the middle.
    let row = "insert into items (label) select hex(randomblob(250000));";
    project.demo(["sql", "-"]).stdin(row.repeat(20)).success();
    let record = project.local("embedded/default.json");
    let syncing = || fs::read_to_string(&record).is_ok_and(|text| text.contains("\"marks\": null"));
    let mut sync = Background::start(project.command(["sync"]));
    until("the sync is under way", syncing);
    sync.signal(Signal::KILL);
    sync.end();
    assert!(syncing(), "it was not met in the middle");
    // Never whole, so not to be shown.
    embedded(&project, &["count", "--offline"]).says("there is no copy").fails(5);
    embedded(&project, &["count"]).prints("20\n").success();

    project.demo(["sql", "-"]).stdin(row.repeat(20)).success();
    let mut sync = Background::start(project.command(["sync"]));
    until("the sync is under way", syncing);
    sync.signal(Signal::KILL);
    sync.end();
    assert!(syncing(), "it was not met in the middle");
    let seen = embedded(&project, &["count", "--offline"]).success();
    let seen: u64 = seen.text().parse().unwrap();
    assert!((20..=40).contains(&seen), "whole transactions only: {seen}");
    embedded(&project, &["count"]).prints("40\n").success();
    embedded(&project, &["sql", "pragma integrity_check"])
        .prints("integrity_check\nok\n")
        .success();
}
