use super::*;

fn tenant(limits: Limits) -> Arc<Tenant> {
    Tenants::new(&limits, 1024).of(&"a".parse().unwrap())
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn few() -> Limits {
    Limits {
        requests_per_namespace: number(1),
        server_connections_per_namespace: number(2),
        web_sockets_per_namespace: number(1),
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn h1_streams_that_are_not_closed_are_counted_until_the_server_drops_them() {
    let tenant = tenant(few());
    for id in [1, 2] {
        let mut slot = tenant.stream(None).await.unwrap();
        slot.sent();
        slot.stays(StreamId(id));
    }
    let refused = tenant.stream(None).await.err().unwrap();
    assert_eq!(refused.status(), 429);
    // An open stream can be continued, and frees its connection when it is closed.
    let mut own = tenant.stream(Some(StreamId(1))).await.unwrap();
    own.sent();
    own.closed();
    drop(own);
    drop(tenant.stream(None).await.unwrap());
    let mut third = tenant.stream(None).await.unwrap();
    third.sent();
    // The answer never arrived, so the server may have opened the stream.
    drop(third);
    assert!(tenant.stream(None).await.is_err());
    tokio::time::advance(LOST).await;
    drop(tenant.stream(None).await.unwrap());
    tokio::time::advance(STREAM).await;
    let _both = (tenant.stream(None).await.unwrap(), tenant.stream(None).await.unwrap());
    assert!(tenant.stream(None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn h1_client_ids_share_the_budget_and_one_id_counts_once() {
    let tenant = tenant(few());
    for _ in 0..5 {
        tenant.client([1; 16]).await.unwrap();
    }
    tenant.client([2; 16]).await.unwrap();
    assert_eq!(tenant.client([3; 16]).await.unwrap_err().status(), 429);
    assert!(tenant.connect().await.is_err());
    tokio::time::advance(CLIENT).await;
    tenant.client([3; 16]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn h1_more_requests_run_at_once_while_they_are_quick_up_to_a_bound() {
    let limits = Limits { requests_per_namespace: number(2), ..few() };
    let tenant = tenant(limits);
    for _ in 0..20 {
        drop(tenant.execute().await.unwrap());
    }
    let mut all = Vec::new();
    for _ in 0..2 * GROWTH {
        all.push(tenant.execute().await.unwrap());
    }
    assert!(tenant.execute().await.is_err());
    // Slow requests undo what quick requests have gained.
    tokio::time::advance(SLOW).await;
    all.clear();
    let _two = (tenant.execute().await.unwrap(), tenant.execute().await.unwrap());
    assert!(tenant.execute().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn h1_a_request_over_a_limit_waits_for_a_moment() {
    let tenant = tenant(few());
    let first = tenant.execute().await.unwrap();
    assert!(tenant.execute().await.is_err());
    let waits = tokio::spawn({
        let tenant = tenant.clone();
        async move { tenant.execute().await.map(drop) }
    });
    tokio::time::advance(WAIT / 2).await;
    drop(first);
    waits.await.unwrap().unwrap();
    let socket = tenant.socket().unwrap();
    assert!(tenant.socket().is_err());
    drop(socket);
    assert!(tenant.socket().is_ok());
}

#[tokio::test]
async fn statements_are_counted_and_a_short_wait_comes_before_a_refusal() {
    let limits = Limits { per_namespace_per_second: number(5), burst: number(3), ..few() };
    let slow = tenant(limits);
    slow.admit(3).await.unwrap();
    let started = std::time::Instant::now();
    slow.admit(1).await.unwrap();
    assert!(started.elapsed() > Duration::from_millis(100), "it did not wait");
    assert_eq!(slow.admit(3).await.unwrap_err().status(), 429);
    // More statements than the burst count as the burst.
    let limits = Limits { per_namespace_per_second: number(5), burst: number(3), ..few() };
    tenant(limits).admit(100).await.unwrap();
}

#[test]
fn memory_is_bounded_and_namespaces_in_use_are_kept() {
    let tenants = Tenants::new(&few(), 1024);
    let first = tenants.of(&"first".parse().unwrap());
    for number in 0..=2 * MANY {
        tenants.of(&format!("n{number}").parse().unwrap());
    }
    assert!(tenants.all.read().unwrap().len() <= MANY + 1);
    assert!(Arc::ptr_eq(&first, &tenants.of(&"first".parse().unwrap())));
}
